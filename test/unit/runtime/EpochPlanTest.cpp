// How an epoch's images are cut into batches and updates.
#include "runtime/train/EpochPlan.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

static EpochPlan planOf(int64_t images, int64_t batch, int64_t accumulate) {
  Recipe recipe;
  recipe.batch = batch;
  recipe.accumulate = accumulate;
  return {images, recipe};
}

TEST(EpochPlan, LastBatchMayBeShort) {
  EpochPlan plan = planOf(70, 32, 1);
  EXPECT_EQ(plan.stepsPerEpoch, 3);
  EXPECT_EQ(plan.lastBatch(), 6);
  EXPECT_EQ(plan.imagesBefore(2), 64);
  EXPECT_EQ(plan.imagesBefore(3), 70);
  EXPECT_EQ(planOf(64, 32, 1).lastBatch(), 32);
}

// 5 batches in updates of 2, 2 and 1: an update never spans two epochs.
TEST(EpochPlan, UpdatesEndWithTheEpoch) {
  EpochPlan plan = planOf(18, 4, 2);
  ASSERT_EQ(plan.stepsPerEpoch, 5);
  EXPECT_EQ(plan.updatesPerEpoch(), 3);
  const int64_t updates[] = {0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6};
  for (int64_t batches = 0; batches < int64_t(std::size(updates)); ++batches)
    EXPECT_EQ(plan.updateOf(batches), updates[batches]) << batches;
  EXPECT_TRUE(plan.isAccumulating(1));
  EXPECT_FALSE(plan.isAccumulating(4));
  EXPECT_FALSE(plan.isAccumulating(5));
}

TEST(EpochPlan, AnUpdateCountsItsImages) {
  EpochPlan plan = planOf(18, 4, 2);
  EXPECT_EQ(plan.imagesOfUpdate(0), 8);
  EXPECT_EQ(plan.imagesOfUpdate(3), 8);
  EXPECT_EQ(plan.firstOfUpdate(3), 2);
  EXPECT_EQ(plan.endOfUpdate(4), 5);
  EXPECT_EQ(plan.imagesOfUpdate(4), 2);
}
