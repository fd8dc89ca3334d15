//===- RecipeOverride.cpp - the command line's word on a recipe -----------===//
#include "runtime/recipe/RecipeOverride.h"

#include "runtime/base/Error.h"
#include "runtime/base/ForeignJson.h"
#include "runtime/recipe/RecipeCall.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <vector>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

/// The end of the digits that begin at `begin`.
static size_t endOfDigits(const std::string &text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && (std::isdigit(static_cast<unsigned char>(text[end])) != 0))
    ++end;
  return end;
}

/// Whether the digits [begin, end) are an integer beyond 64 bits, which JSON would take as a float.
static bool isTooLarge(const std::string &text, size_t begin, size_t end) {
  static constexpr std::string_view floats = ".eE";
  bool isPart = begin > 0 && floats.find(text[begin - 1]) != std::string::npos;
  bool isStart = end < text.size() && floats.find(text[end]) != std::string::npos;
  int64_t value = 0;
  auto [after, error] = std::from_chars(text.data() + begin, text.data() + end, value);
  bool thousands = end < text.size() && text[end] == 'k';
  return !isPart && !isStart && (error != std::errc() || (thousands && value > INT64_MAX / 1000));
}

/// `32k` where a number may stand is `{"iterations": 32000}` to recipes.
static Json parseValue(const std::string &option, const std::string &text) {
  std::string json;
  for (size_t i = 0; i < text.size();) {
    size_t end = endOfDigits(text, i);
    if (end > i && isTooLarge(text, i, end))
      throw UsageError(
          fmt::format("--set {}: {} does not fit into 64 bits", option, text.substr(i, end - i)));
    bool isPart = i > 0 && text[i - 1] == '.';
    if (end > i && end < text.size() && text[end] == 'k' && !isPart) {
      json += fmt::format(R"({{"iterations": {}}})", std::stoll(text.substr(i, end - i)) * 1000);
      i = end + 1;
    } else {
      end = std::max(end, i + 1);
      json += text.substr(i, end - i);
      i = end;
    }
  }
  Json value = tryForeignJson(json);
  if (value.is_discarded() || value.is_string() || value.is_null())
    throw UsageError(fmt::format(
        "--set {}: '{}' is no value: expected a number, true, false, iterations (32k) or a list",
        option, text));
  return value;
}

static std::vector<std::string> split(const std::string &path) {
  std::vector<std::string> words;
  size_t begin = 0;
  for (size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1)
    words.push_back(path.substr(begin, dot - begin));
  words.push_back(path.substr(begin));
  return words;
}

[[noreturn]] static void rejectCompiledIn(const std::string &option, std::string_view what) {
  fail("--set {}: {} is compiled into the executable; change it in the .net file and compile again",
       option, what);
}

static Json &findWritten(const std::string &option, Json &calls, const std::string &clause,
                         const std::string &name) {
  std::string names;
  for (Json &call : calls) {
    if (call.at("name") == name)
      return call;
    names += (names.empty() ? "" : ", ") + call.at("name").get<std::string>();
  }
  fail("--set {}: the recipe's {} has no '{}'{}", option, clause, name,
       names.empty() ? ": it is empty" : "; it has " + names);
}

std::string_view refusal(const recipe::Clause &clause, const Json &value) {
  if (clause.zeroIsNone && value.is_number() && value == 0)
    return {};
  std::optional<recipe::Value> converted = toRecipeValue(value);
  if (converted && recipe::fits(clause.type, *converted))
    return {};
  return converted ? recipe::wanted(clause.type, *converted) : recipe::wanted(clause.type);
}

static void overrideNumber(Json &recipe, const std::string &option, const recipe::Clause &clause,
                           const Json &value) {
  if (std::string_view wanted = refusal(clause, value); !wanted.empty())
    fail("--set {}: expected {}", option, wanted);
  std::string name(clause.name);
  if (!clause.compiledIn.empty() && (recipe.value(name, 0.0) > 0) != (value.get<double>() > 0))
    rejectCompiledIn(option, clause.compiledIn);
  recipe[name] = value;
}

/// A step of evaluation that the recipe leaves to the defaults, or does without: what resizes goes
/// first.
static void addEvaluation(Json &calls, const std::string &name) {
  if (!calls.is_array())
    calls = Json::array();
  auto isSame = [&](const Json &call) { return call.at("name") == name; };
  if (recipe::findCall(*recipe::findClause("eval"), name) &&
      std::none_of(calls.begin(), calls.end(), isSame))
    calls.insert(name == "resize" ? calls.begin() : calls.end(),
                 Json{{"name", name}, {"args", Json::array()}, {"named", Json::object()}});
}

