//===- SectionPlanner.cpp - where groups of images stop -------------------===//
#include "passes/memory/SectionPlanner.h"

#include <algorithm>

using namespace netc::memory;

/// Bytes an image below which nothing is cut: a batch of 64 takes 16 MiB.
static constexpr int64_t leastLive = 256 << 10;

std::vector<Section> netc::memory::planSections(const std::vector<Lifetime> &lifetimes,
                                                int64_t launches) {
  std::vector<Section> sections;
  if (launches == 0)
    return sections;
  std::vector<int64_t> live(static_cast<size_t>(launches) + 1, 0);
  for (const Lifetime &life : lifetimes) {
    live[static_cast<size_t>(life.first)] += life.size;
    live[static_cast<size_t>(life.last) + 1] -= life.size;
  }
  for (size_t i = 1; i < live.size(); ++i)
    live[i] += live[i - 1];
  live.pop_back();
  std::vector<int64_t> ahead(live.size() + 1, 0); // most bytes at a launch and at all after it
  for (size_t i = live.size(); i-- > 0;)
    ahead[i] = std::max(live[i], ahead[i + 1]);
  Section section;
  for (size_t i = 0; i < live.size(); ++i) {
    section.liveBytes = std::max(section.liveBytes, live[i]);
    ++section.count;
    bool isLast = i + 1 == live.size();
    if (isLast || (section.liveBytes >= leastLive && ahead[i + 1] <= section.liveBytes / 2)) {
      sections.push_back(section);
      section = {static_cast<int64_t>(i) + 1, 0, 0};
    }
  }
  return sections;
}
