//===- Scaling.cpp - which normalisation a run uses -----------------------===//
#include "runtime/data/Scaling.h"

#include "runtime/base/Error.h"
#include "runtime/data/Statistics.h"

#include <algorithm>

namespace netc::runtime {

static const Transform *findMeanSubtraction(const Recipe &recipe) {
  for (const Transform &transform : recipe.augment)
    if (transform.kind == TransformKind::SubtractMean)
      return &transform;
  return nullptr;
}

static bool computesColors(const Recipe &recipe) {
  return std::any_of(recipe.augment.begin(), recipe.augment.end(), [](const Transform &transform) {
    return transform.kind == TransformKind::PcaJitter && transform.values.empty();
  });
}

static void spread(std::vector<float> &values, int channels) {
  if (values.size() == 1)
    values.resize(size_t(channels), values[0]);
}

static bool holds(const WeightsMetadata &stored, const StatisticsRequest &request) {
  return !(request.moments && stored.mean.empty()) &&
         !(request.pixelMean && stored.pixelMean.empty()) &&
         !(request.colors && stored.pcaValues.empty());
}

/// Statistics are computed of red, green, blue.
static void reverseChannels(PixelScaling &scaling) {
  for (std::vector<float> *values : {&scaling.mean, &scaling.std, &scaling.pixelMean}) {
    size_t plane = values->size() / 3;
    if (values->size() == 3 * plane)
      std::swap_ranges(values->begin(), values->begin() + int64_t(plane),
                       values->begin() + int64_t(2 * plane));
  }
}

/// What a file stores must fit the model: its numbers are read by channel and by pixel.
static void checkSizes(const PixelScaling &stored, const ModelInfo &info, const std::string &file) {
  if (!stored.mean.empty() && int(stored.mean.size()) != info.channels)
    fail("{}: metadata normalises {} channels, the model's input has {}", file, stored.mean.size(),
         info.channels);
  if (!stored.pixelMean.empty() && int64_t(stored.pixelMean.size()) != info.inputElements())
    fail("{}: metadata holds a mean image of {} values, the model's input has {}", file,
         stored.pixelMean.size(), info.inputElements());
  if (!stored.pcaValues.empty() && int(stored.pcaValues.size()) != info.channels)
    fail("{}: metadata holds {} colour components, the model's input has {} channels", file,
         stored.pcaValues.size(), info.channels);
}

PixelScaling scalingForTraining(const Recipe &recipe, const ModelInfo &info, const Dataset &data,
                                const std::vector<int64_t> &samples, unsigned workers,
                                const WeightsMetadata *stored) {
  const Transform *subtract = findMeanSubtraction(recipe);
  StatisticsRequest request;
  request.moments = recipe.normalize.automatic || (subtract && !subtract->perPixel);
  request.pixelMean = subtract && subtract->perPixel;
  request.colors = computesColors(recipe);
  if (stored && holds(*stored, request)) {
    PixelScaling scaling{stored->mean,      stored->std,        stored->pixelMean,
                         stored->pcaValues, stored->pcaVectors, recipe.normalize.bgr};
    checkSizes(scaling, info, "checkpoint");
    return scaling;
  }
  PixelScaling scaling;
  if (request.moments || request.pixelMean || request.colors)
    scaling = computeStatistics(data, samples, info, request, workers);
  scaling.bgr = recipe.normalize.bgr;
  if (scaling.bgr && info.channels == 3)
    reverseChannels(scaling);
  if (subtract && !recipe.normalize.automatic)
    std::fill(scaling.std.begin(), scaling.std.end(), 1.0f);
  if (request.pixelMean && recipe.normalize.automatic)
    std::fill(scaling.mean.begin(), scaling.mean.end(), 0.0f); // gone with the mean image
  if (!recipe.normalize.mean.empty()) {
    scaling.mean = recipe.normalize.mean;
    scaling.std = recipe.normalize.std;
  }
  spread(scaling.mean, info.channels);
  spread(scaling.std, info.channels);
  return scaling;
}

PixelScaling scalingForEvaluation(const Recipe &recipe, const ModelInfo &info,
                                  const WeightsMetadata &metadata, const std::string &weights) {
  PixelScaling scaling;
  const Normalization &written = recipe.normalize;
  bool byRecipe = written.valuesSet || metadata.mean.empty();
  scaling.mean = byRecipe ? written.mean : metadata.mean;
  scaling.std = byRecipe ? written.std : metadata.std;
  scaling.pixelMean = metadata.pixelMean;
  bool orderByRecipe = written.orderSet || metadata.order.empty();
  scaling.bgr = orderByRecipe ? written.bgr : metadata.order == "bgr";
  spread(scaling.mean, info.channels);
  spread(scaling.std, info.channels);
  checkSizes(scaling, info, weights);
  bool computed = recipe.normalize.automatic || findMeanSubtraction(recipe);
  if (computed && metadata.mean.empty() && metadata.pixelMean.empty())
    warn(fmt::format("{} stores no mean and standard deviation, though the recipe computes them "
                     "from the training set: pixels stay in 0..1",
                     weights));
  return scaling;
}

} // namespace netc::runtime
