//===- ConvertLayers.cpp - operators with parameters, pools, activations --===//
#include "dialect/interfaces/WindowShape.h"
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace netc::frontend::onnx {

static std::vector<int64_t> orOnes(std::vector<int64_t> values) {
  return values.empty() ? std::vector<int64_t>{1, 1} : values;
}

std::optional<std::vector<int64_t>> Converter::padding(const Node &node, const Shape &in,
                                                       const std::vector<int64_t> &kernel,
                                                       const std::vector<int64_t> &stride,
                                                       const std::vector<int64_t> &dilation) {
  bool isImage = in.size() == 3 && kernel.size() == 2 && stride.size() == 2 && dilation.size() == 2;
  bool isPositive = isImage;
  for (const auto *list : {&kernel, &stride, &dilation})
    for (int64_t value : *list)
      isPositive &= value > 0 && value < (1 << 24);
  if (!isPositive) {
    fail(node, fmt::format("a window of {} sizes over a tensor of {}, expected two sizes over "
                           "[batch, channels, height, width]",
                           kernel.size(), in.size() + 1));
    return std::nullopt;
  }
  auto mode = node.attributes.find("auto_pad");
  std::string word = mode == node.attributes.end() ? "NOTSET" : mode->second.s;
  std::vector<int64_t> pads = numbers(node, "pads");
  if (word == "SAME_UPPER" || word == "SAME_LOWER") {
    pads = {0, 0, 0, 0};
    for (size_t d = 0; d < 2; ++d) {
      int64_t out = (in[1 + d] + stride[d] - 1) / stride[d];
      int64_t all = std::max<int64_t>(0, (out - 1) * stride[d] + dilation[d] * (kernel[d] - 1) + 1 -
                                             in[1 + d]);
      pads[d] = word == "SAME_UPPER" ? all / 2 : all - all / 2;
      pads[2 + d] = all - pads[d];
    }
  } else if (word == "VALID" || pads.empty()) {
    pads = {0, 0, 0, 0};
  }
  bool isSound = pads.size() == 4;
  for (int64_t pad : pads)
    isSound &= pad >= 0 && pad < (1 << 24);
  if (isSound)
    return pads;
  fail(node, "its padding is not four sizes from 0 on");
  return std::nullopt;
}

/// ", pad=1": [height, width] where both sides are equal.
static std::string padText(const std::vector<int64_t> &pads) {
  if (std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; }))
    return "";
  if (pads[0] == pads[2] && pads[1] == pads[3])
    return ", pad=" + pairText({pads[0], pads[1]});
  return fmt::format(", pad=[{}, {}, {}, {}]", pads[0], pads[1], pads[2], pads[3]);
}

void Converter::convolution(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  const Tensor *weight = constant(node, 1), *bias = constant(node, 2);
  bool hasBias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (!weight || (hasBias && !bias) || !weight->isFloat)
    return fail(node, "its weights are computed, expected constants of the file");
  if (weight->dims.size() != 4 || weight->elements() == 0)
    return fail(node, fmt::format("weights of {} sizes, expected four: only images are convolved",
                                  weight->dims.size()));
  std::vector<int64_t> kernel{weight->dims[2], weight->dims[3]},
      stride = orOnes(numbers(node, "strides")), dilation = orOnes(numbers(node, "dilations"));
  int64_t groups = number(node, "group", 1), channels = weight->dims[0];
  auto pads = padding(node, input->shape, kernel, stride, dilation);
  if (!pads)
    return;
  if (groups < 1 || weight->dims[1] > input->shape[0] ||
      weight->dims[1] * groups != input->shape[0] || (bias && bias->elements() != channels))
    return fail(node, fmt::format("weights [{}] do not fit {} channels in {} groups",
                                  fmt::join(weight->dims, ", "), input->shape[0], groups));
  Shape out{channels, 0, 0};
  for (size_t d = 0; d < 2; ++d)
    out[1 + d] = windowOutputSize(input->shape[1 + d], kernel[d], stride[d], (*pads)[d],
                                  (*pads)[2 + d], dilation[d]);
  if (out[1] < 1 || out[2] < 1)
    return fail(node, "its window is larger than its input");
  std::string name = label(node, "conv");
  std::string call = fmt::format("{}: conv({}, k={}", name, channels, pairText(kernel));
  if (stride != std::vector<int64_t>{1, 1})
    call += ", stride=" + pairText(stride);
  call += padText(*pads);
  if (dilation != std::vector<int64_t>{1, 1})
    call += ", dilation=" + pairText(dilation);
  if (groups != 1)
    call += fmt::format(", groups={}", groups);
  const Node *reader = onlyReader(node.outputs.front());
  bool beforeNorm = reader && reader->op == "BatchNormalization";
  if (hasBias == beforeNorm) // a norm's convolution has no bias by itself
    call += hasBias ? ", bias=true" : "";
  if (!hasBias && !beforeNorm)
    call += ", bias=false";
  addTensor(name + ".weight", weight->dims, weight->floats);
  if (bias)
    addTensor(name + ".bias", {channels}, bias->floats);
  append(node, *input, call + ")", out);
}

