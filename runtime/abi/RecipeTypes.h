//===- RecipeTypes.h - what an argument of a recipe may be ------*- C++ -*-===//
#ifndef NETC_RUNTIME_ABI_RECIPETYPES_H
#define NETC_RUNTIME_ABI_RECIPETYPES_H

#include "runtime/abi/RecipeValue.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace netc::recipe {

enum class Type {
  Number,      ///< at least 0
  Probability, ///< 0 to 1
  Half,        ///< 0 to 0.5
  Fraction,    ///< from 0 to below 1
  Positive,    ///< above 0
  Count,       ///< an integer from 1 to largestCount
  Border,      ///< pixels, from 0 to largestSide
  Flag,
  Size,      ///< pixels from 1 to largestSide, or [height, width]
  Bounds,    ///< [low, high], above 0
  Numbers,   ///< a list of numbers, or one number for all channels
  Positives, ///< the same, above 0
  Vectors,   ///< a list of lists of numbers
  Point,     ///< epochs, iterations (32k) or a fraction of the run
  Period,    ///< the same, above 0
  Points,    ///< a point, or a rising list of points of one unit
  Order,     ///< of an image's channels: the word rgb or bgr
  Label,     ///< a class index, or a number that stands for none
  Magnitude, ///< of a random augmentation: 0 to 30
  Interval,  ///< d for [-d, d], or [low, high]
  Shares,    ///< [horizontal, vertical], each 0 to 1
};

inline constexpr int64_t largestCount = 1'000'000;              ///< batches, epochs
inline constexpr int64_t largestSide = 65'536;                  ///< pixels
inline constexpr int64_t largestIterations = 1'000'000'000'000; ///< of a schedule's point

/// "a number from 0 on": what an argument of `type` must be, for messages and documents.
constexpr std::string_view wanted(Type type) {
  switch (type) {
  case Type::Number:
    return "a number from 0 on";
  case Type::Probability:
    return "a number between 0 and 1";
  case Type::Half:
    return "a number between 0 and 0.5";
  case Type::Fraction:
    return "a number from 0 to below 1";
  case Type::Positive:
    return "a number above 0";
  case Type::Count:
    return "an integer from 1 to 1000000";
  case Type::Border:
    return "an integer from 0 to 65536";
  case Type::Flag:
    return "true or false";
  case Type::Size:
    return "an integer from 1 to 65536 or [height, width]";
  case Type::Bounds:
    return "[low, high], above 0";
  case Type::Numbers:
    return "a number or a list of numbers";
  case Type::Positives:
    return "a number or a list of numbers, above 0";
  case Type::Vectors:
    return "a list of lists of numbers";
  case Type::Point:
    return "epochs (5), iterations (2k) or a fraction of the run (0.1)";
  case Type::Period:
    return "epochs (5), iterations (2k) or a fraction of the run (0.1), above 0";
  case Type::Points:
    return "a rising list of epochs ([30, 60]), iterations ([32k, 48k]) or fractions "
           "([0.5, 0.75])";
  case Type::Order:
    return "rgb or bgr";
  case Type::Label:
    return "an integer from -1000000 to 1000000";
  case Type::Magnitude:
    return "a number between 0 and 30";
  case Type::Interval:
    return "a number d from 0 on, for -d to d, or [low, high]";
  case Type::Shares:
    return "[horizontal, vertical], each between 0 and 1";
  }
  return "";
}

namespace detail {

/// Numbers of recipes are computed with as floats.
inline bool fitsFloat(double number) {
  return std::abs(number) <= double(std::numeric_limits<float>::max());
}

template <typename Predicate> bool isNumber(const Value &value, Predicate good) {
  std::optional<double> number = numberOf(value);
  return number && fitsFloat(*number) && good(*number);
}

inline bool isInteger(const Value &value, int64_t least, int64_t most) {
  const auto *integer = std::get_if<int64_t>(&value.value);
  return integer && *integer >= least && *integer <= most;
}

/// Whether `value` is a list of `good` items, which may be empty.
template <typename Predicate> bool isList(const Value &value, Predicate good) {
  const auto *list = std::get_if<List>(&value.value);
  return list && std::all_of(list->begin(), list->end(), good);
}

inline size_t lengthOf(const Value &value) {
  const auto *list = std::get_if<List>(&value.value);
  return list ? list->size() : 0;
}

inline bool isAnyNumber(const Value &value) {
  return isNumber(value, [](double) { return true; });
}

/// Above 0 as a float as well.
inline bool isPositive(const Value &value) {
  return isNumber(value, [](double number) { return static_cast<float>(number) > 0; });
}

inline bool isSize(const Value &value) {
  auto isSide = [](const Value &side) { return isInteger(side, 1, largestSide); };
  return isSide(value) || (lengthOf(value) == 2 && isList(value, isSide));
}

inline bool isBounds(const Value &value) {
  if (lengthOf(value) != 2 || !isList(value, isPositive))
    return false;
  const List &list = std::get<List>(value.value);
  return *numberOf(list[0]) <= *numberOf(list[1]);
}

inline bool isInterval(const Value &value) {
  if (lengthOf(value) == 0)
    return isNumber(value, [](double number) { return number >= 0; });
  if (lengthOf(value) != 2 || !isList(value, isAnyNumber))
    return false;
  const List &list = std::get<List>(value.value);
  return *numberOf(list[0]) <= *numberOf(list[1]);
}

/// The position of a point within its unit; none where `value` is no point.
inline std::optional<double> positionOf(const Value &value) {
  if (isInteger(value, 0, largestCount))
    return numberOf(value);
  if (const auto *fraction = std::get_if<double>(&value.value))
    return *fraction >= 0 && *fraction < 1 ? numberOf(value) // 1.0 and 1 would look alike
                                           : std::nullopt;
  const auto *iterations = std::get_if<Iterations>(&value.value);
  if (iterations && iterations->count >= 0 && iterations->count <= largestIterations)
    return static_cast<double>(iterations->count);
  return std::nullopt;
}

inline bool arePoints(const Value &value) {
  const auto *list = std::get_if<List>(&value.value);
  if (!list)
    return positionOf(value).has_value();
  if (list->empty())
    return false;
  const Value *last = nullptr; // above 0: the start of the run is 0 in every unit
  std::optional<double> before;
  for (const Value &point : *list) {
    std::optional<double> position = positionOf(point);
    if (!position || (before && *position <= *before))
      return false;
    if (last && last->value.index() != point.value.index())
      return false;
    if (*position > 0)
      last = &point;
    before = position;
  }
  return true;
}

} // namespace detail

