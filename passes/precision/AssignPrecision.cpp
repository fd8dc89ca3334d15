//===- AssignPrecision.cpp - storage types and operand types --------------===//
//
// After autodiff, before layout. Each value has a storage type, the element type of its tensor:
// activations and their gradients what --precision says; parameters, statistics, losses and what
// they compare, inputs and outputs of the model f32; labels i64. Each contraction has an operand
// type, `net.operand_type`: what its operands are rounded to before they are multiplied; sums are
// f32. So have products of two activations, which CPUs multiply in f32 all the same. tf32 is an
// operand type alone; what is stored as bf16 is widened to f32 where the target cannot multiply it.
// What net-quantize made integers stays so; their products are of i8, or of i16 where the target
// cannot multiply i8.
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
static Types typesOf(StringRef precision, bool bf16Products, Builder &b) {
  if (precision == "f32")
    return {b.getF32Type(), b.getF32Type()};
  if (precision == "tf32")
    return {b.getF32Type(), b.getTF32Type()};
  if (precision == "bf16")
    return {b.getBF16Type(), bf16Products ? Type(b.getBF16Type()) : b.getF32Type()};
  if (precision == "int8")
    return {b.getF32Type(), b.getF32Type()};
  return {};
}

/// What the runtime reads, what losses compare, and sums: f32 in every precision.
static DenseSet<Value> valuesInF32(func::FuncOp function) {
  DenseSet<Value> kept;
  function.walk([&](Operation *op) {
    if (isa<func::ReturnOp>(op))
      kept.insert_range(op->getOperands());
    if (auto loss = dyn_cast<LossOpInterface>(op)) {
      kept.insert(loss.getPredicted());
      kept.insert_range(op->getResults());
    }
    if (auto sums = dyn_cast<net::DiceSumsOp>(op))
      kept.insert(sums.getSums());
    if (auto attention = dyn_cast<net::AttentionOp>(op))
      kept.insert(attention.getLogarithms());
    // A sum over many matrices, to which each adds in memory.
    if (auto attention = dyn_cast<net::AttentionGradOp>(op); attention && attention.getBiasGrad())
      kept.insert(attention.getBiasGrad());
  });
  return kept;
}

/// Whether the activation that a contraction multiplies was quantised.
static bool multipliesIntegers(ContractionOpInterface op) {
  Value activation = op->getOperand(op.getActivationOperands().front());
  return isa<IntegerType>(cast<ShapedType>(activation.getType()).getElementType());
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
  Types types = typesOf(precision, bf16Products, b);
  if (!types.storage) {
    getOperation().emitError() << "no precision '" << precision
                               << "', expected f32, tf32, bf16 or int8";
    return signalPassFailure();
  }
  getOperation()->setAttr("net.precision", b.getStringAttr(precision));
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (net::roleOf(function) == net::Role::Forward)
      continue; // the source of the others, not compiled itself
    DenseSet<Value> kept = valuesInF32(function);
    function.walk([&](Operation *op) {
      if (auto contraction = dyn_cast<ContractionOpInterface>(op)) {
        Type integer = int8Products ? b.getI8Type() : b.getIntegerType(16);
        op->setAttr(net::kOperandType,
                    TypeAttr::get(multipliesIntegers(contraction) ? integer : types.operand));
        ++numContractions;
      }
      if (isa<net::MatmulOp, net::AttentionOp, net::AttentionGradOp>(op))
        op->setAttr(net::kOperandType, TypeAttr::get(types.operand));
      for (Value result : op->getResults())
        if (!kept.contains(result))
          numValues += assignStorage(result, types.storage);
    });
  }
}
