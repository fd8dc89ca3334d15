//===- RecipeTypes.cpp - what an argument of a recipe may be --------------===//
#include "frontend/recipe/RecipeTypes.h"

#include <algorithm>

namespace netc::frontend {

std::optional<double> numberOf(const RecipeValue &value) {
  if (const auto *integer = std::get_if<int64_t>(&value.value))
    return static_cast<double>(*integer);
  if (const auto *number = std::get_if<double>(&value.value))
    return *number;
  return std::nullopt;
}

/// Epochs, iterations, or a fraction of the run.
static bool isPoint(const RecipeValue &value) {
  if (const auto *epochs = std::get_if<int64_t>(&value.value))
    return *epochs >= 0;
  if (const auto *fraction = std::get_if<double>(&value.value))
    return *fraction >= 0 && *fraction < 1; // 1.0 and 1 would look alike
  return std::holds_alternative<Iterations>(value.value);
}

static bool isRisingPoints(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  if (!list || list->empty())
    return false;
  auto position = [](const RecipeValue &point) {
    const auto *iterations = std::get_if<Iterations>(&point.value);
    return iterations ? static_cast<double>(iterations->count) : numberOf(point).value_or(0);
  };
  for (size_t i = 0; i < list->size(); ++i) {
    const RecipeValue &point = (*list)[i];
    if (!isPoint(point) || point.value.index() != list->front().value.index())
      return false;
    if (i > 0 && position(point) <= position((*list)[i - 1]))
      return false;
  }
  return true;
}

static bool isSize(const RecipeValue &value) {
  if (const auto *size = std::get_if<int64_t>(&value.value))
    return *size >= 1 && *size <= 65536;
  const auto *list = std::get_if<RecipeList>(&value.value);
  return list && list->size() == 2 && isSize((*list)[0]) && isSize((*list)[1]) &&
         !std::holds_alternative<RecipeList>((*list)[0].value) &&
         !std::holds_alternative<RecipeList>((*list)[1].value);
}

static bool isNumbers(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  if (!list)
    return numberOf(value).has_value();
  return !list->empty() && std::all_of(list->begin(), list->end(), [](const RecipeValue &item) {
    return numberOf(item).has_value();
  });
}

static bool isBounds(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  if (!list || list->size() != 2)
    return false;
  std::optional<double> low = numberOf((*list)[0]), high = numberOf((*list)[1]);
  return low && high && *low > 0 && *low <= *high;
}

static bool arePositive(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  if (!list)
    return numberOf(value).value_or(0) > 0;
  return !list->empty() && std::all_of(list->begin(), list->end(), [](const RecipeValue &item) {
    return numberOf(item).value_or(0) > 0;
  });
}

static bool areVectors(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  return list && std::all_of(list->begin(), list->end(), [](const RecipeValue &item) {
           return std::holds_alternative<RecipeList>(item.value) && isNumbers(item);
         });
}

bool fits(RecipeType type, const RecipeValue &value) {
  std::optional<double> number = numberOf(value);
  switch (type) {
  case RecipeType::Number:
    return number && *number >= 0;
  case RecipeType::Probability:
    return number && *number >= 0 && *number <= 1;
  case RecipeType::Half:
    return number && *number >= 0 && *number <= 0.5;
  case RecipeType::Fraction:
    return number && *number >= 0 && *number < 1;
  case RecipeType::Positive:
    return number && *number > 0;
  case RecipeType::Border: {
    const auto *pixels = std::get_if<int64_t>(&value.value);
    return pixels && *pixels >= 0 && *pixels <= 65536;
  }
  case RecipeType::Bounds:
    return isBounds(value);
  case RecipeType::Positives:
    return arePositive(value);
  case RecipeType::Vectors:
    return areVectors(value);
  case RecipeType::Count:
    return std::holds_alternative<int64_t>(value.value) && *number >= 1;
  case RecipeType::Flag:
    return std::holds_alternative<bool>(value.value);
  case RecipeType::Size:
    return isSize(value);
  case RecipeType::Numbers:
    return isNumbers(value);
  case RecipeType::Point:
    return isPoint(value);
  case RecipeType::Points:
    return isRisingPoints(value);
  }
  return false;
}

const char *wantedFor(RecipeType type) {
  switch (type) {
  case RecipeType::Number:
    return "a number from 0 on";
  case RecipeType::Probability:
    return "a number between 0 and 1";
  case RecipeType::Count:
    return "an integer from 1 on";
  case RecipeType::Flag:
    return "true or false";
  case RecipeType::Half:
    return "a number between 0 and 0.5";
  case RecipeType::Fraction:
    return "a number from 0 to below 1";
  case RecipeType::Positive:
    return "a number above 0";
  case RecipeType::Border:
    return "an integer from 0 on";
  case RecipeType::Bounds:
    return "[low, high], above 0";
  case RecipeType::Positives:
    return "a number or a list of numbers, above 0";
  case RecipeType::Vectors:
    return "a list of lists of numbers";
  case RecipeType::Size:
    return "an integer from 1 on or [height, width]";
  case RecipeType::Numbers:
    return "a number or a list of numbers";
  case RecipeType::Point:
    return "epochs (5), iterations (2k) or a fraction of the run (0.1)";
  case RecipeType::Points:
    return "a rising list of epochs ([30, 60]), iterations ([32k, 48k]) or fractions "
           "([0.5, 0.75])";
  }
  return "";
}

} // namespace netc::frontend
