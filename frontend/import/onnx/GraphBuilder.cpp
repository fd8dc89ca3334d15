//===- GraphBuilder.cpp - a graph from another format's layers ------------===//
#include "frontend/import/onnx/GraphBuilder.h"

#include "dialect/interfaces/WindowShape.h"

#include <fmt/ranges.h>

#include <utility>

namespace netc::frontend::onnx {

static constexpr int64_t kMostParameters = int64_t(1) << 28, kMostPixels = int64_t(1) << 31,
                         kLargest = int64_t(1) << 24;
static constexpr size_t kMostErrors = 20;

Attribute ints(Sizes values) {
  Attribute attribute;
  attribute.ints = std::move(values);
  return attribute;
}

Attribute integer(int64_t value) {
  Attribute attribute;
  attribute.i = value;
  return attribute;
}

Attribute real(double value) {
  Attribute attribute;
  attribute.f = value;
  return attribute;
}

std::map<std::string, Attribute> windowAttributes(const Window &window) {
  const auto &[kernel, stride, dilation, pads] = window;
  return {{"kernel_shape", ints({kernel[0], kernel[1]})},
          {"strides", ints({stride[0], stride[1]})},
          {"dilations", ints({dilation[0], dilation[1]})},
          {"pads", ints({pads[0], pads[1], pads[2], pads[3]})}};
}

GraphBuilder::GraphBuilder(std::string format, std::vector<std::string> &errors) : errors(errors) {
  graph.format = std::move(format);
  graph.opset = 18;
}

void GraphBuilder::enter(std::string name, std::string text) {
  layer = std::move(name);
  where = std::move(text);
}

bool GraphBuilder::fail(const std::string &why) {
  ++failures;
  if (errors.size() < kMostErrors)
    errors.push_back(where + ": " + why);
  else if (errors.size() == kMostErrors)
    errors.emplace_back("and more layers");
  return false;
}

const Sizes *GraphBuilder::shapeOf(const std::string &value) const {
  auto found = shapes.find(value);
  return found == shapes.end() ? nullptr : &found->second;
}

/// Whether the sizes are positive and their product is at most `most`.
static bool isBounded(const Sizes &sizes, int64_t most) {
  int64_t product = 1;
  for (int64_t size : sizes) {
    if (size < 1 || size > most / product)
      return false;
    product *= size;
  }
  return true;
}

bool GraphBuilder::input(const std::string &name, const Sizes &shape) {
  if (shape.empty() || shape.size() > 4 || !isBounded(shape, kMostPixels))
    return fail(fmt::format("input '{}' is [batch, {}], expected one to four sizes above 0 behind "
                            "the batch",
                            name, fmt::join(shape, ", ")));
  Port port{name, {Dim{std::nullopt, "batch"}}};
  for (int64_t size : shape)
    port.dims.push_back({size, ""});
  graph.inputs.push_back(std::move(port));
  shapes[name] = shape;
  return true;
}

std::string GraphBuilder::add(const char *op, std::vector<std::string> inputs,
                              const std::string &result, const Sizes &shape,
                              std::map<std::string, Attribute> attributes) {
  if (!isBounded(shape, kMostPixels)) {
    fail(fmt::format("its result [{}] is too large, or empty", fmt::join(shape, ", ")));
    return {};
  }
  Node node{op, "", layer, std::move(inputs), {result}, std::move(attributes)};
  node.where = where;
  graph.nodes.push_back(std::move(node));
  shapes[result] = shape;
  return result;
}

size_t GraphBuilder::countOf(const Sizes &dims) {
  int64_t count = 1;
  if (isBounded(dims, kMostParameters))
    for (int64_t size : dims)
      count *= size;
  if (!isBounded(dims, kMostParameters) || count > kMostParameters - parameters) {
    fail(fmt::format("parameters [{}] of a network of more than {} in all", fmt::join(dims, ", "),
                     kMostParameters));
    return 0;
  }
  return size_t(count);
}

void GraphBuilder::constant(const std::string &name, const Sizes &dims, std::vector<float> values) {
  parameters += int64_t(values.size());
  Tensor tensor;
  tensor.dims = dims;
  tensor.floats = std::move(values);
  graph.initializers[name] = std::move(tensor);
}

std::string GraphBuilder::linear(const std::string &input, const std::string &result,
                                 int64_t features, std::vector<std::string> parameters,
                                 bool isTransposed) {
  const Sizes &shape = *shapeOf(input);
  std::string flat = input;
  if (shape.size() > 1) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    flat = add("Flatten", {input}, result + "#flat", {count}, {{"axis", integer(1)}});
  }
  parameters.insert(parameters.begin(), flat);
  return add("Gemm", std::move(parameters), result, {features},
             {{"transB", integer(isTransposed ? 0 : 1)}, {"alpha", real(1)}, {"beta", real(1)}});
}

bool GraphBuilder::slide(const Sizes &image, const Window &window, bool roundUp, Sizes &result) {
  bool isSound = image.size() == 3;
  for (const auto *list : {&window.kernel, &window.stride, &window.dilation})
    for (int64_t value : *list)
      isSound &= value >= 1 && value < kLargest;
  for (int64_t pad : window.pads)
    isSound &= pad >= 0 && pad < kLargest;
  if (!isSound)
    return fail("expected a window of sizes above 0 over an image [channels, height, width]");
  result = image;
  for (size_t d = 0; d < 2; ++d)
    result[1 + d] =
        windowOutputSize(image[1 + d], window.kernel[d], window.stride[d], window.pads[d],
                         window.pads[2 + d], window.dilation[d], roundUp);
  if (result[1] < 1 || result[2] < 1)
    return fail(fmt::format("its window of {}x{} is larger than its input [{}]", window.kernel[0],
                            window.kernel[1], fmt::join(image, ", ")));
  return true;
}

Graph GraphBuilder::finish(const std::vector<std::string> &outputs) {
  for (const std::string &output : outputs)
    graph.outputs.push_back({output, {}});
  return std::move(graph);
}

} // namespace netc::frontend::onnx
