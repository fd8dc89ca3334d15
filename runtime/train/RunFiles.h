//===- RunFiles.h - the folder that a training run writes -------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_RUNFILES_H
#define NETC_RUNTIME_TRAIN_RUNFILES_H

#include "runtime/base/Error.h"
#include "runtime/system/FileLock.h"
#include "runtime/train/Checkpoint.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/RunLogs.h"
#include "runtime/train/RunOutput.h"
#include "runtime/train/Trainer.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

/// The folder `out` of a run: its lock, its checkpoints, and what becomes of a run whose files
/// cannot be written. Rank 0 alone locks and writes.
class RunFiles {
public:
  /// `position`: of the run; its best epoch is forgotten where the folder is removed.
  RunFiles(const TrainOptions &options, const RunOutput &output, TrainingPosition &position);

  /// Locks the folder until the object goes.
  void acquire() { lock.emplace(options.out); }
  /// Writes recipe.json and drops lines of metrics.jsonl after the run's position.
  void begin(const std::string &recipe);

  /// The checkpoint that `options` ask to go on from. Where the latest one is damaged, the message
  /// names those before it.
  std::optional<Checkpoint> findForResume() const;
  void resume(const Checkpoint &checkpoint);

  /// Runs `action`, which writes files of the run; again where the folder was removed meanwhile.
  void write(const std::function<void()> &action);

  /// There is a checkpoint of step `step` now.
  void noteSaved(int64_t step) { savedStep = step; }
  /// Whether there is an earlier checkpoint, be it of this run or not.
  bool holdsCheckpoint() const;
  /// What can be done after a failure: where the last good checkpoint lies.
  std::string lastCheckpoint() const;

  std::string pathOf(const char *name) const { return options.out + "/" + name; }
  const std::string &checkpoints() const { return checkpointFolder; }

  const Metrics metrics;
  RunLogs logs;
  std::vector<int64_t> kept; ///< checkpoints of this run at epochs' ends

private:
  void remakeFolder();
  [[noreturn]] void failToWrite(const Error &error) const;

  const TrainOptions &options;
  const RunOutput &output;
  TrainingPosition &position;
  std::optional<FolderLock> lock;
  const std::string checkpointFolder;
  std::optional<int64_t> savedStep; // of the latest checkpoint of this run
  std::string recipe;               // effective, JSON
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_RUNFILES_H
