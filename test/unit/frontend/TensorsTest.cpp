//===- TensorsTest.cpp - several inputs and outputs, ranks, losses --------===//
#include "frontend/syntax/Format.h"
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

/// As netc elaborates: losses must fit what the model returns.
static std::optional<Network> read(const std::string &source, std::string &diagnostics) {
  writeText("tensors.net", "net 1\n" + source);
  return elaborateFile("tensors.net", {}, diagnostics);
}

static Network accept(const std::string &source) {
  std::string diagnostics;
  auto network = read(source, diagnostics);
  EXPECT_TRUE(network) << diagnostics;
  return network.value_or(Network{});
}

static std::string refuse(const std::string &source) {
  std::string diagnostics;
  EXPECT_FALSE(read(source, diagnostics));
  return diagnostics;
}

static Shape shapeOf(const Network &network, size_t output) {
  return network.outputs.size() > output ? network.layers[network.outputs[output].layer].output
                                         : Shape();
}

static const std::string two = "model m {\n  input image: [3, 8, 8]\n  input mask: [1, 8, 8]\n";

TEST(Tensors, SeveralInputsAndOutputsHaveNames) {
  Network network = accept(two + "  x = concat(image, mask)\n"
                                 "  a = x | flatten | linear(5)\n"
                                 "  return {scores: a, map: x | conv(1, k=1), mask: mask}\n}\n");
  ASSERT_EQ(network.inputCount(), 2u);
  EXPECT_EQ(network.layers[0].name, "image");
  EXPECT_EQ(network.layers[1].name, "mask");
  ASSERT_EQ(network.outputs.size(), 3u);
  EXPECT_EQ(network.outputs[0].name, "scores");
  EXPECT_EQ(network.outputs[1].name, "map");
  EXPECT_EQ(shapeOf(network, 1), (Shape{1, 8, 8}));
  EXPECT_EQ(network.outputs[2].layer, 1);
  ASSERT_EQ(network.recipe.losses.size(), 1u); // of the first output
  EXPECT_EQ(network.recipe.losses[0].output, "scores");
}

TEST(Tensors, OneResultIsCalledOutput) {
  Network network = accept("model m {\n  input x: [6]\n  return x | linear(2)\n}\n");
  ASSERT_EQ(network.outputs.size(), 1u);
  EXPECT_EQ(network.outputs[0].name, "output");
}

TEST(Tensors, TheLossIsOfTheOutputNamedOutput) {
  Network network = accept("model m {\n  input x: [6]\n"
                           "  return {other: x, output: x | linear(2)}\n}\n");
  EXPECT_EQ(network.recipe.losses.at(0).output, "output");
}

TEST(Tensors, HaveOneToFourSizes) {
  Network network = accept("model m {\n  input x: [7, 12]\n  input w: [2, 3, 4, 5]\n"
                           "  y = x | linear(x.features / 2) | relu\n"
                           "  n = x.tokens + w.shape[3]\n"
                           "  return {tokens: y, all: w | tanh, flat: w | flatten | linear(n)}\n}\n"
                           "train m { loss flat: mse }\n");
  EXPECT_EQ(shapeOf(network, 0), (Shape{7, 6}));
  EXPECT_EQ(shapeOf(network, 1), (Shape{2, 3, 4, 5}));
  EXPECT_EQ(shapeOf(network, 2), (Shape{12}));
}

TEST(Tensors, LossesNameOutputsAndHaveWeights) {
  Network network = accept(two + "  x = concat(image, mask)\n"
                                 "  return {map: x | conv(4, k=1), depth: x | conv(1, k=1)}\n}\n"
                                 "train m { loss map: cross_entropy, depth: mse + 0.5 * l1 }\n");
  const std::vector<LossTerm> &losses = network.recipe.losses;
  ASSERT_EQ(losses.size(), 3u);
  EXPECT_EQ(losses[0].output, "map");
  EXPECT_EQ(losses[0].call.name, "cross_entropy");
  EXPECT_EQ(losses[1].output, "depth");
  EXPECT_EQ(losses[1].weight, 1);
  EXPECT_EQ(losses[2].output, "depth");
  EXPECT_EQ(losses[2].call.name, "l1");
  EXPECT_EQ(losses[2].weight, 0.5);
}

