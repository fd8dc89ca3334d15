//===- ShardSums.cpp - one batch from its shards --------------------------===//
#include "runtime/train/ShardSums.h"

#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"

#include <algorithm>

namespace netc::runtime {

static constexpr int64_t figureCount = 6;

/// As numbers that can be added; counts are exact in a double.
static std::vector<double> packed(const StepFigures &of) {
  return {of.loss,
          double(of.correct),
          double(of.quality.correct),
          double(of.quality.scored),
          of.quality.absolute,
          double(of.quality.values)};
}

static StepFigures unpacked(const std::vector<double> &from) {
  StepFigures figures;
  figures.loss = from[0];
  figures.correct = int64_t(from[1]);
  figures.quality = {int64_t(from[2]), int64_t(from[3]), from[4], int64_t(from[5])};
  return figures;
}

ShardSums::ShardSums(Executor &executor, Communicator &communicator, int64_t shards)
    : executor(executor), communicator(communicator), shards(shards) {
  if (shards % communicator.size())
    fail("{} processes cannot share the {} of a batch: their number must divide it",
         communicator.size(), counted(shards, "shard"));
  for (const ParameterInfo &parameter : executor.info().parameters)
    if (!parameter.trainable) {
      statistics.push_back(&parameter);
      statisticElements += parameter.elements();
    }
  figures.assign(size_t(own()), std::vector<double>(figureCount));
  if (shards == 1)
    return;
  gradients.assign(size_t(own()),
                   std::vector<float>(executor.model().parameter_bytes / sizeof(float)));
  after.assign(size_t(own()), std::vector<float>(size_t(statisticElements)));
  before.resize(size_t(statisticElements));
}

/// Copies all statistics, one after the other, between the executor and `values`.
static void copyStatistics(const Executor &executor,
                           const std::vector<const ParameterInfo *> &statistics,
                           std::vector<float> &values, bool toExecutor) {
  float *next = values.data();
  for (const ParameterInfo *parameter : statistics) {
    float *place = executor.parameter(*parameter);
    int64_t count = parameter->elements();
    toExecutor ? std::copy_n(next, count, place) : std::copy_n(place, count, next);
    next += count;
  }
}

void ShardSums::begin(int64_t images) {
  batchImages = images;
  if (shards == 1)
    return;
  copyStatistics(executor, statistics, before, /*toExecutor=*/false);
  // Of shards without images, which no step fills.
  for (int64_t i = 0; i < own(); ++i) {
    std::fill(gradients[size_t(i)].begin(), gradients[size_t(i)].end(), 0.0f);
    std::fill(after[size_t(i)].begin(), after[size_t(i)].end(), 0.0f);
    std::fill(figures[size_t(i)].begin(), figures[size_t(i)].end(), 0.0);
  }
}

void ShardSums::take(int64_t index, int64_t images, const StepFigures &of) {
  figures[size_t(index)] = packed(of);
  if (shards == 1)
    return;
  float share = float(double(images) / double(batchImages));
  const float *values = executor.at<float>(NETC_SPACE_GRADIENTS);
  std::vector<float> &own = gradients[size_t(index)];
  for (size_t i = 0; i < own.size(); ++i)
    own[i] = share * values[i];
  copyStatistics(executor, statistics, after[size_t(index)], /*toExecutor=*/false);
  copyStatistics(executor, statistics, before, /*toExecutor=*/true);
}

template <typename T>
std::vector<T *> ShardSums::placesOf(std::vector<std::vector<T>> &shardValues) const {
  std::vector<T *> places;
  for (std::vector<T> &values : shardValues)
    places.push_back(values.data());
  return places;
}

StepFigures ShardSums::finish() {
  if (shards == 1)
    return unpacked(figures[0]);
  communicator.sumShards(placesOf(gradients), shards, int64_t(gradients[0].size()));
  communicator.sumShards(placesOf(after), shards, statisticElements);
  communicator.sumShards(placesOf(figures), shards, figureCount);
  std::copy(gradients[0].begin(), gradients[0].end(), executor.at<float>(NETC_SPACE_GRADIENTS));
  float filled = float(std::min(shards, batchImages)); // shards that have images
  for (float &value : after[0])
    value /= filled;
  copyStatistics(executor, statistics, after[0], /*toExecutor=*/true);
  return unpacked(figures[0]);
}

} // namespace netc::runtime
