//===- ExpandBatchNormInference.cpp - batch norm of running statistics ----===//
//
// y = scale x + shift, scale = weight / sqrt(running_var + eps), shift = bias -
// running_mean scale. Only @infer is touched; the coefficients depend on
// parameters alone and are computed once, in @prepare.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_EXPANDBATCHNORMINFERENCE
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct ExpandBatchNormInference
    : netc::impl::ExpandBatchNormInferenceBase<ExpandBatchNormInference> {
  using ExpandBatchNormInferenceBase::ExpandBatchNormInferenceBase;
  void runOnOperation() override;
};
} // namespace

void ExpandBatchNormInference::runOnOperation() {
  auto infer = net::functionOf(getOperation(), net::Role::Infer);
  if (!infer)
    return;
  for (auto norm : llvm::make_early_inc_range(infer.getBody().getOps<net::BatchNormOp>())) {
    OpBuilder builder(norm);
    LayerScope layer(builder, norm);
    Type vector = norm.getWeight().getType();
    auto coefficients = net::BatchNormCoefficientsOp::create(
        builder, norm.getLoc(), TypeRange{vector, vector}, norm.getWeight(), norm.getBias(),
        norm.getRunningMean(), norm.getRunningVar(), norm.getEpsAttr());
    Value result =
        net::ScaleShiftOp::create(builder, norm.getLoc(), norm.getType(), norm.getInput(),
                                  coefficients.getScale(), coefficients.getShift());
    norm.replaceAllUsesWith(result);
    norm.erase();
    ++numExpanded;
  }
}
