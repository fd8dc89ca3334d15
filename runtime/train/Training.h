//===- Training.h - one run of training, from its inside --------*- C++ -*-===//
//
// Trainer.cpp runs the epochs; TrainingFiles.cpp saves, resumes and reports.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_TRAIN_TRAINING_H
#define NETC_RUNTIME_TRAIN_TRAINING_H

#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/comm/Communicator.h"
#include "runtime/data/Loader.h"
#include "runtime/evaluate/Evaluate.h"
#include "runtime/exec/Executor.h"
#include "runtime/recipe/Schedule.h"
#include "runtime/system/FileLock.h"
#include "runtime/train/Checkpoint.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/Optimizer.h"
#include "runtime/train/Trainer.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

/// Every process of `communicator` makes one, and all run in step. Rank 0 alone prints and writes.
class Training {
public:
  Training(const NetcModel &model, const TrainOptions &options, Communicator &communicator);
  int run();

private:
  void beginFiles();
  void agreeOnStart();
  bool isInterrupted();
  void describeRun();
  int finish(bool saved);
  void resume(const Checkpoint &checkpoint);
  void checkPosition(const TrainingPosition &at) const;
  std::optional<Checkpoint> findForResume() const;
  void checkSameRun(const Checkpoint &checkpoint) const;
  bool trainEpoch();
  void step(const Batch &batch);
  void requireHealthy(const Batch &batch, float loss, double rate);
  void checkBatches() const;
  void fitMemory();
  void update(const Batch &batch, double rate);
  /// The update that the batch after `batches` belongs to.
  int64_t updateOf(int64_t batches) const {
    int64_t each = (stepsPerEpoch + recipe.accumulate - 1) / recipe.accumulate;
    return batches / stepsPerEpoch * each + batches % stepsPerEpoch / recipe.accumulate;
  }
  double rateOf(int64_t batches) const { return schedule.learningRate(updateOf(batches)); }
  /// Whether gradients of earlier batches wait for an update.
  bool isAccumulating() const {
    return position.batch % recipe.accumulate != 0 && position.batch != stepsPerEpoch;
  }
  /// How many class scores of a batch's images are right; of other models null, and what the
  /// batch adds to the quality.
  int64_t countCorrect(const Batch &batch) const;
  Quality qualityOf(const Batch &batch) const;
  void addToCurve(double loss, int64_t correct, const Quality &quality, int64_t images);
  void requirePlainRecipe() const;
  std::string qualityText(double loss) const;
  void showProgress(int64_t stepsHere, std::chrono::steady_clock::time_point start);
  bool validate();
  void save();
  void writeRun();
  void remakeFolder();
  void writeFiles(const std::function<void()> &write);
  [[noreturn]] void failToWrite(const Error &error) const;
  void saveValidated(const std::string &path) const;
  void report() const;
  void requireFinite() const;
  std::string lastCheckpoint() const;
  void warnOfCorrupt() const;
  int stopInterrupted();
  /// To stdout, where it can be written: training goes on without.
  template <typename... Args> void print(fmt::format_string<Args...> format, Args &&...args) {
    if (communicator.isRoot())
      printText(fmt::format(format, std::forward<Args>(args)...));
  }
  void printText(const std::string &text);
  void flushOutput();
  void noteLostOutput();
  /// As their namesakes outside.
  void note(const std::string &message) const;
  void warn(const std::string &message) const;

  const TrainOptions &options;
  Communicator &communicator;
  std::optional<FolderLock> lock; // of `out`, of rank 0
  ModelInfo info;
  Recipe recipe;
  std::unique_ptr<Dataset> data, validation;
  std::vector<int64_t> samples, validated; // of both sets, those that are seen
  ThreadPool pool;
  Executor executor;
  Optimizer optimizer;
  int64_t stepsPerEpoch; // batches
  Schedule schedule;
  unsigned workers;
  std::optional<Pipeline> augment, evaluation;
  CorruptImages corrupt, corruptValidation;
  std::optional<Loader> loader;
  WeightsMetadata metadata;
  RunIdentity identity;
  std::optional<Checkpoint> begun; // the checkpoint to go on from
  TrainingPosition position;
  Metrics metrics;
  Progress progress;
  std::string checkpointFolder;
  std::vector<int64_t> kept;        // checkpoints of this run at epochs' ends
  std::optional<int64_t> savedStep; // of the latest checkpoint of this run
  bool improved = false;            // the last epoch was the best so far
  int64_t firstStep = 0;            // of this process
  double validationSeconds = 0;     // of the last validation
  bool estimated = false;
  bool outputLost = false; // stdout can't be written any more, which has been said
  Accuracy lastAccuracy;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_TRAINING_H
