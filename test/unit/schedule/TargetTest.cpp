//===- TargetTest.cpp - the records of machines ---------------------------===//
#include "dialect/target/Target.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>

namespace netc::target {

TEST(Target, LevelsAscendAndContainEachOther) {
  llvm::ArrayRef<CpuLevel> levels = cpuLevels();
  ASSERT_GE(levels.size(), 3u);
  for (size_t i = 1; i < levels.size(); ++i) {
    EXPECT_LT(levels[i - 1].lanes, levels[i].lanes);
    EXPECT_LE(levels[i - 1].registers, levels[i].registers);
    for (llvm::StringRef feature : levels[i - 1].features)
      EXPECT_TRUE(llvm::is_contained(levels[i].features, feature)) << feature.str();
  }
}

TEST(Target, FactsOfAScheduleAreThoseOfItsLevel) {
  for (const CpuLevel &level : cpuLevels()) {
    kern::TargetFacts facts = kern::cpuFacts(level.lanes, level.registers);
    EXPECT_EQ(&levelOfLanes(level.lanes), &level);
    EXPECT_EQ(facts.lanes, level.lanes);
    EXPECT_EQ(facts.registers, level.registers);
    EXPECT_EQ(facts.l1Bytes, level.l1Bytes);
    EXPECT_EQ(facts.l2Bytes, level.l2Bytes);
  }
  EXPECT_EQ(levelOfLanes(1).lanes, cpuLevels().front().lanes); // kernels for a GPU
}

TEST(Target, ThreadsAscend) {
  auto threads = CpuCosts().balancedThreads;
  EXPECT_TRUE(std::is_sorted(threads.begin(), threads.end()));
  EXPECT_GE(threads.front(), 1);
}

TEST(Target, ChipsKeepWhatOlderOnesHave) {
  llvm::ArrayRef<GpuChip> chips = gpuChips();
  for (size_t i = 1; i < chips.size(); ++i) {
    EXPECT_LT(chips[i - 1].number, chips[i].number);
    EXPECT_LE(chips[i - 1].asyncCopy, chips[i].asyncCopy);
    EXPECT_LE(chips[i - 1].tensorCores, chips[i].tensorCores);
  }
  EXPECT_FALSE(gpuChipFrom(75).tensorCores);
  EXPECT_TRUE(gpuChipFrom(80).tensorCores);
  EXPECT_TRUE(gpuChipFrom(87).asyncCopy); // as the next older one that is listed
}

} // namespace netc::target
