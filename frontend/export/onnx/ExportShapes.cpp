//===- ExportShapes.cpp - layers that move values, and pairs of tensors ---===//
#ifdef NETC_HAVE_ONNX
#include "frontend/export/onnx/Exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace netc::frontend::onnx {

/// `input` with other sizes behind the batch.
std::string Exporter::reshaped(const Layer &layer, const std::string &input, const Shape &shape,
                               const char *part) {
  std::vector<int64_t> sizes{0}; // as it is
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return step("Reshape", layer,
              {input, constant(fmt::format("{}/{}/sizes", layer.name, part), sizes)}, part);
}

std::string Exporter::sliced(const Layer &layer, const std::string &input, int64_t axis,
                             int64_t begin, int64_t end, const std::string &part) {
  std::string name = layer.name + "/" + part;
  return step("Slice", layer,
              {input, constant(name + "/begin", {begin}), constant(name + "/end", {end}),
               constant(name + "/axis", std::vector<int64_t>{1 + axis})},
              part.c_str());
}

/// A learned value repeated to the number of images.
std::string Exporter::repeated(const Layer &layer, const std::string &value, const Shape &shape,
                               const std::string &part) {
  const std::string &image = network.layers.front().name;
  std::string all = layer.name + "/" + part;
  auto &batch = node("Shape", layer, {image}, all + "/batch");
  set(batch, "start", int64_t(0));
  set(batch, "end", int64_t(1));
  set(node("Concat", layer, {all + "/batch", constant(all + "/sizes", shape)}, all + "/shape"),
      "axis", int64_t(0));
  node("Expand", layer, {value, all + "/shape"}, all);
  return all;
}

std::string Exporter::batched(const Layer &layer, size_t index) {
  if (varies[size_t(layer.inputs[index])] || !varies[tensors.size() - 1])
    return input(layer, index);
  return repeated(layer, input(layer, index), shapeOf(layer, index), fmt::format("input{}", index));
}

//===----------------------------------------------------------------------===//
// Pairs of tensors
//===----------------------------------------------------------------------===//

