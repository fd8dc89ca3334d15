//===- Model.cpp - the description inside a compiled model ----------------===//
#include "runtime/exec/Model.h"

#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"

#include <nlohmann/json.hpp>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

int64_t ParameterInfo::elements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

int64_t ModelInfo::trainableElements() const {
  int64_t count = 0;
  for (const ParameterInfo &parameter : parameters)
    if (parameter.trainable)
      count += parameter.elements();
  return count;
}

std::string describeShape(const std::vector<int64_t> &shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

uint64_t ModelInfo::fingerprint() const {
  std::string text = fmt::format("{} {}x{}x{} {}\n", name, channels, height, width, classes);
  for (const LayerInfo &layer : layers)
    text += fmt::format("{} {} {}\n", layer.name, layer.kind, describeShape(layer.output));
  for (const ParameterInfo &parameter : parameters)
    text += fmt::format("{} {} {}\n", parameter.name, describeShape(parameter.shape),
                        parameter.trainable);
  return hashBytes(text);
}

static ParameterInfo readParameter(const Json &json, uint64_t parameterBytes) {
  ParameterInfo parameter;
  parameter.name = json.at("name").get<std::string>();
  parameter.shape = json.at("shape").get<std::vector<int64_t>>();
  parameter.offset = json.at("offset").get<uint64_t>();
  parameter.trainable = json.value("trainable", true);
  parameter.decay = json.value("decay", true);
  parameter.aux = json.value("aux", false);
  parameter.layer = json.value("layer", int64_t(-1));
  uint64_t bytes = uint64_t(parameter.elements()) * sizeof(float);
  if (parameter.offset + bytes > parameterBytes)
    fail("executable is damaged: parameter {} ends at byte {} of {}", parameter.name,
         parameter.offset + bytes, parameterBytes);

  const Json &init = json.at("init");
  std::string kind = init.at("kind").get<std::string>();
  if (kind == "normal") {
    parameter.init = InitializerKind::Normal;
    parameter.initA = init.at("mean").get<double>();
    parameter.initB = init.at("std").get<double>();
  } else if (kind == "uniform") {
    parameter.init = InitializerKind::Uniform;
    parameter.initA = init.at("low").get<double>();
    parameter.initB = init.at("high").get<double>();
  } else if (kind == "constant") {
    parameter.initA = init.at("value").get<double>();
  } else {
    fail("executable is damaged: parameter {} has the unknown initializer '{}'", parameter.name,
         kind);
  }
  return parameter;
}

static bool readsTargets(const NetcModel &model) {
  for (uint64_t i = 0; i < model.buffer_count; ++i)
    if (model.buffers[i].space == NETC_SPACE_TARGETS)
      return true;
  return false;
}

static ModelInfo parse(const NetcModel &model) {
  Json json = Json::parse(model.json);
  ModelInfo info;
  info.name = json.at("model").get<std::string>();
  info.file = json.value("file", "");
  info.compiler = json.value("netc", "");
  info.target = json.value("target", "cpu");
  info.cpu = json.value("cpu", "");
  info.features = json.value("features", std::vector<std::string>());
  auto input = json.at("input").get<std::vector<int>>();
  if (input.empty() || input.size() > 3)
    fail("executable is damaged: input of {} dimensions", input.size());
  input.resize(3, 1); // [F] is [F, 1, 1]
  info.channels = input[0];
  info.height = input[1];
  info.width = input[2];
  info.classes = json.at("classes").get<int64_t>();
  info.flopsPerImage = json.value("flops_per_image", int64_t(0));
  for (const Json &item : json.at("layers")) {
    LayerInfo layer;
    layer.name = item.at("name").get<std::string>();
    layer.kind = item.at("kind").get<std::string>();
    layer.output = item.value("output", std::vector<int64_t>());
    layer.parameters = item.value("parameters", int64_t(0));
    layer.flops = item.value("flops", int64_t(0));
    info.layers.push_back(std::move(layer));
  }
  for (const Json &item : json.at("parameters"))
    info.parameters.push_back(readParameter(item, model.parameter_bytes));
  info.leftOut = json.value("left_out", std::vector<std::string>());
  info.recipe = json.contains("recipe") ? json.at("recipe").dump() : "{}";
  if (json.contains("graph"))
    info.graph = json.at("graph").dump();
  info.softLabels = readsTargets(model);
  Json recipe = Json::parse(info.recipe);
  info.averages = recipe.value("ema", 0.0) > 0;
  info.labelSmoothing = recipe.value("/loss/named/label_smoothing"_json_pointer, 0.0);
  return info;
}

ModelInfo readModel(const NetcModel &model) {
  if (model.abi_version != NETC_ABI_VERSION)
    fail("executable was linked against another runtime: its tables have version {}, this runtime "
         "reads version {}",
         model.abi_version, NETC_ABI_VERSION);
  try {
    return parse(model);
  } catch (const nlohmann::json::exception &error) {
    fail("executable is damaged: its description does not parse: {}", error.what());
  }
}

} // namespace netc::runtime
