//===- VerifyTraining.cpp - stage verifier after autodiff -----------------===//
//
// From here on: every trainable parameter has exactly one gradient, and batch norm
// is expanded.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_VERIFYTRAINING
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct VerifyTraining : netc::impl::VerifyTrainingBase<VerifyTraining> {
  using VerifyTrainingBase::VerifyTrainingBase;
  void runOnOperation() override;
};
} // namespace

void VerifyTraining::runOnOperation() {
  if (failed(mlir::verify(getOperation())))
    return signalPassFailure();
  auto step = net::functionOf(getOperation(), net::Role::Step);
  if (!step)
    return;
  DenseMap<StringAttr, int> gradients;
  bool bad = false;
  for (Operation &op : step.getBody().front()) {
    if (auto set = dyn_cast<net::SetGradientOp>(op))
      ++gradients[set.getParameterAttr().getAttr()];
    if (isa<net::BatchNormOp>(op)) {
      op.emitError() << "stage train: batch_norm is not expanded";
      bad = true;
    }
  }
  for (auto parameter : getOperation().getOps<net::ParameterOp>()) {
    int count = gradients.lookup(parameter.getSymNameAttr());
    if (parameter.getTrainable() && count != 1) {
      parameter.emitError() << "stage train: parameter " << parameter.getSymName() << " has "
                            << count << " gradients, expected 1"
                            << (count == 0
                                    ? "; the loss does not depend on it: give its output a loss, "
                                      "or compile with --mode infer"
                                    : "");
      bad = true;
    }
  }
  if (bad)
    signalPassFailure();
}