/// A matrix times the last size. `weight`: [out, in], or [in, out] where it is transposed. On the
/// channels of an image that is a convolution of one pixel.
void Converter::affine(const Node &node, const Value & /*input*/, const Tensor &weight,
                       bool isTransposed, const Tensor *bias) {
  bool isChannels = false;
  if (weight.dims.size() != 2 || !weight.isFloat)
    return fail(node, fmt::format("a matrix of {} sizes, expected two", weight.dims.size()));
  if (!arrangeLast(node, node.inputs[0], isChannels))
    return;
  const Value input = values[node.inputs[0]];
  size_t axis = isChannels ? 0 : input.shape.size() - 1;
  int64_t in = input.shape[axis];
  int64_t out = weight.dims[isTransposed ? 1 : 0], depth = weight.dims[isTransposed ? 0 : 1];
  if (depth != in || (bias && (!bias->isFloat || bias->elements() != out)))
    return fail(
        node, fmt::format("weights [{}] do not fit {} features", fmt::join(weight.dims, ", "), in));
  std::vector<float> rows = weight.floats;
  if (isTransposed)
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = 0; i < in; ++i)
        rows[size_t(o * in + i)] = weight.floats[size_t(i * out + o)];
  double alpha = node.op == "Gemm" ? real(node, "alpha", 1) : 1,
         beta = node.op == "Gemm" ? real(node, "beta", 1) : 1;
  for (float &value : rows)
    value = float(alpha * double(value));
  std::string name = label(node, "fc");
  addTensor(name + ".weight", isChannels ? Shape{out, in, 1, 1} : Shape{out, in}, std::move(rows));
  if (bias) {
    std::vector<float> values = bias->floats;
    for (float &value : values)
      value = float(beta * double(value));
    addTensor(name + ".bias", {out}, std::move(values));
  }
  View view = viewOf(input);
  view.axes[isChannels ? 0 : view.axes.size() - 1] = out;
  Shape shape = input.shape;
  shape[axis] = out;
  std::vector<std::string> chain = input.chain;
  chain.push_back(fmt::format("{}: {}({}{}{})", name, isChannels ? "conv" : "linear", out,
                              isChannels ? ", k=1" : "",
                              !bias        ? ", bias=false"
                              : isChannels ? ", bias=true"
                                           : ""));
  body.shapesBefore[chain.back()] = input.shape;
  define(node, std::move(chain), std::move(shape), std::move(view));
}

void Converter::gemm(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  const Tensor *weight = constant(node, 1), *bias = constant(node, 2);
  bool hasBias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (!weight || (hasBias && !bias) || number(node, "transA", 0))
    return fail(node, "expected a matrix of weights that the file holds, and no transposed input");
  affine(node, *input, *weight, !number(node, "transB", 0), bias);
}

void Converter::matmul(const Node &node) {
  const Tensor *weight = constant(node, 1);
  if (!weight)
    return productOfTensors(node);
  const Value *input = viewed(node);
  if (!input)
    return;
  // An Add of one number per feature is the bias.
  const Node *next = onlyReader(node.outputs.front());
  const Tensor *bias = nullptr;
  if (next && next->op == "Add" && next->inputs.size() == 2 && weight->dims.size() == 2)
    for (size_t side = 0; side < 2; ++side)
      if (const Tensor *added = constant(*next, side);
          added && added->isFloat && added->elements() == weight->dims[1] && !added->dims.empty() &&
          added->dims.back() == weight->dims[1])
        bias = added;
  affine(node, *input, *weight, /*isTransposed=*/true, bias);
  auto found = values.find(node.outputs.front());
  if (!bias || found == values.end())
    return;
  absorbed.insert(next);
  const Value made = found->second;
  define(*next, made.chain, made.shape, made.view);
  values[next->outputs.front()].failed = made.failed;
}

