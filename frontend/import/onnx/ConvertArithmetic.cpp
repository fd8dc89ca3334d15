//===- ConvertArithmetic.cpp - sums, products and the table of operators --===//
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
      {"ReduceSum", &Converter::reduceMean},
      {"LayerNormalization", &Converter::layerNorm},
      {"GroupNormalization", &Converter::groupNorm},
      {"InstanceNormalization", &Converter::groupNorm},
      {"ConvTranspose", &Converter::transposedConvolution},
      {"Resize", &Converter::resize},
      {"Upsample", &Converter::resize},
      {"Relu", &Converter::activation},
      {"LeakyRelu", &Converter::activation},
      {"Sigmoid", &Converter::activation},
      {"HardSigmoid", &Converter::activation},
      {"HardSwish", &Converter::activation},
      {"Tanh", &Converter::activation},
      {"Clip", &Converter::clip},
      {"Elu", &Converter::activation},
      {"Gelu", &Converter::activation},
      {"Mish", &Converter::activation},
      {"PRelu", &Converter::prelu},
      {"Pow", &Converter::power},
      {"Neg", &Converter::negate},
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
      {"Unsqueeze", &Converter::squeeze},
      {"Transpose", &Converter::transpose},
      {"Gather", &Converter::gather},
      {"Split", &Converter::split},
      {"Expand", &Converter::expand},
      {"Pad", &Converter::pad},
      {"Slice", &Converter::slice},
      {"Identity", &Converter::identity},
      {"Shape", &Converter::shapeOf},
      {"Size", &Converter::shapeOf},
      {"Abs", &Converter::unary},
      {"Exp", &Converter::unary},
      {"Log", &Converter::unary},
      {"Sqrt", &Converter::unary},
      {"Sin", &Converter::unary},
      {"Cos", &Converter::unary},
      {"Tan", &Converter::unary},
      {"Asin", &Converter::unary},
      {"Acos", &Converter::unary},
      {"Atan", &Converter::unary},
      {"Sinh", &Converter::unary},
      {"Cosh", &Converter::unary},
      {"Asinh", &Converter::unary},
      {"Acosh", &Converter::unary},
      {"Atanh", &Converter::unary},
      {"Erf", &Converter::unary},
      {"Floor", &Converter::unary},
      {"Ceil", &Converter::unary},
      {"Round", &Converter::unary},
      {"Sign", &Converter::unary},
      {"Softplus", &Converter::unary},
      {"Softsign", &Converter::unary},
      {"Reciprocal", &Converter::unary},
      {"Not", &Converter::unary},
      {"IsNaN", &Converter::unary},
      {"IsInf", &Converter::unary},
      {"Selu", &Converter::unary},
      {"Celu", &Converter::unary},
      {"ThresholdedRelu", &Converter::unary},
      {"Shrink", &Converter::unary},
      {"Max", &Converter::elementwise},
      {"Min", &Converter::elementwise},
      {"Mean", &Converter::elementwise},
      {"Less", &Converter::elementwise},
      {"Greater", &Converter::elementwise},
      {"LessOrEqual", &Converter::elementwise},
      {"GreaterOrEqual", &Converter::elementwise},
      {"Equal", &Converter::elementwise},
      {"And", &Converter::elementwise},
      {"Or", &Converter::elementwise},
      {"Xor", &Converter::elementwise},
      {"Mod", &Converter::elementwise},
      {"Where", &Converter::choose},
      {"Cast", &Converter::cast},
      {"CastLike", &Converter::cast},
      {"ReduceMax", &Converter::reduction},
      {"ReduceMin", &Converter::reduction},
      {"ReduceProd", &Converter::reduction},
      {"ReduceL1", &Converter::reduction},
      {"ReduceL2", &Converter::reduction},
      {"ReduceLogSum", &Converter::reduction},
      {"ReduceLogSumExp", &Converter::reduction},
      {"ReduceSumSquare", &Converter::reduction},
      {"ArgMax", &Converter::argument},
      {"ArgMin", &Converter::argument},
      {"CumSum", &Converter::cumulative},
      {"LogSoftmax", &Converter::generalSoftmax},
      {"Hardmax", &Converter::generalSoftmax},
      {"Trilu", &Converter::triangle},
      {"MeanVarianceNormalization", &Converter::meanVariance},
      {"Tile", &Converter::tile},
      {"DepthToSpace", &Converter::depthToSpace},
      {"SpaceToDepth", &Converter::depthToSpace},
      {"GatherElements", &Converter::gatherElements},
      {"GatherND", &Converter::gatherNd},
      {"OneHot", &Converter::oneHot},
      {"CenterCropPad", &Converter::centerCropPad},
      {"SoftmaxCrossEntropyLoss", &Converter::crossEntropy},
      {"NegativeLogLikelihoodLoss", &Converter::crossEntropy},
      {"Attention", &Converter::attention},
      {"RotaryEmbedding", &Converter::rotary},
      {"RMSNormalization", &Converter::generalLayerNorm},
      {"Einsum", &Converter::einsum},
      {"LpPool", &Converter::generalPool},
      {"GlobalLpPool", &Converter::generalPool},
      {"QuantizeLinear", &Converter::quantize},
      {"DequantizeLinear", &Converter::dequantize},
      {"DynamicQuantizeLinear", &Converter::dynamicQuantize},
  };
  return table;
}

