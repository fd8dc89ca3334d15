//===- Export.cpp - a network as an ONNX graph ----------------------------===//
//
// Each layer becomes one node, or a few, under its name. What inference does not compute (dropout,
// auxiliary heads) is left out.
//
//===----------------------------------------------------------------------===//
#include "frontend/export/onnx/Export.h"

#include <fmt/format.h>

#ifdef NETC_HAVE_ONNX
#include "frontend/export/onnx/Exporter.h"

#include <algorithm>
#include <map>
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

namespace netc::frontend::onnx {

static constexpr int64_t kOpset = 18, kIrVersion = 8;

static void describePort(::onnx::ValueInfoProto &port, const std::string &name,
                         const Shape &shape) {
  port.set_name(name);
  auto &type = *port.mutable_type()->mutable_tensor_type();
  type.set_elem_type(::onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("batch");
  for (int64_t size : shape)
    type.mutable_shape()->add_dim()->set_dim_value(size);
}

bool Exporter::convert(const Layer &layer, const std::string &out) {
  auto visit = [&](const auto &attrs) -> bool {
    using T = std::decay_t<decltype(attrs)>;
    if constexpr (std::is_same_v<T, ParameterAttrs>) {
      Shape one{1};
      one.insert(one.end(), layer.output.begin(), layer.output.end());
      const Parameter &value = layer.parameters[0];
      tensors.back() = constant(value.name, one, values(value));
      return true;
    } else if constexpr (std::is_same_v<T, InputAttrs>) {
      return fail(layer, "an input behind other layers");
    } else {
      return emit(layer, attrs, out);
    }
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
    varies.push_back(i < inputs || std::any_of(
                                       layer.inputs.begin(), layer.inputs.end(),
                                       [&](int from) { return varies[size_t(from)]; }));
    auto named = outputOf.find(int(i));
    bool isNamed = named != outputOf.end() && varies.back();
    tensors.push_back(i < inputs ? layer.name : isNamed ? named->second : layer.name + "/out");
    if (i < inputs)
      describePort(*graph.add_input(), layer.name, layer.output);
    else if (!layer.auxiliary && !convert(layer, std::string(tensors[i])))
      break;
    quantize(layer, i);
  }
  for (const Output &output : network.outputs) {
    if (!problem.empty())
      break;
    auto index = size_t(output.layer);
    const Layer &layer = network.layers[index];
    auto computed = outputOf.find(output.layer);
    if (!varies[index])
      node("Identity", layer,
           {repeated(layer, tensors[index], layer.output, output.name + "/repeated")}, output.name);
    else if (computed == outputOf.end() || computed->second != output.name)
      node("Identity", layer, {tensors[index]}, output.name); // an input, or a second name
    describePort(*graph.add_output(), output.name, layer.output);
  }
  if (problem.empty() && bytes >= kMostBytes)
    problem = fmt::format("{} bytes of weights: an ONNX file holds less than 2 GiB", bytes);
  error = problem;
  if (!problem.empty())
    return std::nullopt;
  return model.SerializeAsString();
}

std::optional<std::string> exportNetwork(const Network &network, const FindValues &values,
                                         const FindScale &scales, const std::string &version,
                                         std::string &error) {
  return Exporter(network, values, scales).run(version, error);
}

} // namespace netc::frontend::onnx

#endif
