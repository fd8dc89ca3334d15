//===- Training.h - one run of training, from its inside --------*- C++ -*-===//
//
// Trainer.cpp runs steps and epochs; TrainingSetup.cpp begins a run, TrainingResume.cpp takes one
// up again, TrainingEpoch.cpp judges an epoch, TrainingFiles.cpp saves and reports.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_TRAIN_TRAINING_H
#define NETC_RUNTIME_TRAIN_TRAINING_H

#include "runtime/comm/Communicator.h"
#include "runtime/evaluate/Evaluate.h"
#include "runtime/exec/Executor.h"
#include "runtime/recipe/Schedule.h"
#include "runtime/train/Checkpoint.h"
#include "runtime/train/EpochPlan.h"
#include "runtime/train/Optimizer.h"
#include "runtime/train/RunData.h"
#include "runtime/train/RunFiles.h"
#include "runtime/train/RunOutput.h"
#include "runtime/train/ShardSums.h"
#include "runtime/train/StateShard.h"
#include "runtime/train/Trainer.h"
#include "runtime/train/TrainingProgress.h"

#include <optional>
#include <string>

namespace netc::runtime {

/// Every process of `communicator` makes one, and all run in step. Rank 0 alone prints and writes.
class Training {
public:
  Training(const NetcModel &model, const TrainOptions &options, Communicator &communicator);
  int run();

private:
  // TrainingSetup.cpp
  void checkBatches() const;
  void fitMemory();
  void requireSameRun();
  void startWeights();
  void agreeOnStart();
  void describeRun();

  // TrainingResume.cpp
  void resume(const Checkpoint &checkpoint);
  void checkPosition(const TrainingPosition &at) const;
  std::string differenceFrom(const std::string &before, bool ignoreEpochs) const;
  void checkSameRun(const Checkpoint &checkpoint) const;

  // Trainer.cpp
  bool isInterrupted();
  bool trainEpoch();
  bool step();
  StepFigures runShards(int64_t images, double rate);
  StepFigures runShard(int64_t size, double rate);
  StepFigures runStep(const Batch &batch);
  void requireHealthy(float loss, double rate, int64_t images);
  void update(double rate);
  /// Most images of a shard: what a step takes at once.
  int64_t shardImages() const { return (recipe.batch + recipe.shards - 1) / recipe.shards; }
  double rateOf(int64_t batches) const { return schedule.learningRate(plan.updateOf(batches)); }
  /// How many class scores of a batch's images are right; of other models null, and what the
  /// batch adds to the quality.
  int64_t countCorrect(const Batch &batch) const;
  Quality qualityOf(const Batch &batch) const;
  void addToCurve(const StepFigures &figures, int64_t images);
  std::string qualityText(double loss) const;
  int stopInterrupted();
  int finish(bool saved);

  // TrainingEpoch.cpp
  void requireFinite() const;
  bool endEpoch();
  bool validate(EpochRecord &record);
  EpochRecord recordOfTraining();
  void printEpoch(const EpochRecord &record, const std::string &trained);

  // TrainingFiles.cpp
  void save();
  void writeRun();
  void saveValidated(const std::string &path) const;
  void agreeOnCorrupt();
  void report() const;

  const TrainOptions &options;
  Communicator &communicator;
  RunOutput output;
  ModelInfo info;
  Recipe recipe;
  RunData data;
  ThreadPool pool;
  Executor executor;
  Optimizer optimizer;
  ShardSums shards;
  std::optional<StateShard> stateShard; // of several processes, where it is wanted
  EpochPlan plan;
  Schedule schedule;
  TrainingPosition position;
  RunFiles files;
  TrainingProgress progress;
  std::optional<Loader> loader; // its batches lie in the device's memory
  WeightsMetadata metadata;
  RunIdentity identity;
  std::optional<Checkpoint> begun; // the checkpoint to go on from
  bool stopsAfterStep = false;     // a process was asked to stop by the end of the last step
  bool improved = false;           // the last epoch was the best so far
  int64_t firstStep = 0;           // of this process
  Accuracy lastAccuracy;           // of the last validation
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_TRAINING_H
