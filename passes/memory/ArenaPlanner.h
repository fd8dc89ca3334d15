//===- ArenaPlanner.h - lifetimes to offsets --------------------*- C++ -*-===//
//
// Pure: no IR. Places intervals so that those alive together do not overlap.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_PASSES_MEMORY_ARENAPLANNER_H
#define NETC_PASSES_MEMORY_ARENAPLANNER_H

#include <cstdint>
#include <vector>

namespace netc::memory {

/// A buffer of `size` bytes that lives from launch `first` to launch `last`, both included.
struct Lifetime {
  int64_t size = 0;
  int64_t first = 0, last = 0;
};

struct ArenaPlan {
  std::vector<int64_t> offsets; ///< bytes, one per lifetime
  int64_t size = 0;             ///< bytes of the arena
  int64_t peak = 0;             ///< most bytes alive at once: no plan can be smaller
};

/// Sizes must be multiples of the alignment that offsets should have. Runs in
/// n log n. Quadratic placements are tried only if the result is more than 2% above
/// the peak and there are at most a few thousand buffers.
ArenaPlan planArena(const std::vector<Lifetime> &lifetimes);

} // namespace netc::memory

#endif // NETC_PASSES_MEMORY_ARENAPLANNER_H
