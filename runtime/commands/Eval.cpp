//===- Eval.cpp - accuracy of weights on a data set -----------------------===//
#include "runtime/CpuFeatures.h"
#include "runtime/Error.h"
#include "runtime/Evaluate.h"
#include "runtime/Progress.h"
#include "runtime/Scaling.h"
#include "runtime/commands/Commands.h"
#include "runtime/data/Loader.h"

#include <nlohmann/json.hpp>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static std::string className(const WeightsMetadata &metadata, const Dataset &data, size_t index) {
  for (const auto *names : {&metadata.classes, &data.classNames()})
    if (index < names->size())
      return (*names)[index];
  return std::to_string(index);
}

static Json describe(const Accuracy &accuracy, const WeightsMetadata &metadata,
                     const Dataset &data) {
  Json json = {{"images", accuracy.images}, {"top1", accuracy.top1()}, {"top5", accuracy.top5()},
               {"loss", accuracy.loss()},   {"corrupt", accuracy.corrupt}};
  json["classes"] = Json::array();
  for (size_t c = 0; c < accuracy.classImages.size(); ++c)
    if (accuracy.classImages[c])
      json["classes"].push_back({{"class", c},
                                 {"label", className(metadata, data, c)},
                                 {"images", accuracy.classImages[c]},
                                 {"top1", double(accuracy.classCorrect[c]) /
                                              double(accuracy.classImages[c])}});
  return json;
}

int runEval(const NetcModel &model, const EvalOptions &options) {
  ModelInfo info = readModel(model);
  requireCpuFeatures(info.name, info.features);
  Recipe recipe = parseRecipe(info, {});
  DataShape shape{info.channels, info.height, info.width, info.classes};
  std::string path = weightsPath(options.weights);
  Safetensors file = Safetensors::read(path);
  WeightsMetadata metadata = WeightsMetadata::decode(file);
  bool folders = metadata.data == "imagefolder";
  auto data = openEvaluation(options.data, true, shape,
                             folders ? metadata.classes : std::vector<std::string>());

  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  loadWeights(file, executor, false);
  Pipeline pipeline = Pipeline::forEvaluation(
      recipe, info, scalingForEvaluation(recipe, info, metadata, path),
      {data->imageHeight(), data->imageWidth()}, options.crops);
  int64_t batch = options.batch.value_or(recipe.batch);
  executor.reserve(batch, false, Loader::copies + 1);

  unsigned workers = options.workers ? options.workers : defaultWorkers(*data, info);
  Progress progress;
  Accuracy accuracy =
      evaluate(executor, *data, pipeline, batch, workers, [&](int64_t done) {
        progress.show("evaluating", done, data->size(), "");
        return true;
      });
  progress.clear();
  if (accuracy.images == 0)
    fail("{}: none of the {} images can be read", options.data, data->size());
  if (options.json) {
    fmt::print("{}\n", describe(accuracy, metadata, *data).dump(2));
    return 0;
  }
  fmt::print("{} images: top-1 {:.2f}%, top-5 {:.2f}%, loss {:.4f}\n", accuracy.images,
             accuracy.top1() * 100, accuracy.top5() * 100, accuracy.loss());
  if (accuracy.corrupt)
    fmt::print("{} images could not be read and are not counted\n", accuracy.corrupt);
  return 0;
}

} // namespace netc::runtime
