//===- ConvertReductions.cpp - sums, maxima and their places along axes ---===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <limits>

namespace netc::frontend::onnx {

static std::vector<size_t> allAxes(const Term &x) {
  std::vector<size_t> axes;
  for (size_t axis = 0; axis < x.sizes.size(); ++axis)
    axes.push_back(axis);
  return axes;
}

void Converter::reduction(const Node &node) {
  std::optional<Term> x = term(node);
  if (!x)
    return;
  bool isGiven = node.inputs.size() > 1 && !node.inputs[1].empty();
  const Tensor *given = constant(node, 1);
  std::vector<int64_t> list = given ? given->ints : numbers(node, "axes");
  if (isGiven && (!given || given->isFloat))
    return fail(node, "its axes are computed, expected constants");
  std::optional<std::vector<size_t>> places = termAxes(node, *x, list);
  if (!places)
    return;
  std::vector<size_t> &axes = *places;
  std::sort(axes.begin(), axes.end());
  if (list.empty() && number(node, "noop_with_empty_axes", 0)) {
    if (node.op != "ReduceSum" && node.op != "ReduceMean" && node.op != "ReduceMax" &&
        node.op != "ReduceMin" && node.op != "ReduceProd")
      return fail(node, "of no axes; expected some");
    return defineTerm(node, *x);
  }
  if (list.empty() && x->batched)
    return fail(node, "it takes all images together, expected axes behind the batch");
  if (list.empty())
    axes = allAxes(*x);
  std::string op = node.op, how = op;
  Term from = *x;
  std::optional<Term> high;
  if (op == "ReduceL1" || op == "ReduceL2" || op == "ReduceSumSquare") {
    from = op == "ReduceL1" ? call(from, "abs") : multiply(from, from);
    how = "ReduceSum";
  } else if (op == "ReduceLogSum") {
    how = "ReduceSum";
  } else if (op == "ReduceLogSumExp") { // of what is below the largest, which is added again
    high = reduced(node, from, axes, "ReduceMax");
    from = call(subtract(from, spread(*high, from, axes)), "exp");
    how = "ReduceSum";
  }
  std::optional<Term> result = reduced(node, from, axes, how);
  if (!result)
    return;
  if (op == "ReduceL2")
    result = call(*result, "sqrt");
  if (op == "ReduceLogSum" || op == "ReduceLogSumExp")
    result = call(*result, "log");
  if (high)
    result = add(*result, *high);
  if (number(node, "keepdims", 1)) {
    Shape sizes = x->sizes;
    for (size_t axis : axes)
      sizes[axis] = 1;
    result = reshaped(*result, sizes);
  }
  defineTerm(node, *result);
}

/// The first or last place of the largest or smallest number.
void Converter::argument(const Node &node) {
  std::optional<Term> x = term(node);
  std::optional<size_t> axis = x ? termAxis(node, *x, number(node, "axis", 0)) : std::nullopt;
  if (!axis)
    return;
  bool isMax = node.op == "ArgMax", isLast = number(node, "select_last_index", 0);
  std::string op = isMax ? "ReduceMax" : "ReduceMin";
  Term best = binary("equal", *x, spread(*reduced(node, *x, {*axis}, op), *x, {*axis}));
  // Places of the others are beyond all places.
  double other = isLast ? -1 : double(x->sizes[*axis]);
  Term place = counting(node, x->sizes, *axis, -other);
  Term all = affine(binary("mask", place, best), 1, other);
  std::optional<Term> result = reduced(node, all, {*axis}, isLast ? "ReduceMax" : "ReduceMin");
  if (number(node, "keepdims", 1)) {
    Shape sizes = x->sizes;
    sizes[*axis] = 1;
    result = reshaped(*result, sizes);
  }
  defineTerm(node, *result);
}

void Converter::cumulative(const Node &node) {
  const Tensor *given = constant(node, 1);
  std::optional<Term> x = term(node);
  if (!x)
    return;
  if (!given || given->isFloat || given->elements() != 1)
    return fail(node, "its axis is computed, expected a constant");
  std::optional<size_t> axis = termAxis(node, *x, given->ints[0]);
  if (!axis)
    return;
  int64_t size = x->sizes[*axis];
  bool excludes = number(node, "exclusive", 0), reverses = number(node, "reverse", 0);
  constexpr int64_t most = 4096;
  if (size > most)
    return fail(node, fmt::format("of {} numbers, expected up to {}", size, most));
  std::vector<float> matrix(size_t(size * size));
  for (int64_t out = 0; out < size; ++out)
    for (int64_t in = 0; in < size; ++in) {
      bool isBefore = reverses ? in > out : in < out;
      matrix[size_t(out * size + in)] = isBefore || (in == out && !excludes) ? 1 : 0;
    }
  defineTerm(node, transformed(node, *x, *axis, size, std::move(matrix)));
}

/// Softmax, LogSoftmax and Hardmax; before opset 13 all sizes from an axis on are one.
void Converter::generalSoftmax(const Node &node) {
  std::optional<Term> x = term(node);
  bool isOld = graph.opset < 13;
  std::optional<size_t> axis =
      x ? termAxis(node, *x, number(node, "axis", isOld ? 1 : -1)) : std::nullopt;
  if (!axis)
    return;
  Term from = *x;
  if (isOld) {
    Shape rows{1, 1};
    for (size_t i = 0; i < x->sizes.size(); ++i)
      rows[i < *axis ? 0 : 1] *= x->sizes[i];
    from = reshaped(*x, rows);
    axis = 1;
  }
  Term result = from;
  if (node.op == "Softmax") {
    result = softmaxOf(from, *axis);
  } else if (node.op == "LogSoftmax") {
    result = logSoftmaxOf(node, from, *axis);
  } else { // Hardmax: 1 at the first of the largest
    int64_t size = from.sizes[*axis];
    Term best =
        binary("equal", from, spread(*reduced(node, from, {*axis}, "ReduceMax"), from, {*axis}));
    Term places = counting(node, from.sizes, *axis, -double(size));
    places.batched = from.batched;
    Term first = *reduced(node, binary("mask", places, best), {*axis}, "ReduceMin");
    result = binary("mask", best, binary("equal", places, spread(first, from, {*axis})));
  }
  defineTerm(node, reshaped(result, x->sizes));
}

/// What lies above or below a diagonal of the last two sizes is zero.
void Converter::triangle(const Node &node) {
  const Tensor *given = constant(node, 1);
  std::optional<Term> x = term(node);
  if (!x)
    return;
  bool isGiven = node.inputs.size() > 1 && !node.inputs[1].empty();
  if ((isGiven && (!given || given->isFloat || given->elements() != 1)) || x->sizes.size() < 2)
    return fail(node, "expected matrices, and a constant diagonal");
  int64_t k = isGiven ? given->ints[0] : 0;
  int64_t rows = x->sizes[x->sizes.size() - 2], columns = x->sizes.back();
  bool isUpper = number(node, "upper", 1);
  std::vector<float> keeps;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      keeps.push_back(isUpper ? j - i >= k : j - i <= k);
  Shape ones(x->sizes.size(), 1);
  ones[ones.size() - 2] = rows;
  ones.back() = columns;
  Term mask = expanded(constantTerm(node, ones, std::move(keeps)), x->sizes);
  defineTerm(node, binary("mask", *x, mask));
}

/// (x - mean) / standard deviation over axes.
void Converter::meanVariance(const Node &node) {
  std::optional<Term> x = term(node);
  if (!x)
    return;
  std::vector<int64_t> list = numbers(node, "axes");
  if (list.empty())
    list = {0, 2, 3};
  std::optional<std::vector<size_t>> places = termAxes(node, *x, list);
  if (!places)
    return;
  std::vector<size_t> &axes = *places;
  Term centered = subtract(*x, spread(*reduced(node, *x, axes, "ReduceMean"), *x, axes));
  Term variance = *reduced(node, multiply(centered, centered), axes, "ReduceMean");
  Term deviation = affine(call(variance, "sqrt"), 1, 1e-9);
  defineTerm(node, binary("divide", centered, spread(deviation, *x, axes)));
}

} // namespace netc::frontend::onnx
