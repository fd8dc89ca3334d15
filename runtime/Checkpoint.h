//===- Checkpoint.h - where a run can be taken up again ---------*- C++ -*-===//
//
// DIR/checkpoint holds weights-STEP.safetensors, optimizer-STEP.safetensors and
// checkpoint.json. The last is written last, by rename, and names the other two
// with sizes and checksums: at every moment it describes files that are whole.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_CHECKPOINT_H
#define NETC_RUNTIME_CHECKPOINT_H

#include "runtime/Executor.h"
#include "runtime/Schedule.h"
#include "runtime/Weights.h"

#include <optional>
#include <string>

namespace netc::runtime {

/// Everything that a run remembers beside parameters and optimizer state.
struct TrainingPosition {
  int64_t step = 0;  ///< optimizer steps done
  int64_t epoch = 0; ///< epochs done
  int64_t batch = 0; ///< batches done in the current epoch
  double lossSum = 0; ///< over the current epoch's images so far
  int64_t correct = 0, seen = 0;
  PlateauState plateau;
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
};

/// Replaces the checkpoint in `folder`. Whenever the process dies, the old one or
/// the new one is there, whole. Files of earlier checkpoints are removed after.
void saveCheckpoint(const std::string &folder, const Executor &executor,
                    const TrainingPosition &position, const RunIdentity &identity,
                    const WeightsMetadata &metadata);

/// The checkpoint in `folder`, its files checked; nothing where there is none.
/// Fails where it is damaged.
std::optional<Checkpoint> findCheckpoint(const std::string &folder);

/// Loads parameters and optimizer state.
void restoreCheckpoint(const Checkpoint &checkpoint, const Executor &executor);

} // namespace netc::runtime

#endif // NETC_RUNTIME_CHECKPOINT_H
