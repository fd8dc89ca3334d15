//===- Device.h - where a model's programs run ------------------*- C++ -*-===//
//
// What the executor asks of the machine that computes: the CPU of this machine
// (cpu/), an NVIDIA GPU (cuda/) or a simulated one (sim/). An executable for the CPU links
// the first alone; the others are made by NetcGpu::open.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_DEVICE_H
#define NETC_RUNTIME_DEVICE_DEVICE_H

#include "runtime/device/Program.h"
#include "runtime/device/Spaces.h"

#include <memory>
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
  /// Whether a watched run takes longer than one that nobody watches.
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

  /// Memory for batches that come and go faster than from elsewhere; null where all memory is as
  /// good, or where there is none to be had. It must not outlive the device, nor a batch in it
  /// change before the run that uses it is through.
  virtual std::shared_ptr<char> batchMemory(uint64_t bytes) = 0;

  //===--- Spaces ---------------------------------------------------------===//

  /// A space in this machine's memory, to read and to write until the next run: take the pointer
  /// anew after it. Null where the model has no such space.
  virtual char *at(NetcSpace space) = 0;
  /// Whether `at` costs nothing: the newest contents lie in this machine's memory.
  virtual bool isAtHand(NetcSpace space) const = 0;
  /// Points a space at other memory of this machine.
  virtual void bind(NetcSpace space, void *memory) = 0;
  /// Announces the contents that `space` is to have in a later run, for a batch of n, so that they
  /// travel while what was started goes on. They are used if the space is bound to `memory` then,
  /// and must not have changed.
  virtual void sendAhead(NetcSpace space, const void *memory, int64_t n) = 0;
  /// Zeroes a part of a space, where it lies.
  virtual void clear(NetcSpace space, uint64_t offset, uint64_t bytes) = 0;
  /// Zeroes the arena: what an earlier run left would be taken for the next one's.
  virtual void clearArena() = 0;
  /// Two spaces of one size change places.
  virtual void exchange(NetcSpace one, NetcSpace other) = 0;

  //===--- Runs -----------------------------------------------------------===//

  /// Runs `program` on a batch of n, at most the reserved one, or begins to. `watch`: null where
  /// nobody is to be told. `which`: what it is, so that the spaces it reads are brought up to date.
  virtual void run(Program which, const NetcProgram &program, int64_t n, const Watch *watch) = 0;

  /// Within Watch::after: operand `index` of the command that is done, in this machine's memory
  /// until the next call.
  virtual const char *operand(uint32_t index) = 0;

  /// Waits until what `run` has begun is through.
  virtual void wait() = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_DEVICE_H
