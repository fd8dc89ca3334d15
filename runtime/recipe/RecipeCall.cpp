//===- RecipeCall.cpp - reads the arguments of one recipe call ------------===//
#include "runtime/recipe/RecipeCall.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

RecipeCall::RecipeCall(const Json &call, std::string room) : call(call), room(std::move(room)) {
  callName = call.at("name").get<std::string>();
}

void RecipeCall::reject(const std::string &reason) const {
  fail("recipe: {} {}: {}", room, callName, reason);
}

const Json *RecipeCall::find(const char *argument, int position) {
  asked.push_back(argument);
  if (call.contains("named") && call["named"].contains(argument))
    return &call["named"][argument];
  if (position < 0 || !call.contains("args") || size_t(position) >= call["args"].size())
    return nullptr;
  positionsRead = std::max(positionsRead, size_t(position) + 1);
  return &call["args"][size_t(position)];
}

double RecipeCall::number(const char *argument, int position, double otherwise) {
  const Json *value = find(argument, position);
  if (!value)
    return otherwise;
  if (!value->is_number())
    reject(fmt::format("{} is {}, expected a number", argument, value->dump()));
  if (!(value->get<double>() >= 0))
    reject(fmt::format("{} is {}, expected a number from 0 on", argument, value->dump()));
  return value->get<double>();
}

int RecipeCall::integer(const char *argument, int position, int otherwise) {
  double value = number(argument, position, otherwise);
  if (value != std::floor(value) || std::abs(value) > 1e9)
    reject(fmt::format("{} is {}, expected an integer", argument, value));
  return int(value);
}

bool RecipeCall::flag(const char *argument) {
  if (const Json *value = find(argument, -1)) {
    if (!value->is_boolean())
      reject(fmt::format("{} is {}, expected true or false", argument, value->dump()));
    return value->get<bool>();
  }
  // A bare word arrives as a string among the arguments.
  if (!call.contains("args"))
    return false;
  for (const Json &word : call["args"])
    if (word.is_string() && word.get<std::string>() == argument) {
      positionsRead = std::max(positionsRead, call["args"].size());
      return true;
    }
  return false;
}

std::array<double, 2> RecipeCall::bounds(const char *argument, int position,
                                         std::array<double, 2> otherwise) {
  const Json *value = find(argument, position);
  if (!value)
    return otherwise;
  if (!value->is_array() || value->size() != 2 || !(*value)[0].is_number() ||
      !(*value)[1].is_number() || (*value)[0].get<double>() > (*value)[1].get<double>() ||
      (*value)[0].get<double>() <= 0)
    reject(fmt::format("{} is {}, expected [low, high], above 0", argument, value->dump()));
  return {(*value)[0].get<double>(), (*value)[1].get<double>()};
}

std::array<int, 2> RecipeCall::size(const char *argument, int position, bool square) {
  const Json *value = find(argument, position);
  if (!value)
    return {0, 0};
  std::array<int, 2> result{};
  if (value->is_number_integer()) {
    int side = value->get<int>();
    result = {side, square ? side : 0};
  } else if (value->is_array() && value->size() == 2 && (*value)[0].is_number_integer() &&
             (*value)[1].is_number_integer()) {
    result = {(*value)[0].get<int>(), (*value)[1].get<int>()};
  } else {
    reject(fmt::format("{} is {}, expected pixels or [height, width]", argument, value->dump()));
  }
  if (result[0] < 1 || result[0] > 1 << 16 || result[1] < 0 || result[1] > 1 << 16)
    reject(fmt::format("{} is {}, expected 1 to 65536 pixels", argument, value->dump()));
  return result;
}

std::vector<float> RecipeCall::numbers(const char *argument, int position) {
  const Json *value = find(argument, position);
  std::vector<float> result;
  if (!value)
    return result;
  auto collect = [&](auto &&self, const Json &item) -> void {
    if (item.is_array())
      for (const Json &inner : item)
        self(self, inner);
    else if (item.is_number())
      result.push_back(item.get<float>());
    else
      reject(fmt::format("{} holds {}, expected numbers", argument, item.dump()));
  };
  collect(collect, *value);
  return result;
}

SchedulePoint RecipeCall::toPoint(const Json &value, const char *argument) const {
  using Unit = SchedulePoint::Unit;
  if (value.is_object() && value.contains("iterations"))
    return {Unit::Iterations, value["iterations"].get<double>()};
  if (value.is_number_integer() && value.get<int64_t>() >= 0)
    return {Unit::Epochs, value.get<double>()};
  if (value.is_number_float() && value.get<double>() >= 0)
    // Below 1 a float is a fraction of the run; from 1 on, epochs ("2.5").
    return {value.get<double>() <= 1 ? Unit::Fraction : Unit::Epochs, value.get<double>()};
  reject(fmt::format("{} is {}, expected epochs (30), iterations (32k) or a fraction (0.5)",
                     argument, value.dump()));
}

std::optional<SchedulePoint> RecipeCall::point(const char *argument, int position) {
  const Json *value = find(argument, position);
  if (!value)
    return std::nullopt;
  return toPoint(*value, argument);
}

std::vector<SchedulePoint> RecipeCall::points(const char *argument, int position) {
  const Json *value = find(argument, position);
  std::vector<SchedulePoint> result;
  if (!value)
    return result;
  if (!value->is_array())
    return {toPoint(*value, argument)};
  for (const Json &item : *value) {
    result.push_back(toPoint(item, argument));
    const SchedulePoint &last = result.back(), &first = result.front();
    if (last.unit != first.unit ||
        (result.size() > 1 && last.value <= result[result.size() - 2].value))
      reject(fmt::format(
          "{} is {}, expected a rising list, all epochs, all iterations or all fractions", argument,
          value->dump()));
  }
  return result;
}

void RecipeCall::finish() const {
  if (call.contains("named"))
    for (const auto &[argument, value] : call["named"].items())
      if (std::find(asked.begin(), asked.end(), argument) == asked.end())
        reject(fmt::format("unknown argument '{}', expected {}", argument,
                           asked.empty() ? std::string("none")
                                         : fmt::format("{}", fmt::join(asked, ", "))));
  if (call.contains("args") && call["args"].size() > positionsRead)
    reject(fmt::format("{} positional arguments, at most {} expected", call["args"].size(),
                       positionsRead));
}

} // namespace netc::runtime
