// Patterns, recipes of optimizers, and what the command line may change of them.
#include "runtime/train/Optimizer.h"
#include "runtime/base/Error.h"
#include "runtime/train/Pattern.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

TEST(Optimizer, PatternsMatchWholeNames) {
  EXPECT_TRUE(matches("layer1.*", "layer1.0.conv1.weight"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("*.bias", "fc.bias"));
  EXPECT_TRUE(matches("*a*b*", "xxaybz"));
  EXPECT_TRUE(matches("bn?.weight", "bn1.weight"));
  EXPECT_FALSE(matches("bn?.weight", "bn12.weight"));
  EXPECT_FALSE(matches("layer1", "layer1.0.conv1.weight"));
  EXPECT_FALSE(matches("layer1.*", "layer10"));
  EXPECT_FALSE(matches("*.bias", "fc.bias2"));
}

static ModelInfo modelWith(const std::string &recipe) {
  ModelInfo info;
  info.name = "m";
  info.channels = 1;
  info.recipe = recipe;
  return info;
}

static const char *adam = R"({"augment":[{"name":"random_crop","args":[],"named":{"pad":4}}],
  "optimizer":{"name":"adam","args":[],"named":{"lr":0.001,"beta2":0.99}},
  "schedule":[{"name":"step","args":[],"named":{"at":[{"iterations":32000}],"factor":0.1}}],"batch":8,"epochs":2})";

static Recipe parseWith(std::vector<std::string> set) {
  RecipeOverrides overrides;
  overrides.set = std::move(set);
  return parseRecipe(modelWith(adam), overrides);
}

static std::string errorOf(std::vector<std::string> set) {
  try {
    parseWith(std::move(set));
  } catch (const std::exception &error) {
    return error.what();
  }
  return "no error";
}

TEST(Optimizer, ReadsAdam) {
  Recipe recipe = parseWith({});
  EXPECT_EQ(recipe.momentum, 0.9);
  EXPECT_EQ(recipe.beta2, 0.99);
  EXPECT_EQ(recipe.epsilon, 1e-8);
  EXPECT_EQ(recipe.weightDecay, 0);
}

TEST(Optimizer, AnyValueOfTheRecipeCanBeSet) {
  Recipe recipe = parseWith({"optimizer.beta1=0.8", "augment.random_crop.pad=2",
                             "schedule.step.at=[1k, 20k]", "batch=4", "clip_norm=0.5"});
  EXPECT_EQ(recipe.momentum, 0.8);
  EXPECT_EQ(recipe.augment[0].pad, 2);
  ASSERT_EQ(recipe.schedule[0].at.size(), 2u);
  EXPECT_EQ(recipe.schedule[0].at[1].value, 20000);
  EXPECT_EQ(recipe.schedule[0].at[1].unit, SchedulePoint::Unit::Iterations);
  EXPECT_EQ(recipe.batch, 4);
  EXPECT_EQ(recipe.clipNorm, 0.5);
  EXPECT_NE(recipe.effective.find("\"beta1\": 0.8"), std::string::npos);
}

TEST(Optimizer, WhatCannotBeSetIsSaid) {
  EXPECT_EQ(errorOf({"optimizer.nesterov=true"}),
            "--set optimizer.nesterov=true: Nesterov's momentum is compiled into the executable; "
            "change it in the .net file and compile again");
  EXPECT_EQ(errorOf({"augment.hflip.p=0.1"}),
            "--set augment.hflip.p=0.1: the recipe's augment has no 'hflip'; it has random_crop");
  EXPECT_EQ(errorOf({"eval.resize.size=8"}),
            "--set eval.resize.size=8: the recipe's eval has no 'resize': it is empty");
  EXPECT_EQ(errorOf({"batch=1.5"}), "--set batch=1.5: expected an integer from 1 to 1000000");
  EXPECT_EQ(errorOf({"batch"}),
            "--set batch: expected NAME=VALUE, as in optimizer.weight_decay=5e-4");
  EXPECT_EQ(errorOf({"ema=0.9"}),
            "--set ema=0.9: whether there is a moving average is compiled into the executable; "
            "change it in the .net file and compile again");
  EXPECT_EQ(errorOf({"batch=many"}), "--set batch=many: 'many' is no value: expected a number, "
                                     "true, false, iterations (32k) or a list");
  EXPECT_NE(errorOf({"optimizer.momentum=0.9"}).find("momentum"), std::string::npos);
}

