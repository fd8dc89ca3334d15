//===- FoldBatchNorm.cpp - fold scale_shift into convolutions -------------===//
//
// s (x * w + b) + t = x * (s w) + (s b + t), by output channel. Precondition: the
// convolution's only reader is the scale_shift, and no other one was folded into it: packing
// a filter applies one scale. Leaves training alone, where the statistics depend on the
// convolution's result.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct FoldBatchNorm : netc::impl::FoldBatchNormBase<FoldBatchNorm> {
  using FoldBatchNormBase::FoldBatchNormBase;
  void runOnOperation() override;
};
} // namespace

/// The convolution that `norm` alone reads, or null.
static net::Conv2dOp foldableProducer(net::ScaleShiftOp norm) {
  auto conv = norm.getInput().getDefiningOp<net::Conv2dOp>();
  if (!conv || !conv->hasOneUse() || conv.getFilter().getDefiningOp<net::ScaleFilterOp>())
    return nullptr;
  return conv;
}

static void fold(net::ScaleShiftOp norm, net::Conv2dOp conv) {
  OpBuilder b(norm);
  LayerScope layer(b, norm);
  Value filter = net::ScaleFilterOp::create(b, norm.getLoc(), conv.getFilter().getType(),
                                            conv.getFilter(), norm.getScale());
  Value bias = norm.getShift();
  if (conv.getBias())
    bias = net::FoldBiasOp::create(b, norm.getLoc(), bias.getType(), conv.getBias(),
                                   norm.getScale(), bias);
  auto both =
      net::Conv2dOp::create(b, b.getFusedLoc({conv.getLoc(), norm.getLoc()}), norm.getType(),
                            conv.getInput(), filter, bias, conv.getStridesAttr(),
                            conv.getPadsAttr(), conv.getDilationsAttr(), conv.getGroupsAttr());
  setLayers(both, layersOf(conv));
  addLayers(both, layersOf(norm));
  norm.replaceAllUsesWith(both.getResult());
  norm.erase();
  conv.erase();
}

void FoldBatchNorm::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    for (auto norm : llvm::make_early_inc_range(function.getBody().getOps<net::ScaleShiftOp>())) {
      if (net::Conv2dOp conv = foldableProducer(norm)) {
        fold(norm, conv);
        ++numFolded;
      }
    }
  }
}
