//===- ShardSums.cpp - one batch from its shards --------------------------===//
#include "runtime/train/ShardSums.h"

#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/exec/GradientBuckets.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace netc::runtime {

static constexpr int64_t figureCount = 7;

// Gradients that are added over processes together: enough that the start of a message does not
// count, and no more than keeps a process's part in a cache.
static constexpr uint64_t leastPieceBytes = uint64_t(4) << 20;
static constexpr int64_t mostPieceValues = int64_t(2) << 20;

namespace {
/// Adds its lifetime to `seconds`.
class Stopwatch {
public:
  explicit Stopwatch(double &seconds) : seconds(seconds) {}
  ~Stopwatch() { seconds += std::chrono::duration<double>(Clock::now() - start).count(); }
  Stopwatch(const Stopwatch &) = delete;

private:
  using Clock = std::chrono::steady_clock;
  double &seconds;
  const Clock::time_point start = Clock::now();
};
} // namespace

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

ShardSums::ShardSums(Executor &executor, Communicator &communicator, int64_t shards,
                     bool gradientsInBf16)
    : executor(executor), communicator(communicator), run(runOf(communicator, shards)),
      gradientsInBf16(gradientsInBf16), statistics(statisticsOf(executor.info())),
      statisticElements(elementsOf(statistics)), statisticSums(run, statisticElements),
      figureSums(run, figureCount) {}

/// Sums of running statistics are left out: they are a thousandth of the gradients'.
uint64_t ShardSums::bytes(const NetcModel &model, ShardRun run) {
  return run.shards == 1 ? 0 : TreeSum<float>::bytes(run, gradientElements(model));
}

bool ShardSums::areOnDevice() const { return executor.device().makesSums(communicator); }

/// Statistics are one piece.
void ShardSums::allocateOnDevice() {
  deviceGradients =
      executor.device().sums({NETC_SPACE_GRADIENTS, run, pieces, gradientsInBf16}, communicator);
  SumPiece piece;
  for (const ParameterInfo *parameter : statistics) {
    auto begin = int64_t(parameter->offset / sizeof(float));
    piece.ranges.push_back({begin, begin + parameter->elements()});
  }
  if (!statistics.empty())
    deviceStatistics =
        executor.device().sums({NETC_SPACE_PARAMETERS, run, {piece}, false}, communicator);
}

