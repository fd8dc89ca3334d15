// In what order a run sees its samples.
#include "runtime/train/RunData.h"

#include "test/unit/runtime/ImageModel.h"

#include <gtest/gtest.h>

#include <set>

using namespace netc::runtime;

// Hoffer et al. 2020: as many visits as there are images, of a third of them, each three times in a
// row as another view.
TEST(RunData, RepeatedVisitsFewerImagesSeveralTimes) {
  ModelInfo info = imageModel(1, 8, 8);
  info.outputs = {{"output", NETC_SPACE_OUTPUT, NETC_TYPE_F32, {10}}};
  info.targets = {{"labels", NETC_SPACE_LABELS, NETC_TYPE_I64, {}}};
  info.losses = {{}};
  info.recipe = R"({"augment":[{"name":"repeated","args":[3],"named":{}}]})";
  Recipe recipe = parseRecipe(info, {});
  TrainOptions options;
  options.data = "synthetic:31";
  RunData data(options, info, recipe, true);
  std::vector<Visit> order = data.order(0);
  ASSERT_EQ(order.size(), 31u);
  std::set<int64_t> seen;
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(order[i].view, int(i % 3)) << i;
    if (i % 3)
      EXPECT_EQ(order[i].sample, order[i - 1].sample) << i;
    else
      EXPECT_TRUE(seen.insert(order[i].sample).second) << i;
  }
  // Another epoch draws others.
  std::set<int64_t> next;
  for (const Visit &visit : data.order(1))
    next.insert(visit.sample);
  EXPECT_EQ(next.size(), seen.size());
  EXPECT_NE(next, seen);
}