/// What has one value per channel gets sizes of one for pixels or tokens.
bool Exporter::emitPair(const char *op, const Layer &layer, const std::string &out) {
  Names pair{input(layer, 0), input(layer, 1)};
  for (size_t side = 0; side < 2; ++side) {
    size_t rank = layer.output.size();
    if (shapeOf(layer, side).size() == rank)
      continue;
    std::vector<int64_t> axes; // behind an image's channels, before the last axis of others
    for (size_t axis = 1; axis < rank; ++axis)
      axes.push_back(int64_t(rank == 3 ? axis + 1 : axis));
    std::string sizes = constant(layer.name + "/axes", axes);
    pair[side] = step("Unsqueeze", layer, {pair[side], sizes}, "spread");
  }
  node(op, layer, pair, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const AddAttrs &, const std::string &out) {
  return emitPair("Add", layer, out);
}
bool Exporter::emit(const Layer &layer, const MulAttrs &, const std::string &out) {
  return emitPair("Mul", layer, out);
}

/// Sizes that one has and the other lacks come in between the batch and the matrix.
bool Exporter::emit(const Layer &layer, const MatmulAttrs &attrs, const std::string &out) {
  Names pair{input(layer, 0), input(layer, 1)};
  for (size_t side = 0; side < 2; ++side) {
    size_t missing = layer.output.size() - shapeOf(layer, side).size();
    if (missing == 0)
      continue;
    std::vector<int64_t> axes(missing);
    std::iota(axes.begin(), axes.end(), 1);
    std::string part = side ? "right" : "left";
    pair[side] =
        step("Unsqueeze", layer, {pair[side], constant(layer.name + "/" + part + "/axes", axes)},
             part.c_str());
  }
  if (attrs.transposeRight) {
    std::vector<int64_t> order(layer.output.size() + 1);
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    std::string turned = layer.name + "/turned";
    set(node("Transpose", layer, {pair[1]}, turned), "perm", order);
    pair[1] = turned;
  }
  node("MatMul", layer, pair, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const ConcatAttrs &attrs, const std::string &out) {
  Names inputs;
  for (size_t i = 0; i < layer.inputs.size(); ++i)
    inputs.push_back(batched(layer, i));
  set(node("Concat", layer, inputs, out), "axis", 1 + attrs.axis);
  return true;
}

//===----------------------------------------------------------------------===//
// One tensor
//===----------------------------------------------------------------------===//

bool Exporter::emit(const Layer &layer, const MeanAttrs &attrs, const std::string &out) {
  std::vector<int64_t> axes;
  for (int64_t axis : attrs.axes)
    axes.push_back(1 + axis);
  bool keeps = attrs.axes.size() == shapeOf(layer).size(); // one value is left
  std::string mean = keeps && axes.size() > 1 ? layer.name + "/mean" : out;
  auto &reduced =
      node("ReduceMean", layer, {input(layer), constant(layer.name + "/axes", axes)}, mean);
  set(reduced, "keepdims", int64_t(keeps));
  if (mean != out)
    set(node("Flatten", layer, {mean}, out), "axis", int64_t(1));
  return true;
}

bool Exporter::emit(const Layer &layer, const FlattenAttrs &, const std::string &out) {
  set(node("Flatten", layer, {input(layer)}, out), "axis", int64_t(1));
  return true;
}

bool Exporter::emit(const Layer &layer, const ReshapeAttrs &, const std::string &out) {
  std::vector<int64_t> sizes{0}; // as it is
  sizes.insert(sizes.end(), layer.output.begin(), layer.output.end());
  node("Reshape", layer, {input(layer), constant(layer.name + "/sizes", sizes)}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const ExpandAttrs &, const std::string &out) {
  std::vector<int64_t> sizes{1};
  sizes.insert(sizes.end(), layer.output.begin(), layer.output.end());
  node("Expand", layer, {input(layer), constant(layer.name + "/sizes", sizes)}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const PermuteAttrs &attrs, const std::string &out) {
  std::vector<int64_t> order{0};
  for (int64_t axis : attrs.order)
    order.push_back(1 + axis);
  set(node("Transpose", layer, {input(layer)}, out), "perm", order);
  return true;
}

bool Exporter::emit(const Layer &layer, const SliceAttrs &attrs, const std::string &out) {
  int64_t size = layer.output[size_t(attrs.axis)];
  node("Slice", layer,
       {input(layer), constant(layer.name + "/begin", {attrs.begin}),
        constant(layer.name + "/end", {attrs.begin + size}),
        constant(layer.name + "/axis", std::vector<int64_t>{1 + attrs.axis})},
       out);
  return true;
}

/// The last `shift` indices of each axis come first.
bool Exporter::emit(const Layer &layer, const RollAttrs &attrs, const std::string &out) {
  std::string x = input(layer);
  std::vector<int64_t> axes;
  for (size_t axis = 0; axis < attrs.shift.size(); ++axis)
    if (attrs.shift[axis])
      axes.push_back(int64_t(axis));
  for (int64_t axis : axes) {
    int64_t size = layer.output[size_t(axis)], cut = size - attrs.shift[size_t(axis)];
    std::string first = sliced(layer, x, axis, cut, size, fmt::format("behind{}", axis)),
                second = sliced(layer, x, axis, 0, cut, fmt::format("before{}", axis));
    std::string rolled = axis == axes.back() ? out : fmt::format("{}/rolled{}", layer.name, axis);
    set(node("Concat", layer, {first, second}, rolled), "axis", 1 + axis);
    x = rolled;
  }
  return true;
}

bool Exporter::emit(const Layer &layer, const PadAttrs &attrs, const std::string &out) {
  const auto &pad = attrs.pad;
  std::string pads = constant(layer.name + "/pads", {0, 0, pad[0], pad[1], 0, 0, pad[2], pad[3]});
  node("Pad", layer, {input(layer), pads}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const PadChannelsAttrs &attrs, const std::string &out) {
  std::string pads =
      constant(layer.name + "/pads", {0, 0, 0, 0, 0, attrs.channels - shapeOf(layer)[0], 0, 0});
  node("Pad", layer, {input(layer), pads}, out);
  return true;
}

bool Exporter::emit(const Layer &layer, const SubsampleAttrs &attrs, const std::string &out) {
  int64_t end = std::numeric_limits<int64_t>::max();
  node("Slice", layer,
       {input(layer), constant(layer.name + "/begin", {0, 0}),
        constant(layer.name + "/end", {end, end}), constant(layer.name + "/axes", {2, 3}),
        constant(layer.name + "/stride", {attrs.stride[0], attrs.stride[1]})},
       out);
  return true;
}

bool Exporter::emit(const Layer &layer, const ChannelShuffleAttrs &attrs, const std::string &out) {
  const Shape &in = layer.output;
  std::string x =
      reshaped(layer, input(layer), {attrs.groups, in[0] / attrs.groups, in[1], in[2]}, "groups");
  std::string turned = layer.name + "/turned";
  set(node("Transpose", layer, {x}, turned), "perm", std::vector<int64_t>{0, 2, 1, 3, 4});
  node("Reshape", layer, {turned, constant(layer.name + "/sizes", {0, in[0], in[1], in[2]})}, out);
  return true;
}

/// By a scale where that is a whole number, else by both sizes: ONNX rounds what a scale gives.
bool Exporter::emit(const Layer &layer, const UpsampleAttrs &attrs, const std::string &out) {
  const Shape &in = shapeOf(layer), &to = layer.output;
  Names inputs{input(layer), "", ""};
  bool isWhole = to[1] % in[1] == 0 && to[2] % in[2] == 0;
  if (isWhole)
    inputs[2] = constant(layer.name + "/scales", {4},
                         std::vector<float>{1, 1, float(to[1] / in[1]), float(to[2] / in[2])});
  else
    inputs.push_back(constant(layer.name + "/sizes", {to[1], to[2]}));
  auto &resized = node("Resize", layer, inputs, out);
  set(resized, "mode", attrs.bilinear ? "linear" : "nearest");
  set(resized, "coordinate_transformation_mode", attrs.bilinear ? "half_pixel" : "asymmetric");
  if (!attrs.bilinear)
    set(resized, "nearest_mode", "floor");
  if (!isWhole)
    set(resized, "axes", std::vector<int64_t>{2, 3});
  return true;
}

} // namespace netc::frontend::onnx

#endif // NETC_HAVE_ONNX
