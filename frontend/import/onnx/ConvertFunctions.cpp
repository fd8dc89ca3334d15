//===- ConvertFunctions.cpp - functions of one, two and three numbers -----===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace netc::frontend::onnx {

/// Operators that are one layer.
static const char *layerOf(const std::string &op) {
  static const std::map<std::string, const char *> layers{
      {"Abs", "abs"},          {"Exp", "exp"},     {"Log", "log"},
      {"Sqrt", "sqrt"},        {"Sin", "sin"},     {"Cos", "cos"},
      {"Atan", "atan"},        {"Erf", "erf"},     {"Floor", "floor"},
      {"Ceil", "ceil"},        {"Round", "round"}, {"Sign", "sign"},
      {"Relu", "relu"},        {"Neg", nullptr},   {"Reciprocal", "reciprocal"},
      {"Softplus", "softplus"}};
  auto found = layers.find(op);
  return found == layers.end() ? nullptr : found->second;
}

void Converter::unary(const Node &node) {
  Value *value = viewed(node);
  if (!value)
    return;
  if (const char *layer = layerOf(node.op))
    return append(node, *value, layer, value->shape);
  // The value as it lies; each number by itself.
  Shape shape = value->shape;
  std::optional<View> view = value->view;
  Term x{variable(node.inputs[0]), shape};
  const std::string &op = node.op;
  double alpha = real(node, "alpha", 1);
  auto result = [&]() -> std::optional<Term> {
    auto divided = [&](const Term &above, const Term &below) {
      return binary("divide", above, below);
    };
    auto e = [&](double scale) { return call(affine(x, scale, 0), "exp"); };
    auto root = [&](const Term &of) { return call(of, "sqrt"); };
    if (op == "Not")
      return affine(x, -1, 1);
    if (op == "Tan")
      return divided(call(x, "sin"), call(x, "cos"));
    if (op == "Sinh" || op == "Cosh")
      return affine(add(e(1), op == "Sinh" ? affine(e(-1), -1, 0) : e(-1)), 0.5, 0);
    if (op == "Asin" || op == "Acos") { // asin = atan(x / sqrt((1 - x)(1 + x)))
      Term leg = root(multiply(affine(x, -1, 1), affine(x, 1, 1)));
      Term angle = call(divided(x, leg), "atan");
      return op == "Asin" ? angle : affine(angle, -1, M_PI_2);
    }
    if (op == "Asinh") { // of |x|, with the sign of x
      Term size = call(x, "abs");
      Term log = call(add(size, root(affine(multiply(size, size), 1, 1))), "log");
      return multiply(call(x, "sign"), log);
    }
    if (op == "Acosh")
      return call(add(x, root(affine(multiply(x, x), 1, -1))), "log");
    if (op == "Atanh")
      return affine(call(divided(affine(x, 1, 1), affine(x, -1, 1)), "log"), 0.5, 0);
    if (op == "Softsign")
      return divided(x, affine(call(x, "abs"), 1, 1));
    if (op == "Selu") {
      Term inner = call(x, "elu(" + realText(real(node, "alpha", 1.67326319217681884765625)) + ")");
      return affine(inner, real(node, "gamma", 1.05070102214813232421875), 0);
    }
    if (op == "Celu" && alpha != 0)
      return affine(call(affine(x, 1 / alpha, 0), "elu"), alpha, 0);
    if (op == "IsNaN")
      return affine(binary("equal", x, x), -1, 1);
    Term limit = filled(node, x,
                        op == "IsInf"    ? std::numeric_limits<float>::max()
                        : op == "Shrink" ? real(node, "lambd", 0.5)
                                         : alpha);
    if (op == "ThresholdedRelu")
      return binary("mask", x, binary("less", limit, x));
    Term above = binary("less", limit, x), below = binary("less", x, affine(limit, -1, 0));
    if (op == "Shrink") {
      double bias = real(node, "bias", 0);
      return add(binary("mask", affine(x, 1, -bias), above),
                 binary("mask", affine(x, 1, bias), below));
    }
    if (op == "IsInf") {
      bool high = number(node, "detect_positive", 1), low = number(node, "detect_negative", 1);
      return high && low ? add(above, below) : high ? above : low ? below : affine(above, 0, 0);
    }
    return std::nullopt;
  }();
  if (!result)
    return fail(node, "its attributes are not those that the operator has");
  define(node, {result->text}, shape, view);
}

/// Whether a and b of a comparison change places.
static bool isGreater(const std::string &op) { return op.starts_with("Greater"); }

/// Of two tensors of equal sizes; null: the operator takes no two tensors.
static const char *binaryLayer(const std::string &op) {
  static const std::map<std::string, const char *> layers{
      {"Div", "divide"},  {"Pow", "power"},  {"Max", "maximum"},
      {"Min", "minimum"}, {"Less", "less"},  {"Greater", "less"},
      {"Equal", "equal"}, {"Or", "maximum"}, {"PRelu", "maximum"}};
  auto found = layers.find(op);
  return found == layers.end() ? nullptr : found->second;
}

