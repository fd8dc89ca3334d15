//===- AssignPrecision.cpp - storage types and operand types --------------===//
//
// After autodiff, before layout. Each value has a storage type, the element type of its tensor:
// activations and gradients what --precision says, parameters, statistics and losses f32, labels
// i64. Each contraction has an operand type, `net.operand_type`: what its operands are rounded to
// before they are multiplied; sums are f32. Today every storage type is f32; tf32 is an operand
// type alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_ASSIGNPRECISION
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct AssignPrecision : netc::impl::AssignPrecisionBase<AssignPrecision> {
  using AssignPrecisionBase::AssignPrecisionBase;
  void runOnOperation() override;
};

/// What a precision means.
struct Types {
  Type storage; ///< of activations and their gradients
  Type operand; ///< of contractions
};
} // namespace

/// Null types for a precision that there is not.
static Types typesOf(StringRef precision, Builder &b) {
  if (precision == "f32")
    return {b.getF32Type(), b.getF32Type()};
  if (precision == "tf32")
    return {b.getF32Type(), b.getTF32Type()};
  return {};
}

/// Retypes `value` if it is an activation of floats.
static bool assignStorage(Value value, Type storage) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  if (!tensor || !net::isActivation(tensor) || !isa<FloatType>(tensor.getElementType()))
    return false;
  value.setType(tensor.clone(storage));
  return true;
}

void AssignPrecision::runOnOperation() {
  Builder b(&getContext());
  Types types = typesOf(precision, b);
  if (!types.storage) {
    getOperation().emitError() << "no precision '" << precision << "', expected f32 or tf32";
    return signalPassFailure();
  }
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (net::roleOf(function) == net::Role::Forward)
      continue; // the source of the others, not compiled itself
    function.walk([&](Operation *op) {
      if (isa<ContractionOpInterface>(op)) {
        op->setAttr(net::kOperandType, TypeAttr::get(types.operand));
        ++numContractions;
      }
      // What the model takes and gives stays as its function says.
      if (isa<LossOpInterface>(op))
        return;
      for (Value result : op->getResults())
        numValues += assignStorage(result, types.storage);
    });
  }
}
