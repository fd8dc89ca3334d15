//===- Predict.cpp - classes of image files -------------------------------===//
#include "runtime/AtomicFile.h"
#include "runtime/CpuFeatures.h"
#include "runtime/Error.h"
#include "runtime/Evaluate.h"
#include "runtime/Scaling.h"
#include "runtime/commands/Commands.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <sstream>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static std::vector<std::string> readLabels(const std::string &path, int64_t classes) {
  std::istringstream lines(readFile(path));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r'))
      line.pop_back();
    names.push_back(line);
  }
  while (!names.empty() && names.back().empty())
    names.pop_back();
  if (int64_t(names.size()) != classes)
    fail("{}: {} class names, the model has {} classes", path, names.size(), classes);
  return names;
}

namespace {
struct Guess {
  int64_t index;
  std::string label;
  double probability;
};
} // namespace

static std::vector<Guess> bestGuesses(const float *logits, int64_t classes, int top,
                                      const std::vector<std::string> &names) {
  std::vector<double> probabilities(static_cast<size_t>(classes));
  softmax(logits, classes, probabilities.data());
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    double p = probabilities[size_t(a)], q = probabilities[size_t(b)];
    return p != q ? p > q : a < b;
  });
  std::vector<Guess> guesses;
  for (int64_t i = 0; i < std::min<int64_t>(top, classes); ++i) {
    size_t c = size_t(order[size_t(i)]);
    guesses.push_back(
        {int64_t(c), c < names.size() ? names[c] : std::to_string(c), probabilities[c]});
  }
  return guesses;
}

static void printGuesses(const std::string &image, const std::vector<Guess> &guesses) {
  fmt::print("{}\n", image);
  for (const Guess &guess : guesses)
    fmt::print("  {:6.2f}%  {}\n", guess.probability * 100, guess.label);
}

static Json describe(const std::string &image, const std::vector<Guess> &guesses) {
  Json json = {{"image", image}, {"predictions", Json::array()}};
  for (const Guess &guess : guesses)
    json["predictions"].push_back({{"class", guess.index},
                                   {"label", guess.label},
                                   {"probability", guess.probability}});
  return json;
}

int runPredict(const NetcModel &model, const PredictOptions &options) {
  ModelInfo info = readModel(model);
  requireCpuFeatures(info.name, info.features);
  Recipe recipe = parseRecipe(info, {});
  std::string path = weightsPath(options.weights);
  Safetensors file = Safetensors::read(path);
  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  loadWeights(file, executor, false);
  WeightsMetadata metadata = WeightsMetadata::decode(file);
  std::vector<std::string> names = metadata.classes;
  if (!options.labels.empty())
    names = readLabels(options.labels, info.classes);
  Pipeline pipeline = Pipeline::forEvaluation(
      recipe, info, scalingForEvaluation(recipe, info, metadata, path), {}, 1);
  executor.reserve(1, false);
  executor.run(Program::Prepare, 1);

  Json results = Json::array();
  AugmentWorkspace workspace;
  int failed = 0;
  for (const std::string &image : options.images) {
    // A file that does not decode is told and the others go on.
    try {
      pipeline.apply(
          [&](const ScaleChooser &choose, Image &out) {
            decodeImage(image, readFile(image), choose, out);
          },
          0, 0, 0, workspace, executor.at<float>(NETC_SPACE_INPUT));
    } catch (const Error &error) {
      std::fflush(stdout);
      fmt::print(stderr, "error: {}\n", error.what());
      ++failed;
      continue;
    }
    executor.run(Program::Infer, 1);
    auto guesses =
        bestGuesses(executor.at<float>(NETC_SPACE_OUTPUT), info.classes, options.top, names);
    if (options.json)
      results.push_back(describe(image, guesses));
    else
      printGuesses(image, guesses);
  }
  if (options.json)
    fmt::print("{}\n", results.dump(2));
  return failed ? 1 : 0;
}

} // namespace netc::runtime
