//===- ConvertShapes.cpp - sums, products, joins and shapes ---------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>

namespace netc::frontend::onnx {

const std::map<std::string, Converter::Handler> &Converter::handlers() {
  static const std::map<std::string, Handler> table{
      {"Conv", &Converter::convolution},
      {"Gemm", &Converter::gemm},
      {"MatMul", &Converter::matmul},
      {"BatchNormalization", &Converter::batchNorm},
      {"MaxPool", &Converter::maxPool},
      {"AveragePool", &Converter::averagePool},
      {"GlobalAveragePool", &Converter::globalPool},
      {"GlobalMaxPool", &Converter::globalPool},
      {"ReduceMean", &Converter::reduceMean},
      {"Relu", &Converter::activation},
      {"LeakyRelu", &Converter::activation},
      {"Sigmoid", &Converter::activation},
      {"HardSigmoid", &Converter::activation},
      {"HardSwish", &Converter::activation},
      {"Tanh", &Converter::activation},
      {"Clip", &Converter::clip},
      {"Softmax", &Converter::softmax},
      {"LRN", &Converter::lrn},
      {"Dropout", &Converter::dropout},
      {"Add", &Converter::sum},
      {"Sum", &Converter::sum},
      {"Sub", &Converter::sum},
      {"Mul", &Converter::product},
      {"Div", &Converter::product},
      {"Concat", &Converter::concat},
      {"Flatten", &Converter::flatten},
      {"Reshape", &Converter::reshape},
      {"Squeeze", &Converter::squeeze},
      {"Pad", &Converter::pad},
      {"Slice", &Converter::slice},
      {"Identity", &Converter::identity},
      {"Shape", &Converter::shapeOf},
  };
  return table;
}

/// Of a sum or product the side that is one number; -1: none is.
static int numberSide(const Tensor *left, const Tensor *right) {
  if (left && left->elements() == 1)
    return 0;
  return right && right->elements() == 1 ? 1 : -1;
}

/// Tensors of equal shapes, or a tensor and a number.
void Converter::sum(const Node &node) {
  if (node.op == "Sum" && node.inputs.size() != 2)
    return fail(node, "expected two summands");
  const Tensor *constants[] = {constant(node, 0), constant(node, 1)};
  int side = numberSide(constants[0], constants[1]);
  if (side >= 0) {
    const Value *input = tensor(node, side == 0 ? 1 : 0);
    if (!input)
      return;
    if (node.op == "Sub" && side == 0)
      return fail(node, "a number minus a tensor; expected a tensor minus a number");
    double number = constants[side]->at(0) * (node.op == "Sub" ? -1 : 1);
    std::string name = variable(node.inputs[side == 0 ? 1 : 0]);
    return define(node, {fmt::format("{} + {}", name, realText(number))}, input->shape);
  }
  if (constants[0] || constants[1])
    return fail(node, "it adds a constant of several numbers; expected a tensor or one number");
  const Value *left = tensor(node, 0);
  const Value *right = left ? tensor(node, 1) : nullptr;
  if (!right)
    return;
  if (node.op == "Sub")
    return fail(node, "a difference of tensors; expected a sum");
  if (left->shape != right->shape)
    return fail(node, fmt::format("it adds [{}] and [{}]; expected equal shapes",
                                  fmt::join(left->shape, ", "), fmt::join(right->shape, ", ")));
  std::string a = variable(node.inputs[0]), b = variable(node.inputs[1]);
  define(node, {a + " + " + b}, values[node.inputs[0]].shape);
}

/// Equal shapes, a gate [c, 1, 1], or a number.
void Converter::product(const Node &node) {
  const Tensor *constants[] = {constant(node, 0), constant(node, 1)};
  int side = numberSide(constants[0], constants[1]);
  if (node.op == "Div" && side != 1)
    return fail(node, "expected a tensor divided by one number");
  if (side >= 0) {
    const Value *input = tensor(node, side == 0 ? 1 : 0);
    if (!input)
      return;
    double factor = constants[side]->at(0);
    if (node.op == "Div" && factor == 0)
      return fail(node, "a division by zero");
    std::string name = variable(node.inputs[side == 0 ? 1 : 0]);
    double by = node.op == "Div" ? 1 / factor : factor;
    return define(node, {fmt::format("{} * {}", name, realText(by))}, input->shape);
  }
  if (constants[0] || constants[1])
    return fail(
        node, "it multiplies with a constant of several numbers; expected a tensor or one number");
  const Value *left = tensor(node, 0);
  const Value *right = left ? tensor(node, 1) : nullptr;
  if (!right)
    return;
  auto isGateOf = [](const Shape &gate, const Shape &image) {
    return gate.size() == 3 && image.size() == 3 && gate == Shape{image[0], 1, 1};
  };
  Shape shape = left->shape;
  if (isGateOf(left->shape, right->shape))
    shape = right->shape;
  else if (left->shape != right->shape && !isGateOf(right->shape, left->shape))
    return fail(node, fmt::format("it multiplies [{}] and [{}]; expected equal shapes, or one "
                                  "factor per channel",
                                  fmt::join(left->shape, ", "), fmt::join(right->shape, ", ")));
  std::string a = variable(node.inputs[0]), b = variable(node.inputs[1]);
  define(node, {a + " * " + b}, shape);
}

void Converter::concat(const Node &node) {
  const Value *first = tensor(node);
  if (!first)
    return;
  Shape shape = first->shape;
  int64_t axis = number(node, "axis", 1), rank = int64_t(shape.size()) + 1;
  if ((axis < 0 ? axis + rank : axis) != 1 || shape.size() % 2 == 0)
    return fail(node, fmt::format("along axis {} of {}; expected channels (axis 1)", axis, rank));
  std::string list = variable(node.inputs[0]);
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const Value *other = tensor(node, i);
    if (!other)
      return;
    if (other->shape.size() != shape.size() ||
        !std::equal(shape.begin() + 1, shape.end(), other->shape.begin() + 1))
      return fail(node, "its inputs differ in more than their channels");
    shape[0] += other->shape[0];
    list += ", " + variable(node.inputs[i]);
  }
  define(node, {"concat(" + list + ")"}, shape);
}

