//===- ModelJson.cpp - the JSON description in an executable --------------===//
#include "codegen/package/ModelTable.h"

#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
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

/// Each term of the loss: kind, output, weight, and what else its kernels know.
static json::Array lossesJson(ModuleOp module) {
  json::Array terms;
  if (auto list = module->getAttrOfType<ArrayAttr>("net.losses"))
    for (auto loss : list.getAsRange<net::LossAttr>()) {
      json::Object term{{"kind", net::stringifyLossKind(loss.getKind())},
                        {"output", loss.getOutput()},
                        {"weight", loss.getWeight().getValueAsDouble()}};
      if (auto ignored = loss.option<IntegerAttr>("ignore"))
        term["ignore"] = ignored.getInt();
      for (StringRef name : {"threshold", "smooth"})
        if (auto value = loss.option<FloatAttr>(name))
          term[name] = value.getValueAsDouble();
      terms.push_back(std::move(term));
    }
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

static void writeParameter(json::OStream &out, net::ParameterOp parameter) {
  StringRef kind = cast<StringAttr>(parameter.getInit()[0]).getValue();
  double a = cast<FloatAttr>(parameter.getInit()[1]).getValueAsDouble();
  double b = cast<FloatAttr>(parameter.getInit()[2]).getValueAsDouble();
  auto type = cast<ShapedType>(parameter.getType());
  out.object([&] {
    out.attribute("name", parameter.getSymName());
    out.attribute("type", storageName(type.getElementType()));
    out.attribute("shape", toJson(type.getShape()));
    out.attribute("offset", parameter->getAttrOfType<IntegerAttr>("offset").getInt());
    out.attribute("trainable", parameter.getTrainable());
    out.attribute("decay", parameter.getDecay());
    out.attributeObject("init", [&] {
      out.attribute("kind", kind);
      if (kind == "normal") {
        out.attribute("mean", a);
        out.attribute("std", b);
      } else if (kind == "uniform") {
        out.attribute("low", a);
        out.attribute("high", b);
      } else {
        out.attribute("value", a);
      }
    });
    out.attribute("layer", static_cast<int64_t>(parameter.getLayer()));
    out.attribute("aux", parameter.getAuxiliary());
    if (auto levels = parameter->getAttrOfType<IntegerAttr>(net::kLevels))
      out.attribute("levels", levels.getInt());
  });
}

/// Of int8: what each convolution and linear layer of inference multiplies, "int8" or "f32".
static llvm::StringMap<StringRef> productsOf(ModuleOp module) {
  llvm::StringMap<StringRef> products;
  auto infer = net::functionOf(module, net::Role::Infer);
  if (!infer || !net::functionOf(module, net::Role::Observe))
    return products;
  for (auto contract : infer.getBody().front().getOps<kern::ContractOp>()) {
    bool integers = kern::shapedType(contract.getLhs()[0]).getElementType().isInteger() &&
                    contract.getLhsPrologue().empty();
    for (StringAttr layer : layersOf(contract))
      products.try_emplace(layer.getValue(), integers ? "int8" : "f32");
  }
  return products;
}

/// Writes the layers and returns their multiply-adds' flops in inference. `parameters`: how many
/// trainable ones each layer has.
static int64_t writeLayers(json::OStream &out, ArrayAttr layers, ArrayRef<int64_t> parameters,
                           const llvm::StringMap<StringRef> &products) {
  int64_t total = 0;
  for (auto [index, attr] : llvm::enumerate(layers)) {
    auto layer = cast<DictionaryAttr>(attr);
    int64_t flops = layer.getAs<IntegerAttr>("flops").getInt();
    bool auxiliary = layer.contains("auxiliary");
    total += auxiliary ? 0 : flops;
    out.object([&, index = index] {
      out.attribute("name", layer.getAs<StringAttr>("name").getValue());
      out.attribute("kind", layer.getAs<StringAttr>("kind").getValue());
      out.attribute("output", toJson(layer.getAs<DenseI64ArrayAttr>("output").asArrayRef()));
      out.attribute("parameters", parameters[index]);
      out.attribute("flops", flops);
      out.attribute("line", layer.getAs<IntegerAttr>("line").getInt());
      if (auto it = products.find(layer.getAs<StringAttr>("name").getValue());
          it != products.end() && flops > 0)
        out.attribute("products", it->second);
      out.attribute("aux", auxiliary);
      out.attribute("frozen", layer.contains("frozen"));
    });
  }
  return total;
}

/// What it runs on.
static void writeTarget(json::OStream &out, const CpuTarget &target, const cuda::GpuTarget *gpu) {
  std::vector<std::string> chips;
  if (gpu)
    for (unsigned chip : gpu->chips)
      chips.push_back("sm_" + std::to_string(chip));
  out.attribute("target", !gpu ? "cpu" : gpu->simulated ? "sim" : "cuda");
  std::string precision = gpu && gpu->precision != "f32" ? " " + gpu->precision : "";
  out.attribute("cpu", gpu ? llvm::join(chips, ",") + precision : target.name);
  out.attributeArray("features", [&] {
    if (!gpu)
      for (const std::string &feature : target.features)
        out.value(feature);
  });
}

/// By program, the commands that store values which the runtime knows by name.
static void writeObserved(json::OStream &out, ModuleOp module) {
  for (net::Role role : {net::Role::Infer, net::Role::Observe})
    if (auto function = net::functionOf(module, role))
      out.attributeArray(net::stringifyRole(role), [&, function = function]() mutable {
        for (auto [index, launch] :
             llvm::enumerate(function.getBody().front().getOps<kern::KernelOpInterface>()))
          if (auto name = launch->getAttrOfType<StringAttr>(kObserved); name && !name.empty())
            out.object([&, index = index] {
              out.attribute("name", name.getValue());
              out.attribute("command", static_cast<int64_t>(index));
            });
      });
}

std::string netc::modelJson(ModuleOp module, const CpuTarget &target, const cuda::GpuTarget *gpu) {
  auto text = [&](StringRef name) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return attr ? attr.getValue() : StringRef("null");
  };
  RankedTensorType input = firstOf(module, kern::Space::Input),
                   output = firstOf(module, kern::Space::Output);
  auto layers = module->getAttrOfType<ArrayAttr>("net.layers");
  std::vector<int64_t> ofLayer(layers.size());
  for (auto parameter : module.getOps<net::ParameterOp>())
    if (parameter.getTrainable())
      ofLayer[parameter.getLayer()] += cast<ShapedType>(parameter.getType()).getNumElements();
  std::string result;
  llvm::raw_string_ostream stream(result);
  json::OStream out(stream);
  out.object([&] {
    out.attribute("model", text("net.model"));
    out.attribute("file", text("net.file"));
    out.attribute("netc", NETC_VERSION);
    writeTarget(out, target, gpu);
    out.attribute("precision", text("net.precision"));
    out.attribute("input", toJson(input ? input.getShape().drop_front() : ArrayRef<int64_t>()));
    out.attribute("classes", output ? net::channelsOf(output) : 1);
    out.attribute("losses", lossesJson(module));
    out.attribute("mode", net::functionOf(module, net::Role::Step) ? "both" : "infer");
    int64_t flops = 0;
    out.attributeArray("layers",
                       [&] { flops = writeLayers(out, layers, ofLayer, productsOf(module)); });
    out.attribute("flops_per_image", flops);
    out.attributeArray("parameters", [&] {
      for (auto parameter : module.getOps<net::ParameterOp>())
        writeParameter(out, parameter);
    });
    if (auto names = module->getAttrOfType<ArrayAttr>("net.left_out"))
      out.attributeArray("left_out", [&] {
        for (auto name : names.getAsRange<StringAttr>())
          out.value(name.getValue());
      });
    if (net::functionOf(module, net::Role::Observe))
      out.attributeObject("observed", [&] { writeObserved(out, module); });
    // Both are JSON already.
    auto asItIs = [&](StringRef json) { return [&, json](llvm::raw_ostream &to) { to << json; }; };
    out.attributeBegin("recipe");
    out.rawValue(asItIs(text("net.recipe")));
    out.attributeEnd();
    if (module->hasAttr("net.graph")) {
      out.attributeBegin("graph");
      out.rawValue(asItIs(text("net.graph")));
      out.attributeEnd();
    }
  });
  return result;
}
