//===- ElaborateTest.cpp - names, shapes, biases, initial values ----------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <cmath>

namespace netc::frontend {

static std::string wrap(const std::string &body) {
  return "net 1\nmodel m {\n  input image: [3, 32, 32]\n" + body + "\n}\n";
}

static Network elaborate(const std::string &source, const std::string &setting = {},
                         const std::string &model = {}) {
  std::string diagnostics;
  auto network = elaborateText(source, diagnostics, model, setting);
  EXPECT_TRUE(network) << diagnostics;
  EXPECT_EQ(diagnostics, "");
  return network.value_or(Network{});
}

static std::vector<std::string> layerNames(const Network &network) {
  std::vector<std::string> names;
  for (const Layer &layer : network.layers)
    names.push_back(layer.name);
  return names;
}

static std::vector<std::string> parameterNames(const Network &network) {
  std::vector<std::string> names;
  for (const Layer &layer : network.layers)
    for (const Parameter &parameter : layer.parameters)
      names.push_back(parameter.name);
  return names;
}

static Shape shapeOf(const std::string &pipe) {
  // With a loss that fits any shape.
  Network network = elaborate(wrap("  return image | " + pipe) + "train m { loss mse }\n");
  return network.layers.empty() ? Shape() : network.layers[network.outputs[0].layer].output;
}

using Names = std::vector<std::string>;

TEST(Names, MayBeginWithAnExpression) {
  Network network = elaborate(wrap("  n = 3\n  x = {n}.a: relu(image)\n"
                                   "  y = if n > 2 { {n}.b: tanh(x) } else { x }\n"
                                   "  return y"));
  EXPECT_EQ(layerNames(network), (Names{"image", "3.a", "3.b"}));
}

TEST(Names, CountByKindWithinAScope) {
  Network network = elaborate(wrap("  x = image | conv(4, k=1) | relu | conv(4, k=1) | relu\n"
                                   "  return x + x"));
  EXPECT_EQ(layerNames(network), (Names{"image", "conv1", "relu1", "conv2", "relu2", "add1"}));
}

TEST(Names, LabelsDoNotAdvanceTheNumbering) {
  Network network = elaborate(wrap("  return image | stem: conv(4, k=1) | conv(4, k=1)"));
  EXPECT_EQ(layerNames(network), (Names{"image", "stem", "conv1"}));
}

TEST(Names, RunOnThroughLoops) {
  Network network = elaborate(wrap("  x = image\n  repeat 3 { x = x | relu }\n  return x"));
  EXPECT_EQ(layerNames(network), (Names{"image", "relu1", "relu2", "relu3"}));
}

TEST(Names, BlocksOpenScopesAndAreCountedLikeLayers) {
  Network network = elaborate("net 1\nblock b(x) {\n  return x | conv(4, k=1)\n}\n" +
                              wrap("  return image | b | b | a.{1 + 1}: b").substr(6));
  EXPECT_EQ(layerNames(network), (Names{"image", "b1.conv1", "b2.conv1", "a.2.conv1"}));
}

TEST(Names, IdentityVanishes) {
  Network network = elaborate(wrap("  return image | identity | relu | identity"));
  EXPECT_EQ(layerNames(network), (Names{"image", "relu1"}));
}

TEST(Names, AliasesOpenNoScope) {
  Network network = elaborate("net 1\nmodel a = b(2)\nmodel b(n) {\n  input i: [n, 4, 4]\n"
                              "  return i | relu\n}\n");
  EXPECT_EQ(network.name, "a");
  EXPECT_EQ(layerNames(network), (Names{"i", "relu1"}));
}

TEST(Bias, IsLeftOutWhereABatchNormReadsAlone) {
  Network network = elaborate(wrap("  return image | conv(4, k=1) | bn"));
  EXPECT_EQ(parameterNames(network), (Names{"conv1.weight", "bn1.weight", "bn1.bias",
                                            "bn1.running_mean", "bn1.running_var"}));
}

TEST(Bias, StaysWhereWrittenOrReadTwice) {
  Network written = elaborate(wrap("  return image | conv(4, k=1, bias=true) | bn"));
  EXPECT_EQ(parameterNames(written)[1], "conv1.bias");
  Network shared = elaborate(wrap("  y = image | conv(4, k=1)\n  return y + (y | bn)"));
  EXPECT_EQ(parameterNames(shared)[1], "conv1.bias");
  Network refused = elaborate(wrap("  return image | conv(4, k=1, bias=false) | relu"));
  EXPECT_EQ(parameterNames(refused), (Names{"conv1.weight"}));
}

TEST(Shapes, FollowPyTorch) {
  EXPECT_EQ(shapeOf("conv(8, k=3)"), (Shape{8, 30, 30}));
  EXPECT_EQ(shapeOf("conv(8, k=[3, 5], stride=[1, 2], pad=[1, 2])"), (Shape{8, 32, 16}));
  EXPECT_EQ(shapeOf("conv(8, k=3, dilation=2)"), (Shape{8, 28, 28}));
  EXPECT_EQ(shapeOf("conv(8, k=3, stride=2, pad=same)"), (Shape{8, 16, 16}));
  EXPECT_EQ(shapeOf("conv(8, k=3, pad=[0, 0, 1, 2])"), (Shape{8, 31, 32}));
  EXPECT_EQ(shapeOf("maxpool(k=3, stride=2)"), (Shape{3, 15, 15}));
  EXPECT_EQ(shapeOf("maxpool(k=3, stride=2, round=up)"), (Shape{3, 16, 16}));
  EXPECT_EQ(shapeOf("maxpool(k=2, stride=2, pad=1, round=up)"), (Shape{3, 17, 17}));
  EXPECT_EQ(shapeOf("avgpool(global)"), (Shape{3, 1, 1}));
  EXPECT_EQ(shapeOf("avgpool(out=[5, 7])"), (Shape{3, 5, 7}));
  EXPECT_EQ(shapeOf("subsample(3)"), (Shape{3, 11, 11}));
  EXPECT_EQ(shapeOf("pad([1, 2])"), (Shape{3, 34, 36}));
  EXPECT_EQ(shapeOf("pad_channels(7)"), (Shape{7, 32, 32}));
  EXPECT_EQ(shapeOf("flatten | linear(5)"), (Shape{5}));
}

TEST(Shapes, AreReadable) {
  Network network =
      elaborate(wrap("  x = image | conv(image.channels * 2, k=1)\n"
                     "  return x | conv(x.shape[0] + x.height / x.width + len(x.shape), k=1)"));
  EXPECT_EQ(network.layers[2].output, (Shape{10, 32, 32}));
}

TEST(Pools, GlobalCoversTheInput) {
  Network network = elaborate(wrap("  return image | avgpool(global) | flatten"));
  const auto &attrs = std::get<PoolAttrs>(network.layers[1].attrs);
  EXPECT_EQ(attrs.kernel, (std::array<int64_t, 2>{32, 32}));
  EXPECT_TRUE(attrs.global);
}

TEST(Pools, StrideDefaultsToTheWindow) {
  Network network = elaborate(wrap("  return image | maxpool(k=[2, 4])"));
  EXPECT_EQ(std::get<PoolAttrs>(network.layers[1].attrs).stride, (std::array<int64_t, 2>{2, 4}));
}

TEST(Initializers, AreHeFanOutForConvolutionsAndPyTorchsForLinear) {
  Network network =
      elaborate(wrap("  return image | conv(6, k=3, groups=3) | flatten | linear(2)"));
  const Initializer &weight = network.layers[1].parameters[0].init;
  EXPECT_EQ(weight.kind, Initializer::Kind::Normal);
  EXPECT_DOUBLE_EQ(weight.b, std::sqrt(2.0 / (6 * 9)));
  EXPECT_DOUBLE_EQ(network.layers[1].parameters[1].init.b, 1 / std::sqrt(9.0));
  const Initializer &linear = network.layers[3].parameters[0].init;
  EXPECT_EQ(linear.kind, Initializer::Kind::Uniform);
  EXPECT_DOUBLE_EQ(linear.b, 1 / std::sqrt(6 * 30 * 30.0));
}

TEST(Initializers, AreOverridden) {
  Network network =
      elaborate(wrap("  return image | conv(6, k=3, init=normal(0, 0.01), bias_init=1) | relu"));
  EXPECT_DOUBLE_EQ(network.layers[1].parameters[0].init.b, 0.01);
  EXPECT_EQ(network.layers[1].parameters[1].init.kind, Initializer::Kind::Constant);
  EXPECT_DOUBLE_EQ(network.layers[1].parameters[1].init.a, 1);
}

TEST(Language, PipesBindLoosest) {
  Network network = elaborate(wrap("  a = image | tanh\n  return a + image | relu"));
  EXPECT_EQ(network.layers[network.outputs[0].layer].kind, "relu");
  EXPECT_EQ(network.layers[network.layers[network.outputs[0].layer].inputs[0]].kind, "add");
}

TEST(Language, LayersAndBlocksAreValues) {
  Network network = elaborate("net 1\nblock act(x, f) {\n  return x | f\n}\n" +
                              wrap("  return image | act(tanh) | act(relu)").substr(6));
  EXPECT_EQ(layerNames(network), (Names{"image", "act1.tanh1", "act2.relu1"}));
}

TEST(Language, SwitchesOfBlocksAreBareWords) {
  Network network = elaborate("net 1\nblock b(x, twice=false) {\n  x = x | relu\n"
                              "  if twice { x = x | relu }\n  return x\n}\n" +
                              wrap("  return image | b(twice)").substr(6));
  EXPECT_EQ(network.layers.size(), 3u);
}

TEST(Language, ArithmeticIsExact) {
  Network network =
      elaborate(wrap("  n = (7 - 7 % 2) / 2 << 1\n  m = max(min([9, n]), 3) * -1 + 10 - (-7) % 4\n"
                     "  return image | conv(n, k=1) | conv(m, k=1)"));
  EXPECT_EQ(network.layers[1].output[0], 6);
  EXPECT_EQ(network.layers[2].output[0], 3);
}

TEST(Language, LoopsTakeListsOfLists) {
  Network network = elaborate(
      wrap("  x = image\n  for c, k in [[4, 1], [5, 3]] { x = x | conv(c, k=k) }\n  return x"));
  EXPECT_EQ(network.layers[2].output, (Shape{5, 30, 30}));
}

TEST(Language, BranchesWithoutElseAndElseIf) {
  Network network = elaborate(wrap("  x = image\n  if x.height > 40 { x = x | tanh }\n"
                                   "  else if x.height == 32 and not false { x = x | relu }\n"
                                   "  return x"));
  EXPECT_EQ(layerNames(network), (Names{"image", "relu1"}));
}

TEST(Language, AuxiliaryHeadsAreMarked) {
  Network network =
      elaborate(wrap("  x = image | relu\n  x | flatten | head: linear(3) | aux(weight=0.3)\n"
                     "  return x | flatten | linear(3)"));
  ASSERT_EQ(network.auxiliaries.size(), 1u);
  EXPECT_DOUBLE_EQ(network.auxiliaries[0].weight, 0.3);
  const Layer &head = network.layers[network.auxiliaries[0].value];
  EXPECT_EQ(head.name, "head");
  EXPECT_TRUE(head.auxiliary);
  EXPECT_FALSE(network.layers[1].auxiliary);
}

TEST(Language, GatesTakeOneByOne) {
  Network network =
      elaborate(wrap("  g = image | avgpool(global) | conv(3, k=1) | sigmoid\n  return g * image"));
  const Layer &gate = network.layers[network.outputs[0].layer];
  EXPECT_EQ(gate.output, (Shape{3, 32, 32}));
  EXPECT_EQ(gate.inputs[0], 0) << "the full-sized tensor comes first";
}

TEST(Language, NumbersAreOperandsOfTensors) {
  Network network = elaborate(wrap("  return 2 + (image * 0.5 | relu) * 3"));
  EXPECT_EQ(layerNames(network), (Names{"image", "mul1", "relu1", "mul2", "add1"}));
  const auto &half = std::get<AffineAttrs>(network.layers[1].attrs);
  EXPECT_EQ(std::pair(half.scale, half.shift), std::pair(0.5, 0.0));
  const auto &two = std::get<AffineAttrs>(network.layers[4].attrs);
  EXPECT_EQ(std::pair(two.scale, two.shift), std::pair(1.0, 2.0));
}

TEST(Language, ValuesPerChannelAreOperandsInAnyOrder) {
  Network network = elaborate(wrap("  v = image | avgpool(global) | flatten\n"
                                   "  return v * (v + image) + (image | avgpool(global))"));
  const std::vector<Layer> &layers = network.layers;
  size_t size = layers.size();
  for (size_t i : {size - 4, size - 3, size - 1})
    EXPECT_EQ(layers[i].output, (Shape{3, 32, 32})) << layers[i].name;
  EXPECT_EQ(layers[size - 3].inputs[1], layers[size - 4].inputs[1]) << "the vector comes second";
}

TEST(Settings, ReachParametersInputsAndThroughAliases) {
  std::string source = "net 1\nmodel a = b(4)\nmodel b(c, classes=10) {\n  input image: [3, 8, 8]\n"
                       "  return image | conv(c, k=1) | flatten | linear(classes)\n}\n";
  EXPECT_EQ(elaborate(source, "classes=7 * 3", "a").layers.back().output, (Shape{21}));
  EXPECT_EQ(elaborate(source, "image=[1, 4, 6]", "a").layers[0].output, (Shape{1, 4, 6}));
  EXPECT_EQ(elaborate(source).name, "a") << "b has no value for c";
  EXPECT_EQ(elaborate(source, "c=5").name, "b") << "a's c is settled";
}

TEST(Imports, AreRelativeToTheirFileAndReadOnce) {
  std::string diagnostics;
  writeText("blocks.net", "net 1\nimport \"more.net\"\nblock b(x) {\n  return x | c\n}\n");
  writeText("more.net", "net 1\nblock c(x) {\n  return x | relu\n}\n");
  Network network = elaborate("net 1\nimport \"blocks.net\"\nimport \"more.net\"\n" +
                              wrap("  return image | b").substr(6));
  EXPECT_EQ(layerNames(network), (Names{"image", "b1.c1.relu1"}));
}

TEST(Locations, LeadBackThroughTheBlocks) {
  Network network = elaborate("net 1\nblock b(x) {\n  return x | relu\n}\n" +
                              wrap("  return image | b").substr(6));
  const Layer &layer = network.layers[1];
  EXPECT_EQ(layer.location.line, 3);
  EXPECT_EQ(layer.location.column, 14);
  ASSERT_EQ(layer.stack.size(), 1u);
  EXPECT_EQ(layer.stack[0].block, "b");
  EXPECT_EQ(layer.stack[0].name, "b1");
  EXPECT_EQ(layer.stack[0].from.line, 7);
}

TEST(Dump, ShowsTheTree) {
  writeText("test.net", wrap("  for i in 0..2 { x = image | a{i}: relu }\n  return x"));
  std::string diagnostics;
  EXPECT_EQ(dumpAst("test.net", diagnostics).value_or(diagnostics),
            "model m()\n"
            "  input image: [3 32 32]\n"
            "  for i in (.. 0 2)\n"
            "    x = (| image (call a{i}: relu))\n"
            "  return x\n");
}

TEST(Settings, MayBindNamesOnTheWay) {
  std::string diagnostics;
  auto network = elaborateText(
      "net 1\nmodel m(c=1) {\n  input image: [3, 8, 8]\n  return image | conv(c, k=1)\n}\n",
      diagnostics, "", "c=if true { x = 3\n for i in 0..2 { x = x + i }\n x } else { 1 }");
  ASSERT_TRUE(network) << diagnostics;
  EXPECT_EQ(network->layers.back().output, (Shape{4, 8, 8}));
}

} // namespace netc::frontend