/// Numbers of two or more tensors, repeated along sizes of 1.
void Converter::elementwise(const Node &node) {
  const std::string &op = node.op;
  std::optional<Term> result = term(node);
  bool isWhole = isInteger(node.inputs.empty() ? std::string() : node.inputs[0]);
  auto combine = [&](const Term &x, const Term &y) -> Term {
    if (op == "Add" || op == "Sum" || op == "Mean")
      return add(x, y);
    if (op == "Sub")
      return subtract(x, y);
    if (op == "Mul" || op == "And")
      return multiply(x, y);
    if (op == "PRelu")
      return add(call(x, "relu"), multiply(affine(call(affine(x, -1, 0), "relu"), -1, 0), y));
    if (op == "Xor")
      return call(subtract(x, y), "abs");
    if (op == "LessOrEqual" || op == "GreaterOrEqual") {
      bool swaps = isGreater(op);
      return add(binary("less", swaps ? y : x, swaps ? x : y), binary("equal", x, y));
    }
    if (op == "Mod") {
      Term times = binary("divide", x, y);
      times = number(node, "fmod", 0) ? truncated(times) : call(times, "floor");
      return subtract(x, multiply(times, y));
    }
    Term made = isGreater(op) ? binary("less", y, x) : binary(binaryLayer(op), x, y);
    if (isWhole && op == "Div")
      return truncated(made);
    return isWhole && op == "Pow" ? truncated(call(affine(made, 1, 0), "round")) : made;
  };
  for (size_t i = 1; result && i < node.inputs.size(); ++i) {
    std::optional<Term> next = term(node, i);
    if (!next)
      return;
    if (op == "PRelu" && graph.opset < 7 && next->sizes.size() == 1 && !next->batched) {
      Shape channels(result->rank() - 1, 1); // from the second size on, where now it is the last
      channels[0] = next->sizes[0];
      *next = reshaped(*next, channels);
    }
    if (!broadcast(node, *result, *next))
      return;
    result = combine(*result, *next);
  }
  if (!result)
    return;
  if (op == "Mean")
    result = affine(*result, 1 / double(node.inputs.size()), 0);
  defineTerm(node, *result);
}

/// Where: x at a condition, else y.
void Converter::choose(const Node &node) {
  std::optional<Term> condition = term(node, 0), x = condition ? term(node, 1) : std::nullopt,
                      y = x ? term(node, 2) : std::nullopt;
  if (!y || !broadcast(node, *condition, *x) || !broadcast(node, *x, *y) ||
      !broadcast(node, *condition, *x))
    return;
  defineTerm(node, selected(*condition, *x, *y));
}

/// Between types that are numbers here: all floating-point types are f32, whole numbers and truth
/// values as well.
void Converter::cast(const Node &node) {
  auto typeOf = [&](size_t index) {
    auto found = index < node.inputs.size() ? types.find(node.inputs[index]) : types.end();
    return found == types.end() ? 0 : found->second;
  };
  auto to = int32_t(node.op == "Cast" ? number(node, "to", 0) : typeOf(1));
  int32_t from = typeOf(0);
  auto isFloat = [](int32_t type) {
    return type == kFloat || type == kHalf || type == kDouble || type == kBfloat16;
  };
  auto isCount = [](int32_t type) {
    return (type >= kUint8 && type <= kInt64) || type == kUint32 || type == kUint64;
  };
  bool isKnown = (isFloat(from) || isCount(from) || from == kBool) &&
                 (isFloat(to) || isCount(to) || to == kBool);
  if (!isKnown)
    return fail(node, fmt::format("from element type {} to {}; expected floating-point numbers of "
                                  "16 bits or more, whole numbers or truth values",
                                  from, to));
  Value *value = viewed(node);
  if (!value)
    return;
  if (isFloat(to) || from == kBool || (isCount(from) && to != kBool))
    return define(node, value->chain, value->shape, value->view);
  Shape shape = value->shape;
  std::optional<View> view = value->view;
  Term x{variable(node.inputs[0]), shape};
  Term result = to == kBool ? call(call(call(x, "abs"), "sign"), "ceil") : truncated(x);
  define(node, {result.text}, shape, view);
}

/// Bounds that are computed, or equal.
void Converter::generalClip(const Node &node) {
  bool failed = false;
  std::optional<Term> x = term(node);
  if (!x)
    return;
  std::optional<Term> low = optionalTerm(node, 1, failed), high = optionalTerm(node, 2, failed);
  if (failed)
    return;
  if (graph.opset < 11 && node.attributes.count("min"))
    low = filled(node, *x, real(node, "min", 0));
  if (graph.opset < 11 && node.attributes.count("max"))
    high = filled(node, *x, real(node, "max", 0));
  if (low && !broadcast(node, *x, *low))
    return;
  if (low)
    x = binary("maximum", *x, *low);
  if (high && !broadcast(node, *x, *high))
    return;
  if (high)
    x = binary("minimum", *x, *high);
  defineTerm(node, *x);
}

} // namespace netc::frontend::onnx
