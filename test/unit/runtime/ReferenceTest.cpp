// The double-precision layers against values worked out by hand, and gradcheck on the toy.
#include "runtime/reference/Reference.h"
#include "runtime/reference/Layers.h"

#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

using namespace netc::runtime;
using namespace netc::runtime::reference;

static const std::string toy = TOY_EXECUTABLES "/toy_model";
using Shape = std::vector<int64_t>;

/// Computes one node over inputs of given shapes.
static std::vector<double>
compute(Node node, std::vector<std::pair<Shape, std::vector<double>>> inputs, int64_t n = 1) {
  std::vector<Operand> operands;
  for (auto &[shape, data] : inputs)
    operands.push_back({data.data(), &shape});
  std::vector<double> out(size_t(n * node.elements()), NAN);
  computeNode(node, operands, n, out.data());
  return out;
}

static Node window(const char *op, Shape shape, Shape kernel, int64_t stride, Shape pads) {
  Node node;
  node.op = op;
  node.shape = shape;
  node.kernel = kernel;
  node.strides = {stride, stride};
  node.dilations = {1, 1};
  node.pads = pads;
  return node;
}

TEST(Reference, ConvolvesWithPaddingStrideAndGroups) {
  std::vector<double> image(9);
  for (size_t i = 0; i < 9; ++i)
    image[i] = double(i + 1);
  Node node = window("conv2d", {1, 2, 2}, {}, 2, {1, 1, 1, 1});
  // The middle of a 3 x 3 filter of ones: sums of the 2 x 2 corners.
  EXPECT_EQ(compute(node, {{{1, 3, 3}, image}, {{1, 1, 3, 3}, std::vector<double>(9, 1)}}),
            (std::vector<double>{1 + 2 + 4 + 5, 2 + 3 + 5 + 6, 4 + 5 + 7 + 8, 5 + 6 + 8 + 9}));
  node = window("conv2d", {2, 1, 1}, {}, 1, {0, 0, 0, 0});
  node.groups = 2;
  EXPECT_EQ(compute(node, {{{2, 1, 1}, {3, 5}}, {{2, 1, 1, 1}, {10, 100}}, {{2}, {1, 2}}}),
            (std::vector<double>{31, 502}));
  node = window("conv2d", {1, 1, 3}, {}, 1, {0, 2, 0, 2});
  node.dilations = {1, 2};
  EXPECT_EQ(compute(node, {{{1, 1, 3}, {1, 2, 3}}, {{1, 1, 1, 3}, {1, 10, 100}}}),
            (std::vector<double>{310, 20, 31}));
}

TEST(Reference, PoolsAsPyTorch) {
  std::vector<double> image{-1, -2, -3, -4, -5, -6, -7, -8, -9};
  EXPECT_EQ(compute(window("max_pool", {1, 2, 2}, {2, 2}, 2, {1, 1, 0, 0}), {{{1, 3, 3}, image}}),
            (std::vector<double>{-1, -2, -4, -5}));
  EXPECT_EQ(compute(window("avg_pool", {1, 2, 2}, {2, 2}, 2, {1, 1, 0, 0}), {{{1, 3, 3}, image}}),
            (std::vector<double>{-0.25, -1.25, -2.75, -7}));
  // Rounded up: the last window lies half outside and is divided by what is inside.
  EXPECT_EQ(compute(window("avg_pool", {1, 2, 2}, {2, 2}, 2, {0, 0, 0, 0}), {{{1, 3, 3}, image}}),
            (std::vector<double>{-3, -4.5, -7.5, -9}));
  EXPECT_EQ(compute(window("adaptive_avg_pool", {1, 1, 2}, {}, 1, {}), {{{1, 1, 3}, {1, 2, 4}}}),
            (std::vector<double>{1.5, 3}));
}

TEST(Reference, NormalisesWithTheBatch) {
  Node node;
  node.op = "batch_norm";
  node.shape = {1, 1, 2};
  auto out = compute(
      node, {{{1, 1, 2}, {1, 2, 3, 4}}, {{1}, {2}}, {{1}, {10}}, {{1}, {99}}, {{1}, {99}}}, 2);
  double std = std::sqrt(1.25);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(out[i], 10 + 2 * (double(i) - 1.5) / std, 1e-12);
}

