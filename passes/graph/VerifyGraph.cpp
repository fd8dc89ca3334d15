//===- VerifyGraph.cpp - stage verifier after the front end ---------------===//
//
// From here on: images are [N, C, H, W] or [N, F] with a dynamic batch and nothing
// else dynamic, and every parameter that is read exists.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_VERIFYGRAPH
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct VerifyGraph : netc::impl::VerifyGraphBase<VerifyGraph> {
  using VerifyGraphBase::VerifyGraphBase;
  void runOnOperation() override;
};
} // namespace

static LogicalResult verifyType(Operation *op, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return op->emitError() << "stage graph: expected a ranked tensor, found " << type;
  for (auto [index, dim] : llvm::enumerate(tensor.getShape()))
    if (ShapedType::isDynamic(dim) && index != 0)
      return op->emitError() << "stage graph: dimension " << index << " of " << type
                             << " is dynamic; only the batch may be";
  return success();
}

void VerifyGraph::runOnOperation() {
  bool failedAny = false;
  getOperation().walk([&](Operation *op) {
    if (!isa_and_nonnull<net::NetDialect>(op->getDialect()))
      return;
    for (Type type : op->getResultTypes())
      failedAny |= failed(verifyType(op, type));
  });
  if (failedAny)
    signalPassFailure();
}
