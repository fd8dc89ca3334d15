//===- ConvertNorms.cpp - normalisations, larger images -------------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <cmath>

namespace netc::frontend::onnx {

/// Over the last size; where that lies as an image's channels, over those of each pixel.
void Converter::layerNorm(const Node &node) {
  Value *input = viewed(node);
  if (!input)
    return;
  View view = viewOf(*input);
  auto rank = int64_t(view.dims.size());
  int64_t axis = number(node, "axis", -1);
  if (axis != -1 && axis != rank - 1)
    return fail(node, fmt::format("from axis {} of {} on, expected the last alone", axis, rank));
  bool isChannels = false;
  if (!arrangeLast(node, node.inputs[0], isChannels))
    return;
  const Value from = values[node.inputs[0]];
  int64_t features = isChannels ? from.shape.front() : from.shape.back();
  const Tensor *parameters[] = {constant(node, 1), constant(node, 2)};
  std::vector<float> numbers[] = {std::vector<float>(size_t(features), 1),
                                  std::vector<float>(size_t(features), 0)};
  for (size_t i = 0; i < 2; ++i) {
    bool given = node.inputs.size() > i + 1 && !node.inputs[i + 1].empty();
    bool fits = parameters[i] && parameters[i]->isFloat &&
                (parameters[i]->elements() == features || parameters[i]->elements() == 1);
    if (given && !fits)
      return fail(node, fmt::format("input {} is not a constant of {} numbers", i + 1, features));
    if (given) {
      numbers[i] = parameters[i]->floats;
      numbers[i].resize(size_t(features), numbers[i].front());
    }
  }
  double eps = real(node, "epsilon", 1e-5);
  std::string name = label(node, "layer_norm");
  addTensor(name + ".weight", {features}, std::move(numbers[0]));
  addTensor(name + ".bias", {features}, std::move(numbers[1]));
  append(node, from, name + ": layer_norm" + (float(eps) == 1e-5f ? "" : "(" + realText(eps) + ")"),
         from.shape);
}

/// By groups of channels; InstanceNormalization has a group for each channel.
void Converter::groupNorm(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  if (input->shape.size() != 3)
    return fail(node, "expected an image [batch, channels, height, width]");
  int64_t channels = input->shape[0];
  int64_t groups = node.op == "GroupNormalization" ? number(node, "num_groups", 1) : channels;
  std::vector<float> numbers[2];
  for (size_t i = 0; i < 2; ++i) {
    const Tensor *given = constant(node, i + 1);
    int64_t count = given && given->isFloat ? given->elements() : 0;
    if (groups < 1 || channels % groups || (count != channels && count != groups))
      return fail(node, fmt::format("input {} is not a constant of {} numbers", i + 1, channels));
    // Opset 18 has one number for each group.
    for (int64_t c = 0; c < channels; ++c)
      numbers[i].push_back(given->floats[size_t(count == channels ? c : c / (channels / groups))]);
  }
  double eps = real(node, "epsilon", 1e-5);
  std::string name = label(node, "group_norm");
  addTensor(name + ".weight", {channels}, std::move(numbers[0]));
  addTensor(name + ".bias", {channels}, std::move(numbers[1]));
  append(node, *input,
         fmt::format("{}: group_norm({}{})", name, groups,
                     float(eps) == 1e-5f ? "" : ", eps=" + realText(eps)),
         input->shape);
}

void Converter::transposedConvolution(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  const Tensor *weight = constant(node, 1), *bias = constant(node, 2);
  bool hasBias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (!weight || !weight->isFloat || weight->dims.size() != 4 || (hasBias && !bias) ||
      input->shape.size() != 3)
    return fail(node, "expected an image and constant weights of four sizes");
  auto pairOr = [&](const char *name, int64_t otherwise) {
    std::vector<int64_t> list = numbers(node, name);
    return list.empty() ? std::vector<int64_t>{otherwise, otherwise} : list;
  };
  std::vector<int64_t> kernel{weight->dims[2], weight->dims[3]},
      stride = pairOr("strides", 1), dilation = pairOr("dilations", 1),
      more = pairOr("output_padding", 0), pads = numbers(node, "pads");
  if (pads.empty())
    pads = {0, 0, 0, 0};
  auto mode = node.attributes.find("auto_pad");
  int64_t groups = number(node, "group", 1);
  bool isSound = stride.size() == 2 && more.size() == 2 && pads.size() == 4 &&
                 dilation == std::vector<int64_t>{1, 1} && !node.attributes.count("output_shape") &&
                 (mode == node.attributes.end() || mode->second.s == "NOTSET") && groups >= 1 &&
                 weight->dims[0] == input->shape[0] && weight->dims[1] < (1 << 20) &&
                 groups < (1 << 20);
  for (const auto *list : {&kernel, &stride, &more, &pads})
    for (int64_t value : *list)
      isSound &= value >= 0 && value < (1 << 20);
  isSound = isSound && pads[0] == pads[2] && pads[1] == pads[3];
  if (!isSound)
    return fail(node, "expected equal padding on both sides, no dilation, no output_shape and no "
                      "auto_pad");
  int64_t channels = weight->dims[1] * groups;
  Shape out{channels, 0, 0};
  for (size_t d = 0; d < 2; ++d)
    out[1 + d] = (input->shape[1 + d] - 1) * stride[d] - 2 * pads[d] + kernel[d] + more[d];
  std::string name = label(node, "conv_transpose");
  std::string call = fmt::format("{}: conv_transpose({}, k={}", name, channels, pairText(kernel));
  if (stride != std::vector<int64_t>{1, 1})
    call += ", stride=" + pairText(stride);
  if (pads[0] || pads[1])
    call += ", pad=" + pairText({pads[0], pads[1]});
  if (more[0] || more[1])
    call += ", out_pad=" + pairText(more);
  if (groups != 1)
    call += fmt::format(", groups={}", groups);
  addTensor(name + ".weight", weight->dims, weight->floats);
  if (bias)
    addTensor(name + ".bias", {channels}, bias->floats);
  append(node, *input, call + (hasBias ? ", bias=true)" : ", bias=false)"), out);
}

/// Larger images: by a whole factor the nearest pixel, or between pixel centres.
void Converter::resize(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  auto word = [&](const char *name, const char *otherwise) {
    auto found = node.attributes.find(name);
    return found == node.attributes.end() || found->second.s.empty() ? std::string(otherwise)
                                                                     : found->second.s;
  };
  bool isOld = node.op == "Upsample" || graph.opset < 11;
  const Tensor *scales = constant(node, isOld ? 1 : 2),
               *sizes = isOld ? nullptr : constant(node, 3);
  std::string mode = word("mode", "nearest");
  std::string places = word("coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel");
  if (input->shape.size() != 3 || node.attributes.count("axes"))
    return fail(node, "expected an image [batch, channels, height, width]");
  Shape out = input->shape;
  for (size_t d = 1; d < 3; ++d) {
    double scale = scales && scales->elements() == 4 ? scales->at(int64_t(d) + 1) : 0;
    out[d] = sizes && sizes->elements() == 4
                 ? sizes->ints[d + 1]
                 : int64_t(std::floor(double(out[d]) * std::clamp(scale, 0.0, 1e4) + 1e-6));
  }
  bool isWhole = true;
  for (size_t d = 1; d < 3; ++d)
    isWhole &= out[d] >= input->shape[d] && out[d] < (1 << 20) && out[d] % input->shape[d] == 0;
  std::string rounding = word("nearest_mode", isOld ? "floor" : "round_prefer_floor");
  // By a whole factor, all of these take pixel i / factor.
  bool isNearest = mode == "nearest" && isWhole &&
                   ((places == "asymmetric" && rounding == "floor") ||
                    (places == "half_pixel" && rounding.starts_with("round_prefer")));
  bool isLinear = mode == "linear" && (places == "half_pixel" || places == "pytorch_half_pixel") &&
                  out[1] >= input->shape[1] && out[2] >= input->shape[2] && out[1] < (1 << 20) &&
                  out[2] < (1 << 20) && !number(node, "antialias", 0);
  if (!isNearest && !isLinear)
    return fail(node, fmt::format("mode {} by {} to [{}], expected nearest by a whole factor, or "
                                  "linear between pixel centres (half_pixel), to a larger image",
                                  mode, places, fmt::join(out, ", ")));
  append(
      node, *input,
      fmt::format("upsample(out=[{}, {}], {})", out[1], out[2], isLinear ? "bilinear" : "nearest"),
      out);
}

} // namespace netc::frontend::onnx
