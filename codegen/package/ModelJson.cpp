//===- ModelJson.cpp - the JSON description in an executable --------------===//
#include "codegen/package/ModelTable.h"

#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace netc;
namespace json = llvm::json;

static json::Array toJson(ArrayRef<int64_t> values) {
  json::Array list;
  for (int64_t value : values)
    list.push_back(value);
  return list;
}

/// "f32", "bf16", "i64", …: what MLIR calls it.
static std::string storageName(Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return name;
}

/// Each term of the loss: kind, output, weight.
static json::Array lossesJson(ModuleOp module) {
  json::Array terms;
  if (auto list = module->getAttrOfType<ArrayAttr>("net.losses"))
    for (auto loss : list.getAsRange<net::LossAttr>())
      terms.push_back(json::Object{{"kind", net::stringifyLossKind(loss.getKind())},
                                   {"output", loss.getOutput()},
                                   {"weight", loss.getWeight().getValueAsDouble()}});
  return terms;
}

/// The logical type of the first port of a space.
static RankedTensorType firstOf(ModuleOp module, kern::Space space) {
  if (auto ports = module->getAttrOfType<ArrayAttr>("net.ports"))
    for (auto port : ports.getAsRange<kern::PortAttr>())
      if (port.getSpace() == space)
        return cast<RankedTensorType>(port.getType());
  return {};
}

static json::Object describeParameter(net::ParameterOp parameter) {
  StringRef kind = cast<StringAttr>(parameter.getInit()[0]).getValue();
  double a = cast<FloatAttr>(parameter.getInit()[1]).getValueAsDouble();
  double b = cast<FloatAttr>(parameter.getInit()[2]).getValueAsDouble();
  json::Object init{{"kind", kind}};
  if (kind == "normal") {
    init["mean"] = a;
    init["std"] = b;
  } else if (kind == "uniform") {
    init["low"] = a;
    init["high"] = b;
  } else {
    init["value"] = a;
  }
  auto type = cast<ShapedType>(parameter.getType());
  return json::Object{{"name", parameter.getSymName()},
                      {"type", storageName(type.getElementType())},
                      {"shape", toJson(type.getShape())},
                      {"offset", parameter->getAttrOfType<IntegerAttr>("offset").getInt()},
                      {"trainable", parameter.getTrainable()},
                      {"decay", parameter.getDecay()},
                      {"init", std::move(init)},
                      {"layer", static_cast<int64_t>(parameter.getLayer())},
                      {"aux", parameter.getAuxiliary()}};
}

std::string netc::modelJson(ModuleOp module, const CpuTarget &target, const cuda::GpuTarget *gpu) {
  json::Array parameters;
  std::vector<int64_t> ofLayer;
  auto layerList = module->getAttrOfType<ArrayAttr>("net.layers");
  ofLayer.resize(layerList.size());
  for (auto parameter : module.getOps<net::ParameterOp>()) {
    parameters.push_back(describeParameter(parameter));
    if (parameter.getTrainable())
      ofLayer[parameter.getLayer()] += cast<ShapedType>(parameter.getType()).getNumElements();
  }
  json::Array layers;
  int64_t total = 0;
  for (auto [index, attr] : llvm::enumerate(layerList)) {
    auto layer = cast<DictionaryAttr>(attr);
    int64_t flops = layer.getAs<IntegerAttr>("flops").getInt();
    bool auxiliary = layer.contains("auxiliary");
    total += auxiliary ? 0 : flops;
    layers.push_back(
        json::Object{{"name", layer.getAs<StringAttr>("name").getValue()},
                     {"kind", layer.getAs<StringAttr>("kind").getValue()},
                     {"output", toJson(layer.getAs<DenseI64ArrayAttr>("output").asArrayRef())},
                     {"parameters", ofLayer[index]},
                     {"flops", flops},
                     {"line", layer.getAs<IntegerAttr>("line").getInt()},
                     {"aux", auxiliary},
                     {"frozen", layer.contains("frozen")}});
  }
  json::Array features;
  if (!gpu)
    for (const std::string &feature : target.features)
      features.push_back(feature);
  std::vector<std::string> chips;
  if (gpu)
    for (unsigned chip : gpu->chips)
      chips.push_back("sm_" + std::to_string(chip));
  RankedTensorType input = firstOf(module, kern::Space::Input),
                   output = firstOf(module, kern::Space::Output);
  ArrayRef<int64_t> inputShape = input ? input.getShape().drop_front() : ArrayRef<int64_t>();
  auto recipe = json::parse(module->getAttrOfType<StringAttr>("net.recipe").getValue());
  bool trains = static_cast<bool>(net::functionOf(module, net::Role::Step));
  json::Value value = json::Object{
      {"model", module->getAttrOfType<StringAttr>("net.model").getValue()},
      {"file", module->getAttrOfType<StringAttr>("net.file").getValue()},
      {"netc", NETC_VERSION},
      {"target", !gpu             ? "cpu"
                 : gpu->simulated ? "sim"
                                  : "cuda"},
      {"cpu", gpu ? llvm::join(chips, ",") + (gpu->tensorCores ? " tf32" : "") : target.name},
      {"features", std::move(features)},
      {"input", toJson(inputShape)},
      {"classes", output ? net::channelsOf(output) : 1},
      {"losses", lossesJson(module)},
      {"mode", trains ? "both" : "infer"},
      {"flops_per_image", total},
      {"layers", std::move(layers)},
      {"parameters", std::move(parameters)},
      {"recipe", recipe ? std::move(*recipe) : json::Value(nullptr)}};
  if (auto names = module->getAttrOfType<ArrayAttr>("net.left_out")) {
    json::Array list;
    for (auto name : names.getAsRange<StringAttr>())
      list.push_back(name.getValue());
    (*value.getAsObject())["left_out"] = std::move(list);
  }
  if (auto graph = module->getAttrOfType<StringAttr>("net.graph"))
    if (auto parsed = json::parse(graph.getValue()))
      (*value.getAsObject())["graph"] = std::move(*parsed);
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}
