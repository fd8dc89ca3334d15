#include "runtime/recipe/Schedule.h"

#include "runtime/base/Error.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace netc::runtime;

/// A recipe with this schedule (JSON list), lr 1, 10 epochs.
static Recipe withSchedule(const std::string &schedule) {
  ModelInfo info;
  info.recipe = R"({"optimizer":{"name":"sgd","args":[],"named":{"lr":1.0}},"batch":1,"epochs":10,)"
                R"("schedule":)" +
                schedule + "}";
  info.channels = 1;
  return parseRecipe(info, {});
}

static double rate(const std::string &schedule, int64_t step) {
  return Schedule(withSchedule(schedule), 100).learningRate(step);
}

TEST(Schedule, StepsAtEpochsIterationsAndFractions) {
  std::string epochs = R"([{"name":"step","args":[],"named":{"at":[3,6],"factor":0.1}}])";
  EXPECT_DOUBLE_EQ(rate(epochs, 299), 1);
  EXPECT_DOUBLE_EQ(rate(epochs, 300), 0.1);
  EXPECT_NEAR(rate(epochs, 600), 0.01, 1e-12);
  std::string iterations = R"([{"name":"step","args":[[{"iterations":250}],0.5],"named":{}}])";
  EXPECT_DOUBLE_EQ(rate(iterations, 249), 1);
  EXPECT_DOUBLE_EQ(rate(iterations, 250), 0.5);
  std::string fractions = R"([{"name":"step","args":[[0.5,0.75]],"named":{}}])";
  EXPECT_DOUBLE_EQ(rate(fractions, 499), 1);
  EXPECT_DOUBLE_EQ(rate(fractions, 500), 0.1);
  EXPECT_NEAR(rate(fractions, 750), 0.01, 1e-12);
}

// Beyond all runs: the rate must not drop at step 0, as it does where a product overflows.
TEST(Schedule, PointsFarBeyondTheRunAreNeverReached) {
  std::string far = R"([{"name":"step","args":[[{"iterations":1000000000000}]],"named":{}}])";
  EXPECT_DOUBLE_EQ(rate(far, 0), 1);
  SchedulePoint point{SchedulePoint::Unit::Epochs, 1e6};
  EXPECT_EQ(point.toStep(INT64_MAX, INT64_MAX), int64_t(1) << 62);
  EXPECT_HAS(errorOf([] {
               withSchedule(R"([{"name":"step","args":[[{"iterations":9.3e21}]],"named":{}}])");
             }),
             "at is ");
  EXPECT_HAS(errorOf([] { withSchedule(R"([{"name":"step","args":[],"named":{"every":0}}])"); }),
             "every is 0");
}

// Loshchilov and Hutter 2017: each cycle begins at the full rate again.
TEST(Schedule, CosineRestartsWithEachCycle) {
  std::string cycles = R"([{"name":"cosine","args":[],"named":{"to":0.1,"cycle":2}}])";
  EXPECT_DOUBLE_EQ(rate(cycles, 0), 1);
  EXPECT_NEAR(rate(cycles, 50), 0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5)), 1e-12);
  EXPECT_NEAR(rate(cycles, 100), 0.55, 1e-12);
  EXPECT_NEAR(rate(cycles, 199), 0.1, 1e-3);
  EXPECT_DOUBLE_EQ(rate(cycles, 200), 1);
  EXPECT_DOUBLE_EQ(rate(cycles, 700), rate(cycles, 100));
  // Without cycles the whole run is one.
  std::string one = R"([{"name":"cosine","args":[],"named":{"to":0.1}}])";
  EXPECT_NEAR(rate(one, 500), 0.55, 1e-12);
  // Cycles begin behind a warmup.
  std::string warm = R"([{"name":"warmup","args":[1],"named":{}},)" + cycles.substr(1);
  EXPECT_DOUBLE_EQ(rate(warm, 100), 1);
  EXPECT_NEAR(rate(warm, 200), 0.55, 1e-12);
}

TEST(Schedule, WarmupComposes) {
  std::string text =
      R"([{"name":"warmup","args":[2],"named":{}},{"name":"cosine","args":[],"named":{}}])";
  EXPECT_DOUBLE_EQ(rate(text, 0), 1.0 / 200);
  EXPECT_DOUBLE_EQ(rate(text, 199), 1);
  EXPECT_NEAR(rate(text, 600), 0.5, 1e-12); // half of what follows the warm-up
  EXPECT_NEAR(rate(text, 1000), 0, 1e-12);
  std::string flat = R"([{"name":"warmup","args":[1,0.1,"flat"],"named":{}}])";
  EXPECT_DOUBLE_EQ(rate(flat, 99), 0.1);
  EXPECT_DOUBLE_EQ(rate(flat, 100), 1);
}

