//===- ExportLayers.cpp - convolutions, norms, functions, pools -----------===//
#ifdef NETC_HAVE_ONNX
#include "frontend/export/onnx/Exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace netc::frontend::onnx {

/// Each filter with mean 0 and variance 1, as the compiler standardizes it.
static std::vector<float> standardized(std::vector<float> filters, size_t count) {
  constexpr double eps = 1e-10;
  size_t size = filters.size() / count;
  for (size_t begin = 0; begin < filters.size(); begin += size) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < size; ++i)
      mean += double(filters[begin + i]) / double(size);
    for (size_t i = 0; i < size; ++i)
      variance += (filters[begin + i] - mean) * (filters[begin + i] - mean) / double(size);
    for (size_t i = 0; i < size; ++i)
      filters[begin + i] = float((filters[begin + i] - mean) / std::sqrt(variance + eps));
  }
  return filters;
}

bool Exporter::emit(const Layer &layer, const ConvAttrs &attrs, const std::string &out) {
  const Parameter &filter = layer.parameters[0];
  std::vector<float> numbers = values(filter);
  if (attrs.standardized)
    numbers = standardized(std::move(numbers), size_t(attrs.channels));
  Names inputs{input(layer), weights(layer, filter.name, filter.shape, numbers, 0)};
  for (size_t i = 1; i < layer.parameters.size(); ++i)
    inputs.push_back(parameter(layer, i));
  auto &conv = node("Conv", layer, inputs, out);
  set(conv, "kernel_shape", attrs.kernel);
  set(conv, "strides", attrs.stride);
  set(conv, "pads", attrs.pad);
  set(conv, "dilations", attrs.dilation);
  set(conv, "group", attrs.groups);
  return true;
}

bool Exporter::emit(const Layer &layer, const ConvTransposeAttrs &attrs, const std::string &out) {
  const ConvAttrs &conv = attrs.conv;
  Names inputs{input(layer)};
  for (size_t i = 0; i < layer.parameters.size(); ++i)
    inputs.push_back(parameter(layer, i));
  std::vector<int64_t> behind;
  for (size_t d = 0; d < 2; ++d)
    behind.push_back(layer.output[1 + d] -
                     ((shapeOf(layer)[1 + d] - 1) * conv.stride[d] - conv.pad[d] - conv.pad[2 + d] +
                      (conv.kernel[d] - 1) * conv.dilation[d] + 1));
  auto &transposed = node("ConvTranspose", layer, inputs, out);
  set(transposed, "kernel_shape", conv.kernel);
  set(transposed, "strides", conv.stride);
  set(transposed, "pads", conv.pad);
  set(transposed, "dilations", conv.dilation);
  set(transposed, "output_padding", behind);
  set(transposed, "group", conv.groups);
  return true;
}

