//===- Spaces.h - how large the spaces of a model are -----------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SPACES_H
#define NETC_RUNTIME_DEVICE_SPACES_H

#include "runtime/abi/Abi.h"
#include "runtime/system/Memory.h"

#include <array>
#include <cstdint>
#include <vector>

namespace netc::runtime {

/// Bytes of a space. Some grow with the batch.
struct SpaceSize {
  uint64_t perImage = 0, fixed = 0;
  uint64_t bytes(int64_t n) const { return saturatingMulAdd(uint64_t(n), perImage, fixed); }
};

/// By NetcSpace; 0 for the parts of the arena, whose size the programs determine.
using SpaceSizes = std::array<SpaceSize, NETC_SPACE_COUNT>;

/// What room is made for.
struct Reservation {
  int64_t batch = 1;
  bool training = false;
  int inputCopies = 1;                       ///< batches of input in memory at the same time
  std::vector<const NetcProgram *> programs; ///< those that will run: one arena serves each
  SpaceSizes spaces{};                       ///< 0 for a space that is not needed
};

/// Bytes by the memory that they lie in.
struct MemoryUse {
  uint64_t machine = 0; ///< this machine's
  uint64_t own = 0;     ///< a device's own, where it has one
};

/// Sums that stop at UINT64_MAX.
inline uint64_t saturatingAdd(uint64_t a, uint64_t b) { return saturatingMulAdd(a, 1, b); }

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_SPACES_H
