//===- Conversion.cpp - blobs, weights and the order of layers ------------===//
#include "frontend/import/caffe/Conversion.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace netc::frontend::caffe {

double Conversion::number(const Layer &layer, const char *name, double otherwise) const {
  auto found = layer.parameters.find(name);
  return found == layer.parameters.end() || found->second.numbers.empty()
             ? otherwise
             : found->second.numbers.front();
}

std::string Conversion::word(const Layer &layer, const char *name, const char *otherwise) const {
  auto found = layer.parameters.find(name);
  return found == layer.parameters.end() || found->second.words.empty()
             ? otherwise
             : found->second.words.front();
}

const Sizes *Conversion::bottom(const Layer &layer, size_t index, size_t rank) {
  const Sizes *shape = builder.shapeOf(value(layer, index));
  if (shape && rank && shape->size() != rank) {
    builder.fail(fmt::format("its bottom '{}' is [batch, {}], expected [batch, channels, height, "
                             "width]",
                             layer.bottoms[index], fmt::join(*shape, ", ")));
    return nullptr;
  }
  return shape;
}

std::string Conversion::top(const Layer &layer, size_t index) {
  const std::string &blob = layer.tops[index];
  int version = ++versions[blob];
  current[blob] = version == 1 ? blob : fmt::format("{}#{}", blob, version);
  return current[blob];
}

bool Conversion::pair(const Layer &layer, const std::string &list, const std::string &group,
                      const char *name, const char *shortName, int64_t otherwise,
                      std::array<int64_t, 2> &result) {
  result = {otherwise, otherwise};
  auto found = layer.parameters.find(group + "." + list);
  if (found != layer.parameters.end()) {
    const std::vector<double> &numbers = found->second.numbers;
    if (numbers.empty() || numbers.size() > 2)
      return builder.fail(fmt::format("{} numbers of '{}', expected one, or two: height and width",
                                      numbers.size(), list));
    result = {int64_t(numbers.front()), int64_t(numbers.back())};
  }
  std::string prefix = group + "." + shortName;
  for (size_t d = 0; d < 2; ++d)
    result[d] =
        int64_t(number(layer, (prefix + (d == 0 ? "_h" : "_w")).c_str(), double(result[d])));
  if (result[0] < 0 || result[1] < 0)
    return builder.fail(fmt::format("it has no '{}'", name));
  return true;
}

bool Conversion::window(const Layer &layer, const std::string &group, Window &result) {
  std::array<int64_t, 2> pad{};
  if (!pair(layer, "kernel_size", group, "kernel_size", "kernel", -1, result.kernel) ||
      !pair(layer, "stride", group, "stride", "stride", 1, result.stride) ||
      !pair(layer, "dilation", group, "dilation", "dilation", 1, result.dilation) ||
      !pair(layer, "pad", group, "pad", "pad", 0, pad))
    return false;
  result.pads = {pad[0], pad[1], pad[0], pad[1]};
  return true;
}

std::optional<size_t> Conversion::axis(const Layer &layer, const char *name, const char *older,
                                       const Sizes &shape) {
  auto rank = double(shape.size() + 1);
  double axis = number(layer, name, older ? number(layer, older, 1) : 1);
  axis += axis < 0 ? rank : 0;
  if (axis >= 1 && axis < rank)
    return size_t(axis) - 1;
  builder.fail(fmt::format("axis {} of [batch, {}], expected one behind the batch",
                           number(layer, name, 1), fmt::join(shape, ", ")));
  return std::nullopt;
}

/// Without leading ones: older files write every blob with four sizes.
static Sizes trimmed(const Sizes &shape) {
  size_t begin = 0;
  while (begin < shape.size() && shape[begin] == 1)
    ++begin;
  return {shape.begin() + ptrdiff_t(begin), shape.end()};
}

bool Conversion::values(const Layer &layer, size_t index, const char *name, const Sizes &dims,
                        std::vector<float> &result) {
  size_t count = builder.countOf(dims);
  if (count == 0)
    return false;
  if (!weights) {
    result.assign(count, 0.0f);
    return true;
  }
  auto found = weights->find(layer.name);
  if (found == weights->end() || found->second.size() <= index)
    return builder.fail(fmt::format("the .caffemodel has no {} of this layer", name));
  const Blob &blob = found->second[index];
  if (blob.values.size() != count || trimmed(blob.shape) != trimmed(dims))
    return builder.fail(fmt::format("its {} is [{}] with {} numbers in the .caffemodel, expected "
                                    "[{}]",
                                    name, fmt::join(blob.shape, ", "), blob.values.size(),
                                    fmt::join(dims, ", ")));
  result = blob.values;
  return true;
}

