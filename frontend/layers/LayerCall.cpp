//===- LayerCall.cpp - reads a layer's arguments --------------------------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace netc::frontend {

// Larger sizes are mistakes; below them no product of two leaves 64 bits.
constexpr int64_t largestSize = int64_t(1) << 31;
constexpr int64_t mostElements = int64_t(1) << 40;

const Shape &LayerCall::shape(size_t input) const { return context.layer(inputs[input]).output; }

Diagnostic &LayerCall::error(Range at, std::string message) {
  return context.error(at, std::move(message));
}

const BoundArgument *LayerCall::find(std::string_view name) const {
  for (size_t i = 0; i < kind.params.size(); ++i)
    if (kind.params[i].name == name)
      return args[i] ? &*args[i] : nullptr;
  return nullptr;
}

Range LayerCall::rangeOf(std::string_view name) const {
  const BoundArgument *arg = find(name);
  return arg ? arg->range : range;
}

Diagnostic &LayerCall::wrong(std::string_view name, const std::string &wanted) {
  const BoundArgument *arg = find(name);
  return error(arg->range, fmt::format("'{}' of '{}' must be {}, have {}", name, kind.name, wanted,
                                       describe(arg->value)));
}

std::optional<int64_t> LayerCall::integer(std::string_view name, int64_t byDefault, int64_t least) {
  const BoundArgument *arg = find(name);
  if (!arg)
    return byDefault;
  const auto *value = arg->value.as<int64_t>();
  if (value && *value >= least && *value <= largestSize)
    return *value;
  if (value && *value > largestSize)
    wrong(name, fmt::format("at most {}", largestSize));
  else
    wrong(name, fmt::format("an integer from {} on", least));
  return std::nullopt;
}

std::optional<double> LayerCall::number(std::string_view name, double byDefault) {
  const BoundArgument *arg = find(name);
  if (!arg)
    return byDefault;
  if (const auto *integer = arg->value.as<int64_t>())
    return static_cast<double>(*integer);
  if (const auto *value = arg->value.as<double>())
    return *value;
  wrong(name, "a number");
  return std::nullopt;
}

std::optional<bool> LayerCall::flag(std::string_view name, bool byDefault) {
  const BoundArgument *arg = find(name);
  if (!arg)
    return byDefault;
  if (const auto *value = arg->value.as<bool>())
    return *value;
  wrong(name, "true or false");
  return std::nullopt;
}

bool LayerCall::isWord(std::string_view name, std::string_view word) const {
  const BoundArgument *arg = find(name);
  const auto *text = arg ? arg->value.as<std::string>() : nullptr;
  return text && *text == word;
}

std::optional<std::string> LayerCall::word(std::string_view name, std::string byDefault,
                                           const std::vector<std::string> &choices) {
  const BoundArgument *arg = find(name);
  if (!arg)
    return byDefault;
  const auto *text = arg->value.as<std::string>();
  if (text && std::find(choices.begin(), choices.end(), *text) != choices.end())
    return *text;
  Diagnostic &diag = wrong(name, "one of the words " + joinNames(choices));
  std::string close = text ? closestName(*text, choices) : std::string();
  if (!close.empty())
    diag.suggest(fmt::format("did you mean '{}'?", close));
  return std::nullopt;
}

std::optional<std::vector<int64_t>> LayerCall::integers(std::string_view name, int64_t least,
                                                        const std::string &wanted) {
  const BoundArgument *arg = find(name);
  std::vector<int64_t> sizes;
  bool good = true;
  auto take = [&](const Value &value) {
    const auto *size = value.as<int64_t>();
    good = good && size && *size >= least && *size <= largestSize;
    sizes.push_back(size ? *size : 0);
  };
  if (const auto *list = arg->value.as<Value::List>()) {
    good = (*list)->items.size() <= 4;
    for (const Value &item : (*list)->items)
      take(item);
  } else {
    take(arg->value);
    sizes.push_back(sizes[0]);
  }
  if (good && (sizes.size() == 2 || sizes.size() == 4))
    return sizes;
  wrong(name, wanted);
  return std::nullopt;
}

std::optional<std::array<int64_t, 2>>
LayerCall::pair(std::string_view name, std::array<int64_t, 2> byDefault, int64_t least) {
  if (!find(name))
    return byDefault;
  std::string wanted = fmt::format("an integer from {} on or [height, width]", least);
  std::optional<std::vector<int64_t>> sizes = integers(name, least, wanted);
  if (sizes && sizes->size() != 2) {
    wrong(name, wanted);
    return std::nullopt;
  }
  if (!sizes)
    return std::nullopt;
  return std::array<int64_t, 2>{(*sizes)[0], (*sizes)[1]};
}

