//===- ModelsTest.cpp - the zoo, exact to the parameter -------------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <set>

namespace netc::frontend {

namespace {
struct ModelCase {
  const char *file, *model;
  int64_t parameters; ///< trained ones
};

std::ostream &operator<<(std::ostream &out, const ModelCase &c) { return out << c.model; }
} // namespace

// torchvision's counts where it has the model; the papers' else.
static const ModelCase models[] = {
    {"resnet.net", "resnet18", 11'689'512},
    {"resnet.net", "resnet34", 21'797'672},
    {"resnet.net", "resnet50", 25'557'032},
    {"resnet.net", "resnet101", 44'549'160},
    {"resnet.net", "resnet152", 60'192'808},
    {"resnet.net", "wide_resnet50_2", 68'883'240},
    {"resnet.net", "resnext50_32x4d", 25'028'904},
    {"resnet.net", "plain18", 11'515'688},
    {"resnet.net", "plain34", 21'623'848},
    {"resnet_cifar.net", "resnet20", 269'722},
    {"resnet_cifar.net", "resnet32", 464'154},
    {"resnet_cifar.net", "resnet44", 658'586},
    {"resnet_cifar.net", "resnet56", 853'018},
    {"resnet_cifar.net", "resnet110", 1'727'962},
    {"resnet_cifar.net", "resnet1202", 19'421'274},
    {"resnet_cifar.net", "plain20", 269'722},
    {"resnet_cifar.net", "plain56", 853'018},
    {"lenet.net", "lenet", 61'706},
    {"alexnet.net", "alexnet2012", 60'965'224},
    {"alexnet.net", "alexnet", 61'100'840},
    {"vgg.net", "vgg11", 132'863'336},
    {"vgg.net", "vgg11_bn", 132'868'840},
    {"vgg.net", "vgg13", 133'047'848},
    {"vgg.net", "vgg13_bn", 133'053'736},
    {"vgg.net", "vgg16", 138'357'544},
    {"vgg.net", "vgg16_bn", 138'365'992},
    {"vgg.net", "vgg19", 143'667'240},
    {"vgg.net", "vgg19_bn", 143'678'248},
    {"googlenet.net", "googlenet", 13'004'888},
    {"preact.net", "preact110", 1'727'962},
    {"preact.net", "preact164", 1'703'258},
    {"preact.net", "preact1001", 10'327'706},
    {"squeezenet.net", "squeezenet1_1", 1'235'496},
    {"mobilenet_v2.net", "mobilenet_v2", 3'504'872},
    {"darknet53.net", "darknet53", 41'609'928},
    {"relu_vs_tanh.net", "with_relu", 85'098},
    {"relu_vs_tanh.net", "with_tanh", 85'098},
};

static int64_t countParameters(const Network &network) {
  int64_t count = 0;
  for (const Layer &layer : network.layers)
    for (const Parameter &parameter : layer.parameters) {
      if (parameter.role == Parameter::Role::RunningMean ||
          parameter.role == Parameter::Role::RunningVar)
        continue;
      int64_t size = 1;
      for (int64_t extent : parameter.shape)
        size *= extent;
      count += size;
    }
  return count;
}

class Models : public ::testing::TestWithParam<ModelCase> {};

TEST_P(Models, HaveTheirParametersAndARecipe) {
  std::string diagnostics;
  ElaborateOptions options;
  options.model = GetParam().model;
  auto network =
      elaborateFile(std::string(NETC_MODELS_DIR "/") + GetParam().file, options, diagnostics);
  EXPECT_EQ(diagnostics, "");
  ASSERT_TRUE(network);
  EXPECT_EQ(countParameters(*network), GetParam().parameters);
  EXPECT_EQ(network->layers[network->outputs[0].layer].output.size(), 1u);
  EXPECT_TRUE(network->recipe.written);
  std::set<std::string> names;
  for (size_t i = 0; i < network->layers.size(); ++i) {
    EXPECT_TRUE(names.insert(network->layers[i].name).second);
    for (int input : network->layers[i].inputs)
      EXPECT_LT(input, static_cast<int>(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Frontend, Models, ::testing::ValuesIn(models));

TEST(GoogleNet, WithoutHeadsHasNoneOfTheirParameters) {
  std::string diagnostics;
  ElaborateOptions options;
  options.set.push_back({"heads", "false"});
  auto network = elaborateFile(NETC_MODELS_DIR "/googlenet.net", options, diagnostics);
  ASSERT_TRUE(network) << diagnostics;
  EXPECT_EQ(countParameters(*network), 6'624'904);
  EXPECT_TRUE(network->auxiliaries.empty());
}

TEST(GoogleNet, MarksWhatOnlyTheHeadsNeed) {
  std::string diagnostics;
  auto network = elaborateFile(NETC_MODELS_DIR "/googlenet.net", {}, diagnostics);
  ASSERT_TRUE(network) << diagnostics;
  ASSERT_EQ(network->auxiliaries.size(), 2u);
  int64_t trunk = 0;
  for (const Layer &layer : network->layers) {
    EXPECT_EQ(layer.auxiliary, layer.name.rfind("aux", 0) == 0) << layer.name;
    Network alone;
    alone.layers.push_back(layer);
    trunk += layer.auxiliary ? 0 : countParameters(alone);
  }
  EXPECT_EQ(trunk, 6'624'904);
}

static std::string whyRefused(const std::string &body) {
  writeText("outputs.net", "net 1\nmodel m {\n  input image: [3, 8, 8]\n" + body + "}\n");
  std::string diagnostics;
  EXPECT_FALSE(elaborateFile("outputs.net", {}, diagnostics));
  return diagnostics;
}

TEST(Outputs, AreClassScores) {
  EXPECT_EQ(
      whyRefused("  return image | avgpool(global)\n"),
      R"net(outputs.net:4:3: error: a model returns class scores, a vector; have the image [3, 1, 1]
    4 |   return image | avgpool(global)
      |   ^~~~~~
  help: end it with x | flatten | linear(classes)
)net");
}

TEST(Outputs, OfHeadsAreAsTheModels) {
  EXPECT_EQ(
      whyRefused("  x = image | flatten\n  aux(x | linear(3))\n  return x | linear(2)\n"),
      R"net(outputs.net:5:3: error: an auxiliary head gives class scores as the model does, [2]; have [3]
    5 |   aux(x | linear(3))
      |   ^~~
  help: end it with x | flatten | linear(classes)
)net");
}

} // namespace netc::frontend