const std::map<std::string, Converter::Handler> &Converter::generalHandlers() {
  static const std::map<std::string, Handler> table{
      {"Add", &Converter::elementwise},
      {"Sub", &Converter::elementwise},
      {"Mul", &Converter::elementwise},
      {"Div", &Converter::elementwise},
      {"Sum", &Converter::elementwise},
      {"Pow", &Converter::elementwise},
      {"PRelu", &Converter::elementwise},
      {"ReduceMean", &Converter::reduction},
      {"ReduceSum", &Converter::reduction},
      {"Softmax", &Converter::generalSoftmax},
      {"Clip", &Converter::generalClip},
      {"Slice", &Converter::generalSlice},
      {"Gather", &Converter::generalGather},
      {"Expand", &Converter::generalExpand},
      {"Reshape", &Converter::generalReshape},
      {"Flatten", &Converter::generalReshape},
      {"Split", &Converter::generalSplit},
      {"Pad", &Converter::generalPad},
      {"Concat", &Converter::generalConcat},
      {"Resize", &Converter::generalResize},
      {"Upsample", &Converter::generalResize},
      {"MatMul", &Converter::generalMatmul},
      {"Gemm", &Converter::generalGemm},
      {"LayerNormalization", &Converter::generalLayerNorm},
      {"GroupNormalization", &Converter::generalNorm},
      {"InstanceNormalization", &Converter::generalNorm},
      {"BatchNormalization", &Converter::generalNorm},
      {"MaxPool", &Converter::generalPool},
      {"AveragePool", &Converter::generalPool},
      {"GlobalMaxPool", &Converter::generalPool},
      {"GlobalAveragePool", &Converter::generalPool},
      {"Conv", &Converter::generalConvolution},
      {"ConvTranspose", &Converter::generalTransposedConvolution},
  };
  return table;
}

/// Repeats numbers of `sizes` along sizes of 1 to fill `shape`, of the same rank.
static std::vector<float> repeatedTo(const std::vector<float> &numbers, const Shape &sizes,
                                     const Shape &shape) {
  std::vector<float> result(size_t(elementsOf(shape)));
  for (size_t i = 0; i < result.size(); ++i) {
    size_t at = 0, stride = 1, rest = i;
    for (size_t d = shape.size(); d-- > 0;) {
      size_t index = rest % size_t(shape[d]);
      rest /= size_t(shape[d]);
      at += sizes[d] == 1 ? 0 : index * stride;
      stride *= size_t(sizes[d]);
    }
    result[i] = numbers[at];
  }
  return result;
}

/// Of a sum or product the side that is one number; -1: none is.
static int numberSide(const Tensor *left, const Tensor *right) {
  if (left && left->elements() == 1)
    return 0;
  return right && right->elements() == 1 ? 1 : -1;
}

/// Whether the constant of one number leaves the sizes of the other side as they are.
bool Converter::isScalarBeside(const Node &node, size_t side) {
  auto found = values.find(node.inputs[1 - side]);
  return found == values.end() || found->second.failed ||
         constant(node, side)->dims.size() <= viewOf(found->second).dims.size();
}

/// Brings both operands, which are tensors, into one order. False: it was refused.
bool Converter::alignOperands(const Node &node) {
  Value *left = viewed(node, 0);
  Value *right = left ? viewed(node, 1) : nullptr;
  if (!right)
    return false;
  bool same = left->view == right->view && left->shape == right->shape;
  return same || (arrangeInOrder(node, node.inputs[0]) && arrangeInOrder(node, node.inputs[1]));
}

/// Where the batch stands in a tensor.
static std::optional<size_t> batchPlace(const View &view) {
  for (size_t dim = 0; dim < view.dims.size(); ++dim)
    if (hasBatch(view, dim))
      return dim;
  return std::nullopt;
}