/// On a vector a Gemm; on the tokens of a sequence a product with the transposed matrix.
bool Exporter::emit(const Layer &layer, const LinearAttrs &, const std::string &out) {
  bool hasBias = layer.parameters.size() > 1;
  const Parameter &weight = layer.parameters[0];
  if (layer.output.size() == 1) {
    Names inputs{input(layer), weights(layer, weight.name, weight.shape, values(weight), 0)};
    if (hasBias)
      inputs.push_back(parameter(layer, 1));
    set(node("Gemm", layer, inputs, out), "transB", int64_t(1));
    return true;
  }
  std::vector<float> rows = values(weight), columns(rows.size());
  auto outputs = size_t(weight.shape[0]), depth = size_t(weight.shape[1]);
  for (size_t o = 0; o < outputs; ++o)
    for (size_t i = 0; i < depth; ++i)
      columns[i * outputs + o] = rows[o * depth + i];
  std::string matrix = weights(layer, weight.name, {weight.shape[1], weight.shape[0]}, columns, 1);
  std::string product = hasBias ? layer.name + "/product" : out;
  node("MatMul", layer, {input(layer), matrix}, product);
  if (hasBias)
    node("Add", layer, {product, parameter(layer, 1)}, out);
  return true;
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

bool Exporter::emit(const Layer &layer, const BatchNormAttrs &attrs, const std::string &out) {
  Names inputs{input(layer)};
  for (size_t i = 0; i < layer.parameters.size(); ++i)
    inputs.push_back(parameter(layer, i));
  auto &norm = node("BatchNormalization", layer, inputs, out);
  set(norm, "epsilon", attrs.eps);
  set(norm, "momentum", 1 - attrs.momentum);
  return true;
}

/// Over the last size; an image's channels are brought there.
bool Exporter::emit(const Layer &layer, const LayerNormAttrs &attrs, const std::string &out) {
  bool isImage = layer.output.size() == 3;
  std::string x = input(layer), y = isImage ? layer.name + "/normalised" : out;
  if (isImage) {
    std::string last = layer.name + "/channels_last";
    set(node("Transpose", layer, {x}, last), "perm", std::vector<int64_t>{0, 2, 3, 1});
    x = last;
  }
  auto &norm = node("LayerNormalization", layer, {x, parameter(layer, 0), parameter(layer, 1)}, y);
  set(norm, "axis", int64_t(-1));
  set(norm, "epsilon", attrs.eps);
  if (isImage)
    set(node("Transpose", layer, {y}, out), "perm", std::vector<int64_t>{0, 3, 1, 2});
  return true;
}

/// As PyTorch writes it: the group norm of opset 18 has one factor for each group.
bool Exporter::emit(const Layer &layer, const GroupNormAttrs &attrs, const std::string &out) {
  std::string groups = reshaped(layer, input(layer), {attrs.groups, -1}, "groups");
  auto count = size_t(attrs.groups);
  std::string ones = constant(layer.name + "/ones", {attrs.groups}, std::vector<float>(count, 1)),
              zeros = constant(layer.name + "/zeros", {attrs.groups}, std::vector<float>(count));
  std::string normalised = layer.name + "/normalised";
  set(node("InstanceNormalization", layer, {groups, ones, zeros}, normalised), "epsilon",
      attrs.eps);
  std::string x = reshaped(layer, normalised, layer.output, "image");
  Shape spread(layer.output.size(), 1);
  spread[0] = layer.output[0];
  Names factors;
  for (const Parameter &p : layer.parameters)
    factors.push_back(constant(p.name, spread, values(p)));
  x = step("Mul", layer, {x, factors[0]}, "scaled");
  node("Add", layer, {x, factors[1]}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const LrnAttrs &attrs, const std::string &out) {
  if (attrs.size % 2 == 0)
    return fail(layer, "of an even size: ONNX has the odd channel on the other side");
  auto &lrn = node("LRN", layer, {input(layer)}, out);
  set(lrn, "size", attrs.size);
  set(lrn, "alpha", attrs.alpha * double(attrs.size)); // there of the mean of squares
  set(lrn, "beta", attrs.beta);
  set(lrn, "bias", attrs.k);
  return true;
}

bool Exporter::emit(const Layer &layer, const SoftmaxAttrs &attrs, const std::string &out) {
  set(node("Softmax", layer, {input(layer)}, out), "axis", 1 + attrs.axis);
  return true;
}

bool Exporter::emit(const Layer &layer, const DropoutAttrs &, const std::string &out) {
  node("Identity", layer, {input(layer)}, out);
  return true;
}

//===----------------------------------------------------------------------===//
// Functions of one number, and of two
//===----------------------------------------------------------------------===//

/// The operator of the same function without attributes; null: there is none.
static const char *operatorOf(ActivationKind kind) {
  switch (kind) {
  case ActivationKind::Relu:
    return "Relu";
  case ActivationKind::Tanh:
    return "Tanh";
  case ActivationKind::Sigmoid:
    return "Sigmoid";
  case ActivationKind::HardSwish:
    return "HardSwish";
  case ActivationKind::Mish:
    return "Mish";
  case ActivationKind::Abs:
    return "Abs";
  case ActivationKind::Exp:
    return "Exp";
  case ActivationKind::Log:
    return "Log";
  case ActivationKind::Sqrt:
    return "Sqrt";
  case ActivationKind::Reciprocal:
    return "Reciprocal";
  case ActivationKind::Sin:
    return "Sin";
  case ActivationKind::Cos:
    return "Cos";
  case ActivationKind::Atan:
    return "Atan";
  case ActivationKind::Erf:
    return "Erf";
  case ActivationKind::Floor:
    return "Floor";
  case ActivationKind::Ceil:
    return "Ceil";
  case ActivationKind::Round:
    return "Round";
  case ActivationKind::Sign:
    return "Sign";
  case ActivationKind::Softplus:
    return "Softplus";
  default:
    return nullptr;
  }
}

/// x (1 + erf(x / sqrt(2))) / 2, or tanh for erf (Hendrycks and Gimpel 2016): opset 18 has no Gelu.
bool Exporter::emitGelu(const Layer &layer, bool isExact, const std::string &out) {
  const std::string &x = input(layer);
  std::string inner;
  if (isExact) {
    inner = stepWith("Div", layer, x, std::numbers::sqrt2, "divided");
    inner = step("Erf", layer, {inner}, "erf");
  } else {
    std::string square = step("Mul", layer, {x, x}, "square");
    inner = step("Mul", layer, {square, x}, "cube");
    inner = stepWith("Mul", layer, inner, 0.044715, "part");
    inner = step("Add", layer, {x, inner}, "sum");
    inner = stepWith("Mul", layer, inner, std::sqrt(2 * std::numbers::inv_pi), "scaled");
    inner = step("Tanh", layer, {inner}, "tanh");
  }
  inner = stepWith("Add", layer, inner, 1, "shifted");
  inner = step("Mul", layer, {x, inner}, "doubled");
  node("Mul", layer, {inner, constant(layer.name + "/half", {}, {0.5f})}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const ActivationAttrs &attrs, const std::string &out) {
  if (const char *op = operatorOf(attrs.kind)) {
    node(op, layer, {input(layer)}, out);
    return true;
  }
  switch (attrs.kind) {
  case ActivationKind::Relu6:
    node("Clip", layer,
         {input(layer), constant(layer.name + "/low", {}, std::vector<float>{0}),
          constant(layer.name + "/high", {}, std::vector<float>{6})},
         out);
    return true;
  case ActivationKind::LeakyRelu:
    set(node("LeakyRelu", layer, {input(layer)}, out), "alpha", attrs.slope);
    return true;
  case ActivationKind::Elu:
    set(node("Elu", layer, {input(layer)}, out), "alpha", attrs.slope);
    return true;
  case ActivationKind::HardSigmoid:
    set(node("HardSigmoid", layer, {input(layer)}, out), "alpha", 1.0 / 6);
    return true;
  case ActivationKind::Silu:
    node("Mul", layer, {input(layer), step("Sigmoid", layer, {input(layer)}, "sigmoid")}, out);
    return true;
  case ActivationKind::Gelu:
  case ActivationKind::GeluTanh:
    return emitGelu(layer, attrs.kind == ActivationKind::Gelu, out);
  default:
    return fail(layer, "ONNX's operator for it is not known here");
  }
}

bool Exporter::emit(const Layer &layer, const PreluAttrs &, const std::string &out) {
  const Parameter &slope = layer.parameters[0];
  Shape spread(layer.output.size(), 1);
  spread[channelAxis(layer.output)] = slope.shape[0];
  node("PRelu", layer, {input(layer), constant(slope.name, spread, values(slope))}, out);
  return true;
}

/// Comparisons give 1 or 0.
bool Exporter::emit(const Layer &layer, const BinaryAttrs &attrs, const std::string &out) {
  const std::string &x = input(layer), &y = input(layer, 1);
  switch (attrs.kind) {
  case BinaryKind::Divide:
    node("Div", layer, {x, y}, out);
    break;
  case BinaryKind::Power:
    node("Pow", layer, {x, y}, out);
    break;
  case BinaryKind::Maximum:
    node("Max", layer, {x, y}, out);
    break;
  case BinaryKind::Minimum:
    node("Min", layer, {x, y}, out);
    break;
  case BinaryKind::Less:
  case BinaryKind::Equal: {
    bool isLess = attrs.kind == BinaryKind::Less;
    std::string truth = step(isLess ? "Less" : "Equal", layer, {x, y}, "truth");
    set(node("Cast", layer, {truth}, out), "to", int64_t(::onnx::TensorProto::FLOAT));
    break;
  }
  case BinaryKind::Mask: {
    std::string zero = constant(layer.name + "/zero", {}, std::vector<float>{0});
    node("Where", layer, {step("Equal", layer, {y, zero}, "hidden"), zero, x}, out);
    break;
  }
  }
  return true;
}

bool Exporter::emit(const Layer &layer, const AffineAttrs &attrs, const std::string &out) {
  std::string scaled = input(layer);
  if (attrs.scale != 1 || attrs.shift == 0) {
    std::string product = attrs.shift == 0 ? out : layer.name + "/scaled";
    node("Mul", layer, {scaled, constant(layer.name + "/scale", {}, {float(attrs.scale)})},
         product);
    scaled = product;
  }
  if (attrs.shift != 0)
    node("Add", layer, {scaled, constant(layer.name + "/shift", {}, {float(attrs.shift)})}, out);
  return true;
}

//===----------------------------------------------------------------------===//
// Pools
//===----------------------------------------------------------------------===//

/// Row o of [out, in] holds what position o of the output takes of each input position. Padding
/// counts, but not what a window has beyond it.
static std::vector<float> averages(const PoolAttrs &attrs, size_t d, int64_t in, int64_t out) {
  std::vector<float> matrix(size_t(in * out));
  for (int64_t o = 0; o < out; ++o) {
    std::vector<int64_t> taps;
    for (int64_t t = 0; t < attrs.kernel[d]; ++t)
      if (int64_t at = o * attrs.stride[d] - attrs.pad[d] + t * attrs.dilation[d];
          at < in + attrs.pad[2 + d])
        taps.push_back(at);
    for (int64_t at : taps)
      if (at >= 0 && at < in)
        matrix[size_t(o * in + at)] = 1 / float(taps.size());
  }
  return matrix;
}

/// PyTorch's adaptive windows: [floor(o in / out), ceil((o + 1) in / out)).
static std::vector<float> adaptiveAverages(int64_t in, int64_t out) {
  std::vector<float> matrix(size_t(in * out));
  for (int64_t o = 0; o < out; ++o) {
    int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
    for (int64_t at = begin; at < end; ++at)
      matrix[size_t(o * in + at)] = 1 / float(end - begin);
  }
  return matrix;
}

bool Exporter::emitAverages(const Layer &layer, const std::array<std::vector<float>, 2> &matrices,
                            const std::string &out) {
  const Shape &in = shapeOf(layer);
  auto width = size_t(in[2]), columns = size_t(layer.output[2]);
  std::vector<float> right(width * columns);
  for (size_t o = 0; o < columns; ++o)
    for (size_t i = 0; i < width; ++i)
      right[i * columns + o] = matrices[1][o * width + i];
  std::string rows = constant(layer.name + "/row_windows", {layer.output[1], in[1]}, matrices[0]);
  std::string x = step(
      "MatMul", layer,
      {input(layer), constant(layer.name + "/column_windows", {in[2], layer.output[2]}, right)},
      "columns");
  node("MatMul", layer, {rows, x}, out);
  return true;
}

/// The last windows that reach beyond the input are written as padding, which does not count in a
/// maximum, since runtimes differ in what ceil_mode means.
bool Exporter::emit(const Layer &layer, const PoolAttrs &attrs, const std::string &out) {
  bool isMax = attrs.kind == PoolAttrs::Kind::Max;
  if (attrs.global) {
    node(isMax ? "GlobalMaxPool" : "GlobalAveragePool", layer, {input(layer)}, out);
    return true;
  }
  bool isDense = attrs.dilation == std::array<int64_t, 2>{1, 1}, reachesBeyond = false;
  std::array<int64_t, 4> pads = attrs.pad;
  for (size_t d = 0; d < 2; ++d) {
    int64_t reach =
        (layer.output[1 + d] - 1) * attrs.stride[d] + (attrs.kernel[d] - 1) * attrs.dilation[d] + 1;
    int64_t beyond = reach - shapeOf(layer)[1 + d] - attrs.pad[d];
    reachesBeyond |= beyond > pads[2 + d];
    pads[2 + d] = std::max(pads[2 + d], beyond);
  }
  if (!isMax && (reachesBeyond || !isDense)) {
    const Shape &in = shapeOf(layer);
    return emitAverages(
        layer,
        {averages(attrs, 0, in[1], layer.output[1]), averages(attrs, 1, in[2], layer.output[2])},
        out);
  }
  // Runtimes take padding only where it is smaller than the kernel.
  std::string x = input(layer);
  if (std::max({pads[0], pads[2]}) >= attrs.kernel[0] ||
      std::max({pads[1], pads[3]}) >= attrs.kernel[1]) {
    std::string around = constant(layer.name + "/pads",
                                  {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}),
                lowest =
                    constant(layer.name + "/lowest", {}, {-std::numeric_limits<float>::infinity()});
    x = step("Pad", layer, {x, around, lowest}, "padded");
    pads = {};
  }
  auto &pool = node(isMax ? "MaxPool" : "AveragePool", layer, {x}, out);
  set(pool, "kernel_shape", attrs.kernel);
  set(pool, "strides", attrs.stride);
  set(pool, "pads", pads);
  if (!isMax)
    set(pool, "count_include_pad", int64_t(1));
  if (!isDense)
    set(pool, "dilations", attrs.dilation);
  return true;
}

bool Exporter::emit(const Layer &layer, const AdaptivePoolAttrs &attrs, const std::string &out) {
  const Shape &in = shapeOf(layer);
  if (in[1] % attrs.out[0] || in[2] % attrs.out[1])
    return emitAverages(
        layer, {adaptiveAverages(in[1], attrs.out[0]), adaptiveAverages(in[2], attrs.out[1])}, out);
  std::array<int64_t, 2> window{in[1] / attrs.out[0], in[2] / attrs.out[1]};
  auto &pool = node("AveragePool", layer, {input(layer)}, out);
  set(pool, "kernel_shape", window);
  set(pool, "strides", window);
  return true;
}

} // namespace netc::frontend::onnx

#endif // NETC_HAVE_ONNX
