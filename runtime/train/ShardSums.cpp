//===- ShardSums.cpp - one batch from its shards --------------------------===//
#include "runtime/train/ShardSums.h"

#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"

#include <algorithm>

namespace netc::runtime {

static constexpr int64_t figureCount = 7;

/// As numbers that can be added; counts are exact in a double.
static std::vector<double> packed(const StepFigures &of) {
  return {of.loss,
          double(of.correct),
          double(of.quality.correct),
          double(of.quality.scored),
          of.quality.absolute,
          double(of.quality.values),
          double(of.stops)};
}

static StepFigures unpacked(const double *from) {
  StepFigures figures;
  figures.loss = from[0];
  figures.correct = int64_t(from[1]);
  figures.quality = {int64_t(from[2]), int64_t(from[3]), from[4], int64_t(from[5])};
  figures.stops = int64_t(from[6]);
  return figures;
}

static ShardRun runOf(const Communicator &communicator, int64_t shards) {
  int64_t processes = communicator.size();
  if (shards % processes)
    fail("{} processes cannot share the {} of a batch: their number must divide it; choose another "
         "number of processes, or --shards",
         processes, counted(shards, "shard"));
  int64_t own = shards / processes;
  return {shards, own * communicator.rank(), own};
}

static std::vector<const ParameterInfo *> statisticsOf(const ModelInfo &info) {
  std::vector<const ParameterInfo *> result;
  for (const ParameterInfo &parameter : info.parameters)
    if (!parameter.trainable)
      result.push_back(&parameter);
  return result;
}

static int64_t elementsOf(const std::vector<const ParameterInfo *> &parameters) {
  int64_t elements = 0;
  for (const ParameterInfo *parameter : parameters)
    elements += parameter->elements();
  return elements;
}

static int64_t gradientElements(const NetcModel &model) {
  return int64_t(model.parameter_bytes / sizeof(float));
}

ShardSums::ShardSums(Executor &executor, Communicator &communicator, int64_t shards)
    : executor(executor), communicator(communicator), run(runOf(communicator, shards)),
      statistics(statisticsOf(executor.info())), statisticElements(elementsOf(statistics)),
      gradientSums(run, gradientElements(executor.model())), statisticSums(run, statisticElements),
      figureSums(run, figureCount) {}

/// Sums of running statistics are left out: they are a thousandth of the gradients'.
uint64_t ShardSums::bytes(const NetcModel &model, ShardRun run) {
  return run.shards == 1 ? 0 : TreeSum<float>::bytes(run, gradientElements(model));
}

void ShardSums::allocate() {
  if (run.shards == 1)
    return;
  if (uint64_t available = availableMemory(); bytes() > available)
    fail("the sums over {} take {}, only {} available: fewer --shards take less",
         counted(run.shards, "shard"), describeBytes(bytes()), shortBytes(available));
  gradientSums.allocate();
  statisticSums.allocate();
  figureSums.allocate();
  before.resize(size_t(statisticElements));
  after.resize(size_t(statisticElements));
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
  if (run.shards == 1)
    return;
  gradientSums.begin();
  statisticSums.begin();
  figureSums.begin();
  copyStatistics(executor, statistics, before, /*toExecutor=*/false);
}

void ShardSums::take(int64_t images, const StepFigures &of) {
  ThreadPool &pool = executor.threads();
  figureSums.add(packed(of).data(), 1, pool);
  if (images == 0) {
    gradientSums.add(nullptr, 0, pool);
    statisticSums.add(nullptr, 0, pool);
    return;
  }
  float share = float(double(images) / double(batchImages));
  gradientSums.add(executor.at<float>(NETC_SPACE_GRADIENTS), share, pool);
  copyStatistics(executor, statistics, after, /*toExecutor=*/false);
  statisticSums.add(after.data(), 1, pool);
  copyStatistics(executor, statistics, before, /*toExecutor=*/true);
}

StepFigures ShardSums::finish() {
  const float *gradients = gradientSums.finish(communicator);
  std::copy_n(gradients, gradientElements(executor.model()),
              executor.at<float>(NETC_SPACE_GRADIENTS));
  const float *sums = statisticSums.finish(communicator);
  float filled = float(std::min(run.shards, batchImages)); // shards that have images
  std::transform(sums, sums + statisticElements, after.begin(),
                 [&](float sum) { return sum / filled; });
  copyStatistics(executor, statistics, after, /*toExecutor=*/true);
  return unpacked(figureSums.finish(communicator));
}

} // namespace netc::runtime