TEST(Optimizer, TheNormalizationCanBeSet) {
  Recipe recipe = parseWith({"normalize.mean=0.5", "normalize.std=[0.25]"});
  EXPECT_FALSE(recipe.normalize.automatic);
  EXPECT_EQ(recipe.normalize.mean, std::vector<float>{0.5f});
  EXPECT_EQ(recipe.normalize.std, std::vector<float>{0.25f});
  EXPECT_NE(recipe.effective.find("\"mean\""), std::string::npos);
  EXPECT_TRUE(parseWith({"normalize=auto"}).normalize.automatic);
  EXPECT_EQ(errorOf({"normalize.mean=0.5"}), "recipe: normalize expects both mean and std");
  EXPECT_EQ(errorOf({"normalize.mean=[0, 0]", "normalize.std=1"}),
            "recipe: normalize has 2 values, the input has 1 channels");
  EXPECT_EQ(errorOf({"normalize.std=true"}),
            "--set normalize.std=true: expected a number a channel, or one for all");
}

// What the language refuses in a file is refused on the command line.
TEST(Optimizer, ValuesOutOfRangeAreTheCommandLinesFault) {
  for (const char *set : {"optimizer.lr=-1",
                          "optimizer.beta1=1",
                          "optimizer.beta2=1.5",
                          "optimizer.weight_decay=-0.1",
                          "schedule.step.factor=-1",
                          "schedule.step.at=[20k, 10k]",
                          "schedule.step.at=[1, 0.5]",
                          "augment.random_crop.pad=-1",
                          "augment.random_crop.pad=1.5",
                          "augment.random_crop.size=0",
                          "augment.random_crop.size=4294967328",
                          "augment.random_crop.size=[8, -1]",
                          "augment.random_crop.size=18446744073709551615",
                          "schedule.step.every=0",
                          "schedule.step.every=0.0",
                          "schedule.step.every=0k",
                          "schedule.step.at=[9223372036854775807k]",
                          "schedule.step.at=[9223372036854775807]",
                          "schedule.step.at=[1e300]",
                          "batch=18446744073709551615",
                          "epochs=1099511627777",
                          "normalize.mean=1e300"}) {
    RecipeOverrides overrides;
    overrides.set = {set};
    EXPECT_THROW(parseRecipe(modelWith(adam), overrides), UsageError) << set;
  }
}

TEST(Optimizer, RecipesAreComparedInFull) {
  RecipeOverrides plain, more;
  more.freeze = {"fc.*"};
  more.clipNorm = 1;
  more.set = {"optimizer.beta2=0.9", "optimizer.lr=0.5"};
  std::string before = parseWith({}).effective,
              after = parseRecipe(modelWith(adam), more).effective;
  EXPECT_EQ(compareRecipes(before, before, false), "");
  std::string there = compareRecipes(before, after, true),
              back = compareRecipes(after, before, true);
  for (const char *part : {"lr was 0.001, is 0.5", "beta2 was 0.99, is 0.9",
                           "clip_norm was none, is 1.0", "freeze was none, is [\"fc.*\"]"})
    EXPECT_NE(there.find(part), std::string::npos) << there;
  // What the command line no longer says is a difference as well.
  for (const char *part : {"clip_norm was 1.0, is none", "freeze was [\"fc.*\"], is none"})
    EXPECT_NE(back.find(part), std::string::npos) << back;
}
