//===- AgreementTest.cpp - a file and --set refuse the same values --------===//
//
// Every argument of every call of the recipes' table is given each of many values, once in a file
// that the front end reads and once by `--set` to the runtime: both take it or both refuse it.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/RecipeTable.h"
#include "runtime/base/Error.h"
#include "runtime/recipe/Recipe.h"
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <map>

namespace netc {

namespace {
/// A call with a good value for each argument, by name, as text that a file, --set and JSON share
/// but for iterations.
struct Written {
  std::string clause, call;
  std::vector<std::pair<std::string, std::string>> arguments;
};
} // namespace

/// Values of every type, and at both sides of every bound.
static const char *const values[] = {"0",
                                     "1",
                                     "-1",
                                     "3",
                                     "5",
                                     "0.0",
                                     "0.3",
                                     "0.5",
                                     "0.6",
                                     "1.0",
                                     "1.5",
                                     "-0.5",
                                     "1e-60",
                                     "1e38",
                                     "1e39",
                                     "1e300",
                                     "1e999",
                                     "nan",
                                     "inf",
                                     "65536",
                                     "65537",
                                     "1000000",
                                     "1000001",
                                     "9223372036854775807",
                                     "9223372036854775808",
                                     "0k",
                                     "32k",
                                     "-1k",
                                     "1000000000k",
                                     "1000000001k",
                                     "9223372036854775k",
                                     "9223372036854775807k",
                                     "true",
                                     "false",
                                     "\"word\"",
                                     "\"bgr\"",
                                     "[]",
                                     "[0.5]",
                                     "[30, 60]",
                                     "[60, 30]",
                                     "[30, 30]",
                                     "[-1, 30]",
                                     "[0, 30]",
                                     "[30, 1000001]",
                                     "[32k, 48k]",
                                     "[48k, 32k]",
                                     "[0.5, 0.75]",
                                     "[0, 0.5]",
                                     "[0.5, 2]",
                                     "[0.5, 1.0]",
                                     "[30, 32k]",
                                     "[9223372036854775807k]",
                                     "[9223372036854775k]",
                                     "[-32k, 32k]",
                                     "[0.1, 0.2, 0.3]",
                                     "[0.1, 0, 0.3]",
                                     "[1e300, 1, 1]",
                                     "[1, true]",
                                     "[[1, 0], [0, 1]]",
                                     "[[1, 0], [0]]",
                                     "[[]]",
                                     "[32, 32]",
                                     "[32, 0]",
                                     "[32, 32, 32]",
                                     "[[32, 32], 32]"};

static std::string goodValue(const recipe::Param &param) {
  switch (param.type) {
  case recipe::Type::Flag:
    return "true";
  case recipe::Type::Count:
  case recipe::Type::Border:
  case recipe::Type::Size:
  case recipe::Type::Point:
  case recipe::Type::Period:
  case recipe::Type::Label:
    return "3";
  case recipe::Type::Shares:
    return "[0.25, 0.5]";
  case recipe::Type::Bounds:
    return "[0.5, 2]";
  case recipe::Type::Numbers:
  case recipe::Type::Positives:
    return param.name == "values" ? "[2, 1]" : "[0.5]";
  case recipe::Type::Vectors:
    return "[[1, 0], [0, 1]]";
  case recipe::Type::Points:
    return "[30, 60]";
  case recipe::Type::Order:
    return "\"rgb\"";
  default:
    return "0.25";
  }
}

static Written writeOut(const recipe::Clause &clause, const recipe::Call &call) {
  Written written{std::string(clause.name), std::string(call.name), {}};
  for (const recipe::Param &param : call.params())
    written.arguments.push_back({std::string(param.name), goodValue(param)});
  return written;
}

/// Whether the front end takes `clauses`; `message`: what it says.
static bool compiles(const std::string &clauses, std::string &message) {
  // Every loss compares maps; some augmentation is for one vector of scores.
  const char *output = clauses.starts_with("loss ") ? "conv(2, k=1)" : "flatten | linear(2)";
  return frontend::elaborateText(
             fmt::format("net 1\nmodel m {{\n  input image: [1, 8, 8]\n  return image | {}\n}}\n"
                         "train m {{\n  {}\n}}\n",
                         output, clauses),
             message)
      .has_value();
}

static std::string asClause(const Written &written) {
  std::string text;
  for (const auto &[name, value] : written.arguments)
    text += (text.empty() ? "" : ", ") + name + "=" + value;
  text = written.call + (text.empty() ? "" : "(" + text + ")");
  return written.clause == "normalize" ? text : written.clause + " " + text;
}

/// The recipe as an executable holds it.
static std::string asJson(const Written &written) {
  std::string named;
  for (const auto &[name, value] : written.arguments)
    named += (named.empty() ? "\"" : ", \"") + name + "\": " + value;
  std::string call =
      written.clause == "normalize"
          ? "{\"auto\": false, " + named + "}"
          : R"({"name": ")" + written.call + R"(", "args": [], "named": {)" + named + "}}";
  if (recipe::findClause(written.clause)->form == recipe::Form::Calls)
    call = "[" + call + "]";
  return R"({"clip_norm": 0, "accumulate": 1, "ema": 0.5, "batch": 8, "epochs": 2, ")" +
         written.clause + "\": " + call + "}";
}

