//===- Export.cpp - layers to ONNX's operators ----------------------------===//
//
// Each layer becomes one node, or a few, under its name. What inference does not compute (dropout,
// auxiliary heads) is left out.
//
//===----------------------------------------------------------------------===//
#include "frontend/export/onnx/Export.h"

#include <fmt/format.h>

#ifdef NETC_HAVE_ONNX
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#endif

using namespace netc::frontend;

#ifndef NETC_HAVE_ONNX

std::optional<std::string> netc::frontend::onnx::exportNetwork(const Network &, const FindValues &,
                                                               const FindScale &,
                                                               const std::string &,
                                                               std::string &error) {
  error = "this netc was built without ONNX; install libonnx-dev and libprotobuf-dev (Debian) and "
          "build it again";
  return std::nullopt;
}

#else

static constexpr int64_t kOpset = 18, kIrVersion = 8;
static constexpr int64_t kMostBytes = (int64_t(1) << 31) - (int64_t(1) << 20); // of a message

namespace {
using Names = std::vector<std::string>;

class Exporter {
public:
  Exporter(const Network &network, const netc::frontend::onnx::FindValues &values,
           const netc::frontend::onnx::FindScale &scales)
      : network(network), values(values), scales(scales), graph(*model.mutable_graph()) {}

  std::optional<std::string> run(const std::string &version, std::string &error);

private:
  ::onnx::NodeProto &node(const char *op, const Layer &layer, Names inputs, std::string output);
  std::string constant(const std::string &name, const std::vector<int64_t> &dims,
                       const std::vector<float> &numbers);
  std::string constant(const std::string &name, const std::vector<int64_t> &numbers);
  std::string constant(const std::string &name, const std::vector<int64_t> &dims,
                       const std::vector<int8_t> &numbers, int32_t type);
  std::string parameter(const Layer &layer, size_t index);
  std::string weights(const Layer &layer, const std::string &name, const Shape &shape,
                      const std::vector<float> &numbers, size_t outputs);
  void quantize(const Layer &layer, size_t index);
  bool convert(const Layer &layer, const std::string &out);
  bool emit(const Layer &layer, const ConvAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const LinearAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const BatchNormAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ActivationAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const PoolAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const AdaptivePoolAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const LrnAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const AffineAttrs &attrs, const std::string &out);
  bool emitPair(const char *op, const Layer &layer, const std::string &out);
  bool emitPad(const Layer &layer, const std::vector<int64_t> &pads, const std::string &out);
  bool fail(const Layer &layer, const std::string &why);
  const std::string &input(const Layer &layer, size_t index = 0) const {
    return tensors[size_t(layer.inputs[index])];
  }
  const Shape &shapeOf(const Layer &layer, size_t index = 0) const {
    return network.layers[size_t(layer.inputs[index])].output;
  }

  const Network &network;
  const netc::frontend::onnx::FindValues &values;
  const netc::frontend::onnx::FindScale &scales;
  std::vector<bool> isByte, isNonNegative; ///< by layer
  ::onnx::ModelProto model;
  ::onnx::GraphProto &graph;
  std::vector<std::string> tensors; ///< by layer
  int64_t bytes = 0;                ///< of initializers
  std::string problem;
};
} // namespace

//===----------------------------------------------------------------------===//
// Protobuf
//===----------------------------------------------------------------------===//

static void set(::onnx::NodeProto &node, const char *name, int64_t value) {
  auto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(::onnx::AttributeProto::INT);
  attribute.set_i(value);
}

static void set(::onnx::NodeProto &node, const char *name, double value) {
  auto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(::onnx::AttributeProto::FLOAT);
  attribute.set_f(float(value));
}

template <size_t count>
static void set(::onnx::NodeProto &node, const char *name, const std::array<int64_t, count> &list) {
  auto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(::onnx::AttributeProto::INTS);
  for (int64_t value : list)
    attribute.add_ints(value);
}

::onnx::NodeProto &Exporter::node(const char *op, const Layer &layer, Names inputs,
                                  std::string output) {
  auto &node = *graph.add_node();
  node.set_op_type(op);
  node.set_name(graph.node_size() > 1 && graph.node(graph.node_size() - 2).name() == layer.name
                    ? fmt::format("{}.{}", layer.name, graph.node_size())
                    : layer.name);
  for (const std::string &name : inputs)
    node.add_input(name);
  node.add_output(std::move(output));
  return node;
}