/// A constant of several numbers is a parameter: one number per channel, or as large as the tensor.
void Converter::withConstant(const Node &node, size_t side, bool isSum) {
  if (graph.opset < 7 && node.attributes.count("axis"))
    return fail(node, "a constant along an axis, as before opset 7; export it with "
                      "opset_version=18");
  const std::string &name = node.inputs[1 - side];
  if (!viewed(node, 1 - side) || !arrangeInOrder(node, name))
    return;
  const Value input = values[name];
  const Tensor &given = *constant(node, side);
  View view = viewOf(input);
  Shape sizes = given.dims;
  bool fits = given.isFloat && sizes.size() <= view.dims.size();
  sizes.insert(sizes.begin(), fits ? view.dims.size() - sizes.size() : 0, 1);
  if (std::optional<size_t> place = batchPlace(view); fits && place) {
    fits = sizes[*place] == 1 && view.dims[*place].size() == 1;
    sizes.erase(sizes.begin() + ptrdiff_t(*place));
  }
  for (size_t i = 0; i < sizes.size() && fits; ++i)
    fits = sizes.size() == input.shape.size() && (sizes[i] == 1 || sizes[i] == input.shape[i]);
  if (!fits)
    return fail(node, fmt::format("a constant [{}] beside [batch, {}]; expected sizes that are "
                                  "equal or 1",
                                  fmt::join(given.dims, ", "), fmt::join(input.shape, ", ")));
  size_t channels = input.shape.size() == 3 ? 0 : input.shape.size() - 1;
  bool perChannel =
      elementsOf(sizes) == sizes[channels] && sizes[channels] == input.shape[channels];
  std::vector<float> numbers = given.floats;
  Shape shape = sizes;
  if (perChannel && input.shape.size() != 3)
    shape = {sizes[channels]};
  if (!perChannel && sizes != input.shape) {
    numbers = repeatedTo(given.floats, sizes, input.shape);
    shape = input.shape;
  }
  std::string constantText = parameter(node, side, shape, std::move(numbers));
  define(node, {fmt::format("{} {} {}", variable(name), isSum ? "+" : "*", constantText)},
         input.shape, input.view);
}

/// Tensors of equal shapes, or a tensor and constants.
void Converter::sum(const Node &node) {
  if (node.inputs.size() != 2)
    return fail(node, "expected two summands");
  bool isDifference = node.op == "Sub";
  const Tensor *constants[] = {constant(node, 0), constant(node, 1)};
  int side = numberSide(constants[0], constants[1]);
  if (side >= 0 && !isScalarBeside(node, size_t(side)))
    return fail(node, "a constant of more sizes than the other side");
  if (side >= 0) {
    const std::string &name = node.inputs[side == 0 ? 1 : 0];
    if (!viewed(node, side == 0 ? 1 : 0))
      return;
    double number = constants[side]->at(0) * (isDifference && side == 1 ? -1 : 1);
    std::string text = variable(name) + (isDifference && side == 0 ? " * -1.0" : "");
    const Value &input = values[name];
    return define(node, {fmt::format("{} + {}", text, realText(number))}, input.shape, input.view);
  }
  if (constants[0] || constants[1]) {
    if (isDifference)
      return fail(node, "a difference with a constant of several numbers; expected a sum");
    return withConstant(node, constants[0] ? 0 : 1, /*isSum=*/true);
  }
  if (!alignOperands(node))
    return;
  const Value left = values[node.inputs[0]], right = values[node.inputs[1]];
  if (left.shape != right.shape || left.view != right.view)
    return fail(node, fmt::format("it adds [{}] and [{}]; expected equal shapes",
                                  fmt::join(left.shape, ", "), fmt::join(right.shape, ", ")));
  std::string a = variable(node.inputs[0]), b = variable(node.inputs[1]);
  define(node, {a + " + " + b + (isDifference ? " * -1.0" : "")}, left.shape, left.view);
}

/// Equal shapes, a gate [c, 1, 1], or constants.
void Converter::product(const Node &node) {
  const Tensor *constants[] = {constant(node, 0), constant(node, 1)};
  int side = numberSide(constants[0], constants[1]);
  if (side >= 0 && !isScalarBeside(node, size_t(side)))
    return fail(node, "a constant of more sizes than the other side");
  if (node.op == "Div" && (side != 1 || isInteger(node.inputs[0])))
    return fail(node, "expected a tensor divided by one number");
  if (side >= 0) {
    if (!viewed(node, side == 0 ? 1 : 0))
      return;
    double factor = constants[side]->at(0);
    if (node.op == "Div" && factor == 0)
      return fail(node, "a division by zero");
    const std::string &input = node.inputs[side == 0 ? 1 : 0];
    std::string name = variable(input);
    double by = node.op == "Div" ? 1 / factor : factor;
    return define(node, {fmt::format("{} * {}", name, realText(by))}, values[input].shape,
                  values[input].view);
  }
  if (constants[0] || constants[1])
    return withConstant(node, constants[0] ? 0 : 1, /*isSum=*/false);
  if (!alignOperands(node))
    return;
  const Value left = values[node.inputs[0]], right = values[node.inputs[1]];
  auto isGateOf = [](const Shape &gate, const Shape &image) {
    return gate.size() == 3 && image.size() == 3 && gate == Shape{image[0], 1, 1};
  };
  bool isGate = isGateOf(left.shape, right.shape);
  bool isSame = left.shape == right.shape && left.view == right.view;
  if (!isSame && !((isGate || isGateOf(right.shape, left.shape)) && !left.view && !right.view))
    return fail(node, fmt::format("it multiplies [{}] and [{}]; expected equal shapes, or one "
                                  "factor per channel",
                                  fmt::join(left.shape, ", "), fmt::join(right.shape, ", ")));
  std::string a = variable(node.inputs[0]), b = variable(node.inputs[1]);
  define(node, {a + " * " + b}, isGate ? right.shape : left.shape, isGate ? right.view : left.view);
}

