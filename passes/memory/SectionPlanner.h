//===- SectionPlanner.h - where groups of images stop -----------*- C++ -*-===//
//
// Pure: no IR. Cuts a program whose launches treat images apart into sections. A group of
// images goes through all launches of a section before the next group begins (depth first),
// so that what its launches hand on stays in a cache; how many images a group has is
// decided where the program runs, by the cache that is there.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_PASSES_MEMORY_SECTIONPLANNER_H
#define NETC_PASSES_MEMORY_SECTIONPLANNER_H

#include "passes/memory/ArenaPlanner.h"

namespace netc::memory {

struct Section {
  int64_t first = 0, count = 0; ///< launches
  int64_t liveBytes = 0;        ///< most bytes an image that are alive at one of them
};

/// Sections of `launches` launches, in order, all of them covered. `lifetimes` are in bytes an
/// image. A section ends where all that follows needs at most half of the bytes at once: then
/// larger groups fit the same cache, and weights are read less often. What needs little anyway is
/// not cut: a whole batch of it fits.
std::vector<Section> planSections(const std::vector<Lifetime> &lifetimes, int64_t launches);

} // namespace netc::memory

#endif // NETC_PASSES_MEMORY_SECTIONPLANNER_H
