//===- StateShard.h - each process's part of an optimizer's state -*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_STATESHARD_H
#define NETC_RUNTIME_TRAIN_STATESHARD_H

#include "runtime/comm/Communicator.h"
#include "runtime/exec/Executor.h"

#include <memory>
#include <vector>

namespace netc::runtime {

/// Each process updates a part of the parameters, of about equal size, and gives it to the others:
/// it needs the optimizer's state of that part alone. Pages of the state that belong to others are
/// not in memory, except between `gatherState` and `drop`; a device has its part alone at all
/// times. The bits are those of one process.
class StateShard {
public:
  /// Before the executor reserves memory: a device then has no more than its part.
  StateShard(Executor &executor, Communicator &communicator);

  /// Takes the part of STATE, which is whole; from here on the rest is not needed.
  void begin();
  /// Runs `update` for this process's part; then PARAMETERS are whole in every process.
  void update(int64_t n);
  /// Slots of the state from `firstSlot` on are whole afterwards, in the processes that `keep`
  /// them.
  void gatherState(uint64_t firstSlot, bool keep);
  /// Gives back the memory of other processes' parts.
  void drop();

private:
  void assign();
  /// The process that computes the block which begins at this float of PARAMETERS.
  unsigned ownerOf(int64_t at) const;
  /// Everyone's part of `values`, an array with PARAMETERS' offsets, to all that
  /// `keep` it.
  void gather(float *values, bool keep);

  Executor &executor;
  Communicator &communicator;
  StateLayout layout;
  std::unique_ptr<DeviceState> onDevice; ///< null: STATE is in this machine's memory
  std::vector<ItemRange> items;          ///< of each command of `update`, there
  std::vector<float> part, all;          ///< of a gather
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_STATESHARD_H
