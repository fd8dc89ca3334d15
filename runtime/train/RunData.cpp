//===- RunData.cpp - the images that a training run reads -----------------===//
#include "runtime/train/RunData.h"

#include "runtime/base/Error.h"
#include "runtime/data/ClassLabels.h"
#include "runtime/data/Scaling.h"
#include "runtime/evaluate/Evaluate.h"

#include <algorithm>
#include <iterator>

namespace netc::runtime {

static Pipeline::SourceSize sizeOf(const Dataset &data) {
  return {data.imageHeight(), data.imageWidth()};
}

RunData::RunData(const TrainOptions &options, const ModelInfo &info, const Recipe &recipe,
                 bool isRoot)
    : training(openDataset(options.data, Split::Train, dataShape(info))),
      validation(openEvaluation(options.val.empty() ? options.data : options.val,
                                !options.val.empty(), dataShape(info), training->classNames(),
                                options.val.empty() ? "--data" : "--val")),
      samples(spreadSamples(training->size(), recipe.limit)),
      workers(options.workers ? options.workers : defaultWorkers(*training, info)), corrupt(isRoot),
      corruptValidation(isRoot), options(options), info(info), recipe(recipe) {
  if (validation)
    validated = spreadSamples(validation->size(), recipe.validationLimit);
}

const std::string &RunData::validationName() const {
  return options.val.empty() ? options.data : options.val;
}

/// What a recipe does to images cannot be done to tensors: they are taken as they are.
void RunData::requirePlainRecipe() const {
  if (!recipe.augment.empty() || !recipe.eval.empty())
    fail("{} data are not images: the recipe's augment and eval cannot be applied to them",
         options.data);
  bool normalizes = recipe.normalize.automatic || !recipe.normalize.mean.empty();
  if (recipe.written && normalizes)
    fail("{} data are taken as they are: leave the recipe's normalize out", options.data);
}

static bool mixesImages(const Transform &transform) {
  return transform.kind == TransformKind::Mixup || transform.kind == TransformKind::Cutmix;
}

void RunData::checkRecipe() const {
  if (training->isTensors())
    requirePlainRecipe();
  if (!info.softLabels && std::any_of(recipe.augment.begin(), recipe.augment.end(), mixesImages))
    fail("recipe: mixup and cutmix need a loss on mixed labels, which {} was not compiled with",
         info.name);
  if (info.inputs.size() > 1 &&
      std::any_of(recipe.augment.begin(), recipe.augment.end(), mixesImages))
    fail("recipe: mixup and cutmix mix images alone, but {} takes {}", info.name,
         describeTensors(info.inputs));
}

LoaderOptions RunData::loaderOptions() {
  LoaderOptions loading;
  loading.batch = recipe.batch;
  loading.workers = workers;
  loading.seed = recipe.seed;
  loading.training = true;
  loading.softLabels = info.softLabels;
  loading.corrupt = &corrupt;
  std::copy_if(recipe.augment.begin(), recipe.augment.end(), std::back_inserter(loading.mix),
               mixesImages);
  return loading;
}

std::vector<Visit> RunData::order(int64_t epoch) const {
  std::vector<int64_t> shuffled =
      shuffledOrder(int64_t(samples.size()), recipe.seed, uint32_t(epoch));
  int visits = 1;
  for (const Transform &transform : recipe.augment)
    if (transform.kind == TransformKind::Repeated)
      visits = transform.count;
  // Repeated augmentation (Hoffer et al. 2020): as many steps, of fewer images.
  std::vector<Visit> order;
  for (size_t i = 0; order.size() < samples.size(); ++i)
    for (int view = 0; view < visits && order.size() < samples.size(); ++view)
      order.push_back({samples[size_t(shuffled[i])], view});
  return order;
}

void RunData::prepare(const WeightsMetadata *stored, const RunOutput &output) {
  if (!training->isTensors())
    scaling = scalingForTraining(recipe, info, *training, samples, workers, stored);
  augment = training->isTensors() ? Pipeline::forTensors(info)
                                  : Pipeline::forTraining(recipe, info, scaling, sizeOf(*training));
  if (validation)
    evaluation = validation->isTensors()
                     ? Pipeline::forTensors(info)
                     : Pipeline::forEvaluation(recipe, info, scaling, sizeOf(*validation), 1);
  if (auto written = augment->writtenFor(); written.height)
    output.note(fmt::format("the recipe's sizes are written for {}x{}; scaled to the input's {}x{}",
                            written.height, written.width, info.height, info.width));
}

WeightsMetadata RunData::metadata() const {
  return {info.name,         training->kind(),   training->classNames(),
          scaling.mean,      scaling.std,        scaling.pixelMean,
          scaling.pcaValues, scaling.pcaVectors, scaling.bgr ? "bgr" : ""};
}

void RunData::describe(RunOutput &output) const {
  if (info.classifies())
    output.print("{}\n", describeClasses(*training, samples, info.classes));
  if (validation)
    output.print("validation: {} of {} images ({})\n", validated.size(), validation->size(),
                 validationName());
  else
    output.note(fmt::format("{} has no validation images: name some with --val", options.data));
}

void RunData::warnOfCorrupt(const RunOutput &output) const {
  if (int64_t count = corrupt.count())
    output.warn(fmt::format("{} of {} training images could not be read: others stood in for them",
                            count, training->size()));
  if (int64_t count = corruptValidation.count())
    output.warn(fmt::format("{} of {} validation images could not be read and are not counted",
                            count, validated.size()));
}

std::string RunData::trainingText() const {
  return fmt::format("{}: {} of {} images", options.data, samples.size(), training->size());
}

std::string RunData::validationText() const {
  if (!validation)
    return "none";
  return fmt::format("{}: {} of {} images", validationName(), validated.size(), validation->size());
}

} // namespace netc::runtime
