#include "runtime/evaluate/Evaluate.h"

#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

// Softmax of one logit says 100 % of every image.
TEST(Evaluate, OneClassIsRefused) {
  ModelInfo info;
  info.name = "detector";
  info.classes = 1;
  info.outputs = {{"output", NETC_SPACE_OUTPUT, NETC_TYPE_F32, {1}}};
  info.losses = {{LossKind::CrossEntropy, 0, 0, 1}};
  EXPECT_HAS(errorOf([&] { requireSeveralClasses(info, "predict"); }),
             "detector has one class, whose probability is always 100%: there is nothing to "
             "predict");
  info.classes = 2;
  EXPECT_EQ(errorOf([&] { requireSeveralClasses(info, "predict"); }), "");
}

TEST(Evaluate, SamplesAreSpreadOverTheSet) {
  EXPECT_EQ(spreadSamples(10, 4), (std::vector<int64_t>{0, 2, 5, 7}));
  EXPECT_EQ(spreadSamples(3, 0), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(spreadSamples(3, 9), (std::vector<int64_t>{0, 1, 2}));
}
