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
using namespace netc;
using namespace netc::net;

namespace {
enum class Holder { Module, Function, Op, Any };

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
    // Through all stages.
    {kRole, Holder::Function, "a #net.role", is<RoleAttr>},
    {kLayer, Holder::Any, "a layer's name or an array of names", areLayerNames},
    {kLoaded, Holder::Any, "a layer's name or an array of names", areLayerNames},
    {kLoadedRight, Holder::Any, "a layer's name or an array of names", areLayerNames},
    {kStored, Holder::Any, "a layer's name or an array of names", areLayerNames},
    {kObserved, Holder::Any, "a string", is<StringAttr>},
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
    {"net.precision", Holder::Module, "a string", is<StringAttr>},
    {"net.parameter_bytes", Holder::Module, "an i64", isI64},
    {"net.prepared_bytes", Holder::Module, "an i64", isI64},
    {"net.lean_step", Holder::Function, "an i64", isI64},
    {"net.left_out", Holder::Module, "an array of strings", areStrings},
    {"net.recomputed", Holder::Op, "a unit", is<UnitAttr>},
    {kLevels, Holder::Op, "an i64", isI64},
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
  case Holder::Any:
    return !isa<ModuleOp, func::FuncOp>(op);
  }
  llvm_unreachable("a holder without a rule");
}

static StringRef spell(Holder holder) {
  return holder == Holder::Module     ? "a module"
         : holder == Holder::Function ? "a function"
         : holder == Holder::Op       ? "an op of this dialect"
                                      : "an op";
}

std::optional<Role> netc::net::roleOf(func::FuncOp function) {
  auto role = function->getAttrOfType<RoleAttr>(kRole);
  return role ? std::optional(role.getValue()) : std::nullopt;
}

void netc::net::setRole(func::FuncOp function, Role role) {
  function->setAttr(kRole, RoleAttr::get(function.getContext(), role));
}

/// A step in less memory, which shares its role with the ordinary one.
static bool isLean(func::FuncOp function) { return function->hasAttr("net.lean_step"); }

func::FuncOp netc::net::functionOf(ModuleOp module, Role role) {
  for (auto function : module.getOps<func::FuncOp>())
    if (roleOf(function) == role && !isLean(function))
      return function;
  return {};
}

/// Each role has one function; only steps may be lean.
static LogicalResult verifyRole(func::FuncOp function, Role role) {
  if (isLean(function))
    return role == Role::Step ? success()
                              : function.emitError()
                                    << "a function with 'net.lean_step' has the role "
                                    << stringifyRole(role) << ", expected step";
  auto module = function->getParentOfType<ModuleOp>();
  func::FuncOp first = module ? functionOf(module, role) : function;
  if (first == function)
    return success();
  InFlightDiagnostic diag = function.emitError()
                            << "a second function has the role " << stringifyRole(role);
  diag.attachNote(first.getLoc()) << "the first one is here";
  return diag;
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
  if (auto role = dyn_cast<RoleAttr>(attribute.getValue()); role && name == kRole)
    return verifyRole(cast<func::FuncOp>(op), role.getValue());
  return success();
}
