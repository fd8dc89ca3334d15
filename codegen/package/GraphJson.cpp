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

/// Writes the attributes that the reference has a use for.
static void writeAttribute(json::OStream &out, StringRef name, Attribute attribute) {
  if (auto number = dyn_cast<IntegerAttr>(attribute))
    out.attribute(name, number.getInt());
  else if (auto number = dyn_cast<FloatAttr>(attribute))
    out.attribute(name, number.getValueAsDouble());
  else if (isa<UnitAttr>(attribute))
    out.attribute(name, true);
  else if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute))
    out.attribute(name, symbol.getValue());
  else if (auto kind = dyn_cast<net::ActivationKindAttr>(attribute))
    out.attribute(name, net::stringifyActivationKind(kind.getValue()));
  else if (auto list = dyn_cast<DenseI64ArrayAttr>(attribute))
    out.attributeArray(name, [&] {
      for (int64_t value : list.asArrayRef())
        out.value(value);
    });
}

static void writeNode(json::OStream &out, Operation &op,
                      const llvm::DenseMap<Value, int64_t> &numbers) {
  out.object([&] {
    out.attribute("op", op.getName().stripDialect());
    out.attributeArray("in", [&] {
      for (Value operand : op.getOperands())
        out.value(numbers.at(operand));
    });
    out.attributeArray("shape", [&] {
      for (int64_t dim : cast<ShapedType>(op.getResult(0).getType()).getShape())
        out.value(ShapedType::isDynamic(dim) ? -1 : dim);
    });
    for (NamedAttribute named : op.getAttrDictionary())
      writeAttribute(out, named.getName().getValue(), named.getValue());
  });
}

void netc::recordGraph(ModuleOp module) {
  auto forward = net::functionOf(module, net::Role::Forward);
  if (!forward)
    return;
  llvm::DenseMap<Value, int64_t> numbers;
  int64_t count = 0;
  for (BlockArgument argument : forward.getArguments())
    numbers[argument] = count++;
  Block &body = forward.getBody().front();
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::OStream out(stream);
  out.object([&] {
    out.attributeArray("nodes", [&] {
      for (Operation &op : body.without_terminator()) {
        writeNode(out, op, numbers);
        numbers[op.getResult(0)] = count++;
      }
    });
    out.attributeArray("results", [&] {
      for (Value value : body.getTerminator()->getOperands())
        out.value(numbers.at(value));
    });
    out.attributeArray("auxiliary_weights", [&] {
      if (auto list = forward->getAttrOfType<DenseF64ArrayAttr>("net.auxiliary_weights"))
        for (double weight : list.asArrayRef())
          out.value(weight);
    });
    auto smoothing = forward->getAttrOfType<FloatAttr>("net.label_smoothing");
    out.attribute("smoothing", smoothing ? smoothing.getValueAsDouble() : 0.0);
  });
  module->setAttr("net.graph", StringAttr::get(module.getContext(), text));
}
