//===- RecipeTest.cpp - `train` clauses as the runtime gets them ----------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const std::string model =
    "net 1\nmodel m {\n  input image: [3, 8, 8]\n  return image | flatten | linear(2)\n}\n";

static Recipe recipeOf(const std::string &source, const std::string &name = {}) {
  std::string diagnostics;
  auto network = elaborateText(source, diagnostics, name);
  EXPECT_TRUE(network) << diagnostics;
  return network ? network->recipe : Recipe{};
}

TEST(Recipe, IsReadInFull) {
  Recipe recipe = recipeOf(model + "train m {\n"
                                   "  augment    random_crop(8, pad=4), hflip\n"
                                   "  eval       center_crop(8)\n"
                                   "  normalize(mean=[0.5, 0.5, 0.5], std=[1.0 / 4, 0.25, 0.25])\n"
                                   "  loss       cross_entropy(label_smoothing=0.1)\n"
                                   "  optimizer  sgd(0.1, momentum=0.9, nesterov)\n"
                                   "  schedule   warmup(5), step(at=[32k, 48k], factor=0.1)\n"
                                   "  batch      64 * 2\n"
                                   "  epochs     164\n}\n");
  EXPECT_TRUE(recipe.written);
  ASSERT_EQ(recipe.augment.size(), 2u);
  EXPECT_EQ(recipe.augment[0].name, "random_crop");
  EXPECT_EQ(recipe.augment[0].named[0].first, "size");
  EXPECT_EQ(std::get<int64_t>(recipe.augment[0].named[0].second.value), 8);
  EXPECT_EQ(recipe.augment[0].named[1].first, "pad");
  EXPECT_EQ(recipe.augment[1].name, "hflip");
  EXPECT_EQ(recipe.eval[0].name, "center_crop");
  const auto &std_ = std::get<RecipeList>(recipe.normalize[0].named[1].second.value);
  EXPECT_DOUBLE_EQ(std::get<double>(std_[0].value), 0.25);
  EXPECT_EQ(recipe.losses[0].call.named[0].first, "label_smoothing");
  EXPECT_DOUBLE_EQ(std::get<double>(recipe.optimizer.named[0].second.value), 0.1);
  EXPECT_EQ(recipe.optimizer.named[2].first, "nesterov");
  EXPECT_TRUE(std::get<bool>(recipe.optimizer.named[2].second.value));
  ASSERT_EQ(recipe.schedule.size(), 2u);
  const auto &at = std::get<RecipeList>(recipe.schedule[1].named[0].second.value);
  EXPECT_EQ(std::get<Iterations>(at[1].value).count, 48'000);
  EXPECT_EQ(recipe.batch, 128);
  EXPECT_EQ(recipe.epochs, 164);
}

TEST(Recipe, IterationsAreReckonedWith) {
  Recipe recipe =
      recipeOf(model + "train m {\n"
                       "  optimizer  sgd(0.1)\n"
                       "  schedule   warmup(1k / 2), step(at=[16k * 2, 3 * 16k, 48k + 16k])\n}\n");
  auto count = [](const RecipeValue &value) { return std::get<Iterations>(value.value).count; };
  EXPECT_EQ(count(recipe.schedule[0].named[0].second), 500);
  const auto &at = std::get<RecipeList>(recipe.schedule[1].named[0].second.value);
  EXPECT_EQ(count(at[0]), 32'000);
  EXPECT_EQ(count(at[1]), 48'000);
  EXPECT_EQ(count(at[2]), 64'000);
}

TEST(Recipe, DefaultsAreStated) {
  Recipe recipe = recipeOf(model);
  EXPECT_FALSE(recipe.written);
  EXPECT_EQ(recipe.losses[0].call.name, "cross_entropy");
  EXPECT_EQ(recipe.optimizer.name, "sgd");
  ASSERT_EQ(recipe.normalize[0].named.size(), 1u);
  EXPECT_EQ(recipe.normalize[0].named[0].first, "auto");
}

// The runtime and the compiler look arguments up by name.
TEST(Recipe, NamesItsPositionalArguments) {
  Recipe recipe = recipeOf(model + "train m {\n"
                                   "  normalize([0.5, 0.5, 0.5], 0.25)\n"
                                   "  loss       cross_entropy(0.1)\n"
                                   "  optimizer  sgd(0.1, 0.9, 1e-4, true)\n"
                                   "  schedule   linear(0.01), plateau(0.1, 2, 0.001)\n}\n");
  auto name = [](const RecipeCall &call, size_t i) { return call.named.at(i).first; };
  EXPECT_EQ(name(recipe.normalize[0], 0), "mean");
  EXPECT_EQ(name(recipe.normalize[0], 1), "std");
  EXPECT_EQ(name(recipe.losses[0].call, 0), "label_smoothing");
  EXPECT_EQ(name(recipe.optimizer, 2), "weight_decay");
  EXPECT_EQ(name(recipe.optimizer, 3), "nesterov");
  EXPECT_EQ(name(recipe.schedule[0], 0), "to");
  EXPECT_EQ(name(recipe.schedule[1], 2), "min");
}

TEST(Recipe, NormalizationHasAScaleAndAnOrder) {
  std::string diagnostics;
  auto network = elaborateText(
      model + "train m {\n  normalize(mean=[104, 117, 123], std=1, scale=255, order=bgr)\n}\n",
      diagnostics);
  ASSERT_TRUE(network) << diagnostics;
  EXPECT_EQ(diagnostics, "");
  const auto &named = network->recipe.normalize[0].named;
  ASSERT_EQ(named.size(), 4u);
  EXPECT_EQ(std::get<int64_t>(named[2].second.value), 255);
  EXPECT_EQ(std::get<std::string>(named[3].second.value), "bgr");
  EXPECT_FALSE(elaborateText(model + "train m {\n  normalize(0, 1, order=gbr)\n}\n", diagnostics));
  EXPECT_NE(diagnostics.find("'order' of 'normalize' must be rgb or bgr, have 'gbr'"),
            std::string::npos)
      << diagnostics;
}

TEST(Recipe, AutomaticNormalizationHasAnOrder) {
  for (const char *text : {"normalize(auto, order=bgr)", "normalize(auto, order=\"bgr\")"}) {
    std::string diagnostics;
    auto network = elaborateText(model + "train m {\n  " + text + "\n}\n", diagnostics);
    ASSERT_TRUE(network) << diagnostics;
    const auto &named = network->recipe.normalize[0].named;
    ASSERT_EQ(named.size(), 2u);
    EXPECT_EQ(named[0].first, "auto");
    EXPECT_EQ(named[1].first, "order");
    EXPECT_EQ(std::get<std::string>(named[1].second.value), "bgr");
  }
  std::string diagnostics;
  EXPECT_FALSE(elaborateText(model + "train m {\n  normalize(auto, scale=255)\n}\n", diagnostics));
  EXPECT_NE(diagnostics.find("'normalize' has no argument 'scale'"), std::string::npos)
      << diagnostics;
}

TEST(Recipe, NormalizationInOtherUnitsIsPointedOut) {
  std::string diagnostics;
  EXPECT_TRUE(elaborateText(model + "train m {\n  normalize(mean=[127, 127, 127], std=128)\n}\n",
                            diagnostics));
  EXPECT_NE(diagnostics.find("test.net:7:3: warning: 'normalize' has mean 127 and std 128, but "
                             "pixels are from 0 to 1"),
            std::string::npos)
      << diagnostics;
  EXPECT_NE(diagnostics.find("scale=255"), std::string::npos);
}

TEST(Recipe, ForOtherChannelsComputesItsNormalization) {
  std::string diagnostics;
  auto network = elaborateText(
      model + "train m {\n  normalize(mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2])\n}\n", diagnostics,
      "", "image=[1, 8, 8]");
  ASSERT_TRUE(network) << diagnostics;
  ASSERT_EQ(network->recipe.normalize[0].named.size(), 1u);
  EXPECT_EQ(network->recipe.normalize[0].named[0].first, "auto");
  EXPECT_EQ(
      diagnostics.substr(0, diagnostics.find('\n')),
      "test.net:7:3: warning: 'mean' of 'normalize' has 3 values, the input has 1 channel: the "
      "training set's own are computed instead");
}

TEST(Recipe, OfAnAliasIsThatOfItsTarget) {
  Recipe recipe = recipeOf(model + "model a = m()\ntrain m {\n  epochs 7\n}\n", "a");
  EXPECT_EQ(recipe.epochs, 7);
}

TEST(Recipe, OfTheMainFileOverrulesAnImport) {
  writeText("zoo.net", model + "train m {\n  epochs 7\n}\n");
  EXPECT_EQ(recipeOf("net 1\nimport \"zoo.net\"\n", "m").epochs, 7);
  EXPECT_EQ(recipeOf("net 1\nimport \"zoo.net\"\ntrain m {\n  epochs 8\n}\n", "m").epochs, 8);
}

} // namespace netc::frontend
