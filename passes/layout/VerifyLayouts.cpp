//===- VerifyLayouts.cpp - stage verifier after layout --------------------===//
//
// From here on: contractions, pooling and moves see channels-last images only; pointwise ops,
// slices and joins channels-last images only or logical order only.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_VERIFYLAYOUTS
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct VerifyLayouts : netc::impl::VerifyLayoutsBase<VerifyLayouts> {
  using VerifyLayoutsBase::VerifyLayoutsBase;
  void runOnOperation() override;
};
} // namespace

/// Ops that any order suits, if all their images have one.
static bool isInLogicalOrder(Operation &op) {
  if (!isa<PointwiseOpInterface, net::SliceOp, net::ConcatOp>(op))
    return false;
  auto isPlain = [](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return net::isActivation(tensor) && !tensor.getEncoding();
  };
  return llvm::all_of(op.getOperandTypes(), isPlain) && llvm::all_of(op.getResultTypes(), isPlain);
}

void VerifyLayouts::runOnOperation() {
  if (failed(mlir::verify(getOperation())))
    return signalPassFailure();
  bool bad = false;
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (net::roleOf(function) == net::Role::Forward)
      continue;
    for (Operation &op : function.getBody().front().without_terminator()) {
      if (op.hasTrait<KeepsLogicalOrder>() || isInLogicalOrder(op))
        continue;
      for (Value value : op.getOperands()) {
        auto tensor = dyn_cast<RankedTensorType>(value.getType());
        if (!tensor || tensor.getRank() != 4 || !net::isActivation(tensor) || tensor.getEncoding())
          continue;
        op.emitError() << "stage layout: expected channels-last images, found " << tensor;
        bad = true;
      }
    }
  }
  if (bad)
    signalPassFailure();
}
