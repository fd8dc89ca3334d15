//===- ShardSums.h - one batch from its shards ------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_SHARDSUMS_H
#define NETC_RUNTIME_TRAIN_SHARDSUMS_H

#include "runtime/comm/TreeSum.h"
#include "runtime/evaluate/Losses.h"
#include "runtime/exec/Executor.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace netc::runtime {

/// What steps of training came to, summed over images.
struct StepFigures {
  double loss = 0;
  int64_t correct = 0;
  Quality quality;
  int64_t stops = 0; ///< processes that were asked to stop
};

/// Each shard of a batch is a training step of its own: this process runs it for its shards, one
/// after the other, from the same parameters and running statistics. The gradients of all shards,
/// times their shares of the images, are added in the order of the reduction tree, and running
/// statistics become the mean over shards: the bits do not depend on the number of processes. A
/// batch in one shard is left as its step made it.
class ShardSums {
public:
  /// Fails where the processes do not divide the shards. `gradientsInBf16`: each value of the
  /// gradients' tree is rounded to bf16; only on devices that make the sums.
  ShardSums(Executor &executor, Communicator &communicator, int64_t shards,
            bool gradientsInBf16 = false);

  int64_t count() const { return run.shards; }
  int64_t first() const { return run.first; }
  /// Shards of this process.
  int64_t own() const { return run.own; }

  /// Bytes that a process takes for its sums.
  static uint64_t bytes(const NetcModel &model, ShardRun run);
  /// Of this process.
  uint64_t bytes() const { return bytes(executor.model(), run); }
  /// Whether they are made, and take memory, where programs compute.
  bool areOnDevice() const;
  /// Makes room for the sums. Fails where there is none, with the bytes needed and available, and
  /// where gradients cannot be added in bf16.
  void allocate();

  /// To be called before the step of this process's next shard, of `images`: how to watch it. Where
  /// there are several processes, the last shard's gradients are added over them as the backward
  /// pass finishes them. Null: it need not be watched.
  const Watch *watchNext(int64_t images);
  /// Seconds that this process spent on communication and waiting instead of computing since the
  /// last call.
  double takeSeconds() { return std::exchange(seconds, 0); }

  /// Before the first step of a batch of `images`.
  void begin(int64_t images);
  /// After the step of this process's next shard, of `images`; takes its gradients and statistics,
  /// and puts back the statistics of before. For a shard without images there is no step.
  void take(int64_t images, const StepFigures &figures);
  /// GRADIENTS and running statistics become those of the batch. Returns its figures.
  StepFigures finish();

private:
  void makePieces();
  void addPiece(size_t piece, const float *gradients, float share);
  void beginPiece(const float *gradients, float share);
  void allocateOnDevice();
  void takeOnDevice(int64_t images, bool isLast);
  float shareOf(int64_t images) const;

  Executor &executor;
  Communicator &communicator;
  const ShardRun run;
  const bool gradientsInBf16;
  std::vector<const ParameterInfo *> statistics; ///< parameters that a step changes
  int64_t statisticElements = 0;
  int64_t batchImages = 0;
  std::vector<float> before, after; ///< the statistics when the batch began, and after a shard
  std::optional<TreeSum<float>> gradientSums; ///< from `allocate` on
  TreeSum<float> statisticSums;
  TreeSum<double> figureSums;
  std::vector<SumPiece> pieces; ///< in an order that all processes have
  /// Where each piece begins among gradientSums, which have one after the other, and where the last
  /// ends. The processes divide a piece evenly.
  std::vector<int64_t> places;
  /// In place of gradientSums and statisticSums, of a device that makes them; null: on others.
  std::unique_ptr<DeviceSums> deviceGradients, deviceStatistics;
  bool isTakenDuring = false; ///< the last shard's gradients, by its step
  size_t begun = 0;           ///< pieces of this batch
  int64_t taken = 0;          ///< shards of this batch
  float watchedShare = 0;
  Watch watch;
  double seconds = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_SHARDSUMS_H