/// Whether `value` is one of `type`.
inline bool fits(Type type, const Value &value) {
  using namespace detail;
  switch (type) {
  case Type::Number:
    return isNumber(value, [](double number) { return number >= 0; });
  case Type::Probability:
    return isNumber(value, [](double number) { return number >= 0 && number <= 1; });
  case Type::Half:
    return isNumber(value, [](double number) { return number >= 0 && number <= 0.5; });
  case Type::Fraction:
    return isNumber(value, [](double number) { return number >= 0 && number < 1; });
  case Type::Positive:
    return isPositive(value);
  case Type::Count:
    return isInteger(value, 1, largestCount);
  case Type::Border:
    return isInteger(value, 0, largestSide);
  case Type::Flag:
    return std::holds_alternative<bool>(value.value);
  case Type::Size:
    return isSize(value);
  case Type::Bounds:
    return isBounds(value);
  case Type::Numbers:
    return isAnyNumber(value) || (lengthOf(value) > 0 && isList(value, isAnyNumber));
  case Type::Positives:
    return isPositive(value) || (lengthOf(value) > 0 && isList(value, isPositive));
  case Type::Vectors:
    return isList(
        value, [](const Value &item) { return lengthOf(item) > 0 && isList(item, isAnyNumber); });
  case Type::Point:
    return positionOf(value).has_value();
  case Type::Period:
    return positionOf(value).value_or(0) > 0;
  case Type::Points:
    return arePoints(value);
  case Type::Order: {
    const auto *word = std::get_if<std::string>(&value.value);
    return word && (*word == "rgb" || *word == "bgr");
  }
  case Type::Label:
    return isInteger(value, -largestCount, largestCount);
  case Type::Magnitude:
    return isNumber(value, [](double number) { return number >= 0 && number <= 30; });
  case Type::Interval:
    return isInterval(value);
  case Type::Shares:
    return lengthOf(value) == 2 && isList(value, [](const Value &item) {
             return isNumber(item, [](double number) { return number >= 0 && number <= 1; });
           });
  }
  return false;
}

namespace detail {

/// Whether `value`, or an item of it, is `such`.
template <typename Predicate> bool holds(const Value &value, Predicate such) {
  if (const auto *list = std::get_if<List>(&value.value))
    return std::any_of(list->begin(), list->end(),
                       [&](const Value &item) { return holds(item, such); });
  return such(value);
}

inline bool isTooFar(const Value &point) {
  const auto *iterations = std::get_if<Iterations>(&point.value);
  return iterations ? iterations->count > largestIterations
                    : numberOf(point).value_or(0) > double(largestCount);
}

} // namespace detail

/// What an argument of `type` must be where it is `value`, which does not fit: tells a limit that
/// wanted(type) leaves out.
inline std::string_view wanted(Type type, const Value &value) {
  bool isPoint = type == Type::Point || type == Type::Period || type == Type::Points;
  if (isPoint && detail::holds(value, detail::isTooFar))
    return "at most 1000000 epochs or 1000000000k iterations";
  auto isTooLarge = [](const Value &item) {
    std::optional<double> number = numberOf(item);
    return number && !detail::fitsFloat(*number);
  };
  if (detail::holds(value, isTooLarge))
    return "a number of single precision, at most 3.4e38";
  return wanted(type);
}

} // namespace netc::recipe

#endif // NETC_RUNTIME_ABI_RECIPETYPES_H
