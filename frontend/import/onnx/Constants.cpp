//===- Constants.cpp - what a graph computes of sizes ---------------------===//
#include "frontend/import/onnx/Constants.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace netc::frontend::onnx;

// Lists of sizes are short; weights that a graph rearranges are as long as the file makes them.
static constexpr int64_t kMostElements = int64_t(1) << 28;

static Tensor list(std::vector<int64_t> values) {
  Tensor tensor;
  tensor.dims = {int64_t(values.size())};
  tensor.isFloat = false;
  tensor.ints = std::move(values);
  return tensor;
}

static int64_t product(const std::vector<int64_t> &dims) {
  int64_t count = 1;
  for (int64_t size : dims)
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      return -1;
  return count;
}

static const Attribute *attribute(const Node &node, const char *name) {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? nullptr : &found->second;
}

/// Of an attribute in old opsets, of input `index` in new ones.
static std::optional<std::vector<int64_t>> axesOf(const Node &node, size_t index,
                                                  const FindConstant &find) {
  if (const Attribute *axes = attribute(node, "axes"))
    return axes->ints;
  const Tensor *given = node.inputs.size() > index ? find(node.inputs[index]) : nullptr;
  return given && !given->isFloat ? std::optional(given->ints) : std::nullopt;
}

static std::optional<Tensor> foldConstant(const Node &node) {
  if (const Attribute *value = attribute(node, "value"); value && value->tensor)
    return *value->tensor;
  if (const Attribute *value = attribute(node, "value_int")) {
    Tensor tensor = list({value->i});
    tensor.dims = {};
    return tensor;
  }
  if (const Attribute *value = attribute(node, "value_ints"))
    return list(value->ints);
  Tensor tensor;
  if (const Attribute *value = attribute(node, "value_float")) {
    tensor.floats = {float(value->f)};
    return tensor;
  }
  if (const Attribute *value = attribute(node, "value_floats")) {
    tensor.floats.assign(value->floats.begin(), value->floats.end());
    tensor.dims = {int64_t(tensor.floats.size())};
    return tensor;
  }
  return std::nullopt;
}

static std::optional<Tensor> foldGather(const Tensor &data, const Tensor &indices) {
  if (data.dims.size() != 1 || indices.isFloat || indices.dims.size() > 1 || data.isFloat)
    return std::nullopt;
  Tensor result = list({});
  for (int64_t index : indices.ints) {
    int64_t at = index < 0 ? index + data.elements() : index;
    if (at < 0 || at >= data.elements())
      return std::nullopt;
    result.ints.push_back(data.ints[size_t(at)]);
  }
  result.dims = indices.dims;
  return result;
}

/// Along one axis, in either direction: PyTorch reverses the rows of a list of paddings.
static std::optional<Tensor> foldSlice(const Node &node, const FindConstant &find) {
  const Tensor &data = *find(node.inputs[0]);
  auto number = [&](const char *name, size_t index, int64_t otherwise) {
    if (const Attribute *given = attribute(node, name); given && given->ints.size() == 1)
      return std::optional(given->ints[0]);
    const Tensor *given = node.inputs.size() > index ? find(node.inputs[index]) : nullptr;
    bool isOne = !given || (!given->isFloat && given->elements() == 1);
    return isOne ? std::optional(given ? given->ints[0] : otherwise) : std::nullopt;
  };
  auto rank = int64_t(data.dims.size());
  std::optional<int64_t> axis = number("axes", 3, 0), step = number("steps", 4, 1);
  if (!axis || !step || data.isFloat || *axis < -rank || *axis >= rank || *step == 0 ||
      product(data.dims) != data.elements())
    return std::nullopt;
  auto at = size_t(*axis < 0 ? *axis + rank : *axis);
  int64_t size = data.dims[at], least = *step < 0 ? -1 : 0, most = *step < 0 ? size - 1 : size;
  std::optional<int64_t> begin = number("starts", 1, 0), end = number("ends", 2, size);
  if (!begin || !end)
    return std::nullopt;
  auto place = [&](int64_t index) {
    return std::clamp<int64_t>(index < 0 ? index + size : index, least, most);
  };
  step = std::clamp<int64_t>(*step, -size - 1, size + 1);
  size_t inner = 1;
  for (size_t d = at + 1; d < data.dims.size(); ++d)
    inner *= size_t(data.dims[d]);
  std::vector<int64_t> kept;
  for (int64_t i = place(*begin), last = place(*end); *step > 0 ? i < last : i > last; i += *step)
    kept.push_back(i);
  Tensor result = list({});
  result.dims = data.dims;
  result.dims[at] = int64_t(kept.size());
  for (size_t outer = 0; outer < data.ints.size(); outer += inner * size_t(size))
    for (int64_t i : kept)
      for (size_t k = 0; k < inner; ++k)
        result.ints.push_back(data.ints[outer + size_t(i) * inner + k]);
  return result;
}