/// Squares and cubes.
void Converter::power(const Node &node) {
  const Tensor *exponent = constant(node, 1);
  double by = exponent && exponent->elements() == 1 ? exponent->at(0) : 0;
  if (by != 1 && by != 2 && by != 3)
    return fail(node, "expected a constant power of 1, 2 or 3");
  if (!viewed(node))
    return;
  std::string x = variable(node.inputs[0]);
  define(node,
         {by == 1   ? x
          : by == 2 ? x + " * " + x
                    : x + " * " + x + " * " + x},
         values[node.inputs[0]].shape, values[node.inputs[0]].view);
}

void Converter::negate(const Node &node) {
  if (!viewed(node))
    return;
  std::string x = variable(node.inputs[0]);
  define(node, {x + " * -1.0"}, values[node.inputs[0]].shape, values[node.inputs[0]].view);
}

/// Sizes in front of the matrices, the batch among them: both sides must have the same.
static std::vector<int64_t> leadingSizes(const View &view) {
  std::vector<int64_t> sizes;
  for (size_t dim = 0; dim + 2 < view.dims.size(); ++dim)
    for (int axis : view.dims[dim])
      if (axis == kBatchAxis || view.axes[size_t(axis)] != 1)
        sizes.push_back(axis == kBatchAxis ? kBatch : view.axes[size_t(axis)]);
  return sizes;
}

/// Of two tensors that both depend on the input, as in attention.
void Converter::productOfTensors(const Node &node) {
  Value *left = viewed(node, 0);
  Value *right = left ? viewed(node, 1) : nullptr;
  if (!right)
    return;
  View a = viewOf(*left), b = viewOf(*right);
  size_t rank = a.dims.size(), other = b.dims.size();
  bool fits = rank >= 2 && other >= 2 && leadingSizes(a) == leadingSizes(b);
  for (size_t i = 1; i <= 2 && fits; ++i)
    fits = !hasBatch(a, rank - i) && !hasBatch(b, other - i);
  if (!fits || sizeOf(a, rank - 1) != sizeOf(b, other - 2))
    return fail(node, "a product of two computed tensors whose sizes do not fit; expected matrices "
                      "behind equal sizes");
  int64_t rows = sizeOf(a, rank - 2), depth = sizeOf(a, rank - 1), columns = sizeOf(b, other - 1);
  int64_t leading = elementsOf(a.axes) / (rows * depth);
  // Its transpose where that leaves the innermost numbers innermost, as keys of an attention lie.
  std::vector<int> order = orderOf(b), swapped;
  for (size_t dim = 0; dim < other; ++dim) {
    size_t from = dim + 2 < other ? dim : dim + 2 == other ? other - 1 : other - 2;
    for (int axis : b.dims[from])
      if (axis != kBatchAxis)
        swapped.push_back(axis);
  }
  int innermost = int(b.axes.size()) - 1;
  bool transposes = !order.empty() && swapped.back() == innermost && order.back() != innermost;
  auto shapeOf = [&](int64_t r, int64_t c) {
    return leading == 1 ? Shape{r, c} : Shape{leading, r, c};
  };
  if (!arrange(node, node.inputs[0], orderOf(a), shapeOf(rows, depth)) ||
      !arrange(node, node.inputs[1], transposes ? swapped : order,
               transposes ? shapeOf(columns, depth) : shapeOf(depth, columns)))
    return;
  View view = viewOf(values[node.inputs[0]]);
  view = withSize(view, rank - 1, columns);
  if (view.dims[rank - 1].empty()) { // a product over one number
    view.dims[rank - 1] = {int(view.axes.size())};
    view.axes.push_back(columns);
  }
  define(node,
         {fmt::format("matmul({}, {}{})", variable(node.inputs[0]), variable(node.inputs[1]),
                      transposes ? ", transpose_b" : "")},
         shapeOf(rows, columns), std::move(view));
}

} // namespace netc::frontend::onnx