void ShardSums::allocate() {
  if (gradientsInBf16 && run.shards == 1)
    fail("--reduce bf16 is for sums over shards, but a batch is in one: give --shards");
  if (gradientsInBf16 && !areOnDevice())
    fail("--reduce bf16 is for sums that GPUs make (--target cuda, several processes with --comm "
         "nccl); those of this run are made on the processor");
  if (run.shards == 1)
    return;
  if (areOnDevice()) {
    makePieces();
    figureSums.allocate();
    return allocateOnDevice();
  }
  if (uint64_t available = availableMemory(); bytes() > available)
    fail("the sums over {} take {}, only {} available: fewer --shards take less",
         counted(run.shards, "shard"), describeBytes(bytes()), shortBytes(available));
  makePieces();
  watch.after = [this](uint64_t command) {
    while (begun < pieces.size() && pieces[begun].command <= command)
      beginPiece(executor.at<float>(NETC_SPACE_GRADIENTS), watchedShare);
    Stopwatch stopwatch(seconds);
    communicator.advanceSums();
    return true;
  };
  gradientSums.emplace(run, places.back());
  gradientSums->allocate();
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

/// The order is that of the ordinary step: processes may use different versions of it.
void ShardSums::makePieces() {
  const NetcModel &model = executor.model();
  GradientWrites writes(model, executor.table(Program::Step));
  for (const GradientBucket &bucket :
       gradientBuckets(model, model.step, executor.info(), leastPieceBytes)) {
    uint64_t command = 0;
    std::vector<ValueRange> ranges;
    int64_t size = 0;
    auto end = [&] {
      if (size)
        pieces.push_back({std::exchange(ranges, {}), command});
      size = 0;
    };
    for (GradientBucket::Range range : bucket.ranges) {
      command = std::max(command, writes.last(range));
      for (int64_t at = range.begin; at < range.end;) {
        int64_t next = std::min(range.end, at + mostPieceValues - size);
        ranges.push_back({at, next});
        size += next - at;
        at = next;
        if (size == mostPieceValues)
          end();
      }
    }
    end();
  }
  int64_t place = 0, processes = communicator.size();
  for (const SumPiece &piece : pieces) {
    places.push_back(place);
    for (const ValueRange &range : piece.ranges)
      place += range.size();
    place = places.back() + (place - places.back() + processes - 1) / processes * processes;
  }
  places.push_back(place);
}

void ShardSums::begin(int64_t images) {
  batchImages = images;
  begun = 0;
  taken = 0;
  if (run.shards == 1)
    return;
  isTakenDuring = false;
  figureSums.begin();
  if (deviceGradients)
    deviceGradients->begin();
  if (deviceStatistics) {
    deviceStatistics->begin();
    deviceStatistics->keep();
  }
  if (deviceGradients)
    return;
  gradientSums->begin();
  statisticSums.begin();
  copyStatistics(executor, statistics, before, /*toExecutor=*/false);
}

float ShardSums::shareOf(int64_t images) const {
  return float(double(images) / double(batchImages));
}

void ShardSums::addPiece(size_t piece, const float *gradients, float share) {
  int64_t place = places[piece];
  for (const ValueRange &range : pieces[piece].ranges) {
    gradientSums->addPart(gradients, share, range, place, executor.threads());
    place += range.size();
  }
}

/// The next piece of the last shard: added here, then over processes. `gradients` null: zeros.
void ShardSums::beginPiece(const float *gradients, float share) {
  size_t piece = begun++;
  addPiece(piece, gradients, share);
  Stopwatch stopwatch(seconds);
  std::vector<float *> own;
  for (float *sums : gradientSums->ownSums())
    own.push_back(sums + places[piece]);
  communicator.beginSum(own, run.shards, places[piece + 1] - places[piece]);
}

/// On a device that does not make the sums a step's launches are not interrupted.
const Watch *ShardSums::watchNext(int64_t images) {
  if (deviceGradients && communicator.size() > 1 && taken + 1 == run.own) {
    deviceGradients->takeDuring(shareOf(images));
    isTakenDuring = true;
  }
  if (communicator.size() == 1 || taken + 1 < run.own || !executor.device().usesMachineMemory() ||
      executor.table(Program::Step).section_count > 1)
    return nullptr;
  watchedShare = shareOf(images);
  return &watch;
}

void ShardSums::takeOnDevice(int64_t images, bool isLast) {
  if (!isLast || !isTakenDuring)
    deviceGradients->take(shareOf(images), images > 0);
  if (!deviceStatistics)
    return;
  deviceStatistics->take(1, images > 0);
  if (images > 0 && !isLast)
    deviceStatistics->restore();
}

void ShardSums::take(int64_t images, const StepFigures &of) {
  ThreadPool &pool = executor.threads();
  bool isLast = ++taken == run.own;
  figureSums.add(packed(of).data(), 1, pool);
  if (deviceGradients)
    return takeOnDevice(images, isLast);
  float share = shareOf(images);
  const float *gradients = images ? executor.at<float>(NETC_SPACE_GRADIENTS) : nullptr;
  if (isLast) {
    while (begun < pieces.size())
      beginPiece(gradients, share);
  } else {
    for (size_t piece = 0; piece < pieces.size(); ++piece)
      addPiece(piece, gradients, share);
  }
  gradientSums->endParts();
  if (images == 0)
    return statisticSums.add(nullptr, 0, pool);
  copyStatistics(executor, statistics, after, /*toExecutor=*/false);
  statisticSums.add(after.data(), 1, pool);
  copyStatistics(executor, statistics, before, /*toExecutor=*/true);
}

StepFigures ShardSums::finish() {
  Stopwatch stopwatch(seconds);
  float filled = float(std::min(run.shards, batchImages)); // shards that have images
  if (deviceGradients) {
    deviceGradients->finish(1);
    if (deviceStatistics)
      deviceStatistics->finish(filled);
    executor.device().wait(); // what the others wait for is not left to a device that is idle
    return unpacked(figureSums.finish(communicator));
  }
  communicator.finishSums();
  float *gradients = executor.at<float>(NETC_SPACE_GRADIENTS);
  const float *sum = gradientSums->total();
  for (size_t piece = 0; piece < pieces.size(); ++piece) {
    const float *next = sum + places[piece];
    for (const ValueRange &range : pieces[piece].ranges) {
      std::copy_n(next, range.size(), gradients + range.begin);
      next += range.size();
    }
  }
  const float *sums = statisticSums.finish(communicator);
  std::transform(sums, sums + statisticElements, after.begin(),
                 [&](float sum) { return sum / filled; });
  copyStatistics(executor, statistics, after, /*toExecutor=*/true);
  return unpacked(figureSums.finish(communicator));
}

} // namespace netc::runtime
