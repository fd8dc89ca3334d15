//===- ExportNodes.cpp - nodes and constants of an ONNX graph -------------===//
#ifdef NETC_HAVE_ONNX
#include "frontend/export/onnx/Exporter.h"

#include <fmt/format.h>

namespace netc::frontend::onnx {

static ::onnx::AttributeProto &attribute(::onnx::NodeProto &node, const char *name,
                                         ::onnx::AttributeProto::AttributeType type) {
  auto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

void set(::onnx::NodeProto &node, const char *name, int64_t value) {
  attribute(node, name, ::onnx::AttributeProto::INT).set_i(value);
}
void set(::onnx::NodeProto &node, const char *name, double value) {
  attribute(node, name, ::onnx::AttributeProto::FLOAT).set_f(float(value));
}
void set(::onnx::NodeProto &node, const char *name, const char *value) {
  attribute(node, name, ::onnx::AttributeProto::STRING).set_s(value);
}
void set(::onnx::NodeProto &node, const char *name, const std::vector<int64_t> &list) {
  auto &ints = attribute(node, name, ::onnx::AttributeProto::INTS);
  for (int64_t value : list)
    ints.add_ints(value);
}

/// Nodes are called after their layer; the further ones of a layer have a number too.
::onnx::NodeProto &Exporter::node(const char *op, const Layer &layer, Names inputs,
                                  std::string output) {
  int before = graph.node_size();
  bool isFirst = before == 0 || (graph.node(before - 1).name() != layer.name &&
                                 !graph.node(before - 1).name().starts_with(layer.name + "/"));
  auto &node = *graph.add_node();
  node.set_op_type(op);
  node.set_name(isFirst ? layer.name : fmt::format("{}/{}", layer.name, before));
  for (const std::string &name : inputs)
    node.add_input(name);
  node.add_output(std::move(output));
  return node;
}

std::string Exporter::step(const char *op, const Layer &layer, Names inputs, const char *part) {
  std::string result = layer.name + "/" + part;
  node(op, layer, std::move(inputs), result);
  return result;
}

std::string Exporter::stepWith(const char *op, const Layer &layer, const std::string &input,
                               double number, const char *part) {
  std::string value = constant(fmt::format("{}/{}/number", layer.name, part), {}, {float(number)});
  return step(op, layer, {input, value}, part);
}

::onnx::TensorProto &Exporter::addTensor(const std::string &name, int32_t type,
                                         const std::vector<int64_t> &dims, const void *data,
                                         size_t size) {
  auto &tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (int64_t each : dims)
    tensor.add_dims(each);
  bytes += int64_t(size);
  if (bytes < kMostBytes)
    tensor.set_raw_data(data, size);
  return tensor;
}

std::string Exporter::constant(const std::string &name, const std::vector<int64_t> &dims,
                               const std::vector<float> &numbers) {
  return addTensor(name, ::onnx::TensorProto::FLOAT, dims, numbers.data(),
                   numbers.size() * sizeof(float))
      .name();
}

std::string Exporter::constant(const std::string &name, const std::vector<int64_t> &numbers) {
  return addTensor(name, ::onnx::TensorProto::INT64, {int64_t(numbers.size())}, numbers.data(),
                   numbers.size() * sizeof(int64_t))
      .name();
}

std::string Exporter::constant(const std::string &name, const std::vector<int64_t> &dims,
                               const std::vector<int8_t> &numbers, int32_t type) {
  return addTensor(name, type, dims, numbers.data(), numbers.size()).name();
}

std::string Exporter::parameter(const Layer &layer, size_t index) {
  const Parameter &p = layer.parameters[index];
  return constant(p.name, p.shape, values(p));
}

bool Exporter::fail(const Layer &layer, const std::string &why) {
  problem = fmt::format("{}:{}:{}: layer {} ({}) cannot be exported: {}", layer.location.file,
                        layer.location.line, layer.location.column, layer.name, layer.kind, why);
  return false;
}

} // namespace netc::frontend::onnx

#endif // NETC_HAVE_ONNX