std::optional<std::array<int64_t, 4>> LayerCall::padding(std::string_view name) {
  if (!find(name))
    return std::array<int64_t, 4>{};
  std::optional<std::vector<int64_t>> sizes = integers(
      name, 0, "same, an integer from 0 on, [height, width] or [top, left, bottom, right]");
  if (!sizes)
    return std::nullopt;
  const std::vector<int64_t> &s = *sizes;
  if (s.size() == 2)
    return std::array<int64_t, 4>{s[0], s[1], s[0], s[1]};
  return std::array<int64_t, 4>{s[0], s[1], s[2], s[3]};
}

std::optional<std::vector<int64_t>> LayerCall::list(std::string_view name,
                                                    const std::string &wanted) {
  const BoundArgument *arg = find(name);
  if (!arg)
    return std::nullopt;
  std::vector<Value> items{arg->value};
  if (const auto *given = arg->value.as<Value::List>())
    items = (*given)->items;
  std::vector<int64_t> numbers;
  for (const Value &item : items) {
    const auto *number = item.as<int64_t>();
    if (!number || std::abs(*number) > largestSize) {
      wrong(name, wanted);
      return std::nullopt;
    }
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<int64_t> LayerCall::axis(std::string_view name, int64_t byDefault,
                                       const Shape &shape) {
  const BoundArgument *arg = find(name);
  const auto *given = arg ? arg->value.as<int64_t>() : nullptr;
  int64_t axis = arg ? (given ? *given : 0) : byDefault, sizes = static_cast<int64_t>(shape.size());
  if ((!arg || given) && axis >= -sizes && axis < sizes)
    return axis < 0 ? axis + sizes : axis;
  wrong(name, fmt::format("an axis of {}: an integer from 0 to {}", spell(shape), sizes - 1))
      .suggest("axes count from 0 after the batch; -1 is the last one");
  return std::nullopt;
}

std::optional<Initializer> LayerCall::initializer(std::string_view name, Initializer byDefault,
                                                  double fanIn, double fanOut) {
  const BoundArgument *arg = find(name);
  if (!arg)
    return byDefault;
  using Kind = Initializer::Kind;
  if (const auto *scheme = arg->value.as<InitScheme>()) {
    Kind made = scheme->kind == InitScheme::Kind::Constant  ? Kind::Constant
                : scheme->kind == InitScheme::Kind::Uniform ? Kind::Uniform
                                                            : Kind::Normal;
    return Initializer{made, scheme->a, scheme->b};
  }
  if (arg->value.as<int64_t>() || arg->value.as<double>())
    return Initializer{Kind::Constant, *number(name, 0), 0};
  auto uniform = [](double bound) { return Initializer{Kind::Uniform, -bound, bound}; };
  if (isWord(name, "he_normal"))
    return Initializer{Kind::Normal, 0, std::sqrt(2 / fanOut)};
  if (isWord(name, "he_uniform"))
    return uniform(std::sqrt(6 / fanOut));
  if (isWord(name, "xavier_normal"))
    return Initializer{Kind::Normal, 0, std::sqrt(2 / (fanIn + fanOut))};
  if (isWord(name, "xavier_uniform"))
    return uniform(std::sqrt(6 / (fanIn + fanOut)));
  wrong(name, "a number, normal(mean, std), uniform(low, high), he_normal, he_uniform, "
              "xavier_normal or xavier_uniform");
  return std::nullopt;
}

bool LayerCall::wantImage(const std::string &help) {
  if (shape().size() == 3)
    return true;
  Range from = context.rangeOfLayer(inputs[0]);
  error(range, fmt::format("'{}' wants an image [channels, height, width], have the {} {}",
                           kind.name, kindOf(shape()), spell(shape())))
      .note(from, fmt::format("it comes from '{}'", context.layer(inputs[0]).name))
      .suggest(help);
  return false;
}

bool LayerCall::checkSize(const Shape &shape, const std::string &what) {
  std::optional<int64_t> count = 1;
  for (int64_t size : shape)
    count = count ? checkedMultiply(*count, size) : count;
  if (count && *count <= mostElements)
    return true;
  error(range, fmt::format("{} {} of '{}' has more than {} elements", what, spell(shape), kind.name,
                           mostElements));
  return false;
}

} // namespace netc::frontend
