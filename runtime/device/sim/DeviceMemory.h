//===- DeviceMemory.h - global memory of the simulated GPU ------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_DEVICEMEMORY_H
#define NETC_RUNTIME_DEVICE_SIM_DEVICEMEMORY_H

#include "runtime/device/sim/Warp.h"

#include <map>
#include <mutex>
#include <string>

namespace netc::runtime::sim {

/// Device addresses begin where no host pointer lies: a pointer of one side that
/// is used on the other faults at once.
constexpr uint64_t deviceBase = uint64_t(0x0200) << 32;

/// One reservation of address space; allocations lie in it with gaps between
/// them and freed addresses are not given out again before the space is used up.
class DeviceMemory {
public:
  /// Fails with an Error when the address space cannot be reserved.
  explicit DeviceMemory(uint64_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory &operator=(const DeviceMemory &) = delete;

  /// The device address, aligned to 512 bytes, or 0 where there is no room. With
  /// `poison` every byte is 0xff: NaN as f32, -1 as an index.
  uint64_t allocate(uint64_t bytes, bool poison);
  /// False where `address` begins no allocation.
  bool release(uint64_t address);

  /// The allocation that holds the address; of no bytes where none does.
  Window find(uint64_t address) const;
  Window everything() const { return {deviceBase, reserved}; }
  /// Whether [address, address + bytes) lies in one allocation.
  bool holds(uint64_t address, uint64_t bytes) const;
  /// What lies at or near the address, in words.
  std::string describe(uint64_t address) const;

  char *host(uint64_t address) const { return base + (address - deviceBase); }
  char *delta() const {
    return reinterpret_cast<char *>(reinterpret_cast<uint64_t>(base) - deviceBase);
  }
  uint64_t size() const { return reserved; }
  uint64_t used() const { return inUse; }

private:
  char *base = nullptr;
  uint64_t reserved = 0, inUse = 0;
  uint64_t next = deviceBase; // where the search for room begins
  mutable std::mutex mutex;
  std::map<uint64_t, uint64_t> allocations, freed; // address → bytes
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_DEVICEMEMORY_H
