//===- Value.cpp - arithmetic of compile-time values ----------------------===//
#include "frontend/values/Value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace netc::frontend {

Value makeList(std::vector<Value> items) {
  auto data = std::make_shared<ListData>();
  for (const Value &item : items)
    if (const auto *inner = item.as<Value::List>())
      data->depth = std::max(data->depth, (*inner)->depth + 1);
  if (data->depth > maxListDepth)
    return Value::poison();
  data->items = std::move(items);
  return {Value::List(std::move(data))};
}

const char *kindOf(const Shape &shape) {
  static constexpr const char *kinds[] = {"vector", "sequence", "image", "tensor"};
  return kinds[std::min<size_t>(shape.size(), 4) - 1];
}

std::string spell(const Shape &shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    out += fmt::format("{}{}", i ? ", " : "", shape[i]);
  return out + "]";
}

/// Stops once the text is long enough for a message.
static void spellInto(std::string &out, const Value &value) {
  constexpr size_t enough = 60;
  if (out.size() > enough)
    return;
  if (const auto *integer = value.as<int64_t>())
    out += fmt::format("{}", *integer);
  else if (const auto *number = value.as<double>())
    out += fmt::format("{}", *number);
  else if (const auto *flag = value.as<bool>())
    out += *flag ? "true" : "false";
  else if (const auto *text = value.as<std::string>())
    out += fmt::format("\"{}\"", text->substr(0, enough));
  else if (const auto *iterations = value.as<Iterations>())
    out += iterations->count % 1000 == 0 ? fmt::format("{}k", iterations->count / 1000)
                                         : fmt::format("{}", iterations->count);
  else if (const auto *block = value.as<const Definition *>())
    out += (*block)->name;
  else if (const auto *kind = value.as<const LayerKind *>())
    out += nameOf(**kind);
  else if (const auto *function = value.as<const Function *>())
    out += nameOf(**function);
  else if (value.as<Value::Tensor>())
    out += "a tensor";
  else if (value.as<InitScheme>())
    out += "an initializer";
  else if (const auto *list = value.as<Value::List>()) {
    out += "[";
    for (size_t i = 0; i < (*list)->items.size(); ++i) {
      if (out.size() > enough) {
        out += ", ...";
        break;
      }
      out += i ? ", " : "";
      spellInto(out, (*list)->items[i]);
    }
    out += "]";
  } else {
    out += "nothing";
  }
}

std::string spell(const Value &value) {
  std::string out;
  spellInto(out, value);
  return out;
}

std::string describe(const Value &value) {
  static constexpr const char *kinds[] = {"a value in error",
                                          "nothing",
                                          "the integer ",
                                          "the number ",
                                          "",
                                          "the string ",
                                          "the iterations ",
                                          "the list ",
                                          "",
                                          "block ",
                                          "layer ",
                                          "function ",
                                          ""};
  size_t index = value.data.index();
  if (index < 2)
    return kinds[index];
  if (value.as<const Definition *>() || value.as<const LayerKind *>() ||
      value.as<const Function *>())
    return fmt::format("{}'{}'", kinds[index], spell(value));
  return kinds[index] + spell(value);
}

std::optional<int64_t> checkedMultiply(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result))
    return std::nullopt;
  return result;
}

std::optional<int64_t> checkedAdd(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_add_overflow(a, b, &result))
    return std::nullopt;
  return result;
}

static Computed failure(std::string error, std::string help = {}) {
  return {Value::poison(), std::move(error), std::move(help)};
}
static Computed success(Value value) { return {std::move(value), {}, {}}; }

static Computed overflow(BinaryOp op, int64_t a, int64_t b) {
  return failure(fmt::format("{} {} {} does not fit into 64 bits", a, spelling(op), b));
}

static Computed shift(BinaryOp op, int64_t a, int64_t b) {
  if (b < 0 || b > 62)
    return failure(fmt::format("a shift by {} is not between 0 and 62", b));
  if (op == BinaryOp::ShiftRight)
    return success({a >> b});
  std::optional<int64_t> result = checkedMultiply(a, int64_t(1) << b);
  return result ? success({*result}) : overflow(op, a, b);
}

