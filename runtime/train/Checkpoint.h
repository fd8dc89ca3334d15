//===- Checkpoint.h - where a run can be taken up again ---------*- C++ -*-===//
//
// DIR/checkpoint holds weights-STEP.safetensors, optimizer-STEP.safetensors and
// checkpoint.json. checkpoint.json is written last, by rename, and names the other two
// with sizes and checksums, so it always describes complete files. The checkpoints of
// the last epochs are kept, each described by checkpoint-STEP.json.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_TRAIN_CHECKPOINT_H
#define NETC_RUNTIME_TRAIN_CHECKPOINT_H

#include "runtime/evaluate/Losses.h"
#include "runtime/exec/Executor.h"
#include "runtime/recipe/Schedule.h"
#include "runtime/train/Metrics.h"
#include "runtime/weights/Weights.h"

#include <optional>
#include <string>

namespace netc::runtime {

/// The state of a run besides parameters and optimizer state.
struct TrainingPosition {
  int64_t step = 0;   ///< batches done; one optimizer update takes `accumulate` of them
  int64_t epoch = 0;  ///< epochs done
  int64_t batch = 0;  ///< batches done in the current epoch
  double lossSum = 0; ///< over the current epoch's images so far
  int64_t correct = 0, seen = 0;
  Quality quality;  ///< so far in the epoch, of a model that does not classify
  EpochCurve curve; ///< of the current epoch so far
  PlateauState plateau;
  /// On the validation images, of all epochs so far; -1: none validated. Top-1, or minus the loss
  /// of a model that does not classify.
  double bestTop1 = -1;
  int64_t bestEpoch = 0; ///< counted from 1; 0: none
};

/// What must be the same for a run to go on.
struct RunIdentity {
  std::string model;
  uint64_t modelFingerprint = 0;
  std::string data; ///< kind
  int64_t images = 0;
  uint64_t dataFingerprint = 0;
  std::string recipe; ///< effective, JSON
};

struct Checkpoint {
  TrainingPosition position;
  RunIdentity identity;
  std::string weightsFile, optimizerFile; ///< full paths
  std::vector<int64_t> kept; ///< steps of the epochs' ends of this run that are kept, ascending
};

/// Replaces the checkpoint in `folder`. Whenever the process dies, the old one or
/// the new one is there, whole. `kept`: the epochs' ends of this run that are still
/// there; one at an epoch's end joins them, all but the last `keep` go, and so do
/// all other files of earlier checkpoints.
void saveCheckpoint(const std::string &folder, const Executor &executor,
                    const TrainingPosition &position, const RunIdentity &identity,
                    const WeightsMetadata &metadata, size_t keep, std::vector<int64_t> &kept);

/// The checkpoint in `folder`, or the one kept of `step`, its files checked;
/// nothing where there is none. Fails where it is damaged.
std::optional<Checkpoint> findCheckpoint(const std::string &folder,
                                         std::optional<int64_t> step = std::nullopt);

/// Steps that `folder` has a description of, ascending; nothing is checked.
std::vector<int64_t> keptCheckpoints(const std::string &folder);

/// Loads parameters and optimizer state.
void restoreCheckpoint(const Checkpoint &checkpoint, const Executor &executor);

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_CHECKPOINT_H