static int64_t elementsOf(const Shape &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

void Converter::flatten(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  if (number(node, "axis", 1) != 1)
    return fail(node, "expected axis 1: everything behind the batch");
  if (input->shape.size() == 1)
    return define(node, input->chain, input->shape);
  append(node, *input, "flatten", {elementsOf(input->shape)});
}

/// Only what keeps the shape or flattens it.
void Converter::reshape(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  const Tensor *given = constant(node, 1);
  std::vector<int64_t> sizes = given ? given->ints : numbers(node, "shape");
  Shape in = input->shape;
  int64_t count = elementsOf(in), rest = 1, free = 0;
  for (size_t i = 1; i < sizes.size(); ++i) {
    if (sizes[i] == 0 && i <= in.size() && !number(node, "allowzero", 0))
      sizes[i] = in[i - 1];
    if (sizes[i] > 0 && sizes[i] <= count)
      rest *= std::min(sizes[i], count / std::max<int64_t>(1, rest) + 1);
    free += sizes[i] == -1;
  }
  for (size_t i = 1; i < sizes.size() && free == 1 && rest > 0; ++i)
    sizes[i] = sizes[i] == -1 ? count / rest : sizes[i];
  bool keepsBatch = !sizes.empty() && (sizes[0] == kBatch || sizes[0] == 0 || sizes[0] == 1 ||
                                       (sizes[0] == -1 && free == 0));
  Shape out(sizes.empty() ? sizes.begin() : sizes.begin() + 1, sizes.end());
  if (keepsBatch && out == in)
    return define(node, input->chain, in);
  if (keepsBatch && out == Shape{count})
    return append(node, *input, "flatten", out);
  fail(node,
       fmt::format("[batch, {}] to [{}]; expected a flatten, [batch, {}]", fmt::join(in, ", "),
                   given ? fmt::format("{}", fmt::join(sizes, ", ")) : "computed sizes", count));
}

/// Of [c, 1, 1] to [c].
void Converter::squeeze(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  if (axes(node, *input) != std::vector<int64_t>{2, 3} || input->shape.size() != 3 ||
      input->shape[1] != 1 || input->shape[2] != 1)
    return fail(node, "expected the two sizes of an image of one pixel to be taken out");
  append(node, *input, "flatten", {input->shape[0]});
}

void Converter::pad(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  auto mode = node.attributes.find("mode");
  bool isConstant = mode == node.attributes.end() || mode->second.s == "constant";
  std::vector<int64_t> pads = numbers(node, "pads");
  if (const Tensor *given = constant(node, 1); given && !given->isFloat)
    pads = given->ints;
  const Tensor *value = constant(node, 2);
  double fill = value && value->elements() == 1 ? value->at(0) : real(node, "value", 0);
  bool isSound = isConstant && fill == 0 && input->shape.size() == 3 && pads.size() == 8;
  for (int64_t pad : pads)
    isSound &= pad >= 0 && pad < (1 << 24);
  if (!isSound || pads[0] || pads[1] || pads[4])
    return fail(node, "expected zeros around an image, or channels of zeros behind its own");
  Shape out = input->shape;
  std::vector<std::string> chain = input->chain;
  if (pads[2] || pads[3] || pads[6] || pads[7]) {
    bool isEven = pads[2] == pads[6] && pads[3] == pads[7];
    chain.push_back(isEven
                        ? "pad(" + pairText({pads[2], pads[3]}) + ")"
                        : fmt::format("pad([{}, {}, {}, {}])", pads[2], pads[3], pads[6], pads[7]));
    out[1] += pads[2] + pads[6];
    out[2] += pads[3] + pads[7];
  }
  if (pads[5]) {
    out[0] += pads[5];
    chain.push_back(fmt::format("pad_channels({})", out[0]));
  }
  define(node, chain, out);
}

/// Every n-th pixel of an image.
void Converter::slice(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  auto list = [&](const char *name, size_t index) {
    const Tensor *given = constant(node, index);
    return given && !given->isFloat ? given->ints : numbers(node, name);
  };
  std::vector<int64_t> begin = list("starts", 1), end = list("ends", 2), axes = list("axes", 3),
                       steps = list("steps", 4);
  std::vector<int64_t> stride{1, 1};
  bool isSubsample = input->shape.size() == 3 && begin.size() == axes.size() &&
                     end.size() == axes.size() && steps.size() == axes.size();
  for (size_t i = 0; i < axes.size() && isSubsample; ++i) {
    int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
    isSubsample = (axis == 2 || axis == 3) && begin[i] == 0 && steps[i] > 0 &&
                  steps[i] < (1 << 24) && end[i] >= input->shape[size_t(axis) - 1];
    if (isSubsample)
      stride[size_t(axis) - 2] = steps[i];
  }
  if (!isSubsample)
    return fail(node, "expected every n-th row and column of an image, from the first on");
  append(node, *input, "subsample(" + pairText(stride) + ")",
         {input->shape[0], (input->shape[1] - 1) / stride[0] + 1,
          (input->shape[2] - 1) / stride[1] + 1});
}

void Converter::identity(const Node &node) {
  if (const Value *input = tensor(node))
    define(node, input->chain, input->shape);
}

/// A list of sizes, of which the first is the batch.
void Converter::shapeOf(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  Tensor sizes;
  sizes.isFloat = false;
  sizes.ints.push_back(kBatch);
  sizes.ints.insert(sizes.ints.end(), input->shape.begin(), input->shape.end());
  int64_t rank = sizes.elements(), begin = number(node, "start", 0),
          end = number(node, "end", rank);
  begin = std::clamp<int64_t>(begin < 0 ? begin + rank : begin, 0, rank);
  end = std::clamp<int64_t>(end < 0 ? end + rank : end, begin, rank);
  sizes.ints = {sizes.ints.begin() + begin, sizes.ints.begin() + end};
  sizes.dims = {sizes.elements()};
  folded[node.outputs.front()] = std::move(sizes);
}

} // namespace netc::frontend::onnx
