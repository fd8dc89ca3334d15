//===- GraphJson.cpp - the forward pass as the file has it ----------------===//
//
// Written before any pass runs, for `gradcheck`: the executable computes the same
// layers once more in double precision, from their definitions.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/ModelTable.h"

#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace netc;
namespace json = llvm::json;

/// Null where the reference has no use for such an attribute.
static json::Value attributeJson(Attribute attribute) {
  if (auto number = dyn_cast<IntegerAttr>(attribute))
    return number.getInt();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  if (isa<UnitAttr>(attribute))
    return true;
  if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute))
    return symbol.getValue();
  if (auto kind = dyn_cast<net::ActivationKindAttr>(attribute))
    return net::stringifyActivationKind(kind.getValue());
  if (auto list = dyn_cast<DenseI64ArrayAttr>(attribute)) {
    json::Array values;
    for (int64_t value : list.asArrayRef())
      values.push_back(value);
    return values;
  }
  return nullptr;
}

void netc::recordGraph(ModuleOp module) {
  auto forward = net::functionOf(module, net::Role::Forward);
  if (!forward)
    return;
  llvm::DenseMap<Value, int64_t> numbers;
  for (BlockArgument argument : forward.getArguments())
    numbers[argument] = argument.getArgNumber();
  int64_t inputCount = forward.getNumArguments();
  json::Array nodes, results;
  for (Operation &op : forward.getBody().front()) {
    if (isa<func::ReturnOp>(op)) {
      for (Value value : op.getOperands())
        results.push_back(numbers[value]);
      continue;
    }
    json::Array inputs, shape;
    for (Value operand : op.getOperands())
      inputs.push_back(numbers[operand]);
    for (int64_t dim : cast<ShapedType>(op.getResult(0).getType()).getShape())
      shape.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
    json::Object node{{"op", op.getName().stripDialect()},
                      {"in", std::move(inputs)},
                      {"shape", std::move(shape)}};
    for (NamedAttribute named : op.getAttrDictionary())
      if (json::Value value = attributeJson(named.getValue()); value.kind() != json::Value::Null)
        node[named.getName().getValue()] = std::move(value);
    numbers[op.getResult(0)] = static_cast<int64_t>(nodes.size()) + inputCount;
    nodes.push_back(std::move(node));
  }
  json::Array weights;
  if (auto list = forward->getAttrOfType<DenseF64ArrayAttr>("net.auxiliary_weights"))
    for (double weight : list.asArrayRef())
      weights.push_back(weight);
  auto smoothing = forward->getAttrOfType<FloatAttr>("net.label_smoothing");
  json::Value graph = json::Object{{"nodes", std::move(nodes)},
                                   {"results", std::move(results)},
                                   {"auxiliary_weights", std::move(weights)},
                                   {"smoothing", smoothing ? smoothing.getValueAsDouble() : 0.0}};
  std::string text;
  llvm::raw_string_ostream(text) << graph;
  module->setAttr("net.graph", StringAttr::get(module.getContext(), text));
}
