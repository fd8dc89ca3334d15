//===- Functions.cpp - len, min, enumerate and the like -------------------===//
#include "frontend/elaborate/Elaborator.h"

#include <fmt/format.h>

namespace netc::frontend {

Value Elaborator::runFunction(const Function &function, std::vector<BoundArgument> &args,
                              Range at) {
  std::string_view name = function.name;
  if (name == "min" || name == "max")
    return minMax(function, args, at);
  if (name == "len")
    return length(args[0]);
  if (name == "enumerate")
    return enumerate(args[0]);
  if (name == "range")
    return rangeFunction(args, at);
  if (name == "aux")
    return auxiliary(args, at);
  return initializer(function, args);
}

Value Elaborator::minMax(const Function &function, std::vector<BoundArgument> &args, Range at) {
  std::vector<BoundArgument> given = args;
  if (given.size() == 1)
    if (const auto *list = args[0].value.as<Value::List>()) {
      given.clear();
      for (const Value &item : (*list)->items)
        given.push_back({item, args[0].range});
    }
  if (given.empty()) {
    error(at, fmt::format("'{}' of an empty list", function.name));
    return Value::poison();
  }
  Value best = given[0].value;
  BinaryOp op = function.name == std::string_view("min") ? BinaryOp::Less : BinaryOp::Greater;
  for (const BoundArgument &arg : given) {
    if (!arg.value.as<int64_t>() && !arg.value.as<double>()) {
      error(arg.range,
            fmt::format("'{}' wants numbers, have {}", function.name, describeValue(arg.value)));
      return Value::poison();
    }
    Computed better = compute(op, arg.value, best);
    if (better.value.as<bool>() && *better.value.as<bool>())
      best = arg.value;
  }
  fuel -= static_cast<int64_t>(given.size());
  return best;
}

Value Elaborator::length(const BoundArgument &arg) {
  if (const auto *list = arg.value.as<Value::List>())
    return {static_cast<int64_t>((*list)->items.size())};
  if (const auto *text = arg.value.as<std::string>())
    return {static_cast<int64_t>(text->size())};
  error(arg.range, fmt::format("'len' wants a list, have {}", describeValue(arg.value)));
  return Value::poison();
}

Value Elaborator::enumerate(const BoundArgument &arg) {
  const auto *list = arg.value.as<Value::List>();
  if (!list) {
    error(arg.range, fmt::format("'enumerate' wants a list, have {}", describeValue(arg.value)));
    return Value::poison();
  }
  std::vector<Value> items;
  for (const Value &item : (*list)->items)
    items.push_back(makeList({Value{static_cast<int64_t>(items.size())}, item}));
  fuel -= static_cast<int64_t>(items.size());
  for (const Value &item : items)
    if (item.isPoison()) {
      error(arg.range, fmt::format("lists are nested more than {} deep", maxListDepth));
      return Value::poison();
    }
  Value result = makeList(std::move(items));
  if (result.isPoison())
    error(arg.range, fmt::format("lists are nested more than {} deep", maxListDepth));
  return result;
}

Value Elaborator::rangeFunction(std::vector<BoundArgument> &args, Range at) {
  std::vector<int64_t> bounds;
  for (const BoundArgument &arg : args) {
    const auto *integer = arg.value.as<int64_t>();
    if (!integer) {
      error(arg.range, fmt::format("'range' wants integers, have {}", describeValue(arg.value)));
      return Value::poison();
    }
    bounds.push_back(*integer);
  }
  if (bounds.size() > 3 || (bounds.size() == 3 && bounds[2] == 0)) {
    error(at, bounds.size() > 3 ? "'range' takes at most 3 arguments" : "'range' with step 0")
        .suggest("write range(end), range(begin, end) or range(begin, end, step)");
    return Value::poison();
  }
  if (bounds.size() == 1)
    bounds.insert(bounds.begin(), 0);
  return makeRange(bounds[0], bounds[1], bounds.size() == 3 ? bounds[2] : 1, at);
}

Value Elaborator::initializer(const Function &function, std::vector<BoundArgument> &args) {
  double numbers[2] = {0, 0};
  for (size_t i = 0; i < args.size(); ++i) {
    if (const auto *integer = args[i].value.as<int64_t>())
      numbers[i] = static_cast<double>(*integer);
    else if (const auto *number = args[i].value.as<double>())
      numbers[i] = *number;
    else {
      error(args[i].range, fmt::format("'{}' wants numbers, have {}", function.name,
                                       describeValue(args[i].value)));
      return Value::poison();
    }
  }
  std::string_view name = function.name;
  if (name == "constant")
    return {InitScheme{InitScheme::Kind::Constant, numbers[0], 0}};
  bool isNormal = name == "normal";
  if (isNormal ? numbers[1] < 0 : numbers[1] < numbers[0]) {
    error(args[1].range,
          isNormal ? fmt::format("a standard deviation is at least 0, have {}", numbers[1])
                   : fmt::format("uniform({}, {}) is empty", numbers[0], numbers[1]));
    return Value::poison();
  }
  InitScheme::Kind kind = isNormal ? InitScheme::Kind::Normal : InitScheme::Kind::Uniform;
  return {InitScheme{kind, numbers[0], numbers[1]}};
}

/// `aux(x, weight=0.3)`: a further loss, in training only.
Value Elaborator::auxiliary(std::vector<BoundArgument> &args, Range at) {
  const auto *tensor = args[0].value.as<Value::Tensor>();
  if (!tensor) {
    error(args[0].range,
          fmt::format("'aux' wants a tensor, have {}", describeValue(args[0].value)));
    return {Value::Nothing{}};
  }
  double weight = 0.3; // GoogLeNet's
  if (args.size() > 1) {
    const auto *integer = args[1].value.as<int64_t>();
    const auto *number = args[1].value.as<double>();
    weight = integer ? static_cast<double>(*integer) : number ? *number : 0;
  }
  if (weight <= 0) {
    error(args[1].range, fmt::format("an auxiliary loss has a weight above 0, have {}",
                                     describeValue(args[1].value)));
    return {Value::Nothing{}};
  }
  network.auxiliaries.push_back({tensor->layer, weight, diags.locate(at)});
  heads.push_back({at, frames()});
  return {Value::Nothing{}};
}

} // namespace netc::frontend
