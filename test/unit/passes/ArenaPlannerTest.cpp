// The arena planner: no overlap whatever the lifetimes, and little waste on those of networks.
#include "passes/memory/ArenaPlanner.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

using namespace netc::memory;

static bool meet(const Lifetime &a, const Lifetime &b) {
  return a.first <= b.last && b.first <= a.last;
}

static void expectSound(const std::vector<Lifetime> &lives, const ArenaPlan &plan) {
  ASSERT_EQ(plan.offsets.size(), lives.size());
  for (size_t i = 0; i < lives.size(); ++i) {
    EXPECT_GE(plan.offsets[i], 0);
    EXPECT_LE(plan.offsets[i] + lives[i].size, plan.size);
    for (size_t j = 0; j < i; ++j) {
      if (!meet(lives[i], lives[j]))
        continue;
      bool apart = plan.offsets[i] + lives[i].size <= plan.offsets[j] ||
                   plan.offsets[j] + lives[j].size <= plan.offsets[i];
      EXPECT_TRUE(apart) << "buffers " << j << " and " << i << " overlap";
    }
  }
  EXPECT_GE(plan.size, plan.peak);
}

TEST(ArenaPlanner, NothingNeedsNothing) {
  ArenaPlan plan = planArena({});
  EXPECT_EQ(plan.size, 0);
  EXPECT_EQ(plan.peak, 0);
}

TEST(ArenaPlanner, BuffersThatNeverMeetShareTheirPlace) {
  ArenaPlan plan = planArena({{128, 0, 1}, {128, 2, 3}, {64, 4, 4}});
  EXPECT_EQ(plan.size, 128);
  EXPECT_EQ(plan.peak, 128);
}

// A launch reads one buffer while it writes the other: both ends of a lifetime count.
TEST(ArenaPlanner, BuffersThatMeetInOneLaunchAreApart) {
  std::vector<Lifetime> lives{{64, 0, 1}, {64, 1, 2}};
  ArenaPlan plan = planArena(lives);
  expectSound(lives, plan);
  EXPECT_EQ(plan.size, 128);
}

TEST(ArenaPlanner, RandomLifetimesNeverOverlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lives(1 + random() % 80);
    int64_t horizon = 1 + random() % 60;
    for (Lifetime &life : lives) {
      life.size = 64 * (1 + random() % (round % 2 ? 1000 : 4));
      life.first = random() % horizon;
      life.last = life.first + random() % (round % 3 ? 8 : horizon);
    }
    expectSound(lives, planArena(lives));
  }
}

TEST(ArenaPlanner, PeakIsTheMostBytesAliveAtOnce) {
  ArenaPlan plan = planArena({{100, 0, 9}, {64, 0, 2}, {64, 2, 4}, {300, 6, 7}});
  EXPECT_EQ(plan.peak, 400);
}

/// A training step: each block saves its convolutions' outputs, the backward pass frees them in
/// reverse, with a few short-lived gradients beside.
static std::vector<Lifetime> trainingStep(int64_t blocks) {
  std::vector<Lifetime> lives;
  int64_t end = 8 * blocks;
  for (int64_t i = 0; i < blocks; ++i) {
    int64_t size = 64 * 1024 >> (3 * i / blocks);
    int64_t forward = 3 * i, backward = end - 4 * i - 4;
    lives.push_back({size, forward, backward + 3});     // first convolution
    lives.push_back({size, forward + 1, backward + 2}); // second
    lives.push_back({size, forward + 2, backward + 4}); // join
    lives.push_back({size, backward, backward + 2});    // gradients
    lives.push_back({size, backward + 1, backward + 3});
    lives.push_back({size, backward + 3, backward + 4});
    lives.push_back({512, backward + 1, backward + 2}); // partial sums
  }
  return lives;
}

TEST(ArenaPlanner, TrainingStepsStayWithinFivePercentOfThePeak) {
  for (int64_t blocks : {1, 3, 9, 18, 50}) {
    std::vector<Lifetime> lives = trainingStep(blocks);
    ArenaPlan plan = planArena(lives);
    expectSound(lives, plan);
    EXPECT_LE(plan.size, plan.peak + plan.peak / 20) << blocks << " blocks";
  }
}

TEST(ArenaPlanner, ThousandsOfLayersTakeNoTime) {
  std::vector<Lifetime> lives = trainingStep(10000);
  auto start = std::chrono::steady_clock::now();
  ArenaPlan plan = planArena(lives);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LE(plan.size, plan.peak + plan.peak / 20);
  EXPECT_LT(seconds.count(), 2.0);
}
