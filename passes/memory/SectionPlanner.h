//===- SectionPlanner.h - where groups of images stop -----------*- C++ -*-===//
//
// Pure: no IR. Divides a program whose launches treat each image independently into sections.
// A group of images runs through all launches of a section before the next group does (depth
// first), so that values between launches stay in a cache. The executable chooses the number
// of images of a group when it runs, from the machine's cache.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_PASSES_MEMORY_SECTIONPLANNER_H
#define NETC_PASSES_MEMORY_SECTIONPLANNER_H

#include "passes/memory/ArenaPlanner.h"

namespace netc::memory {

struct Section {
  int64_t first = 0, count = 0; ///< launches
  int64_t liveBytes = 0;        ///< most bytes per image that are alive at one of them
};

/// Sections of `launches` launches, in order, all of them covered. `lifetimes` are in bytes per
/// image. A section ends where everything after it needs at most half of its live bytes: larger
/// groups then fit the same cache, and weights are read less often. Launches that need little
/// memory are not divided further, since a whole batch of them fits.
std::vector<Section> planSections(const std::vector<Lifetime> &lifetimes, int64_t launches);

} // namespace netc::memory

#endif // NETC_PASSES_MEMORY_SECTIONPLANNER_H