bool Conversion::parameter(const Layer &layer, size_t index, const char *name, const Sizes &dims,
                           std::vector<std::string> &inputs) {
  std::vector<float> numbers;
  if (!values(layer, index, name, dims, numbers))
    return false;
  inputs.push_back(layer.name + "." + name);
  builder.constant(inputs.back(), dims, std::move(numbers));
  return true;
}

bool Conversion::channelParameter(const Layer &layer, size_t index, const char *name,
                                  const Sizes &shape, std::vector<std::string> &inputs) {
  if (!parameter(layer, index, name, {shape.front()}, inputs))
    return false;
  Sizes &dims = builder.graph.initializers[inputs.back()].dims;
  dims.resize(shape.size(), 1);
  return true;
}

void Conversion::define(const Layer &layer, const char *op, std::vector<std::string> inputs,
                        const Sizes &shape, std::map<std::string, onnx::Attribute> attributes) {
  builder.add(op, std::move(inputs), top(layer), shape, std::move(attributes));
}

/// Whether a layer has as many bottoms and tops as its type.
static bool isCountedRight(const Layer &layer) {
  static const std::set<std::string> severalBottoms{"Concat", "Eltwise", "Silence"},
      severalTops{"Slice", "Split", "Input"};
  size_t bottoms = layer.bottoms.size(), tops = layer.tops.size();
  return (layer.type == "Input"              ? bottoms == 0
          : severalBottoms.count(layer.type) ? bottoms > 0
                                             : bottoms == 1) &&
         (layer.type == "Silence"         ? tops == 0
          : severalTops.count(layer.type) ? tops > 0
                                          : tops == 1);
}

void Conversion::convert(const Layer &layer) {
  // The node's name ends in '/', as of a module's path: labels are made of it.
  builder.enter(layer.name + "/",
                fmt::format("line {}: layer '{}' ({})", layer.line, layer.name, layer.type));
  size_t before = builder.failures;
  bool isReady = true;
  for (const std::string &name : layer.bottoms) {
    auto found = current.find(name);
    if (found == current.end())
      isReady = builder.fail(fmt::format("no layer before it has the top '{}'", name));
    else
      isReady &= !found->second.empty();
  }
  auto handler = handlers().find(layer.type);
  if (handler == handlers().end())
    builder.fail(layer.type.empty()
                     ? "it has no type; files of the oldest format are converted by Caffe's "
                       "upgrade_net_proto_text"
                     : "there is no layer for this type; import the deploy file, or take the "
                       "layer out and write it in the .net file");
  else if (isReady && !names.insert(layer.name).second)
    builder.fail("a layer before it has the same name; rename one in both files");
  else if (isReady && !isCountedRight(layer))
    builder.fail(fmt::format("{} bottoms and {} tops, which is not what this type has here",
                             layer.bottoms.size(), layer.tops.size()));
  else if (isReady)
    (this->*handler->second)(layer);
  if (!isReady || builder.failures != before)
    for (const std::string &name : layer.tops)
      current[name].clear();
}

/// The values that no layer reads. Scores are what netc's recipes and predictions expect: a softmax
/// of them at the end is left out.
std::vector<std::string> Conversion::outputs() {
  std::set<std::string> read = silenced;
  for (const onnx::Node &node : builder.graph.nodes)
    read.insert(node.inputs.begin(), node.inputs.end());
  std::vector<std::string> result;
  for (const onnx::Node &node : builder.graph.nodes)
    for (const std::string &output : node.outputs)
      if (!read.count(output)) {
        bool isOfClasses = node.op == "Softmax" && builder.shapeOf(output)->size() == 1;
        const std::string &name = isOfClasses ? node.inputs.front() : output;
        if (std::find(result.begin(), result.end(), name) == result.end())
          result.push_back(name);
      }
  return result;
}

std::optional<onnx::Graph> Conversion::run() {
  for (const auto &[name, shape] : net.inputs) {
    builder.enter(name, fmt::format("input '{}'", name));
    if (shape.size() < 2)
      builder.fail("expected a batch and one to four sizes behind it");
    else if (builder.input(name, Sizes(shape.begin() + 1, shape.end())))
      versions[name] = 1;
    current[name] = errors.empty() ? name : std::string();
  }
  for (const Layer &layer : net.layers)
    for (const std::string &name : layer.bottoms)
      ++readers[name];
  for (const Layer &layer : net.layers)
    convert(layer);
  if (errors.empty() && builder.graph.nodes.empty())
    errors.emplace_back("it has no layer but inputs");
  for (const auto &[name, tensor] : builder.graph.initializers)
    if (builder.shapeOf(name))
      errors.push_back(fmt::format("a blob and the weights of a layer are both called '{}'", name));
  if (!errors.empty())
    return std::nullopt;
  return builder.finish(outputs());
}

std::optional<onnx::Graph> convert(const Net &net, const Weights *weights,
                                   std::vector<std::string> &errors) {
  return Conversion(net, weights, errors).run();
}

} // namespace netc::frontend::caffe
