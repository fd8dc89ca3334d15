//===- Device.h - where a model's programs run ------------------*- C++ -*-===//
//
// The interface of the executor to the machine that computes: this machine's CPU (cpu/), an
// NVIDIA GPU (cuda/) or a simulated one (sim/). An executable for the CPU links only the first;
// NetcGpu::open creates the others.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_DEVICE_H
#define NETC_RUNTIME_DEVICE_DEVICE_H

#include "runtime/device/DeviceState.h"
#include "runtime/device/DeviceSums.h"
#include "runtime/device/Program.h"
#include "runtime/device/Spaces.h"

#include <memory>
#include <span>
#include <string>

namespace netc::runtime {

/// Holds the spaces of a model and runs its programs. Every call fails with an Error that says what
/// was tried. One thread drives it.
class Device {
public:
  virtual ~Device() = default;

  /// Takes the kernels of `model`, and makes zeroed PARAMETERS, HYPER and LOSS. Once, before all
  /// else.
  virtual void load(const NetcModel &model, const SpaceSizes &sizes) = 0;

  /// "2 threads", "NVIDIA A100-SXM4-40GB (sm_80)"
  virtual std::string describe() const = 0;
  /// Whether programs compute in this machine's memory, so that what they read can be counted here.
  virtual bool usesMachineMemory() const = 0;
  /// Whether a run with a `Watch` takes longer than one without.
  virtual bool watchingCosts() const = 0;

  //===--- Memory ---------------------------------------------------------===//

  /// Bytes that `reserve` needs, those that are held already included.
  virtual MemoryUse need(const Reservation &reservation) const = 0;
  /// Bytes that there are for it, those that are held already included.
  virtual MemoryUse available() const = 0;
  /// Of `use` the part in the memory where programs compute.
  virtual uint64_t whereItComputes(const MemoryUse &use) const = 0;
  /// Bytes of that memory which this process takes beside the spaces, now or later.
  virtual uint64_t takenBeside() const = 0;

  /// Of inference: images that pass a section together fill at most this much of a cache, weights
  /// included; 0: whole batches. The bits do not depend on it. A device without such a cache runs
  /// whole batches. Before `reserve`.
  virtual void fillCache(uint64_t /*bytes*/) {}

  /// Makes room. PARAMETERS, STATE, GRADIENTS, ACCUMULATED keep what they hold; all else is
  /// dropped.
  virtual void reserve(const Reservation &reservation) = 0;
  /// Zeroed room for ACCUMULATED, once.
  virtual void reserveAccumulation() = 0;

  /// Memory from which batches are copied faster to the device; null if all memory is equally fast,
  /// or if none is left. It must not outlive the device, and a batch in it must not change before
  /// the run that uses it has finished.
  virtual std::shared_ptr<char> batchMemory(uint64_t bytes) = 0;

  //===--- Spaces ---------------------------------------------------------===//

  /// A space in this machine's memory, for reading and writing until the next run; the pointer is
  /// invalid after it. Null if the model has no such space.
  virtual char *at(NetcSpace space) = 0;
  /// Whether `at` costs nothing: the newest contents lie in this machine's memory.
  virtual bool isAtHand(NetcSpace space) const = 0;
  /// Points a space at other memory of this machine.
  virtual void bind(NetcSpace space, void *memory) = 0;
  /// Starts copying the contents that `space` will have in a later run, for a batch of n, while
  /// started programs run. The copy is used if the space is bound to `memory` at that time; the
  /// contents must not change until then.
  virtual void sendAhead(NetcSpace space, const void *memory, int64_t n) = 0;
  /// Zeroes a part of a space, where it lies.
  virtual void clear(NetcSpace space, uint64_t offset, uint64_t bytes) = 0;
  /// Zeroes the arena, so that values of an earlier run are not taken for those of the next.
  virtual void clearArena() = 0;
  /// Exchanges two spaces of the same size.
  virtual void exchange(NetcSpace one, NetcSpace other) = 0;

  /// Whether values are summed over the shards of these processes where they lie; see `sums`.
  virtual bool makesSums(const Communicator &) const { return false; }
  /// Makes them; every process calls it. They must not outlive the device.
  virtual std::unique_ptr<DeviceSums> sums(const SumLayout &, Communicator &) { return nullptr; }

  /// From now on the device has no STATE of its own, but this process's part. Before `reserve`,
  /// which counts it; every process calls it, and it must not outlive the device. Null: the device
  /// computes in this machine's memory. Fails where the processes' devices cannot exchange
  /// parameters.
  virtual std::unique_ptr<DeviceState> divideState(const StateLayout &, Communicator &) {
    return nullptr;
  }

  //===--- Runs -----------------------------------------------------------===//

  /// Runs `program` on a batch of n, at most the reserved one; it may return before the end (see
  /// `wait`). `watch` may be null. `which` determines the spaces that must be copied first.
  virtual void run(Program which, const NetcProgram &program, int64_t n, const Watch *watch) = 0;

  /// Runs those of each command's items that `items` has, of a program without sections: of a
  /// device that computes in this machine's memory.
  virtual void runPart(const NetcProgram &program, int64_t n, std::span<const ItemRange> items) = 0;

  /// Within Watch::after: operand `index` of the command that is done, in this machine's memory
  /// until the next call.
  virtual const char *operand(uint32_t index) = 0;

  /// Waits until the programs that `run` started have finished.
  virtual void wait() = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_DEVICE_H
