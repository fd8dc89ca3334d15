//===- BuildInference.cpp - derive @infer from @forward -------------------===//
//
// @infer is @forward without auxiliary heads and without what is the identity
// there (dropout). Leaves @forward as it is: training starts from it too.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/ADT/BitVector.h"

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

/// Drops the results that are auxiliary heads.
static void keepOutputs(func::FuncOp function) {
  unsigned outputs = net::outputCount(function.getNumResults(), function);
  llvm::BitVector heads(function.getNumResults());
  heads.set(outputs, function.getNumResults());
  Operation *terminator = function.getBody().front().getTerminator();
  terminator->eraseOperands(heads);
  (void)function.eraseResults(heads);
}

void BuildInference::runOnOperation() {
  auto forward = net::functionOf(getOperation(), net::Role::Forward);
  if (!forward) {
    getOperation().emitError("expected a function with the role forward");
    return signalPassFailure();
  }
  OpBuilder builder(forward);
  auto infer = cast<func::FuncOp>(builder.clone(*forward));
  infer.setName("infer");
  net::setRole(infer, net::Role::Infer);
  keepOutputs(infer);
  Block &body = infer.getBody().front();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body))) {
    if (op.hasTrait<IdentityInInference>())
      op.getResult(0).replaceAllUsesWith(op.getOperand(0));
    if (isOpTriviallyDead(&op)) {
      op.erase();
      ++numErased;
    }
  }
}