TEST(Tensors, AreFormattedAsWritten) {
  std::string source = "net 1\nmodel m {\n  input a: [4]\n  input b: [4]\n"
                       "  return {sum: a + b, twice: a | linear(4)}\n}\n"
                       "\ntrain m {\n  loss       sum: 0.5 * mse, twice: l1\n}\n";
  std::string diagnostics;
  EXPECT_EQ(formatSource("test.net", source, diagnostics).value_or(diagnostics), source);
  std::string lines = "net 1\nmodel m {\n  input a: [4]\n  return {\n    first: a | linear(4)\n"
                      "             | relu,\n    second: a\n  }\n}\n";
  EXPECT_EQ(formatSource("test.net", lines, diagnostics).value_or(diagnostics), lines);
  EXPECT_EQ(formatSource("test.net",
                         "net 1\nmodel m {\n  input a: [4]\n"
                         "  return  { sum :a,twice:  a }\n}\n",
                         diagnostics)
                .value_or(diagnostics),
            "net 1\nmodel m {\n  input a: [4]\n  return {sum: a, twice: a}\n}\n");
}

TEST(Tensors, StandInTheTree) {
  writeText("tree.net", "net 1\nmodel m {\n  input a: [4]\n  return {x: a, y: relu(a)}\n}\n"
                        "train m { loss x: mse, y: 2 * l1 }\n");
  std::string diagnostics;
  EXPECT_EQ(dumpAst("tree.net", diagnostics).value_or(diagnostics),
            "model m()\n  input a: [4]\n  return {x: a, y: (call relu a)}\n"
            "train m\n  loss x: mse y: (2 * l1)\n");
}

struct Refusal {
  const char *name, *source, *expected;
};

