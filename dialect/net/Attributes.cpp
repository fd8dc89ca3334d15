//===- Attributes.cpp - attributes of modules, functions and ops ----------===//
//
// What passes, code generation and the front end tell each other beside the ops: every `net.`
// attribute that there is, who has it and its type. Verified wherever ops are.
//
//===----------------------------------------------------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace netc::net;

namespace {
enum class Holder { Module, Function, Op };

/// One known attribute.
struct Row {
  StringLiteral name;
  Holder holder;
  StringLiteral type; ///< as an error spells it
  bool (*matches)(Attribute);
};
} // namespace

template <typename AttrTy> static bool is(Attribute attribute) { return isa<AttrTy>(attribute); }
static bool isI64(Attribute attribute) {
  auto integer = dyn_cast<IntegerAttr>(attribute);
  return integer && integer.getType().isInteger(64);
}
static bool isF64(Attribute attribute) {
  auto number = dyn_cast<FloatAttr>(attribute);
  return number && number.getType().isF64();
}
/// A layer of the model file: its name at least.
static bool areLayers(Attribute attribute) {
  auto list = dyn_cast<ArrayAttr>(attribute);
  return list && llvm::all_of(list, [](Attribute layer) {
           auto fields = dyn_cast<DictionaryAttr>(layer);
           return fields && fields.getAs<StringAttr>("name");
         });
}
static bool areStrings(Attribute attribute) {
  auto list = dyn_cast<ArrayAttr>(attribute);
  return list && llvm::all_of(list, [](Attribute each) { return isa<StringAttr>(each); });
}

static bool areLosses(Attribute attribute) {
  auto list = dyn_cast<ArrayAttr>(attribute);
  return list && llvm::all_of(list, [](Attribute term) { return isa<LossAttr>(term); });
}

static const Row rows[] = {
    // From the front end.
    {"net.model", Holder::Module, "a string", is<StringAttr>},
    {"net.file", Holder::Module, "a string", is<StringAttr>},
    {"net.losses", Holder::Module, "an array of #net.loss", areLosses},
    {"net.layers", Holder::Module, "an array of layers with names", areLayers},
    {"net.recipe", Holder::Module, "a string", is<StringAttr>},
    {"net.optimizer", Holder::Module, "a string", is<StringAttr>},
    {"net.nesterov", Holder::Module, "a unit", is<UnitAttr>},
    {"net.average", Holder::Module, "a unit", is<UnitAttr>},
    {"net.graph", Holder::Module, "a string", is<StringAttr>},
    {"net.auxiliary_weights", Holder::Function, "an array of f64", is<DenseF64ArrayAttr>},
    {"net.label_smoothing", Holder::Function, "an f64", isF64},
    {"net.soft_targets", Holder::Function, "a unit", is<UnitAttr>},
    // From passes.
    {"net.ports", Holder::Module, "an array of #kern.port", is<ArrayAttr>},
    {"net.left_out", Holder::Module, "an array of names", is<ArrayAttr>},
    {"net.state_slots", Holder::Module, "an i64", isI64},
    {"net.parameter_bytes", Holder::Module, "an i64", isI64},
    {"net.prepared_bytes", Holder::Module, "an i64", isI64},
    {"net.lean_step", Holder::Function, "an i64", isI64},
    {"net.left_out", Holder::Module, "an array of strings", areStrings},
    {"net.recomputed", Holder::Op, "a unit", is<UnitAttr>},
    {kOperandType, Holder::Op, "a type", is<TypeAttr>},
};

static bool holds(Operation *op, Holder holder) {
  switch (holder) {
  case Holder::Module:
    return isa<ModuleOp>(op);
  case Holder::Function:
    return isa<func::FuncOp>(op);
  case Holder::Op:
    return isa_and_nonnull<NetDialect>(op->getDialect());
  }
  llvm_unreachable("a holder without a rule");
}

static StringRef spell(Holder holder) {
  return holder == Holder::Module     ? "a module"
         : holder == Holder::Function ? "a function"
                                      : "an op";
}

LogicalResult NetDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName();
  const Row *row = llvm::find_if(rows, [&](const Row &r) { return r.name == name; });
  if (row == std::end(rows))
    return op->emitError() << "unknown attribute '" << name << "'";
  if (!holds(op, row->holder))
    return op->emitError() << "attribute '" << name << "' belongs to " << spell(row->holder);
  if (!row->matches(attribute.getValue()))
    return op->emitError() << "attribute '" << name << "' is " << attribute.getValue()
                           << ", expected " << row->type;
  return success();
}
