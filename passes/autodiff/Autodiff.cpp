//===- Autodiff.cpp - reverse-mode differentiation of @step ---------------===//
//
// One reverse sweep that names no op: each op with a cotangent builds its adjoint
// through DifferentiableOpInterface, and the cotangents that it returns are added up. Cotangents
// that reach a parameter become net.set_gradient; those of images are dropped.
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

/// Ops that lie between a parameter and the result: only these need an adjoint.
static DenseSet<Value> activeValues(ArrayRef<Operation *> forward, SymbolTable &symbols) {
  DenseSet<Value> active;
  for (Operation *op : forward) {
    bool isActive = llvm::any_of(op->getOperands(), [&](Value v) { return active.contains(v); });
    if (auto get = dyn_cast<net::GetParameterOp>(op))
      isActive = symbols.lookup<net::ParameterOp>(get.getParameter()).getTrainable();
    if (isActive)
      active.insert_range(op->getResults());
  }
  return active;
}

void Autodiff::runOnOperation() {
  auto step = getOperation().lookupSymbol<func::FuncOp>("step");
  if (!step)
    return;
  SymbolTable symbols(getOperation());
  Block &body = step.getBody().front();
  SmallVector<Operation *> forward;
  for (Operation &op : body.without_terminator())
    forward.push_back(&op);
  DenseSet<Value> active = activeValues(forward, symbols);

  OpBuilder builder(body.getTerminator());
  DenseMap<Value, Value> cotangents;
  auto accumulate = [&](Value value, Value cotangent) {
    if (!active.contains(value))
      return; // nothing trainable upstream: the adjoint stays unused and is erased below
    Value &sum = cotangents[value];
    if (sum)
      ++numAccumulations;
    sum = sum ? Value(net::AddOp::create(builder, value.getLoc(), sum, cotangent)) : cotangent;
  };

  for (Operation *op : llvm::reverse(forward)) {
    SmallVector<Value> results;
    for (Value result : op->getResults())
      results.push_back(cotangents.lookup(result));
    // A loss starts the sweep: its cotangent is the constant weight that it finds itself.
    bool isLoss = isa<LossOpInterface>(op);
    if (!isLoss && llvm::none_of(results, [](Value v) { return static_cast<bool>(v); }))
      continue;
    if (auto get = dyn_cast<net::GetParameterOp>(op)) {
      net::SetGradientOp::create(builder, op->getLoc(), get.getParameterAttr(), results[0]);
      continue;
    }
    auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
    if (!differentiable) {
      op->emitError() << "'" << op->getName()
                      << "' lies between a parameter and the loss but has no adjoint";
      return signalPassFailure();
    }
    if (failed(differentiable.buildAdjoint(builder, results, accumulate)))
      return signalPassFailure();
    ++numAdjoints;
  }
  // Adjoints by values that nothing trainable depends on (the image).
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
}
