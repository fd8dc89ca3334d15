//===- ExpandBatchNorm.cpp - batch norm of the batch ----------------------===//
//
// Training: moments of the batch, statistics from them, y = scale x + shift, and the
// next running statistics. The moments can be summed in the producing convolution's epilogue,
// the normalisation computed on its readers' loads. Only @step is touched.
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

void ExpandBatchNorm::runOnOperation() {
  auto step = net::functionOf(getOperation(), net::Role::Step);
  if (!step)
    return;
  DenseMap<Value, net::ChannelMomentsOp> moments; // shared by all norms of one value
  for (auto norm : llvm::make_early_inc_range(step.getBody().getOps<net::BatchNormOp>())) {
    OpBuilder b(norm);
    LayerScope layer(b, norm);
    Location loc = norm.getLoc();
    Type vector = norm.getWeight().getType();
    Value x = norm.getInput();
    net::ChannelMomentsOp &own = moments[x];
    if (!own)
      own = net::ChannelMomentsOp::create(b, loc, TypeRange{vector, vector}, x);
    int64_t pixels = net::pixelsOf(cast<RankedTensorType>(x.getType()));
    SmallVector<Value> inputs{own.getMean(),  own.getSumSquares(),   norm.getWeight(),
                              norm.getBias(), norm.getRunningMean(), norm.getRunningVar()};
    auto stats = net::BatchNormStatisticsOp::create(
        b, loc, SmallVector<Type>(6, vector), inputs,
        ArrayRef<NamedAttribute>{b.getNamedAttr("eps", norm.getEpsAttr()),
                                 b.getNamedAttr("momentum", norm.getMomentumAttr()),
                                 b.getNamedAttr("pixels", b.getI64IntegerAttr(pixels))});
    net::AssignOp::create(b, loc, norm.getRunningMeanSymbolAttr(), stats.getNextMean());
    net::AssignOp::create(b, loc, norm.getRunningVarSymbolAttr(), stats.getNextVar());
    Value result = net::BatchNormApplyOp::create(b, loc, norm.getType(), x, stats.getScale(),
                                                 stats.getShift());
    norm.replaceAllUsesWith(result);
    norm.erase();
    ++numExpanded;
  }
}