static bool runs(const std::string &json, const std::string &setting, std::string &message) {
  runtime::ModelInfo info;
  info.name = "m";
  info.channels = 1;
  info.recipe = json;
  runtime::RecipeOverrides overrides;
  if (!setting.empty())
    overrides.set = {setting};
  try {
    parseRecipe(info, overrides);
    message = "taken";
    return true;
  } catch (const std::exception &error) {
    message = error.what();
    return false;
  }
}

static std::string pathOf(const Written &written, const std::string &argument) {
  bool many = recipe::findClause(written.clause)->form == recipe::Form::Calls;
  return written.clause + (many ? "." + written.call : "") + "." + argument;
}

/// Every argument of every call takes `visit(written, argument)`.
template <typename Visit> static void forEachArgument(Visit visit) {
  for (const recipe::Clause &clause : recipe::clauses)
    for (const recipe::Call &call : clause.calls)
      for (const recipe::Param &param : call.params())
        visit(writeOut(clause, call), clause, call, param);
}

TEST(RecipeAgreement, BothReadEveryCallInFull) {
  for (const recipe::Clause &clause : recipe::clauses)
    for (const recipe::Call &call : clause.calls) {
      Written written = writeOut(clause, call);
      std::string message;
      EXPECT_TRUE(compiles(asClause(written), message)) << message;
      EXPECT_TRUE(runs(asJson(written), "", message)) << asJson(written) << ": " << message;
    }
}

TEST(RecipeAgreement, EveryArgumentHasTheSameBounds) {
  forEachArgument([](const Written &written, const recipe::Clause &, const recipe::Call &,
                     const recipe::Param &param) {
    if (!param.compiledIn.empty())
      return;
    int taken = 0, refused = 0;
    for (std::string value : values) {
      // One channel: lists of more are refused by both, for another reason.
      if ((written.clause == "normalize") && value.find(',') != std::string::npos)
        continue;
      Written changed = written;
      for (auto &[name, text] : changed.arguments)
        if (name == param.name)
          text = value;
      std::string compiling, running;
      bool inFile = compiles(asClause(changed), compiling);
      bool onLine =
          runs(asJson(written), pathOf(written, std::string(param.name)) + "=" + value, running);
      EXPECT_EQ(inFile, onLine) << asClause(changed) << "\nfront end: " << compiling
                                << "\nruntime: " << running;
      (inFile ? taken : refused)++;
    }
    EXPECT_GE(taken, 1) << pathOf(written, std::string(param.name));
    EXPECT_GE(refused, 1) << pathOf(written, std::string(param.name));
  });
}

TEST(RecipeAgreement, EveryNumberHasTheSameBounds) {
  Written sgd = writeOut(*recipe::findClause("optimizer"), recipe::optimizers[0]);
  for (const recipe::Clause &clause : recipe::clauses) {
    if (clause.form != recipe::Form::Number)
      continue;
    for (std::string value : values) {
      if (clause.zeroIsNone && (value == "0" || value == "0.0"))
        continue; // in an executable and on the command line: the clause is not there
      std::string setting = std::string(clause.name) + "=" + value, compiling, running;
      bool inFile = compiles(std::string(clause.name) + " " + value, compiling);
      bool onLine = runs(asJson(sgd), setting, running);
      EXPECT_EQ(inFile, onLine) << setting << "\nfront end: " << compiling
                                << "\nruntime: " << running;
    }
  }
}

// Some that were taken by one side, or by both and then computed with as undefined behaviour.
TEST(RecipeAgreement, KnownBadValuesAreRefused) {
  Written step = writeOut(*recipe::findClause("schedule"),
                          *recipe::findCall(*recipe::findClause("schedule"), "step"));
  for (std::string setting :
       {"every=0", "every=0.0", "every=0k", "every=-1", "every=2.5", "at=[9223372036854775807k]",
        "at=[9223372036854775k]", "at=[1.0]", "at=[-5k]", "at=[]", "factor=1e39", "factor=nan"}) {
    std::string message;
    EXPECT_FALSE(runs(asJson(step), "schedule.step." + setting, message)) << setting;
    EXPECT_FALSE(compiles(
        "schedule step(" + std::string(setting.starts_with("at") ? "" : "at=[1], ") + setting + ")",
        message))
        << setting;
  }
}

// Words that only one of two grammars had.
TEST(RecipeAgreement, UnknownCallsAndArgumentsAreRefused) {
  for (auto [name, argument] : std::map<std::string, std::string>{
           {"polynomial", ""}, {"cosine", "min"}, {"poly", "min"}, {"warmup", "until"}}) {
    std::string named = argument.empty() ? "" : "\"" + argument + "\": 3", message;
    if (name == "warmup")
      named += ", \"length\": 3";
    EXPECT_FALSE(
        runs(R"({"schedule": [{"name": ")" + name + R"(", "args": [], "named": {)" + named + "}}]}",
             "", message))
        << name;
    EXPECT_FALSE(
        compiles("schedule " + name + (argument.empty() ? "" : "(" + argument + "=3)"), message));
  }
}

TEST(RecipeAgreement, WhatIsCompiledInIsNeverSet) {
  forEachArgument([](const Written &written, const recipe::Clause &, const recipe::Call &,
                     const recipe::Param &param) {
    if (param.compiledIn.empty())
      return;
    std::string message;
    EXPECT_FALSE(
        runs(asJson(written), pathOf(written, std::string(param.name)) + "=true", message));
    EXPECT_NE(message.find("is compiled into the executable"), std::string::npos) << message;
  });
}

} // namespace netc
