//===- RecipeCall.cpp - reads the arguments of one recipe call ------------===//
#include "runtime/recipe/RecipeCall.h"

#include "runtime/base/Error.h"

#include <algorithm>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

std::optional<recipe::Value> toRecipeValue(const Json &json) {
  if (json.is_boolean())
    return recipe::Value{json.get<bool>()};
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(INT64_MAX))
    return std::nullopt;
  if (json.is_number_integer())
    return recipe::Value{json.get<int64_t>()};
  if (json.is_number())
    return recipe::Value{json.get<double>()};
  if (json.is_string())
    return recipe::Value{json.get<std::string>()};
  if (json.is_object() && json.size() == 1 && json.contains("iterations") &&
      json["iterations"].is_number_integer())
    return recipe::Value{recipe::Iterations{json["iterations"].get<int64_t>()}};
  if (!json.is_array())
    return std::nullopt;
  recipe::List list;
  for (const Json &item : json) {
    std::optional<recipe::Value> value = toRecipeValue(item);
    if (!value)
      return std::nullopt;
    list.push_back(std::move(*value));
  }
  return recipe::Value{std::move(list)};
}

static std::string namesOf(const auto &kinds) {
  std::string text;
  for (const auto &kind : kinds)
    text += (text.empty() ? "" : ", ") + std::string(kind.name);
  return text.empty() ? "none" : text;
}

RecipeCall::RecipeCall(const Json &call, std::string_view clause)
    : clause(clause), callName(call.at("name").get<std::string>()) {
  const recipe::Clause &table = *recipe::findClause(clause);
  kind = recipe::findCall(table, callName);
  if (!kind)
    reject(fmt::format("unknown, expected one of {}", namesOf(table.calls)));
  bind(call);
  if (const recipe::Param *missing = recipe::findMissing(*kind, given))
    reject(fmt::format("expected {}=…{}", missing->name,
                       missing->instead.empty() ? "" : fmt::format(" or {}=…", missing->instead)));
  if (std::string_view wrong = kind->together ? kind->together(given) : ""; !wrong.empty())
    reject(std::string(wrong));
}

void RecipeCall::reject(const std::string &reason) const {
  fail("recipe: {} {}: {}", clause, callName, reason);
}

void RecipeCall::add(const recipe::Param &param, const Json &value) {
  std::optional<recipe::Value> converted = toRecipeValue(value);
  if (!converted || !recipe::fits(param.type, *converted))
    reject(fmt::format("{} is {}, expected {}", param.name, value.dump(),
                       converted ? recipe::wanted(param.type, *converted)
                                 : recipe::wanted(param.type)));
  if (!recipe::find(given, param.name))
    given.push_back({std::string(param.name), std::move(*converted)});
}

/// A bare word arrives as a string among the positions.
void RecipeCall::bindPosition(const Json &value, size_t &position, size_t count) {
  const recipe::Param *toggle = value.is_string() ? kind->find(value.get<std::string>()) : nullptr;
  if (toggle && toggle->type == recipe::Type::Flag)
    return add(*toggle, Json(true));
  if (position >= kind->params().size())
    reject(
        fmt::format("{} positional arguments, at most {} expected", count, kind->params().size()));
  add(kind->params()[position++], value);
}

void RecipeCall::bind(const Json &call) {
  if (call.contains("named"))
    for (const auto &[argument, value] : call["named"].items()) {
      const recipe::Param *param = kind->find(argument);
      if (!param)
        reject(
            fmt::format("unknown argument '{}', expected {}", argument, namesOf(kind->params())));
      add(*param, value);
    }
  size_t position = 0;
  if (call.contains("args"))
    for (const Json &value : call["args"])
      bindPosition(value, position, call["args"].size());
}

const recipe::Value *RecipeCall::read(std::string_view argument) {
  if (!kind->find(argument))
    reject(fmt::format("the recipes' table has no '{}'", argument));
  asked.push_back(argument);
  return recipe::find(given, argument);
}

double RecipeCall::number(std::string_view argument) {
  const recipe::Value *value = read(argument);
  return value ? *recipe::numberOf(*value) : kind->find(argument)->otherwise.value_or(0);
}

std::optional<double> RecipeCall::optionalNumber(std::string_view argument) {
  const recipe::Value *value = read(argument);
  return value ? recipe::numberOf(*value) : std::nullopt;
}

int RecipeCall::integer(std::string_view argument) { return int(number(argument)); }

bool RecipeCall::flag(std::string_view argument) {
  const recipe::Value *value = read(argument);
  return value && std::get<bool>(value->value);
}

std::array<double, 2> RecipeCall::bounds(std::string_view argument) {
  const recipe::Value *value = read(argument);
  if (!value)
    return kind->find(argument)->between;
  const auto &list = std::get<recipe::List>(value->value);
  return {*recipe::numberOf(list[0]), *recipe::numberOf(list[1])};
}

std::array<double, 2> RecipeCall::interval(std::string_view argument) {
  const recipe::Value *value = read(argument);
  if (!value)
    return {0, 0};
  if (const auto *list = std::get_if<recipe::List>(&value->value))
    return {*recipe::numberOf((*list)[0]), *recipe::numberOf((*list)[1])};
  double most = *recipe::numberOf(*value);
  return {-most, most};
}

std::array<int, 2> RecipeCall::size(std::string_view argument, bool square) {
  const recipe::Value *value = read(argument);
  if (!value)
    return {0, 0};
  if (const auto *list = std::get_if<recipe::List>(&value->value))
    return {int(*recipe::numberOf((*list)[0])), int(*recipe::numberOf((*list)[1]))};
  int side = int(*recipe::numberOf(*value));
  return {side, square ? side : 0};
}

static void collect(const recipe::Value &value, std::vector<float> &numbers) {
  if (const auto *list = std::get_if<recipe::List>(&value.value))
    for (const recipe::Value &item : *list)
      collect(item, numbers);
  else
    numbers.push_back(float(*recipe::numberOf(value)));
}

std::vector<float> RecipeCall::numbers(std::string_view argument) {
  std::vector<float> result;
  if (const recipe::Value *value = read(argument))
    collect(*value, result);
  return result;
}

static SchedulePoint toPoint(const recipe::Value &value) {
  using Unit = SchedulePoint::Unit;
  if (const auto *iterations = std::get_if<recipe::Iterations>(&value.value))
    return {Unit::Iterations, double(iterations->count)};
  bool epochs = std::holds_alternative<int64_t>(value.value);
  return {epochs ? Unit::Epochs : Unit::Fraction, *recipe::numberOf(value)};
}

std::optional<SchedulePoint> RecipeCall::point(std::string_view argument) {
  const recipe::Value *value = read(argument);
  return value ? std::optional(toPoint(*value)) : std::nullopt;
}

std::vector<SchedulePoint> RecipeCall::points(std::string_view argument) {
  const recipe::Value *value = read(argument);
  if (!value)
    return {};
  const auto *list = std::get_if<recipe::List>(&value->value);
  if (!list)
    return {toPoint(*value)};
  std::vector<SchedulePoint> result;
  for (const recipe::Value &item : *list)
    result.push_back(toPoint(item));
  return result;
}

void RecipeCall::finish() const {
  for (const recipe::Param &param : kind->params())
    if (std::find(asked.begin(), asked.end(), param.name) == asked.end())
      reject(fmt::format("this runtime does not read '{}'", param.name));
}

} // namespace netc::runtime