/// The order of the channels is a word, bare or quoted.
static void overrideOrder(Json &recipe, const std::string &option, std::string word) {
  if (word.size() > 1 && word.front() == '"' && word.back() == '"')
    word = word.substr(1, word.size() - 2);
  if (!recipe::fits(recipe::Type::Order, recipe::Value{word}))
    fail("--set {}: expected {}", option, recipe::wanted(recipe::Type::Order));
  if (!recipe["normalize"].is_object())
    recipe["normalize"] = {{"auto", false}};
  recipe["normalize"]["order"] = word;
}

/// `normalize.scale`: what the largest pixel counts in a mean and std that are written.
static void overrideScale(Json &recipe, const std::string &option, const recipe::Param &param,
                          const Json &value) {
  std::optional<recipe::Value> converted = toRecipeValue(value);
  if (!converted || !recipe::fits(param.type, *converted))
    fail("--set {}: expected {}", option,
         converted ? recipe::wanted(param.type, *converted) : recipe::wanted(param.type));
  if (!recipe["normalize"].is_object() || recipe["normalize"].value("auto", false))
    fail("--set {}: it belongs to a mean and std that are written or set before it", option);
  recipe["normalize"][std::string(param.name)] = value;
}

/// `normalize.mean` and `normalize.std` (numbers a channel, or one for all); together they replace
/// `normalize(auto)`.
static void overrideNormalization(Json &recipe, const std::string &option,
                                  const recipe::Param &param, const Json &value) {
  std::optional<recipe::Value> converted = toRecipeValue(value);
  if (!converted || !recipe::fits(recipe::Type::Numbers, *converted))
    fail("--set {}: expected a number a channel, or one for all", option);
  if (!recipe::fits(param.type, *converted))
    fail("--set {}: expected {}", option, recipe::wanted(param.type, *converted));
  if (!recipe["normalize"].is_object())
    recipe["normalize"] = Json::object();
  recipe["normalize"]["auto"] = false;
  recipe["normalize"][std::string(param.name)] = value.is_array() ? value : Json::array({value});
}

/// An argument of the one call of a clause, whose kind is compiled in.
static void overrideArgument(Json &recipe, const std::string &option, const recipe::Clause &clause,
                             const std::string &argument, const Json &value) {
  for (const recipe::Call &call : clause.calls)
    if (const recipe::Param *param = call.find(argument); param && !param->compiledIn.empty())
      rejectCompiledIn(option, param->compiledIn);
  recipe[std::string(clause.name)]["named"][argument] = value;
}

/// "optimizer.ARGUMENT, …, batch or epochs": what --set knows.
static std::string knownPaths() {
  std::string text;
  for (const recipe::Clause &clause : recipe::clauses) {
    std::string end = clause.form == recipe::Form::Calls  ? ".CALL.ARGUMENT"
                      : clause.form == recipe::Form::Call ? ".ARGUMENT"
                                                          : "";
    bool last = &clause == std::end(recipe::clauses) - 1;
    text += fmt::format("{}{}{}", text.empty() ? "" : last ? " or " : ", ", clause.name, end);
  }
  return text;
}

void applyOverride(Json &recipe, const std::string &text, bool mayAddEvaluation) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(
        fmt::format("--set {}: expected NAME=VALUE, as in optimizer.weight_decay=5e-4", text));
  std::string path = text.substr(0, equals);
  if (text == "normalize=auto") {
    recipe["normalize"] = {{"auto", true}};
    return;
  }
  std::vector<std::string> words = split(path);
  const recipe::Clause *clause = recipe::findClause(words[0]);
  if (clause && words.size() == 1 && clause->form == recipe::Form::Call &&
      !clause->compiledIn.empty())
    rejectCompiledIn(text, clause->compiledIn);
  const recipe::Param *normalization =
      words[0] == "normalize" && words.size() == 2 ? clause->calls[0].find(words[1]) : nullptr;
  if (normalization && normalization->type == recipe::Type::Order)
    return overrideOrder(recipe, text, text.substr(equals + 1));
  Json value = parseValue(text, text.substr(equals + 1));
  if (clause && clause->name == "eval" && words.size() == 3 && mayAddEvaluation)
    addEvaluation(recipe["eval"], words[1]);
  if (normalization && normalization->type == recipe::Type::Positive)
    overrideScale(recipe, text, *normalization, value);
  else if (normalization)
    overrideNormalization(recipe, text, *normalization, value);
  else if (clause && words[0] != "normalize" && clause->form == recipe::Form::Call &&
           words.size() == 2)
    overrideArgument(recipe, text, *clause, words[1], value);
  else if (clause && clause->form == recipe::Form::Number && words.size() == 1)
    overrideNumber(recipe, text, *clause, value);
  else if (clause && clause->form == recipe::Form::Calls && words.size() == 3)
    findWritten(text, recipe[words[0]], words[0], words[1])["named"][words[2]] = value;
  else
    throw UsageError(fmt::format("--set {}: unknown; expected {}", text, knownPaths()));
}

} // namespace netc::runtime