void Converter::batchNorm(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  bool trains =
      number(node, "training_mode", 0) || (graph.opset < 7 && !number(node, "is_test", 0));
  if (trains || number(node, "spatial", 1) != 1 || input->shape.size() % 2 == 0)
    return fail(node, "expected inference over the channels of images or vectors; export the "
                      "model in eval mode");
  int64_t channels = input->shape.front();
  for (size_t i = 1; i <= 4; ++i)
    if (const Tensor *given = constant(node, i);
        !given || !given->isFloat || given->elements() != channels)
      return fail(node, fmt::format("input {} is not a constant of {} numbers", i, channels));
  double eps = real(node, "epsilon", 1e-5), momentum = 1 - real(node, "momentum", 0.9);
  std::string name = label(node, "bn"), arguments;
  static constexpr const char *parameters[] = {"weight", "bias", "running_mean", "running_var"};
  for (size_t i = 0; i < 4; ++i)
    addTensor(name + "." + parameters[i], {channels}, constant(node, i + 1)->floats);
  if (float(eps) != 1e-5f)
    arguments = "eps=" + realText(eps);
  if (std::fabs(momentum - 0.1) > 1e-6 && momentum >= 0 && momentum <= 1)
    arguments += (arguments.empty() ? "momentum=" : ", momentum=") + realText(momentum);
  append(node, *input, name + ": bn" + (arguments.empty() ? "" : "(" + arguments + ")"),
         input->shape);
}

void Converter::pool(const Node &node, const char *layer) {
  const Value *input = tensor(node);
  if (!input)
    return;
  std::vector<int64_t> kernel = numbers(node, "kernel_shape"),
                       stride = orOnes(numbers(node, "strides")),
                       dilation = orOnes(numbers(node, "dilations"));
  auto pads = padding(node, input->shape, kernel, stride, dilation);
  if (!pads)
    return;
  if (node.outputs.size() > 1 && readers.count(node.outputs[1]))
    return fail(node, "the indices of the maxima are not available");
  bool isPadded = std::any_of(pads->begin(), pads->end(), [](int64_t pad) { return pad > 0; });
  bool up = number(node, "ceil_mode", 0) != 0;
  bool isAverage = node.op == "AveragePool";
  if (isAverage && (isPadded || up) && number(node, "count_include_pad", 0) == 0 && isPadded)
    return fail(node, "it leaves padding out of its averages; layers here count it "
                      "(count_include_pad=1)");
  Shape out{input->shape[0], 0, 0};
  bool rounds = false;
  for (size_t d = 0; d < 2; ++d) {
    int64_t size = input->shape[1 + d], low = (*pads)[d], high = (*pads)[2 + d];
    out[1 + d] = windowOutputSize(size, kernel[d], stride[d], low, high, dilation[d], up);
    rounds |=
        up && out[1 + d] != windowOutputSize(size, kernel[d], stride[d], low, high, dilation[d]);
  }
  if (out[1] < 1 || out[2] < 1)
    return fail(node, "its window is larger than its input");
  // Caffe's last windows end where the padding does, as those of layers here.
  if (isAverage && rounds && graph.format.empty())
    return fail(node, "its last windows reach beyond the input (ceil_mode), and how exporters "
                      "average them differs; use sizes that need no rounding");
  std::string call = fmt::format("{}(k={}", layer, pairText(kernel));
  if (stride != kernel)
    call += ", stride=" + pairText(stride);
  call += padText(*pads);
  if (dilation != std::vector<int64_t>{1, 1})
    call += ", dilation=" + pairText(dilation);
  append(node, *input, call + (rounds ? ", round=up)" : ")"), out);
}

void Converter::maxPool(const Node &node) { pool(node, "maxpool"); }
void Converter::averagePool(const Node &node) { pool(node, "avgpool"); }

void Converter::globalPool(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  if (input->shape.size() != 3)
    return fail(node, "expected an image [batch, channels, height, width]");
  append(node, *input, node.op == "GlobalMaxPool" ? "maxpool(global)" : "avgpool(global)",
         {input->shape[0], 1, 1});
}