static Computed divide(BinaryOp op, int64_t a, int64_t b) {
  if (b == 0)
    return failure(fmt::format("{} {} 0: division by zero", a, spelling(op)));
  if (b == -1) {
    if (op == BinaryOp::Remainder)
      return success({int64_t(0)});
    std::optional<int64_t> result = checkedMultiply(a, -1);
    return result ? success({*result}) : overflow(op, a, b);
  }
  // The remainder has the divisor's sign, as Python's.
  int64_t remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0))
    remainder += b;
  if (op == BinaryOp::Remainder)
    return success({remainder});
  if (remainder != 0)
    return failure(fmt::format("{} is not divisible by {}", a, b),
                   fmt::format("'/' of integers is exact; for a fraction write {}.0 / {}, to "
                               "round down write (a - a % b) / b",
                               a, b));
  return success({a / b});
}

static Computed computeIntegers(BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
  case BinaryOp::Add:
    return __builtin_add_overflow(a, b, &result) ? overflow(op, a, b) : success({result});
  case BinaryOp::Subtract:
    return __builtin_sub_overflow(a, b, &result) ? overflow(op, a, b) : success({result});
  case BinaryOp::Multiply:
    return __builtin_mul_overflow(a, b, &result) ? overflow(op, a, b) : success({result});
  case BinaryOp::Divide:
  case BinaryOp::Remainder:
    return divide(op, a, b);
  case BinaryOp::ShiftLeft:
  case BinaryOp::ShiftRight:
    return shift(op, a, b);
  case BinaryOp::Less:
    return success({a < b});
  case BinaryOp::LessEqual:
    return success({a <= b});
  case BinaryOp::Greater:
    return success({a > b});
  default:
    return success({a >= b});
  }
}

static Computed computeNumbers(BinaryOp op, double a, double b) {
  double result = 0;
  switch (op) {
  case BinaryOp::Add:
    result = a + b;
    break;
  case BinaryOp::Subtract:
    result = a - b;
    break;
  case BinaryOp::Multiply:
    result = a * b;
    break;
  case BinaryOp::Divide:
    if (b == 0)
      return failure(fmt::format("{} / 0: division by zero", a));
    result = a / b;
    break;
  case BinaryOp::Less:
    return success({a < b});
  case BinaryOp::LessEqual:
    return success({a <= b});
  case BinaryOp::Greater:
    return success({a > b});
  case BinaryOp::GreaterEqual:
    return success({a >= b});
  default:
    return failure(
        fmt::format("'{}' wants integers, have the numbers {} and {}", spelling(op), a, b));
  }
  if (!std::isfinite(result))
    return failure(fmt::format("{} {} {} is no finite number", a, spelling(op), b));
  return success({result});
}

static std::optional<double> asNumber(const Value &value) {
  if (const auto *integer = value.as<int64_t>())
    return static_cast<double>(*integer);
  if (const auto *number = value.as<double>())
    return *number;
  return std::nullopt;
}

/// `16k * 3`, `64k / 2`, `32k + 16k`; comparisons. Nothing where the operator says nothing about
/// such values.
static std::optional<Computed> computeIterations(BinaryOp op, const Value &left,
                                                 const Value &right) {
  const auto *a = left.as<Iterations>(), *b = right.as<Iterations>();
  bool sums = op == BinaryOp::Add || op == BinaryOp::Subtract;
  bool scales = op == BinaryOp::Multiply || op == BinaryOp::Divide || op == BinaryOp::Remainder;
  bool compares = op == BinaryOp::Less || op == BinaryOp::LessEqual || op == BinaryOp::Greater ||
                  op == BinaryOp::GreaterEqual;
  Computed result;
  if (a && b && compares)
    return computeIntegers(op, a->count, b->count);
  if (a && b && sums)
    result = computeIntegers(op, a->count, b->count);
  else if (a && right.as<int64_t>() && scales)
    result = computeIntegers(op, a->count, *right.as<int64_t>());
  else if (left.as<int64_t>() && b && op == BinaryOp::Multiply)
    result = computeIntegers(op, *left.as<int64_t>(), b->count);
  else
    return std::nullopt;
  const auto *count = result.value.as<int64_t>();
  if (count && *count < 0)
    return failure(fmt::format("{} {} {} are less than no iterations", spell(left), spelling(op),
                               spell(right)));
  if (count)
    result.value = {Iterations{*count}};
  return result;
}

