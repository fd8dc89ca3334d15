//===- ConvertQuantize.cpp - whole numbers with a scale -------------------===//
#include "frontend/import/onnx/Converter.h"

namespace netc::frontend::onnx {

/// The smallest and largest number of an element type of 8 or 16 bits.
static std::optional<std::pair<double, double>> rangeOf(int32_t type) {
  switch (type) {
  case kUint8:
    return std::pair(0.0, 255.0);
  case kInt8:
    return std::pair(-128.0, 127.0);
  case kUint16:
    return std::pair(0.0, 65535.0);
  case kInt16:
    return std::pair(-32768.0, 32767.0);
  default:
    return std::nullopt;
  }
}

bool Converter::spreadScale(const Node &node, Term &x, std::optional<Term> &scale) {
  if (!scale)
    return true;
  if (elementsOf(scale->sizes) != 1) { // one for each index of an axis
    std::optional<size_t> axis = termAxis(node, x, number(node, "axis", 1));
    if (!axis)
      return false;
    if (scale->batched || number(node, "block_size", 0) || scale->sizes.size() != 1 ||
        scale->sizes[0] != x.sizes[*axis]) {
      fail(node, "scales by blocks, expected one, or one for each index of an axis");
      return false;
    }
    Shape one(x.sizes.size(), 1);
    one[*axis] = scale->sizes[0];
    scale = reshaped(*scale, one);
  } else {
    scale = reshaped(*scale, Shape(x.sizes.size(), 1));
  }
  scale = expanded(*scale, x.sizes);
  scale->batched = x.batched;
  return true;
}

Term Converter::bounded(const Node &node, const Term &x, double low, double high) {
  return binary("minimum", binary("maximum", x, filled(node, x, low)), filled(node, x, high));
}

void Converter::quantize(const Node &node) {
  bool failed = false;
  std::optional<Term> x = term(node), scale = x ? term(node, 1) : std::nullopt;
  std::optional<Term> zero = scale ? optionalTerm(node, 2, failed) : std::nullopt;
  if (!scale || failed)
    return;
  int32_t type = zero ? types[node.inputs[2]] : int32_t(number(node, "output_dtype", kUint8));
  auto range = rangeOf(type);
  if (!range)
    return fail(node,
                fmt::format("to element type {}, expected whole numbers of 8 or 16 bits", type));
  if (!spreadScale(node, *x, scale) || !spreadScale(node, *x, zero))
    return;
  Term result = call(binary("divide", *x, *scale), "round");
  if (zero)
    result = add(result, *zero);
  defineTerm(node, bounded(node, result, range->first, range->second));
}

void Converter::dequantize(const Node &node) {
  bool failed = false;
  std::optional<Term> x = term(node), scale = x ? term(node, 1) : std::nullopt;
  std::optional<Term> zero = scale ? optionalTerm(node, 2, failed) : std::nullopt;
  if (!scale || failed || !spreadScale(node, *x, scale) || !spreadScale(node, *x, zero))
    return;
  defineTerm(node, multiply(zero ? subtract(*x, *zero) : *x, *scale));
}

/// With a scale and a zero point of what it sees.
void Converter::dynamicQuantize(const Node &node) {
  std::optional<Term> x = term(node);
  if (!x)
    return;
  if (x->batched)
    return fail(node, "a scale of all images; expected an import with --no-batch");
  std::vector<size_t> axes;
  for (size_t i = 0; i < x->sizes.size(); ++i)
    axes.push_back(i);
  Term high = call(*reduced(node, *x, axes, "ReduceMax"), "relu"),
       low = affine(call(affine(*reduced(node, *x, axes, "ReduceMin"), -1, 0), "relu"), -1, 0);
  Term scale = affine(subtract(high, low), 1 / 255.0, 0);
  Term zero = call(bounded(node, affine(binary("divide", low, scale), -1, 0), 0, 255), "round");
  auto all = [&](const Term &v) {
    return expanded(reshaped(v, Shape(x->sizes.size(), 1)), x->sizes);
  };
  Term whole = add(call(binary("divide", *x, all(scale)), "round"), all(zero));
  defineTerm(node, bounded(node, whole, 0, 255));
  defineTerm(node, scale, 1);
  defineTerm(node, zero, 2);
}

} // namespace netc::frontend::onnx