static std::optional<Tensor> foldConcat(const Node &node, const FindConstant &find) {
  Tensor result = list({});
  for (const std::string &name : node.inputs) {
    const Tensor &part = *find(name);
    if (part.isFloat || part.dims.size() != 1)
      return std::nullopt;
    result.ints.insert(result.ints.end(), part.ints.begin(), part.ints.end());
  }
  result.dims = {result.elements()};
  return result;
}

static std::optional<float> computeReal(const std::string &op, float x, float y) {
  if (op == "Add")
    return x + y;
  if (op == "Sub")
    return x - y;
  if (op == "Mul")
    return x * y;
  if (op == "Div")
    return x / y;
  if (op == "Pow")
    return std::pow(x, y);
  if (op == "Min" || op == "Max")
    return op == "Min" ? std::min(x, y) : std::max(x, y);
  return std::nullopt;
}

/// Of sizes, one of which may be the batch or a multiple of it.
static std::optional<int64_t> computeSize(const std::string &op, int64_t x, int64_t y) {
  int64_t left = batchFactor(x), right = batchFactor(y), value = 0;
  if (op == "Equal")
    return x == y;
  if (op == "And" || op == "Or")
    return op == "And" ? (x && y) : (x || y);
  if (!left && !right && (op == "Less" || op == "Greater"))
    return op == "Less" ? x < y : x > y;
  if (left && right)
    return std::nullopt;
  constexpr int64_t most = int64_t(1) << 32; // of a batch's factor
  if (left || right) {
    int64_t factor = left + right, by = left ? y : x;
    bool divides = op == "Div" && left && by > 0 && factor % by == 0;
    if (op == "Mul" && by > 0 && by < most / factor)
      return batchTimes(factor * by);
    return divides ? std::optional(batchTimes(factor / by)) : std::nullopt;
  }
  if (op == "Add")
    return __builtin_add_overflow(x, y, &value) ? std::nullopt : std::optional(value);
  if (op == "Sub")
    return __builtin_sub_overflow(x, y, &value) ? std::nullopt : std::optional(value);
  if (op == "Mul")
    return __builtin_mul_overflow(x, y, &value) ? std::nullopt : std::optional(value);
  if (op == "Min" || op == "Max")
    return op == "Min" ? std::min(x, y) : std::max(x, y);
  if (y == 0 || y == -1)
    return std::nullopt;
  if (op == "Div")
    return x / y;
  if (op == "Mod" && x >= 0 && y > 0)
    return x % y;
  return std::nullopt;
}

/// Elementwise, of equal sizes or with one number.
static std::optional<Tensor> foldArithmetic(const std::string &op, const Tensor &a,
                                            const Tensor &b) {
  if (a.isFloat != b.isFloat ||
      (a.elements() != b.elements() && a.elements() != 1 && b.elements() != 1))
    return std::nullopt;
  const Tensor &larger = a.elements() > b.elements() ||
                                 (a.elements() == b.elements() && a.dims.size() >= b.dims.size())
                             ? a
                             : b;
  Tensor result;
  result.dims = larger.dims;
  result.isFloat = a.isFloat;
  for (int64_t i = 0; i < larger.elements(); ++i) {
    auto at = size_t(a.elements() == 1 ? 0 : i), other = size_t(b.elements() == 1 ? 0 : i);
    if (a.isFloat) {
      std::optional<float> value = computeReal(op, a.floats[at], b.floats[other]);
      if (!value)
        return std::nullopt;
      result.floats.push_back(*value);
    } else {
      std::optional<int64_t> value = computeSize(op, a.ints[at], b.ints[other]);
      if (!value)
        return std::nullopt;
      result.ints.push_back(*value);
    }
  }
  return result;
}

static std::optional<Tensor> foldUnary(const std::string &op, const Tensor &data) {
  Tensor result = data;
  for (float &value : result.floats)
    value = op == "Sqrt"         ? std::sqrt(value)
            : op == "Neg"        ? -value
            : op == "Reciprocal" ? 1 / value
            : op == "Floor"      ? std::floor(value)
                                 : std::ceil(value);
  if (!data.isFloat && op != "Neg")
    return std::nullopt;
  for (int64_t &value : result.ints) {
    if (batchFactor(value))
      return std::nullopt;
    value = -value;
  }
  return result;
}