bool equalValues(const Value &a, const Value &b, int64_t &budget) {
  if (--budget < 0)
    return false;
  std::optional<double> x = asNumber(a), y = asNumber(b);
  if (x && y) {
    if (a.as<int64_t>() && b.as<int64_t>())
      return *a.as<int64_t>() == *b.as<int64_t>();
    return *x == *y;
  }
  if (a.data.index() != b.data.index())
    return false;
  if (const auto *list = a.as<Value::List>()) {
    const auto &left = (*list)->items, &right = (*b.as<Value::List>())->items;
    if (left.size() != right.size())
      return false;
    for (size_t i = 0; i < left.size(); ++i)
      if (!equalValues(left[i], right[i], budget))
        return false;
    return true;
  }
  if (const auto *flag = a.as<bool>())
    return *flag == *b.as<bool>();
  if (const auto *text = a.as<std::string>())
    return *text == *b.as<std::string>();
  if (const auto *block = a.as<const Definition *>())
    return *block == *b.as<const Definition *>();
  if (const auto *kind = a.as<const LayerKind *>())
    return *kind == *b.as<const LayerKind *>();
  if (const auto *iterations = a.as<Iterations>())
    return iterations->count == b.as<Iterations>()->count;
  if (const auto *tensor = a.as<Value::Tensor>())
    return tensor->layer == b.as<Value::Tensor>()->layer;
  return false;
}

static Computed joinStrings(const std::string &a, const std::string &b) {
  if (a.size() + b.size() > maxStringLength)
    return failure(fmt::format("the string is longer than {} bytes", maxStringLength));
  return success({a + b});
}

static Computed joinLists(const ListData &a, const ListData &b) {
  if (a.items.size() + b.items.size() > maxListLength)
    return failure(fmt::format("the list has more than {} items", maxListLength));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return success(makeList(std::move(items)));
}

Computed compute(BinaryOp op, const Value &left, const Value &right) {
  if (op == BinaryOp::Equal || op == BinaryOp::NotEqual) {
    int64_t budget = maxListLength;
    bool equal = equalValues(left, right, budget);
    if (budget < 0)
      return failure("these lists are too long to be compared");
    return success({equal == (op == BinaryOp::Equal)});
  }
  if (left.as<int64_t>() && right.as<int64_t>())
    return computeIntegers(op, *left.as<int64_t>(), *right.as<int64_t>());
  if (std::optional<Computed> result = computeIterations(op, left, right))
    return *result;
  std::optional<double> a = asNumber(left), b = asNumber(right);
  if (a && b)
    return computeNumbers(op, *a, *b);
  if (op == BinaryOp::Add && left.as<std::string>() && right.as<std::string>())
    return joinStrings(*left.as<std::string>(), *right.as<std::string>());
  if (op == BinaryOp::Add && left.as<Value::List>() && right.as<Value::List>())
    return joinLists(**left.as<Value::List>(), **right.as<Value::List>());
  return failure(fmt::format("'{}' wants two numbers, have {} and {}", spelling(op), describe(left),
                             describe(right)));
}

Computed negate(const Value &value) {
  if (const auto *integer = value.as<int64_t>())
    return computeIntegers(BinaryOp::Subtract, 0, *integer);
  if (const auto *number = value.as<double>())
    return success({-*number});
  return failure(fmt::format("'-' wants a number, have {}", describe(value)));
}

} // namespace netc::frontend