TEST(Schedule, PolynomialReachesItsEnd) {
  EXPECT_NEAR(rate(R"([{"name":"poly","args":[],"named":{"power":2}}])", 500), 0.25, 1e-12);
  EXPECT_NEAR(rate(R"([{"name":"linear","args":[],"named":{"to":0.2}}])", 500), 0.6, 1e-12);
}

TEST(Schedule, PlateauDividesWhenTheErrorStaysUp) {
  Schedule schedule(
      withSchedule(R"([{"name":"plateau","args":[],"named":{"patience":2,"factor":0.1}}])"), 100);
  for (double error : {0.5, 0.4, 0.45})
    schedule.endEpoch(error);
  EXPECT_DOUBLE_EQ(schedule.learningRate(0), 1);
  schedule.endEpoch(0.41);
  EXPECT_DOUBLE_EQ(schedule.learningRate(0), 0.1);
}

// Keras's ReduceLROnPlateau(patience=5): the fifth epoch without improvement is the last at the old
// rate. PyTorch's would have one more.
TEST(Schedule, PlateauCountsItsPatienceAsKeras) {
  Schedule schedule(
      withSchedule(R"([{"name":"plateau","args":[],"named":{"patience":5,"factor":0.5}}])"), 100);
  std::vector<double> rates;
  for (double error : {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.49999}) {
    schedule.endEpoch(error);
    rates.push_back(schedule.learningRate(0));
  }
  EXPECT_EQ(rates, (std::vector<double>{1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25}));
  EXPECT_EQ(schedule.plateau.epochsSinceBest, 0); // any improvement counts
}

TEST(Recipe, EvaluationCanBeSetWhereNoneIsWritten) {
  ModelInfo info;
  info.channels = 1;
  auto steps = [&](const std::string &eval, std::vector<std::string> set) {
    info.recipe = R"({"eval":[)" + eval + "]}";
    RecipeOverrides overrides;
    overrides.set = std::move(set);
    overrides.addsEvaluation = true;
    std::string text;
    for (const Transform &step : parseRecipe(info, overrides).eval)
      text += (step.kind == TransformKind::Resize ? "resize " : "crop ") +
              std::to_string(step.height) + " ";
    return text;
  };
  EXPECT_EQ(steps("", {"eval.center_crop.size=224", "eval.resize.size=256"}),
            "resize 256 crop 224 ");
  EXPECT_EQ(steps(R"({"name":"center_crop","args":[224],"named":{}})", {"eval.resize.size=256"}),
            "resize 256 crop 224 ");
  // Also where the recipe gives the size by place.
  EXPECT_EQ(steps(R"({"name":"resize","args":[256],"named":{}})", {"eval.resize.size=232"}),
            "resize 232 ");
  EXPECT_HAS(errorOf([&] { steps("", {"eval.hflip.p=1"}); }), "eval has no 'hflip'");
}

TEST(Recipe, ErrorsNameCallAndArgument) {
  auto error = [](const std::string &schedule) { return errorOf([&] { withSchedule(schedule); }); };
  EXPECT_HAS(error(R"([{"name":"stairs","args":[],"named":{}}])"),
             "recipe: schedule stairs: unknown, expected one of constant, step");
  EXPECT_HAS(error(R"([{"name":"step","args":[[1]],"named":{"gamma":2}}])"),
             "schedule step: unknown argument 'gamma', expected at, factor, every");
  EXPECT_HAS(error(R"([{"name":"cosine","args":["x"],"named":{}}])"),
             "to is \"x\", expected a number");
  EXPECT_HAS(error(R"([{"name":"constant","args":[1],"named":{}}])"), "1 positional arguments");
  EXPECT_HAS(error(R"([{"name":"step","args":[],"named":{}}])"), "expected at=… or every=…");
}

TEST(Recipe, OverridesWin) {
  ModelInfo info;
  info.channels = 1;
  info.recipe = R"({"optimizer":{"name":"sgd","args":[0.1],"named":{}},"batch":128,"epochs":3})";
  RecipeOverrides overrides;
  overrides.lr = 0.5;
  overrides.batch = 7;
  Recipe recipe = parseRecipe(info, overrides);
  EXPECT_EQ(recipe.lr, 0.5);
  EXPECT_EQ(recipe.batch, 7);
  EXPECT_EQ(recipe.epochs, 3);
  std::string differs = compareRecipes(parseRecipe(info, {}).effective, recipe.effective, false);
  EXPECT_EQ(differs, "lr was 0.1, is 0.5; batch was 128, is 7");
}