std::string Exporter::constant(const std::string &name, const std::vector<int64_t> &dims,
                               const std::vector<float> &numbers) {
  auto &tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::FLOAT);
  for (int64_t size : dims)
    tensor.add_dims(size);
  size_t size = numbers.size() * sizeof(float);
  bytes += int64_t(size);
  if (bytes < kMostBytes)
    tensor.set_raw_data(numbers.data(), size);
  return name;
}

std::string Exporter::constant(const std::string &name, const std::vector<int64_t> &numbers) {
  auto &tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(::onnx::TensorProto::INT64);
  tensor.add_dims(int64_t(numbers.size()));
  tensor.set_raw_data(numbers.data(), numbers.size() * sizeof(int64_t));
  return name;
}

std::string Exporter::constant(const std::string &name, const std::vector<int64_t> &dims,
                               const std::vector<int8_t> &numbers, int32_t type) {
  auto &tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (int64_t size : dims)
    tensor.add_dims(size);
  bytes += int64_t(numbers.size());
  if (bytes < kMostBytes)
    tensor.set_raw_data(numbers.data(), numbers.size());
  return name;
}

/// The weights of a layer; in bytes with a scale for each index of the axis `outputs` where the
/// layer reads bytes.
std::string Exporter::weights(const Layer &layer, const std::string &name, const Shape &shape,
                              const std::vector<float> &numbers, size_t outputs) {
  if (!isByte[size_t(layer.inputs[0])])
    return constant(name, shape, numbers);
  size_t inner = 1, count = size_t(shape[outputs]);
  for (size_t axis = outputs + 1; axis < shape.size(); ++axis)
    inner *= size_t(shape[axis]);
  std::vector<float> scale(count);
  auto channelOf = [&](size_t i) { return i / inner % count; };
  for (size_t i = 0; i < numbers.size(); ++i)
    scale[channelOf(i)] = std::max(scale[channelOf(i)], std::fabs(numbers[i]) / 127);
  std::vector<int8_t> integers(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    float by = scale[channelOf(i)];
    integers[i] = int8_t(by > 0 ? std::nearbyint(std::clamp(numbers[i] / by, -127.0f, 127.0f)) : 0);
  }
  for (float &by : scale)
    by = by > 0 ? by : 1;
  std::string result = name + "/dequantized";
  auto &node = *graph.add_node();
  node.set_op_type("DequantizeLinear");
  node.set_name(result);
  node.add_input(constant(name, shape, integers, ::onnx::TensorProto::INT8));
  node.add_input(constant(name + "_scale", {shape[outputs]}, scale));
  node.add_output(result);
  set(node, "axis", int64_t(outputs));
  return result;
}

/// Values that calibrate found a scale for pass through bytes on their way to the layers behind.
void Exporter::quantize(const Layer &layer, size_t index) {
  auto all = [&](const std::vector<bool> &of) {
    bool holds = !layer.inputs.empty();
    for (int input : layer.inputs)
      holds = holds && of[size_t(input)];
    return holds;
  };
  const auto *activation = std::get_if<ActivationAttrs>(&layer.attrs);
  const auto *pool = std::get_if<PoolAttrs>(&layer.attrs);
  auto is = [&](auto... types) {
    return (std::holds_alternative<decltype(types)>(layer.attrs) || ...);
  };
  bool moves = is(FlattenAttrs(), PadAttrs(), SubsampleAttrs(), PadChannelsAttrs(), SliceAttrs(),
                  ChannelShuffleAttrs()) ||
               (pool && pool->kind == PoolAttrs::Kind::Max);
  bool isPositive = activation && (activation->kind == ActivationKind::Relu ||
                                   activation->kind == ActivationKind::Relu6 ||
                                   activation->kind == ActivationKind::Sigmoid ||
                                   activation->kind == ActivationKind::HardSigmoid);
  bool keepsSign = moves || pool || is(AdaptivePoolAttrs(), AddAttrs(), MulAttrs(), ConcatAttrs());
  isNonNegative.push_back(isPositive || (keepsSign && all(isNonNegative)));
  std::optional<float> scale = scales(layer.name);
  isByte.push_back(scale || (moves && all(isByte)));
  if (!scale)
    return;
  int32_t type = isNonNegative.back() ? ::onnx::TensorProto::UINT8 : ::onnx::TensorProto::INT8;
  std::string by = constant(layer.name + "/activation_scale", {}, std::vector<float>{*scale}),
              zero = constant(layer.name + "/zero_point", {}, std::vector<int8_t>{0}, type);
  std::string integers = layer.name + "/quantized", result = layer.name + "/dequantized";
  for (auto [op, from, to] : {std::tuple("QuantizeLinear", tensors[index], integers),
                              std::tuple("DequantizeLinear", integers, result)}) {
    auto &node = *graph.add_node();
    node.set_op_type(op);
    node.set_name(to);
    for (const std::string &input : {from, by, zero})
      node.add_input(input);
    node.add_output(to);
  }
  tensors[index] = result;
}