/// A mean or a sum over sizes; over those of an image a pool.
void Converter::reduceMean(const Node &node) {
  Value *input = viewed(node);
  if (!input)
    return;
  bool keeps = number(node, "keepdims", 1) != 0, isSum = node.op == "ReduceSum";
  std::vector<int64_t> list = axes(node, *input);
  if (!input->view && !isSum && input->shape.size() == 3 && list == std::vector<int64_t>{2, 3}) {
    Shape out{input->shape[0], 1, 1};
    if (keeps)
      return append(node, *input, "avgpool(global)", out);
    std::vector<std::string> chain = input->chain;
    chain.insert(chain.end(), {"avgpool(global)", "flatten"});
    return define(node, chain, {out[0]});
  }
  std::vector<size_t> places;
  for (int64_t axis : list)
    if (std::optional<size_t> place = axisFor(node, node.inputs[0], axis))
      places.push_back(*place);
    else
      return;
  if (places.empty() || places.size() >= values[node.inputs[0]].shape.size())
    return fail(node, "expected some sizes, but not all, to be taken the mean of");
  std::sort(places.begin(), places.end());
  const Value from = values[node.inputs[0]];
  View view = viewOf(from);
  int64_t count = 1;
  for (size_t i = list.size(); i-- > 0;) {
    count *= sizeOf(view, size_t(list[i]));
    view = withoutAxes(view, size_t(list[i]));
    if (!keeps)
      view.dims.erase(view.dims.begin() + list[i]);
  }
  Shape shape = from.shape;
  for (size_t i = places.size(); i-- > 0;)
    shape.erase(shape.begin() + ptrdiff_t(places[i]));
  std::vector<std::string> chain = from.chain;
  chain.push_back(places.size() == 1 ? fmt::format("mean({})", places[0])
                                     : fmt::format("mean([{}])", fmt::join(places, ", ")));
  if (isSum)
    chain = {fmt::format("{} * {}", bind(chain, shape), realText(double(count)))};
  define(node, std::move(chain), std::move(shape), std::move(view));
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

/// min(max(alpha x + beta, 0), 1).
void Converter::hardSigmoid(const Node &node, const Value &input) {
  if (isSwishGate(node))
    return append(node, input, "hardsigmoid", input.shape);
  std::string name =
      fmt::format("{} * {} + {}", variable(node.inputs[0]), realText(real(node, "alpha", 0.2)),
                  realText(real(node, "beta", 0.5)));
  clamp(node, name, values[node.inputs[0]], 0, 1);
}

/// min(max(x, low), high) by relu6 of 0 to 6.
void Converter::clamp(const Node &node, const std::string &name, const Value &input, double low,
                      double high) {
  Shape shape = input.shape;
  std::optional<View> view = input.view;
  double scale = 6 / (high - low);
  std::string moved =
      bind({fmt::format("({}) * {} + {}", name, realText(scale), realText(-low * scale)), "relu6"},
           shape);
  define(node, {fmt::format("{} * {} + {}", moved, realText(1 / scale), realText(low))}, shape,
         view);
}

bool Converter::isSwishGate(const Node &node) const {
  return std::fabs(real(node, "alpha", 0.2) - 1.0 / 6) < 1e-5 &&
         std::fabs(real(node, "beta", 0.5) - 0.5) < 1e-6;
}

/// Sigmoid and HardSigmoid times their own input are layers of their own.
static bool gates(const Node *reader, const Node &node) {
  return reader && reader->op == "Mul" && reader->inputs.size() == 2 &&
         (reader->inputs[0] == node.inputs[0] || reader->inputs[1] == node.inputs[0]);
}

void Converter::activation(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  const Node *reader = onlyReader(node.outputs.front());
  bool isHard = node.op == "HardSigmoid";
  if ((node.op == "Sigmoid" || isHard) && gates(reader, node)) {
    if (!isHard || isSwishGate(node)) {
      absorbed.insert(reader);
      return append(*reader, *input, isHard ? "hardswish" : "silu", input->shape);
    }
  }
  static const std::map<std::string, const char *> layers{
      {"Relu", "relu"}, {"Sigmoid", "sigmoid"},     {"Tanh", "tanh"},
      {"Mish", "mish"}, {"HardSwish", "hardswish"}, {"Gelu", "gelu"},
      {"Elu", "elu"},   {"LeakyRelu", "leaky_relu"}};
  if (isHard)
    return hardSigmoid(node, *input);
  std::string call = layers.find(node.op)->second;
  double slope = real(node, "alpha", node.op == "LeakyRelu" ? 0.01 : 1);
  bool takesSlope = node.op == "LeakyRelu" || node.op == "Elu";
  if (takesSlope && float(slope) != (node.op == "Elu" ? 1.0f : 0.01f))
    call += "(" + realText(slope) + ")";
  auto approximate = node.attributes.find("approximate");
  if (approximate != node.attributes.end() && approximate->second.s == "tanh")
    call += "(tanh)";
  append(node, *input, call, input->shape);
}

void Converter::prelu(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  const Tensor *slope = constant(node, 1);
  int64_t channels = input->shape.size() == 3 ? input->shape[0] : input->shape.back();
  bool fits = slope && slope->isFloat && (slope->elements() == 1 || slope->elements() == channels);
  if (!fits)
    return fail(node,
                fmt::format("expected a constant slope, or one for each of {} channels", channels));
  std::vector<float> values = slope->floats;
  values.resize(size_t(channels), values[0]);
  std::string name = label(node, "prelu");
  addTensor(name + ".weight", {channels}, std::move(values));
  append(node, *input, name + ": prelu", input->shape);
}

void Converter::clip(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  constexpr double infinite = std::numeric_limits<double>::infinity();
  double low = real(node, "min", -infinite), high = real(node, "max", infinite);
  for (size_t i = 1; i <= 2; ++i) {
    if (node.inputs.size() <= i || node.inputs[i].empty())
      continue;
    const Tensor *bound = constant(node, i);
    if (!bound || bound->elements() != 1)
      return fail(node, "its bounds are computed, expected constants");
    (i == 1 ? low : high) = bound->at(0);
  }
  if (low == 0 && high == 6)
    return append(node, *input, "relu6", input->shape);
  if (low == 0 && high > 3e38)
    return append(node, *input, "relu", input->shape);
  if (!(low < high))
    return fail(node, fmt::format("bounds {} and {}, expected the first to be smaller", low, high));
  std::string name = variable(node.inputs[0]);
  Shape shape = input->shape;
  std::optional<View> view = input->view;
  if (low < -3e38 && high > 3e38)
    return define(node, {name}, shape, view);
  if (low > -3e38 && high < 3e38)
    return clamp(node, name, values[node.inputs[0]], low, high);
  // max(x, low) = relu(x - low) + low; min(x, high) = high - relu(high - x).
  bool isLow = low > -3e38;
  std::string moved = bind({isLow ? fmt::format("({} + {})", name, realText(-low))
                                  : fmt::format("({} * -1.0 + {})", name, realText(high)),
                            "relu"},
                           shape);
  define(node,
         {isLow ? fmt::format("{} + {}", moved, realText(low))
                : fmt::format("{} * -1.0 + {}", moved, realText(high))},
         shape, view);
}

/// Along one size; before opset 13 along all from there on.
void Converter::softmax(const Node &node) {
  Value *input = viewed(node);
  if (!input)
    return;
  View view = viewOf(*input);
  auto rank = int64_t(view.dims.size());
  int64_t axis = number(node, "axis", graph.opset < 13 ? 1 : -1);
  axis += axis < 0 ? rank : 0;
  for (int64_t rest = axis + 1; rest < rank && graph.opset < 13; ++rest)
    if (rest >= 0 && sizeOf(view, size_t(rest)) != 1)
      return fail(node, fmt::format("over all sizes from axis {} on, as before opset 13; export it "
                                    "with opset_version=18",
                                    axis));
  std::optional<size_t> place = axisFor(node, node.inputs[0], axis);
  if (!place)
    return;
  const Value from = values[node.inputs[0]];
  bool isLast = *place + 1 == from.shape.size();
  append(node, from, isLast ? std::string("softmax") : fmt::format("softmax(axis={})", *place),
         from.shape);
}

void Converter::lrn(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  int64_t size = number(node, "size", 0);
  if (size < 1 || input->shape.size() != 3)
    return fail(node, "expected an image and a size");
  // Here alpha multiplies the plain sum of squares.
  append(node, *input,
         fmt::format("lrn(size={}, alpha={}, beta={}, k={})", size,
                     realText(real(node, "alpha", 1e-4) / double(size)),
                     realText(real(node, "beta", 0.75)), realText(real(node, "bias", 1))),
         input->shape);
}

void Converter::dropout(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  const Tensor *training = constant(node, 2);
  bool isGiven = node.inputs.size() > 2 && !node.inputs[2].empty();
  double ratio = real(node, "ratio", 0.5);
  if (const Tensor *given = constant(node, 1); given && given->elements() == 1)
    ratio = given->at(0);
  bool trains = isGiven && (!training || training->elements() != 1 || training->at(0) != 0);
  if (trains && ratio != 0)
    return fail(node, "in training mode, whose result is random; export the model in eval mode");
  if (node.outputs.size() > 1 && readers.count(node.outputs[1]))
    return fail(node, "its mask is not available");
  if (!(ratio >= 0 && ratio < 1))
    return define(node, input->chain, input->shape, input->view); // inference drops nothing
  append(node, *input, fmt::format("dropout({})", realText(ratio)), input->shape);
}

} // namespace netc::frontend::onnx
