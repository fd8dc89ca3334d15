//===- ExportQuantize.cpp - values and weights that pass through bytes ----===//
#ifdef NETC_HAVE_ONNX
#include "frontend/export/onnx/Exporter.h"

#include <algorithm>
#include <cmath>

namespace netc::frontend::onnx {

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

/// Whether a layer moves values, or takes the largest of some: the same in bytes.
static bool movesValues(const Layer &layer) {
  const auto *pool = std::get_if<PoolAttrs>(&layer.attrs);
  auto is = [&](auto... types) {
    return (std::holds_alternative<decltype(types)>(layer.attrs) || ...);
  };
  return is(FlattenAttrs(), PadAttrs(), SubsampleAttrs(), PadChannelsAttrs(), SliceAttrs(),
            ChannelShuffleAttrs()) ||
         (pool && pool->kind == PoolAttrs::Kind::Max);
}

/// Whether a layer's values are not negative where those that it reads are not.
static bool keepsSign(const Layer &layer) {
  auto is = [&](auto... types) {
    return (std::holds_alternative<decltype(types)>(layer.attrs) || ...);
  };
  return movesValues(layer) ||
         is(PoolAttrs(), AdaptivePoolAttrs(), AddAttrs(), MulAttrs(), ConcatAttrs());
}

static bool isNeverNegative(const Layer &layer) {
  const auto *activation = std::get_if<ActivationAttrs>(&layer.attrs);
  return activation &&
         (activation->kind == ActivationKind::Relu || activation->kind == ActivationKind::Relu6 ||
          activation->kind == ActivationKind::Sigmoid ||
          activation->kind == ActivationKind::HardSigmoid);
}

/// Values that calibrate found a scale for pass through bytes on their way to the layers behind.
void Exporter::quantize(const Layer &layer, size_t index) {
  auto all = [&](const std::vector<bool> &of) {
    return !layer.inputs.empty() && std::all_of(layer.inputs.begin(), layer.inputs.end(),
                                                [&](int input) { return of[size_t(input)]; });
  };
  isNonNegative.push_back(isNeverNegative(layer) || (keepsSign(layer) && all(isNonNegative)));
  std::optional<float> scale = scales(layer.name);
  isByte.push_back(scale || (movesValues(layer) && all(isByte)));
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

} // namespace netc::frontend::onnx

#endif // NETC_HAVE_ONNX
