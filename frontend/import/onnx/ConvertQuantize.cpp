//===- ConvertQuantize.cpp - whole numbers with a scale -------------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>

namespace netc::frontend::onnx {

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

/// The range of a value that passes bytes with one scale and comes back from them: nothing where
/// this is not all that is done with them.
std::optional<std::pair<double, double>> Converter::passedBytes(const Node &node) const {
  auto found = readers.find(node.outputs.front());
  const Tensor *scale = constant(node, 1), *zero = constant(node, 2);
  bool hasZero = node.inputs.size() > 2 && !node.inputs[2].empty();
  int32_t type = zero ? zero->type : int32_t(number(node, "output_dtype", kUint8));
  auto same = [&](const Node &reader, size_t index, const Tensor *with) {
    const Tensor *own = constant(reader, index);
    return own ? own->elements() == 1 && own->at(0) == (with ? with->at(0) : 0)
               : !with || with->at(0) == 0;
  };
  bool passes = scale && scale->elements() == 1 && scale->at(0) > 0 && (!hasZero || zero) &&
                (!zero || zero->elements() == 1) && (type == kUint8 || type == kInt8) &&
                found != readers.end() && !outputNames.count(node.outputs.front());
  for (const Node *reader : passes ? found->second : std::vector<const Node *>())
    passes &= reader->op == "DequantizeLinear" && reader->inputs.size() > 1 &&
              reader->inputs[0] == node.outputs.front() && constant(*reader, 1) &&
              same(*reader, 1, scale) && same(*reader, 2, zero);
  if (!passes)
    return std::nullopt;
  auto range = *rangeOf(type);
  double offset = zero ? zero->at(0) : 0;
  return std::pair((range.first - offset) * scale->at(0), (range.second - offset) * scale->at(0));
}

/// The value stays as it is, with a variable of its own; the executable of --precision int8 stores
/// it in bytes of this scale. What bytes cut off below 0 is a ReLU, which runtimes leave to them.
bool Converter::keepScale(const Node &node) {
  auto range = passedBytes(node);
  Value *value = range ? viewed(node) : nullptr;
  if (!value)
    return false;
  std::vector<std::string> chain = value->chain;
  static const std::set<std::string> positive{"relu", "relu6", "sigmoid", "hardsigmoid"};
  bool cuts = range->first >= 0 && !positive.count(chain.back());
  if (cuts)
    chain.push_back("relu");
  if (chain.size() > 1 || !body.variables.count(chain.front()))
    chain = {bind(chain, value->shape)};
  double scale =
      range->first >= 0 ? range->second / 255 : std::max(-range->first, range->second) / 127;
  result.scales.push_back({chain.front(), float(scale)});
  if (!cuts)
    value->chain = chain;
  define(node, chain, value->shape, value->view);
  kept.insert(node.outputs.front());
  return true;
}

void Converter::quantize(const Node &node) {
  if (keepsScales && keepScale(node))
    return;
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
  if (kept.count(node.inputs.front())) {
    if (const Value *value = viewed(node))
      define(node, value->chain, value->shape, value->view);
    return;
  }
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
