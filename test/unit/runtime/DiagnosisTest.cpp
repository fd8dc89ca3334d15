// A step that goes wrong is traced to the layer where the first bad value appeared.
#include "runtime/exec/Diagnosis.h"

#include "runtime/train/Initialize.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

using namespace netc::runtime;

namespace {
struct ToyStep : testing::Test {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool{2};
  Executor executor{*netc_models[0], info, pool};

  ToyStep() {
    executor.reserve(8, true);
    initializeParameters(executor, 1);
    for (int64_t i = 0; i < 8 * info.inputElements(); ++i)
      executor.at<float>(NETC_SPACE_INPUT)[i] = std::sin(float(i));
    executor.run(Program::Step, 8);
  }
};
} // namespace

TEST_F(ToyStep, AHealthyStepHasNoFault) {
  EXPECT_TRUE(gradientsFinite(executor));
  EXPECT_HAS(locateFault(executor, 8), "the largest value is in ");
}

TEST_F(ToyStep, NamesTheInput) {
  executor.at<float>(NETC_SPACE_INPUT)[100] = NAN;
  EXPECT_HAS(locateFault(executor, 8), "the input images hold values that are not finite");
}

TEST_F(ToyStep, NamesTheParameter) {
  executor.parameter(info.parameters[0])[7] = INFINITY;
  EXPECT_EQ(locateFault(executor, 8), "parameter fc.weight is inf since the update before");
}

TEST_F(ToyStep, NamesTheLayerAndTheDirection) {
  executor.parameter(info.parameters[0])[7] = 3e38f;
  executor.at<float>(NETC_SPACE_INPUT)[7] = 3e38f;
  EXPECT_EQ(locateFault(executor, 8), "first in layer fc (linear), forward: inf");
}

static NetcKernelFn wholeBackward;
static void brokenBackward(char *const *buffers, char *scratch, int64_t n, int64_t begin,
                           int64_t end) {
  wholeBackward(buffers, scratch, n, begin, end);
  if (begin == 0)
    reinterpret_cast<float *>(buffers[3])[0] = -INFINITY;
}

TEST_F(ToyStep, NamesTheDirection) {
  std::vector<NetcKernel> kernels(netc_models[0]->kernels,
                                  netc_models[0]->kernels + netc_models[0]->kernel_count);
  for (NetcKernel &kernel : kernels)
    if (kernel.name == std::string("backward"))
      wholeBackward = std::exchange(kernel.fn, brokenBackward);
  NetcModel broken = *netc_models[0];
  broken.kernels = kernels.data();
  Executor other(broken, info, pool);
  other.reserve(8, true);
  other.run(Program::Step, 8);
  EXPECT_TRUE(std::isfinite(*other.at<float>(NETC_SPACE_LOSS)));
  EXPECT_FALSE(gradientsFinite(other));
  EXPECT_EQ(locateFault(other, 8), "first in layer fc (linear), backward: -inf");
}

TEST_F(ToyStep, NamesTheFirstLargeValueWhereAllAreFinite) {
  executor.parameter(info.parameters[0])[7] = 1e12f;
  executor.at<float>(NETC_SPACE_INPUT)[7] = 2;
  EXPECT_EQ(locateFault(executor, 8), "first in layer fc (linear), forward: 2e+12");
}

TEST_F(ToyStep, BadGradientsAreFound) {
  executor.gradient(info.parameters[1])[9] = NAN;
  EXPECT_FALSE(gradientsFinite(executor));
}

TEST(Diagnosis, FiniteMeansNeitherNanNorInfinity) {
  std::vector<float> values(1000, 3.4e38f);
  EXPECT_TRUE(allFinite(values.data(), 1000));
  for (float bad : {NAN, -INFINITY, INFINITY}) {
    values[999] = bad;
    EXPECT_FALSE(allFinite(values.data(), 1000));
    EXPECT_TRUE(allFinite(values.data(), 999));
  }
  EXPECT_EQ(explodedLoss(2), 1000);
  EXPECT_NEAR(explodedLoss(1000), 6907.8, 0.1);
}
