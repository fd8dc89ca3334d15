#include "runtime/exec/Executor.h"

#include "runtime/base/Error.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/train/Initialize.h"
#include "runtime/weights/Weights.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace netc::runtime;

static void fillBatch(Executor &executor, int64_t n) {
  int64_t elements = executor.info().inputElements();
  for (int64_t i = 0; i < n * elements; ++i)
    executor.at<float>(NETC_SPACE_INPUT)[i] = std::sin(float(i));
  for (int64_t i = 0; i < n; ++i)
    executor.at<int64_t>(NETC_SPACE_LABELS)[i] = i * 7 % 10;
  executor.hyper().lr = 0.1f;
  executor.hyper().momentum = 0.9f;
}

/// Parameters after three steps on a ragged batch.
static std::string trainBits(unsigned threads) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(threads);
  Executor executor(*netc_models[0], info, pool);
  executor.reserve(50, true);
  initializeParameters(executor, 1);
  fillBatch(executor, 37);
  for (int i = 0; i < 3; ++i) {
    executor.run(Program::Step, 37);
    executor.run(Program::Update, 37);
  }
  return std::string(executor.at<char>(NETC_SPACE_PARAMETERS), netc_models[0]->parameter_bytes);
}

TEST(Executor, SameBitsWithAnyNumberOfThreads) {
  std::string one = trainBits(1);
  EXPECT_EQ(one, trainBits(2));
  EXPECT_EQ(one, trainBits(3));
}

TEST(Executor, GradientsMatchFiniteDifferences) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(2);
  Executor executor(*netc_models[0], info, pool);
  executor.reserve(8, true);
  initializeParameters(executor, 1);
  fillBatch(executor, 8);
  executor.run(Program::Step, 8);
  float *weight = executor.parameter(info.parameters[0]);
  double gradient = double(executor.gradient(info.parameters[0])[100]);
  auto lossAt = [&](float value) {
    weight[100] = value;
    executor.run(Program::Step, 8);
    return double(*executor.at<float>(NETC_SPACE_LOSS));
  };
  float old = weight[100], h = 0.05f;
  EXPECT_NEAR((lossAt(old + h) - lossAt(old - h)) / (2 * double(h)), gradient, 1e-4);
}

TEST(Executor, InferenceEqualsTheStepsForward) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(2);
  Executor executor(*netc_models[0], info, pool);
  executor.reserve(8, true);
  initializeParameters(executor, 1);
  fillBatch(executor, 8);
  executor.run(Program::Step, 8);
  std::vector<float> logits(executor.at<float>(NETC_SPACE_OUTPUT),
                            executor.at<float>(NETC_SPACE_OUTPUT) + 80);
  executor.run(Program::Prepare, 1);
  executor.run(Program::Infer, 8);
  for (size_t i = 0; i < 80; ++i)
    EXPECT_NEAR(executor.at<float>(NETC_SPACE_OUTPUT)[i], logits[i], 1e-4);
}

TEST(Executor, RefusesWhatMemoryCannotHold) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(1);
  Executor executor(*netc_models[0], info, pool);
  std::string error = errorOf([&] { executor.reserve(int64_t(1) << 33, true, 4); });
  EXPECT_HAS(error, "batch 8589934592 needs ");
  EXPECT_HAS(error, " bytes (");
  EXPECT_HAS(error, "TiB), only ");
  EXPECT_HAS(error, "the largest batch that fits is ");
  EXPECT_HAS(errorOf([&] { executor.reserve(int64_t(1) << 62, true, 4); }), "more than 16 EiB");
}

TEST(Executor, CountsGridItems) {
  NetcCommand command{};
  command.items_outer = 3;
  EXPECT_EQ(gridItems(command, 100), 3);
  command.rows_per_image = 10;
  command.rows_per_item = 4;
  EXPECT_EQ(gridItems(command, 3), 3 * 8);
}

TEST(Executor, RejectsDamagedTables) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(1);
  NetcModel damaged = *netc_models[0];
  damaged.buffer_count = 3;
  EXPECT_HAS(errorOf([&] { Executor(damaged, info, pool); }), "executable is damaged");
  damaged.abi_version = 99;
  EXPECT_HAS(errorOf([&] { readModel(damaged); }), "version 99");
}

TEST(Initialize, DependsOnSeedAndName) {
  ParameterInfo parameter;
  parameter.name = "conv1.weight";
  parameter.shape = {1000};
  parameter.init = InitializerKind::Normal;
  parameter.initB = 2;
  std::vector<float> a(1000), b(1000);
  initializeParameter(parameter, 1, a.data());
  initializeParameter(parameter, 1, b.data());
  EXPECT_EQ(a, b);
  initializeParameter(parameter, 2, b.data());
  EXPECT_NE(a, b);
  parameter.name = "conv2.weight";
  initializeParameter(parameter, 1, b.data());
  EXPECT_NE(a, b);
  double squares = 0;
  for (float value : a)
    squares += double(value) * double(value);
  EXPECT_NEAR(squares / 1000, 4, 0.6);
}

TEST(CpuFeatures, NamesWhatIsMissing) {
  EXPECT_TRUE(hasCpuFeature("sse3"));
  EXPECT_FALSE(hasCpuFeature("fma4") && hasCpuFeature("amx-fp16"));
  requireCpuFeatures("m", {"sse3"});
  EXPECT_HAS(errorOf([] { requireCpuFeatures("m", {"sse3", "fma4", "amx-fp16"}); }), "amx-fp16");
}

TEST(Weights, MismatchesAreListed) {
  ScratchFolder folder;
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(1);
  Executor executor(*netc_models[0], info, pool);
  std::vector<float> values(7840);
  auto load = [&](std::vector<Tensor> tensors, bool training) {
    writeSafetensors(folder / "w", tensors, {});
    return errorOf([&] { loadWeights(Safetensors::read(folder / "w"), executor, training); });
  };
  Tensor weight = f32Tensor("fc.weight", {10, 784}, values.data());
  Tensor bias = f32Tensor("fc.bias", {10}, values.data());
  Tensor mean = f32Tensor("norm.running_mean", {1}, values.data());
  Tensor counter = f32Tensor("norm.num_batches_tracked", {1}, values.data());
  EXPECT_EQ(load({weight, bias, mean, counter}, false), "");
  EXPECT_HAS(load({weight, bias, mean}, true), "1 missing: aux.bias");
  std::string error =
      load({f32Tensor("fc.weight", {784, 10}, values.data()), bias,
            f32Tensor("x1", {1}, values.data()), f32Tensor("x2", {1}, values.data()),
            f32Tensor("x3", {1}, values.data()), f32Tensor("x4", {1}, values.data()),
            f32Tensor("x5", {1}, values.data()), f32Tensor("x6", {1}, values.data())},
           false);
  EXPECT_HAS(error, "1 missing: norm.running_mean");
  EXPECT_HAS(error, "6 unexpected: x1, x2, x3, x4, x5 and 1 more");
  EXPECT_HAS(error, "fc.weight (file [784, 10], model [10, 784])");
}
