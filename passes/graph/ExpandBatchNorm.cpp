//===- ExpandBatchNorm.cpp - batch norm of the batch ----------------------===//
//
// Training: moments of the batch, statistics from them, y = scale x + shift, and the
// next running statistics. The moments can be summed in the producing convolution's epilogue,
// the normalisation computed on its readers' loads. A frozen norm takes scale and shift from
// the running statistics and has no next ones. Only @step is touched.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_EXPANDBATCHNORM
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct ExpandBatchNorm : netc::impl::ExpandBatchNormBase<ExpandBatchNorm> {
  using ExpandBatchNormBase::ExpandBatchNormBase;
  void runOnOperation() override;
};
} // namespace

/// Scale and shift of running statistics, which stay as they are.
static Value expandFrozen(OpBuilder &b, net::BatchNormOp norm) {
  Type vector = norm.getWeight().getType();
  auto coefficients = net::BatchNormCoefficientsOp::create(
      b, norm.getLoc(), TypeRange{vector, vector}, norm.getWeight(), norm.getBias(),
      norm.getRunningMean(), norm.getRunningVar(), norm.getEpsAttr());
  return net::BatchNormApplyOp::create(b, norm.getLoc(), norm.getType(), norm.getInput(),
                                       coefficients.getScale(), coefficients.getShift());
}

/// `moments`: of the input, made where a norm is the first to need them.
static Value expand(OpBuilder &b, net::BatchNormOp norm, net::ChannelMomentsOp &moments) {
  Location loc = norm.getLoc();
  Type vector = norm.getWeight().getType();
  Value x = norm.getInput();
  if (!moments)
    moments = net::ChannelMomentsOp::create(b, loc, TypeRange{vector, vector}, x);
  int64_t pixels = net::pixelsOf(cast<RankedTensorType>(x.getType()));
  SmallVector<Value> inputs{moments.getMean(), moments.getSumSquares(), norm.getWeight(),
                            norm.getBias(),    norm.getRunningMean(),   norm.getRunningVar()};
  auto stats = net::BatchNormStatisticsOp::create(
      b, loc, SmallVector<Type>(6, vector), inputs,
      ArrayRef<NamedAttribute>{b.getNamedAttr("eps", norm.getEpsAttr()),
                               b.getNamedAttr("momentum", norm.getMomentumAttr()),
                               b.getNamedAttr("pixels", b.getI64IntegerAttr(pixels))});
  net::AssignOp::create(b, loc, norm.getRunningMeanSymbolAttr(), stats.getNextMean());
  net::AssignOp::create(b, loc, norm.getRunningVarSymbolAttr(), stats.getNextVar());
  return net::BatchNormApplyOp::create(b, loc, norm.getType(), x, stats.getScale(),
                                       stats.getShift());
}

void ExpandBatchNorm::runOnOperation() {
  auto step = net::functionOf(getOperation(), net::Role::Step);
  if (!step)
    return;
  DenseMap<Value, net::ChannelMomentsOp> moments; // shared by all norms of one value
  for (auto norm : llvm::make_early_inc_range(step.getBody().getOps<net::BatchNormOp>())) {
    OpBuilder b(norm);
    LayerScope layer(b, norm);
    Value result =
        norm.getFrozen() ? expandFrozen(b, norm) : expand(b, norm, moments[norm.getInput()]);
    norm.replaceAllUsesWith(result);
    norm.erase();
    ++numExpanded;
  }
}
