//===- Autodiff.cpp - reverse-mode differentiation of @step ---------------===//
//
// One reverse sweep that names no op: each op with a cotangent builds its adjoint
// through DifferentiableOpInterface, and the cotangents that it returns are added up. The adjoint
// of what reads a parameter stores its gradient; cotangents of images are dropped. What is built
// belongs to the layer of the op that it is the adjoint of.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_AUTODIFF
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct Autodiff : netc::impl::AutodiffBase<Autodiff> {
  using AutodiffBase::AutodiffBase;
  void runOnOperation() override;
};
} // namespace

/// Values between a parameter and the result: only these need an adjoint.
static DenseSet<Value> activeValues(ArrayRef<Operation *> forward, SymbolTable &symbols) {
  DenseSet<Value> active;
  for (Operation *op : forward) {
    auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
    if ((differentiable && differentiable.readsTrainable(symbols)) ||
        llvm::any_of(op->getOperands(), [&](Value v) { return active.contains(v); }))
      active.insert_range(op->getResults());
  }
  return active;
}

namespace {
/// The cotangents of values, as the sweep finds them.
class Cotangents {
public:
  Cotangents(OpBuilder &builder, const DenseSet<Value> &active)
      : builder(builder), active(active) {}

  Value of(Value value) const { return sums.lookup(value); }
  void add(Value value, Value cotangent) {
    if (!active.contains(value))
      return; // nothing trainable upstream: the adjoint stays unused and is erased
    Value &sum = sums[value];
    if (sum) {
      LayerScope layer(builder, value.getDefiningOp());
      cotangent = net::buildSum(builder, value.getLoc(), sum, cotangent);
      ++numSums;
    }
    sum = cotangent;
  }
  int64_t numSums = 0;

private:
  OpBuilder &builder;
  const DenseSet<Value> &active;
  DenseMap<Value, Value> sums;
};
} // namespace

/// Builds the adjoint of `op` where the loss depends on it; whether it has one.
static FailureOr<bool> differentiate(Operation *op, OpBuilder &builder, Cotangents &cotangents) {
  SmallVector<Value> results =
      llvm::map_to_vector(op->getResults(), [&](Value result) { return cotangents.of(result); });
  // A loss starts the sweep: its cotangent is the constant weight that it finds itself.
  if (!isa<LossOpInterface>(op) && llvm::none_of(results, [](Value v) { return bool(v); }))
    return false;
  auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
  if (!differentiable)
    return op->emitError() << "'" << op->getName()
                           << "' lies between a parameter and the loss but has no adjoint";
  LayerScope layer(builder, op);
  if (failed(differentiable.buildAdjoint(builder, results, [&](Value value, Value cotangent) {
        cotangents.add(value, cotangent);
      })))
    return failure();
  return true;
}

void Autodiff::runOnOperation() {
  auto step = net::functionOf(getOperation(), net::Role::Step);
  if (!step)
    return;
  SymbolTable symbols(getOperation());
  Block &body = step.getBody().front();
  SmallVector<Operation *> forward;
  for (Operation &op : body.without_terminator())
    forward.push_back(&op);
  DenseSet<Value> active = activeValues(forward, symbols);

  OpBuilder builder(body.getTerminator());
  Cotangents cotangents(builder, active);
  for (Operation *op : llvm::reverse(forward)) {
    FailureOr<bool> built = differentiate(op, builder, cotangents);
    if (failed(built))
      return signalPassFailure();
    numAdjoints += *built;
  }
  numAccumulations += cotangents.numSums;
  // Adjoints by values that nothing trainable depends on (the image).
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
}
