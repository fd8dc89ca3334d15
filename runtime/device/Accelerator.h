//===- Accelerator.h - memory and kernels that are not the CPU's *- C++ -*-===//
//
// The operations that a MirroredDevice needs from a GPU, or from another device with its own
// memory.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_ACCELERATOR_H
#define NETC_RUNTIME_DEVICE_ACCELERATOR_H

#include "runtime/device/DeviceState.h"
#include "runtime/device/DeviceSums.h"
#include "runtime/device/Program.h"

#include <cstdint>
#include <memory>
#include <string>

namespace netc::runtime {

/// Every call fails with an Error that says what was tried. One thread drives it.
class Accelerator {
public:
  virtual ~Accelerator() = default;

  /// Loads the kernels. Once, before all else.
  virtual void load(const NetcModel &model) = 0;

  /// "NVIDIA A100-SXM4-40GB (sm_80)"
  virtual std::string describe() const = 0;

  /// Bytes that may still be allocated.
  virtual uint64_t availableBytes() const = 0;
  /// Bytes that are allocated.
  virtual uint64_t heldBytes() const = 0;

  /// Gives a space `bytes` of zeroed memory; one of this size already is left as it is. ARENA_IMAGE
  /// stands for the whole arena.
  virtual void allocate(NetcSpace space, uint64_t bytes) = 0;
  virtual void release(NetcSpace space) = 0;

  /// Two spaces of one size change places.
  virtual void exchange(NetcSpace one, NetcSpace other) = 0;

  /// Memory of this machine that copies to the device need not stage, so that they run beside
  /// everything else; null where the system grants none. What is copied from it must not change
  /// before the next wait or download.
  virtual void *pin(uint64_t bytes) = 0;
  /// Gives it back, once copies from it are through.
  virtual void unpin(void *memory) = 0;

  /// Copies after all that was started before. The host's memory may be changed on return, if it is
  /// not pinned.
  virtual void upload(NetcSpace space, const void *from, uint64_t bytes) = 0;
  virtual void download(NetcSpace space, void *to, uint64_t bytes) = 0;
  virtual void zero(NetcSpace space, uint64_t offset, uint64_t bytes) = 0;

  /// Copies to a separate buffer while started programs run; a later useAhead makes it the space's
  /// contents for programs started after that.
  virtual void uploadAhead(NetcSpace space, const void *from, uint64_t bytes) = 0;
  virtual void useAhead(NetcSpace space, uint64_t bytes) = 0;

  /// Starts a program on a batch of n. Where it is watched, waits for it, with Watch::after for
  /// each command.
  virtual void run(const NetcProgram &program, int64_t n, const Watch *watch) = 0;

  /// Copies what a buffer of a program holds, its size for a batch of n.
  virtual void read(const NetcProgram &program, const NetcBuffer &buffer, int64_t n, void *to) = 0;

  /// As Device's.
  virtual bool makesSums(const Communicator &) const { return false; }
  virtual std::unique_ptr<DeviceSums> sums(const SumLayout &, Communicator &) { return nullptr; }
  virtual std::unique_ptr<DeviceState> divideState(const StateLayout &, Communicator &) {
    return nullptr;
  }

  /// Waits for all that was started.
  virtual void wait() = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_ACCELERATOR_H