static const Refusal refusals[] = {
    {"output named twice", "model m {\n  input x: [6]\n  return {a: x, a: x | linear(2)}\n}\n",
     R"net(tensors.net:4:17: error: two outputs are named 'a'
    4 |   return {a: x, a: x | linear(2)}
      |                 ^
tensors.net:4:11: note: the first is here
    4 |   return {a: x, a: x | linear(2)}
      |           ^
)net"},
    {"output without a name", "model m {\n  input x: [6]\n  return {x}\n}\n",
     R"net(tensors.net:4:12: error: expected ':' after the output's name, have '}'
    4 |   return {x}
      |            ^
  help: several outputs are written return {scores: a, features: b}
)net"},
    {"no output", "model m {\n  input x: [6]\n  return {}\n}\n",
     R"net(tensors.net:4:11: error: expected the name of an output, have '}'
    4 |   return {}
      |           ^
  help: several outputs are written return {scores: a, features: b}
)net"},
    {"names in a block",
     "block b(x) {\n  return {a: x}\n}\nmodel m {\n  input x: [6]\n"
     "  return x | b | linear(2)\n}\n",
     R"net(tensors.net:3:3: error: only a model names its results
    3 |   return {a: x}
      |   ^~~~~~
  help: a block returns several values as a list: return [a, b]
)net"},
    {"list of results", "model m {\n  input x: [6]\n  return [x, x]\n}\n",
     R"net(tensors.net:4:3: error: a model returns a tensor, have the list [a tensor, a tensor]
    4 |   return [x, x]
      |   ^~~~~~
  help: several outputs have names: return {scores: a, features: b}
)net"},
    {"output that is no tensor", "model m {\n  input x: [6]\n  return {a: x, b: 3}\n}\n",
     R"net(tensors.net:4:20: error: the output 'b' must be a tensor, have the integer 3
    4 |   return {a: x, b: 3}
      |                    ^
)net"},
    {"output named loss", "model m {\n  input x: [6]\n  return {a: x, loss: x}\n}\n",
     R"net(tensors.net:4:17: error: an output can't be named 'loss'
    4 |   return {a: x, loss: x}
      |                 ^~~~
  help: run --train writes the loss under that name
)net"},
    {"input named labels", "model m {\n  input labels: [6]\n  return labels | linear(2)\n}\n",
     R"net(tensors.net:3:9: error: an input can't be named 'labels'
    3 |   input labels: [6]
      |         ^~~~~~
  help: data files hold what the loss compares with under that name
)net"},
    {"unused input", "model m {\n  input x: [6]\n  input y: [6]\n  return x | linear(2)\n}\n",
     R"net(tensors.net:4:9: error: no result of the model depends on the input 'y'
    4 |   input y: [6]
      |         ^
  help: leave the input out
)net"},
    {"loss of an unknown output",
     "model m {\n  input x: [6]\n  return {scores: x | linear(2)}\n}\n"
     "train m {\n  loss score: mse\n}\n",
     R"net(tensors.net:7:3: error: a loss for 'score', but model 'm' has no such output; did you mean 'scores'?
    7 |   loss score: mse
      |   ^~~~
  help: its outputs are scores
)net"},
    {"losses without outputs",
     "model m {\n  input x: [6]\n  return x | linear(2)\n}\ntrain m {\n  loss mse, l1\n}\n",
     R"net(tensors.net:7:8: error: 'loss' of several outputs names each of them
    7 |   loss mse, l1
      |        ^~~
  help: write loss scores: cross_entropy, depth: 0.1 * l1; terms of one output are added: loss mse + 0.1 * l1
tensors.net:7:13: error: 'loss' of several outputs names each of them
    7 |   loss mse, l1
      |             ^~
  help: write loss scores: cross_entropy, depth: 0.1 * l1; terms of one output are added: loss mse + 0.1 * l1
)net"},
    {"weight that is none",
     "model m {\n  input x: [6]\n  return x | linear(2)\n}\ntrain m {\n  loss 0 * mse\n}\n",
     R"net(tensors.net:7:8: error: the weight of a loss must be a number above 0, have the integer 0
    7 |   loss 0 * mse
      |        ^
  help: write 0.1 * l1
)net"},
    {"cross entropy of four sizes", "model m {\n  input x: [2, 3, 4, 5]\n  return x | relu\n}\n",
     R"net(tensors.net:4:3: error: cross_entropy wants class scores: a vector, an image or a sequence of them; have [2, 3, 4, 5]
    4 |   return x | relu
      |   ^~~~~~
  help: flatten it, or give it another loss: loss mse
)net"},
    {"mixup of values",
     "model m {\n  input x: [3, 8, 8]\n  return x | flatten | linear(2)\n}\n"
     "train m {\n  augment mixup\n  loss mse\n}\n",
     R"net(tensors.net:6:7: error: mixup and cutmix want one image in, and cross_entropy or bce on one vector of class scores
    6 | train m {
      |       ^
)net"},
    {"tokens of an image", "model m {\n  input x: [3, 8, 8]\n  return x | conv(x.tokens, k=1)\n}\n",
     R"net(tensors.net:4:21: error: an image [3, 8, 8] has no tokens
    4 |   return x | conv(x.tokens, k=1)
      |                     ^~~~~~
  help: it has .channels, .height, .width and .shape
)net"},
    {"channels of a sequence",
     "model m {\n  input x: [7, 12]\n  return x | linear(x.channels)\n}\n",
     R"net(tensors.net:4:23: error: a sequence [7, 12] has no channels
    4 |   return x | linear(x.channels)
      |                       ^~~~~~~~
  help: it has .tokens, .features and .shape
)net"},
    {"bn of a sequence", "model m {\n  input x: [7, 12]\n  return x | bn\n}\n",
     R"net(tensors.net:4:14: error: 'bn' wants an image or a vector, have the sequence [7, 12]
    4 |   return x | bn
      |              ^~
)net"},
    {"five sizes", "model m {\n  input x: [1, 2, 3, 4, 5]\n  return x\n}\n",
     R"net(tensors.net:3:12: error: an input's shape is [channels, height, width], [features], [tokens, features] or four sizes, each from 1 to 65536; have the list [1, 2, 3, 4, 5]
    3 |   input x: [1, 2, 3, 4, 5]
      |            ^
  help: write input image: [3, 224, 224]; the batch is never written
)net"},
};

class RefusedTensors : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedTensors, TellWhatToDo) { EXPECT_EQ(refuse(GetParam().source), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(, RefusedTensors, ::testing::ValuesIn(refusals), [](const auto &info) {
  std::string name = info.param.name;
  for (char &c : name)
    c = c == ' ' ? '_' : c;
  return name;
});

} // namespace netc::frontend
