//===- ConvertTerms.cpp - tensors in the order of their sizes -------------===//
//
// Operators that are several layers are written with terms: a term is a variable of the model file
// and the sizes of the ONNX tensor that it is, each an axis of the value.
//
//===----------------------------------------------------------------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace netc::frontend::onnx {

static constexpr size_t kMostAxes = 4;

/// A number is a vector of one value.
static Shape netShape(const Shape &sizes) { return sizes.empty() ? Shape{1} : sizes; }

static std::string shapeText(const Shape &sizes) {
  return fmt::format("[{}]", fmt::join(netShape(sizes), ", "));
}

std::optional<Term> Converter::term(const Node &node, size_t index) {
  if (const Tensor *given = constant(node, index)) {
    auto known = constantTerms.find(node.inputs[index]);
    if (known != constantTerms.end())
      return known->second;
    bool isSound = given->dims.size() <= kMostAxes && given->elements() > 0;
    std::vector<float> numbers = given->floats;
    for (int64_t value : given->ints) {
      isSound &= !batchFactor(value);
      numbers.push_back(float(value));
    }
    if (!isSound) {
      fail(node, fmt::format("input {} is a constant [{}]; expected one to four sizes, and none "
                             "that depend on the batch",
                             index, sizesText(given->dims)));
      return std::nullopt;
    }
    Shape shape = netShape(given->dims);
    Term made{bind({parameter(node, index, shape, std::move(numbers))}, shape), given->dims};
    return constantTerms[node.inputs[index]] = made;
  }
  Value *value = viewed(node, index);
  if (!value)
    return std::nullopt;
  const std::string &name = node.inputs[index];
  View view = viewOf(*value);
  Term result{"", {}, !whole};
  if (!whole && (view.dims.empty() || view.dims.front() != std::vector<int>{kBatchAxis})) {
    fail(node, "the batch is not the first size of its input, expected [batch, ...]");
    return std::nullopt;
  }
  for (size_t dim = whole ? 0 : 1; dim < view.dims.size(); ++dim)
    result.sizes.push_back(sizeOf(view, dim));
  if (!arrange(node, name, orderOf(view), netShape(result.sizes)))
    return std::nullopt;
  values[name].view = whole ? wholeView(result.sizes) : plainView(netShape(result.sizes));
  if (!whole && result.sizes.empty()) // one number for each image
    values[name].view->dims.resize(1);
  result.text = variable(name);
  return result;
}

std::optional<Term> Converter::optionalTerm(const Node &node, size_t index, bool &failed) {
  if (index >= node.inputs.size() || node.inputs[index].empty())
    return std::nullopt;
  std::optional<Term> result = term(node, index);
  failed |= !result;
  return result;
}

Term Converter::constantTerm(const Node &node, const Shape &sizes, std::vector<float> numbers) {
  Shape shape = netShape(sizes);
  return {bind({parameter(node, node.inputs.size(), shape, std::move(numbers))}, shape), sizes};
}

Term Converter::filled(const Node &node, const Term &like, double number) {
  Term one = constantTerm(node, Shape(like.sizes.size(), 1), {float(number)});
  one.batched = like.batched;
  return expanded(one, like.sizes);
}

Term Converter::counting(const Node &node, const Shape &sizes, size_t axis, double begin) {
  std::vector<float> numbers(static_cast<size_t>(sizes[axis]));
  std::iota(numbers.begin(), numbers.end(), float(begin));
  Shape one(sizes.size(), 1);
  one[axis] = sizes[axis];
  return expanded(constantTerm(node, one, std::move(numbers)), sizes);
}

void Converter::defineTerm(const Node &node, const Term &value, size_t output) {
  if (output >= node.outputs.size() || node.outputs[output].empty())
    return;
  if (!whole && !value.batched)
    return fail(node, "its result is the same for all images, expected one that depends on them");
  std::optional<View> view;
  if (whole)
    view = wholeView(value.sizes);
  else if (value.sizes.empty()) {
    view = plainView({1});
    view->dims.resize(1);
  }
  defineResult(node, node.outputs[output], {value.text}, netShape(value.sizes), std::move(view));
}

std::optional<size_t> Converter::termAxis(const Node &node, const Term &x, int64_t axis) {
  auto rank = int64_t(x.rank());
  int64_t place = axis + (axis < 0 ? rank : 0) - (x.batched ? 1 : 0);
  if (place >= 0 && place < int64_t(x.sizes.size()))
    return size_t(place);
  fail(node, fmt::format("it works along axis {} of {} sizes; expected one behind the batch", axis,
                         rank));
  return std::nullopt;
}