std::string Exporter::parameter(const Layer &layer, size_t index) {
  const Parameter &p = layer.parameters[index];
  return constant(p.name, p.shape, values(p));
}

static void describePort(::onnx::ValueInfoProto &port, const std::string &name,
                         const Shape &shape) {
  port.set_name(name);
  auto &type = *port.mutable_type()->mutable_tensor_type();
  type.set_elem_type(::onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("batch");
  for (int64_t size : shape)
    type.mutable_shape()->add_dim()->set_dim_value(size);
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

bool Exporter::fail(const Layer &layer, const std::string &why) {
  problem = fmt::format("{}:{}:{}: layer {} ({}) cannot be exported: {}", layer.location.file,
                        layer.location.line, layer.location.column, layer.name, layer.kind, why);
  return false;
}

bool Exporter::emit(const Layer &layer, const ConvAttrs &attrs, const std::string &out) {
  if (attrs.standardized)
    return fail(layer, "ONNX has no standardized weights");
  const Parameter &filter = layer.parameters[0];
  Names inputs{input(layer), weights(layer, filter.name, filter.shape, values(filter), 0)};
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

/// On a vector a Gemm; on the tokens of a sequence a product with the transposed matrix.
bool Exporter::emit(const Layer &layer, const LinearAttrs &, const std::string &out) {
  bool hasBias = layer.parameters.size() > 1;
  if (layer.output.size() == 1) {
    const Parameter &matrix = layer.parameters[0];
    Names inputs{input(layer), weights(layer, matrix.name, matrix.shape, values(matrix), 0)};
    if (hasBias)
      inputs.push_back(parameter(layer, 1));
    set(node("Gemm", layer, inputs, out), "transB", int64_t(1));
    return true;
  }
  const Parameter &weight = layer.parameters[0];
  std::vector<float> rows = values(weight), columns(rows.size());
  size_t outputs = size_t(weight.shape[0]), depth = size_t(weight.shape[1]);
  for (size_t o = 0; o < outputs; ++o)
    for (size_t i = 0; i < depth; ++i)
      columns[i * outputs + o] = rows[o * depth + i];
  std::string matrix =
      weights(layer, weight.name + ".transposed", {weight.shape[1], weight.shape[0]}, columns, 1);
  std::string product = hasBias ? layer.name + "/product" : out;
  node("MatMul", layer, {input(layer), matrix}, product);
  if (hasBias)
    node("Add", layer, {product, parameter(layer, 1)}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const BatchNormAttrs &attrs, const std::string &out) {
  Names inputs{input(layer)};
  for (size_t i = 0; i < layer.parameters.size(); ++i)
    inputs.push_back(parameter(layer, i));
  auto &norm = node("BatchNormalization", layer, inputs, out);
  set(norm, "epsilon", attrs.eps);
  set(norm, "momentum", 1 - attrs.momentum);
  return true;
}

bool Exporter::emit(const Layer &layer, const ActivationAttrs &attrs, const std::string &out) {
  switch (attrs.kind) {
  case ActivationKind::Relu:
    node("Relu", layer, {input(layer)}, out);
    return true;
  case ActivationKind::Relu6:
    node("Clip", layer,
         {input(layer), constant(layer.name + "/low", {}, {0}),
          constant(layer.name + "/high", {}, {6})},
         out);
    return true;
  case ActivationKind::LeakyRelu:
    set(node("LeakyRelu", layer, {input(layer)}, out), "alpha", attrs.slope);
    return true;
  case ActivationKind::Tanh:
    node("Tanh", layer, {input(layer)}, out);
    return true;
  case ActivationKind::Sigmoid:
    node("Sigmoid", layer, {input(layer)}, out);
    return true;
  case ActivationKind::Silu:
    node("Sigmoid", layer, {input(layer)}, layer.name + "/sigmoid");
    node("Mul", layer, {input(layer), layer.name + "/sigmoid"}, out);
    return true;
  case ActivationKind::HardSwish:
    node("HardSwish", layer, {input(layer)}, out);
    return true;
  default:
    return fail(layer, "ONNX's operator for it is not known here");
  }
}

/// The last windows that reach beyond the input are written as padding, which does not count in a
/// maximum, since runtimes differ in what ceil_mode means.
bool Exporter::emit(const Layer &layer, const PoolAttrs &attrs, const std::string &out) {
  bool isMax = attrs.kind == PoolAttrs::Kind::Max;
  if (attrs.global) {
    node(isMax ? "GlobalMaxPool" : "GlobalAveragePool", layer, {input(layer)}, out);
    return true;
  }
  std::array<int64_t, 4> pads = attrs.pad;
  for (size_t d = 0; d < 2; ++d) {
    int64_t reach =
        (layer.output[1 + d] - 1) * attrs.stride[d] + (attrs.kernel[d] - 1) * attrs.dilation[d] + 1;
    int64_t beyond = reach - shapeOf(layer)[1 + d] - attrs.pad[d];
    if (beyond > pads[2 + d] && !isMax)
      return fail(layer, "an average over windows that reach beyond the input (round=up)");
    pads[2 + d] = std::max(pads[2 + d], beyond);
  }
  auto &pool = node(isMax ? "MaxPool" : "AveragePool", layer, {input(layer)}, out);
  set(pool, "kernel_shape", attrs.kernel);
  set(pool, "strides", attrs.stride);
  set(pool, "pads", pads);
  if (!isMax)
    set(pool, "count_include_pad", int64_t(1));
  if (attrs.dilation != std::array<int64_t, 2>{1, 1}) {
    if (!isMax)
      return fail(layer, "an average over windows with a dilation, which opset 18 does not have");
    set(pool, "dilations", attrs.dilation);
  }
  return true;
}

bool Exporter::emit(const Layer &layer, const AdaptivePoolAttrs &attrs, const std::string &out) {
  const Shape &in = shapeOf(layer);
  if (in[1] % attrs.out[0] || in[2] % attrs.out[1])
    return fail(layer, fmt::format("{}x{} is not divisible into {}x{}, and ONNX has no windows of "
                                   "several sizes",
                                   in[1], in[2], attrs.out[0], attrs.out[1]));
  std::array<int64_t, 2> window{in[1] / attrs.out[0], in[2] / attrs.out[1]};
  auto &pool = node("AveragePool", layer, {input(layer)}, out);
  set(pool, "kernel_shape", window);
  set(pool, "strides", window);
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

/// What has one value per channel gets sizes of one for pixels or tokens.
bool Exporter::emitPair(const char *op, const Layer &layer, const std::string &out) {
  std::string second = input(layer, 1);
  size_t rank = shapeOf(layer, 0).size();
  if (shapeOf(layer, 1).size() == 1 && rank > 1) {
    std::vector<int64_t> axes; // behind an image's channels, before the last axis of others
    for (size_t axis = 1; axis < rank; ++axis)
      axes.push_back(int64_t(rank == 3 ? axis + 1 : axis));
    std::string spread = layer.name + "/spread";
    node("Unsqueeze", layer, {second, constant(layer.name + "/axes", axes)}, spread);
    second = spread;
  }
  node(op, layer, {input(layer, 0), second}, out);
  return true;
}

bool Exporter::emitPad(const Layer &layer, const std::vector<int64_t> &pads,
                       const std::string &out) {
  node("Pad", layer, {input(layer), constant(layer.name + "/pads", pads)}, out);
  return true;
}

bool Exporter::convert(const Layer &layer, const std::string &out) {
  auto visit = [&](const auto &attrs) -> bool {
    using T = std::decay_t<decltype(attrs)>;
    if constexpr (std::is_same_v<T, SoftmaxAttrs>) {
      set(node("Softmax", layer, {input(layer)}, out), "axis", 1 + attrs.axis);
    } else if constexpr (std::is_same_v<T, DropoutAttrs>) {
      node("Identity", layer, {input(layer)}, out);
    } else if constexpr (std::is_same_v<T, ConcatAttrs>) {
      Names inputs;
      for (size_t i = 0; i < layer.inputs.size(); ++i)
        inputs.push_back(input(layer, i));
      set(node("Concat", layer, inputs, out), "axis", 1 + attrs.axis);
    } else if constexpr (std::is_same_v<T, AddAttrs>) {
      return emitPair("Add", layer, out);
    } else if constexpr (std::is_same_v<T, MulAttrs>) {
      return emitPair("Mul", layer, out);
    } else if constexpr (std::is_same_v<T, FlattenAttrs>) {
      set(node("Flatten", layer, {input(layer)}, out), "axis", int64_t(1));
    } else if constexpr (std::is_same_v<T, PadAttrs>) {
      return emitPad(layer, {0, 0, attrs.pad[0], attrs.pad[1], 0, 0, attrs.pad[2], attrs.pad[3]},
                     out);
    } else if constexpr (std::is_same_v<T, PadChannelsAttrs>) {
      return emitPad(layer, {0, 0, 0, 0, 0, attrs.channels - shapeOf(layer)[0], 0, 0}, out);
    } else if constexpr (std::is_same_v<T, SubsampleAttrs>) {
      int64_t end = std::numeric_limits<int64_t>::max();
      node("Slice", layer,
           {input(layer), constant(layer.name + "/begin", {0, 0}),
            constant(layer.name + "/end", {end, end}), constant(layer.name + "/axes", {2, 3}),
            constant(layer.name + "/stride", {attrs.stride[0], attrs.stride[1]})},
           out);
    } else if constexpr (requires { emit(layer, attrs, out); }) {
      return emit(layer, attrs, out);
    } else {
      return fail(layer, "ONNX's operator for it is not known here");
    }
    return true;
  };
  return std::visit(visit, layer.attrs);
}

std::optional<std::string> Exporter::run(const std::string &version, std::string &error) {
  model.set_ir_version(kIrVersion);
  model.set_producer_name("netc");
  model.set_producer_version(version);
  model.add_opset_import()->set_version(kOpset);
  graph.set_name(network.name);
  size_t inputs = network.inputCount();
  std::map<int, std::string> outputOf; // by layer
  for (const Output &output : network.outputs)
    if (size_t(output.layer) >= inputs)
      outputOf.emplace(output.layer, output.name);
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer &layer = network.layers[i];
    auto named = outputOf.find(int(i));
    tensors.push_back(i < inputs                ? layer.name
                      : named != outputOf.end() ? named->second
                                                : layer.name + "/out");
    if (i < inputs)
      describePort(*graph.add_input(), layer.name, layer.output);
    else if (!layer.auxiliary && !convert(layer, tensors[i]))
      break;
    quantize(layer, i);
  }
  for (const Output &output : network.outputs) {
    if (!problem.empty())
      break;
    const Layer &layer = network.layers[size_t(output.layer)];
    auto computed = outputOf.find(output.layer);
    if (computed == outputOf.end() || computed->second != output.name) // an input, or a second name
      node("Identity", layer, {tensors[size_t(output.layer)]}, output.name);
    describePort(*graph.add_output(), output.name, layer.output);
  }
  if (problem.empty() && bytes >= kMostBytes)
    problem = fmt::format("{} bytes of weights: an ONNX file holds less than 2 GiB", bytes);
  error = problem;
  if (!problem.empty())
    return std::nullopt;
  return model.SerializeAsString();
}

std::optional<std::string> netc::frontend::onnx::exportNetwork(const Network &network,
                                                               const FindValues &values,
                                                               const FindScale &scales,
                                                               const std::string &version,
                                                               std::string &error) {
  return Exporter(network, values, scales).run(version, error);
}

#endif