/// Where a condition holds, one value, else the other.
static std::optional<Tensor> foldWhere(const Tensor &condition, const Tensor &a, const Tensor &b) {
  int64_t count = std::max({condition.elements(), a.elements(), b.elements()});
  if (condition.isFloat || a.isFloat != b.isFloat)
    return std::nullopt;
  for (const Tensor *each : {&condition, &a, &b})
    if (each->elements() != count && each->elements() != 1)
      return std::nullopt;
  Tensor result;
  result.dims = condition.elements() == count ? condition.dims
                : a.elements() == count       ? a.dims
                                              : b.dims;
  result.isFloat = a.isFloat;
  auto place = [](const Tensor &tensor, int64_t i) {
    return size_t(tensor.elements() == 1 ? 0 : i);
  };
  for (int64_t i = 0; i < count; ++i) {
    const Tensor &from = condition.ints[place(condition, i)] ? a : b;
    if (a.isFloat)
      result.floats.push_back(from.floats[place(from, i)]);
    else
      result.ints.push_back(from.ints[place(from, i)]);
  }
  return result;
}

static std::optional<Tensor> foldReshape(const Tensor &data, const Tensor &shape) {
  if (shape.isFloat)
    return std::nullopt;
  std::vector<int64_t> dims = shape.ints;
  int64_t rest = 1, free = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && i < data.dims.size())
      dims[i] = data.dims[i];
    if (dims[i] == -1 && free < 0)
      free = int64_t(i);
    else if (dims[i] <= 0 || __builtin_mul_overflow(rest, dims[i], &rest))
      return std::nullopt;
  }
  if (free >= 0)
    dims[size_t(free)] = data.elements() / rest;
  if (product(dims) != data.elements())
    return std::nullopt;
  Tensor result = data;
  result.dims = dims;
  return result;
}

static std::optional<Tensor> foldTranspose(const Node &node, const Tensor &data) {
  size_t rank = data.dims.size();
  std::vector<int64_t> order;
  if (const Attribute *given = attribute(node, "perm"))
    order = given->ints;
  for (size_t i = rank; i-- > 0 && !attribute(node, "perm");)
    order.push_back(int64_t(i));
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != int64_t(i))
      return std::nullopt;
  if (order.size() != rank || product(data.dims) != data.elements())
    return std::nullopt;
  Tensor result;
  result.isFloat = data.isFloat;
  std::vector<size_t> strides(rank, 1);
  for (size_t i = rank; i-- > 1;)
    strides[i - 1] = strides[i] * size_t(data.dims[i]);
  for (int64_t from : order)
    result.dims.push_back(data.dims[size_t(from)]);
  for (int64_t i = 0; i < data.elements(); ++i) {
    size_t at = 0;
    int64_t rest = i;
    for (size_t d = rank; d-- > 0;) {
      at += size_t(rest % result.dims[d]) * strides[size_t(order[d])];
      rest /= result.dims[d];
    }
    if (data.isFloat)
      result.floats.push_back(data.floats[at]);
    else
      result.ints.push_back(data.ints[at]);
  }
  return result;
}

/// Only what keeps the number of values, or repeats one.
static std::optional<Tensor> foldExpand(const Tensor &data, const Tensor &shape) {
  int64_t count = shape.isFloat ? -1 : product(shape.ints);
  if (count < 0 || count > kMostElements || (data.elements() != 1 && data.elements() != count))
    return std::nullopt;
  Tensor result = data;
  result.dims = shape.ints;
  if (data.isFloat)
    result.floats.resize(size_t(count), data.floats.empty() ? 0 : data.floats[0]);
  else
    result.ints.resize(size_t(count), data.ints.empty() ? 0 : data.ints[0]);
  return result;
}

