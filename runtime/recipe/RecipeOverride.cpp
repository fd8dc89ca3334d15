//===- RecipeOverride.cpp - the command line's word on a recipe -----------===//
#include "runtime/recipe/RecipeOverride.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <vector>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

/// `32k` where a number may stand is `{"iterations": 32000}` to recipes.
static Json parseValue(const std::string &option, std::string text) {
  std::string json;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && (std::isdigit(static_cast<unsigned char>(text[end])) != 0))
      ++end;
    bool thousands = end > i && end < text.size() && text[end] == 'k';
    if (thousands) {
      json += fmt::format(R"({{"iterations": {}000}})", text.substr(i, end - i));
      i = end + 1;
    } else {
      end = std::max(end, i + 1);
      json += text.substr(i, end - i);
      i = end;
    }
  }
  Json value = Json::parse(json, nullptr, /*allow_exceptions=*/false);
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

[[noreturn]] static void rejectCompiledIn(const std::string &option, const char *what) {
  fail("--set {}: {} is compiled into the executable; change it in the .net file and compile again",
       option, what);
}

static Json &findCall(const std::string &option, Json &calls, const std::string &clause,
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

/// `normalize.mean` and `normalize.std` (numbers a channel, or one for all); together they replace
/// `normalize(auto)`.
static void overrideNormalization(Json &recipe, const std::string &text,
                                  const std::string &argument, const Json &value) {
  Json list = value.is_array() ? value : Json::array({value});
  auto isNumber = [](const Json &item) { return item.is_number(); };
  if (list.empty() || !std::all_of(list.begin(), list.end(), isNumber))
    fail("--set {}: expected a number a channel, or one for all", text);
  if (!recipe["normalize"].is_object())
    recipe["normalize"] = Json::object();
  recipe["normalize"]["auto"] = false;
  recipe["normalize"][argument] = list;
}

void applyOverride(Json &recipe, const std::string &text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(
        fmt::format("--set {}: expected NAME=VALUE, as in optimizer.weight_decay=5e-4", text));
  std::string path = text.substr(0, equals);
  if (text == "normalize=auto") {
    recipe["normalize"] = {{"auto", true}};
    return;
  }
  Json value = parseValue(text, text.substr(equals + 1));
  std::vector<std::string> words = split(path);
  const std::string &clause = words[0];
  static const std::vector<std::string> numbers{"batch", "epochs", "accumulate", "clip_norm",
                                                "ema"};
  bool listed = clause == "augment" || clause == "eval" || clause == "schedule";
  if (std::find(numbers.begin(), numbers.end(), clause) != numbers.end() && words.size() == 1) {
    if (!value.is_number())
      fail("--set {}: expected a number", text);
    bool whole = clause == "batch" || clause == "epochs" || clause == "accumulate";
    if (whole ? !value.is_number_integer() || value < 1 : !(value.get<double>() >= 0))
      fail("--set {}: expected {}", text, whole ? "an integer from 1 on" : "a number from 0 on");
    if (clause == "ema" && (recipe.value("ema", 0.0) > 0) != (value.get<double>() > 0))
      rejectCompiledIn(text, "whether there is a moving average");
    if (clause == "ema" && value >= 1)
      fail("--set {}: expected a number from 0 to below 1", text);
    recipe[clause] = value;
  } else if (clause == "optimizer" && words.size() == 2) {
    if (words[1] == "nesterov")
      rejectCompiledIn(text, "Nesterov's momentum");
    recipe["optimizer"]["named"][words[1]] = value;
  } else if (path == "normalize.mean" || path == "normalize.std") {
    overrideNormalization(recipe, text, words[1], value);
  } else if (path == "loss.label_smoothing") {
    if (!value.is_number())
      fail("--set {}: expected a number from 0 to 1", text);
    recipe["loss"]["named"]["label_smoothing"] = value;
  } else if (clause == "loss") {
    rejectCompiledIn(text, "the kind of loss");
  } else if (listed && words.size() == 3) {
    findCall(text, recipe[clause], clause, words[1])["named"][words[2]] = value;
  } else {
    throw UsageError(
        fmt::format("--set {}: unknown; expected optimizer.ARGUMENT, loss.label_smoothing, "
                    "(augment|eval|schedule).CALL.ARGUMENT, "
                    "normalize.(mean|std), batch, epochs, accumulate, clip_norm or ema",
                    text));
  }
}

} // namespace netc::runtime