std::optional<std::vector<size_t>> Converter::termAxes(const Node &node, const Term &x,
                                                       const std::vector<int64_t> &axes) {
  std::vector<size_t> result;
  for (int64_t axis : axes) {
    std::optional<size_t> place = termAxis(node, x, axis);
    if (!place)
      return std::nullopt;
    result.push_back(*place);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Layers of one or two terms
//===----------------------------------------------------------------------===//

Term Converter::call(const Term &x, const std::string &layer) {
  return {bind({x.text, layer}, netShape(x.sizes)), x.sizes, x.batched};
}

Term Converter::reshaped(const Term &x, const Shape &sizes) {
  if (netShape(x.sizes) == netShape(sizes))
    return {x.text, sizes, x.batched};
  return {bind({x.text, "reshape(" + shapeText(sizes) + ")"}, netShape(sizes)), sizes, x.batched};
}

Term Converter::permuted(const Term &x, const std::vector<int64_t> &order) {
  Shape sizes;
  for (int64_t axis : order)
    sizes.push_back(x.sizes[size_t(axis)]);
  if (std::is_sorted(order.begin(), order.end()))
    return x;
  return {bind({x.text, fmt::format("permute([{}])", fmt::join(order, ", "))}, sizes), sizes,
          x.batched};
}

Term Converter::expanded(const Term &x, const Shape &sizes) {
  if (x.sizes == sizes)
    return x;
  return {bind({x.text, "expand(" + shapeText(sizes) + ")"}, netShape(sizes)), sizes, x.batched};
}

Term Converter::sliced(const Term &x, size_t axis, int64_t begin, int64_t end) {
  if (begin == 0 && end == x.sizes[axis])
    return x;
  Shape sizes = x.sizes;
  sizes[axis] = end - begin;
  return {bind({x.text, fmt::format("slice({}, {}, {})", axis, begin, end)}, sizes), sizes,
          x.batched};
}

Term Converter::joined(const std::vector<Term> &parts, size_t axis) {
  if (parts.size() == 1)
    return parts.front();
  Term result = parts.front();
  result.sizes[axis] = 0;
  std::vector<std::string> names;
  for (const Term &part : parts) {
    result.sizes[axis] += part.sizes[axis];
    names.push_back(part.text);
    result.batched |= part.batched;
  }
  result.text =
      bind({fmt::format("concat({}, axis={})", fmt::join(names, ", "), axis)}, result.sizes);
  return result;
}

Term Converter::add(const Term &x, const Term &y) {
  return {bind({x.text + " + " + y.text}, netShape(x.sizes)), x.sizes, x.batched || y.batched};
}

Term Converter::multiply(const Term &x, const Term &y) {
  return {bind({x.text + " * " + y.text}, netShape(x.sizes)), x.sizes, x.batched || y.batched};
}

Term Converter::binary(const char *layer, const Term &x, const Term &y) {
  return {bind({fmt::format("{}({}, {})", layer, x.text, y.text)}, netShape(x.sizes)), x.sizes,
          x.batched || y.batched};
}

Term Converter::affine(const Term &x, double scale, double shift) {
  std::string text = x.text;
  if (scale != 1)
    text += " * " + realText(scale);
  if (shift != 0)
    text += " + " + realText(shift);
  return text == x.text ? x : Term{bind({text}, netShape(x.sizes)), x.sizes, x.batched};
}

Term Converter::truncated(const Term &x) {
  return multiply(call(x, "sign"), call(call(x, "abs"), "floor"));
}

Term Converter::selected(const Term &condition, const Term &x, const Term &y) {
  Term isZero = affine(call(call(condition, "abs"), "sign"), -1, 1);
  return add(binary("mask", x, condition), binary("mask", y, isZero));
}

bool Converter::broadcast(const Node &node, Term &x, Term &y) {
  size_t rank = std::max(x.rank(), y.rank());
  bool batched = x.batched || y.batched, fits = true;
  for (Term *each : {&x, &y}) {
    Shape sizes = each->sizes;
    if (each->batched) {
      fits &= each->rank() == rank;
    } else {
      sizes.insert(sizes.begin(), rank - sizes.size(), 1);
      fits &= !batched || sizes.front() == 1;
      if (batched)
        sizes.erase(sizes.begin());
    }
    fits &= sizes.size() <= kMostAxes;
    if (!fits)
      break;
    *each = reshaped(*each, sizes);
    each->batched = batched;
  }
  Shape common = x.sizes;
  for (size_t axis = 0; fits && axis < common.size(); ++axis) {
    int64_t left = x.sizes[axis], right = y.sizes[axis];
    fits = left == right || left == 1 || right == 1;
    common[axis] = std::max(left, right);
  }
  if (!fits) {
    fail(node, fmt::format("sizes [{}] and [{}] do not fit, expected equal ones or 1, and the "
                           "batch in one place",
                           fmt::join(x.sizes, ", "), fmt::join(y.sizes, ", ")));
    return false;
  }
  x = expanded(x, common);
  y = expanded(y, common);
  return true;
}

Term Converter::product(const Term &x, const Term &y, bool transposes) {
  Shape sizes = x.sizes;
  sizes.back() = y.sizes[y.sizes.size() - (transposes ? 2 : 1)];
  return {bind({fmt::format("matmul({}, {}{})", x.text, y.text, transposes ? ", transpose_b" : "")},
               sizes),
          sizes, x.batched || y.batched};
}

//===----------------------------------------------------------------------===//
// Along axes
//===----------------------------------------------------------------------===//

/// Axes `last` behind the others.
static std::vector<int64_t> orderBehind(size_t rank, const std::vector<size_t> &last) {
  std::vector<int64_t> order;
  for (size_t axis = 0; axis < rank; ++axis)
    if (std::find(last.begin(), last.end(), axis) == last.end())
      order.push_back(int64_t(axis));
  for (size_t axis : last)
    order.push_back(int64_t(axis));
  return order;
}

std::optional<Term> Converter::reduced(const Node &node, const Term &x,
                                       const std::vector<size_t> &axes, const std::string &op) {
  int64_t count = 1;
  Shape rest;
  for (size_t axis = 0; axis < x.sizes.size(); ++axis) {
    bool isGone = std::find(axes.begin(), axes.end(), axis) != axes.end();
    count *= isGone ? x.sizes[axis] : 1;
    if (!isGone)
      rest.push_back(x.sizes[axis]);
  }
  if (axes.empty())
    return x;
  if (op == "ReduceMean" || op == "ReduceSum") {
    Term mean{bind({x.text, fmt::format("mean([{}])", fmt::join(axes, ", "))}, netShape(rest)),
              rest, x.batched};
    return op == "ReduceMean" ? mean : affine(mean, double(count), 0);
  }
  if (op == "ReduceMin") {
    std::optional<Term> high = reduced(node, affine(x, -1, 0), axes, "ReduceMax");
    return high ? std::optional(affine(*high, -1, 0)) : std::nullopt;
  }
  Term rows = permuted(x, orderBehind(x.sizes.size(), axes));
  int64_t outer = elementsOf(rest);
  if (op == "ReduceMax") {
    Term image = reshaped(rows, {outer, count, 1});
    Term high{bind({image.text, "maxpool(global)"}, {outer, 1, 1}), {outer, 1, 1}, x.batched};
    return reshaped(high, rest);
  }
  constexpr int64_t mostFactors = 64;
  if (count > mostFactors) {
    fail(node, fmt::format("a product of {} numbers, expected up to {}", count, mostFactors));
    return std::nullopt;
  }
  rows = reshaped(rows, {outer, count});
  Term result = sliced(rows, 1, 0, 1);
  for (int64_t i = 1; i < count; ++i)
    result = multiply(result, sliced(rows, 1, i, i + 1));
  return reshaped(result, rest);
}

Term Converter::spread(const Term &x, const Term &like, const std::vector<size_t> &axes) {
  Shape ones = like.sizes;
  for (size_t axis : axes)
    ones[axis] = 1;
  return expanded(reshaped(x, ones), like.sizes);
}

Term Converter::rowsOf(const Term &x, size_t axis) {
  Term last = permuted(x, orderBehind(x.sizes.size(), {axis}));
  return reshaped(last, {elementsOf(x.sizes) / x.sizes[axis], x.sizes[axis]});
}

Term Converter::fromRows(const Term &rows, const Shape &sizes, size_t axis) {
  std::vector<int64_t> order = orderBehind(sizes.size(), {axis}), back(order.size());
  Shape behind;
  for (size_t i = 0; i < order.size(); ++i) {
    behind.push_back(sizes[size_t(order[i])]);
    back[size_t(order[i])] = int64_t(i);
  }
  return permuted(reshaped(rows, behind), back);
}

Term Converter::transformed(const Node &node, const Term &x, size_t axis, int64_t out,
                            std::vector<float> matrix) {
  Term rows = rowsOf(x, axis);
  std::string name = label(node, "matrix", node.inputs.size());
  addTensor(name + ".weight", {out, x.sizes[axis]}, std::move(matrix));
  Shape shape{rows.sizes[0], out};
  rows.text = bind({rows.text, fmt::format("{}: linear({}, bias=false)", name, out)}, shape);
  rows.sizes = shape;
  Shape sizes = x.sizes;
  sizes[axis] = out;
  return fromRows(rows, sizes, axis);
}

std::optional<Term> Converter::picked(const Node &node, const Term &x, size_t axis,
                                      const std::vector<int64_t> &indices) {
  // Runs of indices are slices.
  std::vector<std::pair<int64_t, int64_t>> runs;
  for (int64_t index : indices) {
    bool follows = !runs.empty() && index >= 0 && index == runs.back().second;
    if (follows)
      ++runs.back().second;
    else
      runs.emplace_back(index, index + 1);
  }
  constexpr size_t mostRuns = 8;
  bool hasGaps = std::find(indices.begin(), indices.end(), -1) != indices.end();
  if (runs.size() <= mostRuns && !hasGaps) {
    std::vector<Term> parts;
    for (auto [begin, end] : runs)
      parts.push_back(sliced(x, axis, begin, end));
    return joined(parts, axis);
  }
  constexpr int64_t mostWeights = int64_t(1) << 24;
  auto count = int64_t(indices.size()), size = x.sizes[axis];
  if (count > mostWeights / size) {
    fail(node, fmt::format("it chooses {} of {} values in no order that slices make", count, size));
    return std::nullopt;
  }
  std::vector<float> matrix(size_t(count * size));
  for (int64_t i = 0; i < count; ++i)
    if (indices[size_t(i)] >= 0)
      matrix[size_t(i * size + indices[size_t(i)])] = 1;
  return transformed(node, x, axis, count, std::move(matrix));
}

Term Converter::softmaxOf(const Term &x, size_t axis) {
  return call(x, axis + 1 == x.sizes.size() ? std::string("softmax")
                                            : fmt::format("softmax(axis={})", axis));
}

Term Converter::logSoftmaxOf(const Node &node, const Term &x, size_t axis) {
  Term low = subtract(x, spread(*reduced(node, x, {axis}, "ReduceMax"), x, {axis}));
  Term sum = *reduced(node, call(low, "exp"), {axis}, "ReduceSum");
  return subtract(low, spread(call(sum, "log"), x, {axis}));
}

Term Converter::oneHotOf(const Node &node, const Term &indices, int64_t count) {
  Shape one = indices.sizes, all = indices.sizes;
  one.push_back(1);
  all.push_back(count);
  Term places = counting(node, all, all.size() - 1);
  places.batched = indices.batched;
  return binary("equal", expanded(reshaped(indices, one), all), places);
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

bool Converter::isInteger(const std::string &name) const {
  auto found = types.find(name);
  int32_t type = found == types.end() ? 0 : found->second;
  return (type >= kUint8 && type <= kInt64) || type == kUint32 || type == kUint64;
}

/// The element type of a node's first result, of its attributes and inputs.
static int32_t resultType(const Node &node, const std::map<std::string, int32_t> &types) {
  static const std::set<std::string> truths{
      "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And",
      "Or",    "Xor",  "Not",     "IsNaN",       "IsInf"};
  static const std::set<std::string> counts{"Shape", "Size", "ArgMax", "ArgMin", "NonZero"};
  if (truths.count(node.op))
    return kBool;
  if (counts.count(node.op))
    return kInt64;
  if (auto to = node.attributes.find("to"); node.op == "Cast" && to != node.attributes.end())
    return int32_t(to->second.i);
  if (auto value = node.attributes.find("value");
      value != node.attributes.end() && value->second.tensor)
    return value->second.tensor->type;
  size_t from = node.op == "Where" || node.op == "CastLike"          ? 1
                : node.op == "OneHot" || node.op == "QuantizeLinear" ? 2
                : node.op == "DequantizeLinear"                      ? 1
                                                                     : 0;
  if (node.op == "QuantizeLinear" && node.inputs.size() < 3)
    return kUint8;
  auto found = from < node.inputs.size() ? types.find(node.inputs[from]) : types.end();
  return found == types.end() ? 0 : found->second;
}

void Converter::inferTypes() {
  for (const Port &port : graph.inputs)
    types[port.name] = port.type;
  for (const auto &[name, tensor] : graph.initializers)
    types[name] = tensor.type;
  for (const Node &node : graph.nodes)
    for (size_t i = 0; i < node.outputs.size(); ++i)
      types[node.outputs[i]] =
          node.op == "Dropout" && i == 1 ? int32_t(kBool) : resultType(node, types);
}

} // namespace netc::frontend::onnx