/// Sizes of one are put in or taken out of a list's or a number's dimensions.
static std::optional<Tensor> foldUnsqueeze(const Node &node, const FindConstant &find) {
  Tensor result = *find(node.inputs[0]);
  std::optional<std::vector<int64_t>> axes = axesOf(node, 1, find);
  if (node.op == "Squeeze") {
    std::vector<int64_t> kept;
    for (size_t i = 0; i < result.dims.size(); ++i) {
      bool named = !axes;
      for (int64_t axis : axes.value_or(std::vector<int64_t>()))
        named |= axis == int64_t(i) || axis + int64_t(result.dims.size()) == int64_t(i);
      if (result.dims[i] != 1 || !named)
        kept.push_back(result.dims[i]);
    }
    result.dims = kept;
    return result;
  }
  constexpr size_t mostSizes = 16;
  if (!axes || axes->size() + result.dims.size() > mostSizes)
    return std::nullopt;
  auto rank = int64_t(result.dims.size() + axes->size());
  for (int64_t &axis : *axes)
    axis += axis < 0 ? rank : 0;
  std::sort(axes->begin(), axes->end());
  for (int64_t axis : *axes) {
    if (axis < 0 || axis > int64_t(result.dims.size()))
      return std::nullopt;
    result.dims.insert(result.dims.begin() + axis, 1);
  }
  return result;
}

static std::optional<Tensor> foldFill(const Node &node, const Tensor &shape) {
  int64_t count = product(shape.ints);
  if (shape.isFloat || count < 0 || count > kMostElements)
    return std::nullopt;
  Tensor value;
  value.floats = {0};
  if (const Attribute *given = attribute(node, "value"); given && given->tensor)
    value = *given->tensor;
  if (value.elements() != 1)
    return std::nullopt;
  Tensor result;
  result.dims = shape.ints;
  result.isFloat = value.isFloat;
  if (value.isFloat)
    result.floats.assign(size_t(count), value.floats[0]);
  else
    result.ints.assign(size_t(count), value.ints[0]);
  return result;
}

static std::optional<Tensor> foldCast(const Node &node, const Tensor &data) {
  const Attribute *to = attribute(node, "to");
  bool isFloat = to && (to->i == 1 || to->i == 10 || to->i == 11 || to->i == 16);
  bool isInt = to && (to->i == 6 || to->i == 7 || to->i == 9);
  if (isFloat == data.isFloat && (isFloat || isInt))
    return data;
  Tensor result;
  result.dims = data.dims;
  result.isFloat = isFloat;
  for (int64_t i = 0; i < data.elements(); ++i) {
    if (isFloat && !batchFactor(data.ints[size_t(i)]))
      result.floats.push_back(float(data.ints[size_t(i)]));
    else if (isInt && std::fabs(data.at(i)) < 0x1p62)
      result.ints.push_back(int64_t(data.at(i)));
    else
      return std::nullopt;
  }
  return result;
}

std::optional<Tensor> netc::frontend::onnx::foldNode(const Node &node, const FindConstant &find) {
  if (node.op == "Constant")
    return foldConstant(node);
  if (node.inputs.empty())
    return std::nullopt;
  for (const std::string &name : node.inputs)
    if (!name.empty() && !find(name))
      return std::nullopt;
  const Tensor *first = find(node.inputs[0]);
  const Tensor *second = node.inputs.size() > 1 ? find(node.inputs[1]) : nullptr;
  const std::string &op = node.op;
  if (!first)
    return std::nullopt;
  if (op == "Identity")
    return *first;
  if (op == "Shape" && node.attributes.empty())
    return list(first->dims);
  if (op == "Concat")
    return foldConcat(node, find);
  if (op == "Slice")
    return foldSlice(node, find);
  if (op == "Squeeze" || op == "Unsqueeze")
    return foldUnsqueeze(node, find);
  if (op == "Transpose")
    return foldTranspose(node, *first);
  if (op == "ConstantOfShape")
    return foldFill(node, *first);
  if (op == "Cast")
    return foldCast(node, *first);
  if (op == "Not" && !first->isFloat) {
    Tensor result = *first;
    for (int64_t &value : result.ints)
      value = !value;
    return result;
  }
  if (op == "Sqrt" || op == "Neg" || op == "Reciprocal" || op == "Floor" || op == "Ceil")
    return foldUnary(op, *first);
  if (!second)
    return std::nullopt;
  if (op == "DequantizeLinear")
    return foldDequantize(node, find);
  if (op == "QuantizeLinear")
    return foldQuantize(node, find);
  if (op == "Gather")
    return foldGather(*first, *second);
  if (op == "Reshape")
    return foldReshape(*first, *second);
  if (op == "Expand")
    return foldExpand(*first, *second);
  if (op == "Where" && node.inputs.size() == 3)
    return foldWhere(*first, *second, *find(node.inputs[2]));
  static const std::set<std::string> arithmetic{"And", "Or",  "Less", "Greater", "Add",
                                                "Sub", "Mul", "Div",  "Pow",     "Min",
                                                "Max", "Mod", "Equal"};
  if (arithmetic.count(op))
    return foldArithmetic(op, *first, *second);
  return std::nullopt;
}