TEST(Reference, MovesGatesConcatenatesResponds) {
  Node node;
  node.op = "move"; // every second pixel, and a zero channel behind
  node.shape = {2, 1, 2};
  node.strides = {2, 2};
  node.spreads = {1, 1};
  node.offsets = {0, 0};
  EXPECT_EQ(compute(node, {{{1, 1, 4}, {1, 2, 3, 4}}}), (std::vector<double>{1, 3, 0, 0}));
  node.op = "mul";
  EXPECT_EQ(compute(node, {{{2, 1, 2}, {1, 2, 3, 4}}, {{2, 1, 1}, {10, 100}}}),
            (std::vector<double>{10, 20, 300, 400}));
  node.op = "concat";
  EXPECT_EQ(compute(node, {{{1, 1, 2}, {1, 2, 5, 6}}, {{1, 1, 2}, {3, 4, 7, 8}}}, 2),
            (std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}));
  node.op = "lrn";
  node.shape = {3, 1, 1};
  node.size = 3;
  node.alpha = node.beta = node.k = 1;
  EXPECT_EQ(compute(node, {{{3, 1, 1}, {1, 2, 3}}}),
            (std::vector<double>{1.0 / 6, 2.0 / 15, 3.0 / 14}));
  node.op = "nonsense";
  EXPECT_EQ(errorOf([&] { compute(node, {{{3, 1, 1}, {1, 2, 3}}}); }),
            "gradcheck: no reference for the operation nonsense");
}

TEST(Reference, CrossEntropySmoothsAsPyTorch) {
  double logits[] = {0, std::log(3.0)};
  int64_t labels[] = {1};
  EXPECT_NEAR(crossEntropy(logits, {2}, labels, 1, 0), std::log(4.0 / 3), 1e-12);
  EXPECT_NEAR(crossEntropy(logits, {2}, labels, 1, 0.2),
              0.9 * std::log(4.0 / 3) + 0.1 * std::log(4.0), 1e-12);
}

TEST(Reference, KnowsChannelsOfImagesAndOfSequences) {
  // A map [classes, H, W] and a sequence [tokens, classes] of the same scores.
  double map[] = {0, 1, std::log(3.0), 1}, sequence[] = {0, std::log(3.0), 1, 1};
  int64_t labels[] = {1, 0};
  double expected = (std::log(4.0 / 3) + std::log(2.0)) / 2;
  EXPECT_NEAR(crossEntropy(map, {2, 1, 2}, labels, 1, 0), expected, 1e-12);
  EXPECT_NEAR(crossEntropy(sequence, {2, 2}, labels, 1, 0), expected, 1e-12);
  Node node;
  node.op = "linear";
  node.shape = {2, 1};
  EXPECT_EQ(compute(node, {{{2, 2}, {1, 2, 3, 4}}, {{1, 2}, {1, 10}}}),
            (std::vector<double>{21, 43}));
  node.op = "concat";
  node.shape = {2, 3};
  EXPECT_EQ(compute(node, {{{2, 1}, {1, 4}}, {{2, 2}, {2, 3, 5, 6}}}),
            (std::vector<double>{1, 2, 3, 4, 5, 6}));
  node.op = "softmax";
  node.shape = {2, 2};
  EXPECT_EQ(compute(node, {{{2, 2}, {0, 0, 7, 7}}}), (std::vector<double>{0.5, 0.5, 0.5, 0.5}));
}

TEST(Reference, AddsTermsOfSeveralOutputsAndInputs) {
  // Two inputs of two values; the first output is their sum, the second the first input's identity.
  Graph graph;
  graph.inputs = {{2}, {2}};
  Node sum, same;
  sum.op = "add", sum.inputs = {0, 1}, sum.shape = {2};
  same.op = "identity", same.inputs = {0}, same.shape = {2};
  graph.nodes = {sum, same};
  graph.losses = {
      {LossKind::Mse, 2, 0, 1}, {LossKind::L1, 2, 0, 10}, {LossKind::CrossEntropy, 3, 1, 0.5}};
  Reference exact(graph, 1, {}, {{0, 0}, {1, 2}}, {{{}, {3, 2}}, {{1}, {}}});
  EXPECT_NEAR(exact.loss(), 4.0 / 2 + 10 * 2.0 / 2 + 0.5 * std::log(2.0), 1e-12);
}

TEST(GradCheck, FindsTheToyRight) {
  Outcome outcome = shell(toy + " gradcheck --only 'fc.*'");
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_HAS(outcome.out, "fc.weight");
  EXPECT_HAS(outcome.out, "2 of 2 parameters ok");
  auto json = nlohmann::json::parse(shell(toy + " gradcheck --data synthetic:50 --json").out);
  EXPECT_EQ(json["ok"], true);
  EXPECT_NEAR(json["loss"].get<double>(), json["reference_loss"].get<double>(), 1e-5);
  EXPECT_EQ(shell(toy + " gradcheck --only 'nothing*'").code, 2);
}

TEST(GradCheck, FindsABrokenGradient) {
  Outcome outcome = shell(TOY_EXECUTABLES "/toy_wrong_model gradcheck --only 'fc.*'");
  EXPECT_EQ(outcome.code, 1) << outcome.out;
  EXPECT_HAS(outcome.out, "FAILED");
  EXPECT_HAS(outcome.out, "1 of 2 parameters ok");
}
