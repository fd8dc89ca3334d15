//===- BuildInference.cpp - derive @infer from @forward -------------------===//
//
// @infer is @forward without auxiliary heads and without dropout, which is the
// identity there. Leaves @forward as it is: training starts from it too.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_BUILDINFERENCE
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct BuildInference : netc::impl::BuildInferenceBase<BuildInference> {
  using BuildInferenceBase::BuildInferenceBase;
  void runOnOperation() override;
};
} // namespace

/// Keeps the first result only: the logits.
static void keepLogits(func::FuncOp function) {
  Operation *terminator = function.getBody().front().getTerminator();
  terminator->eraseOperands(1, terminator->getNumOperands() - 1);
  Builder builder(function.getContext());
  function.setType(
      builder.getFunctionType(function.getArgumentTypes(), terminator->getOperandTypes()));
}

void BuildInference::runOnOperation() {
  auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
  if (!forward) {
    getOperation().emitError("expected a function @forward");
    return signalPassFailure();
  }
  OpBuilder builder(forward);
  auto infer = cast<func::FuncOp>(builder.clone(*forward));
  infer.setName("infer");
  keepLogits(infer);
  Block &body = infer.getBody().front();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body))) {
    if (auto dropout = dyn_cast<net::DropoutOp>(op))
      dropout.getResult().replaceAllUsesWith(dropout.getInput());
    if (isOpTriviallyDead(&op)) {
      op.erase();
      ++numErased;
    }
  }
}
