// Sections: they cover all launches in order, and end where the rest needs at most half.
#include "passes/memory/SectionPlanner.h"

#include <gtest/gtest.h>

#include <random>

using namespace netc::memory;

static constexpr int64_t mebi = 1 << 20;

TEST(SectionPlanner, NothingHasNoSections) { EXPECT_TRUE(planSections({}, 0).empty()); }

TEST(SectionPlanner, CutsWhereTheRestNeedsHalf) {
  // Stages of a network: each launch reads what the one before wrote; bytes halve twice.
  std::vector<Lifetime> chain = {{4 * mebi, 0, 1}, {4 * mebi, 1, 2}, {2 * mebi, 2, 3},
                                 {2 * mebi, 3, 4}, {mebi, 4, 5},     {mebi, 5, 6}};
  std::vector<Section> sections = planSections(chain, 7);
  ASSERT_EQ(sections.size(), 4u);
  EXPECT_EQ(sections[0].count, 3); // its last launch reads 4 MiB and writes 2
  EXPECT_EQ(sections[0].liveBytes, 8 * mebi);
  EXPECT_EQ(sections[1].first, 3);
  EXPECT_EQ(sections[1].count, 2);
  EXPECT_EQ(sections[1].liveBytes, 4 * mebi);
  EXPECT_EQ(sections[2].count, 1);
  EXPECT_EQ(sections[3].count, 1);
}

TEST(SectionPlanner, LeavesWholeWhatNeedsLittle) {
  EXPECT_EQ(planSections({{1 << 16, 0, 1}, {1 << 10, 1, 2}, {1 << 4, 2, 3}}, 4).size(), 1u);
}

TEST(SectionPlanner, DoesNotCutBeforeItNeedsMoreAgain) {
  // An encoder and a decoder: the middle is narrow, the end is not.
  EXPECT_EQ(planSections({{4 * mebi, 0, 1}, {mebi, 1, 2}, {4 * mebi, 2, 3}}, 4).size(), 1u);
}

TEST(SectionPlanner, CoversWhateverTheLifetimes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    auto launches = static_cast<int64_t>(1 + random() % 40);
    std::vector<Lifetime> lives(random() % 50);
    for (Lifetime &life : lives) {
      life.size = static_cast<int64_t>(64 * (random() % 100000));
      life.first = static_cast<int64_t>(random() % static_cast<unsigned>(launches));
      life.last = std::min(launches - 1, life.first + static_cast<int64_t>(random() % 5));
    }
    int64_t next = 0, before = INT64_MAX;
    for (const Section &section : planSections(lives, launches)) {
      EXPECT_EQ(section.first, next);
      EXPECT_GT(section.count, 0);
      EXPECT_LE(section.liveBytes, before);
      before = section.liveBytes / 2; // sections are few: bytes halve from one to the next
      next += section.count;
    }
    EXPECT_EQ(next, launches);
  }
}
