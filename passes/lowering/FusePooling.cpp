//===- FusePooling.cpp - pooling on a convolution's store -----------------===//
//
// pool(epilogue(product)) by one launch: the convolution stores the pooled value, and what it would have stored is
// neither written nor read. Needs windows side by side without padding, tiles of the schedule that hold whole windows,
// and a pool that alone reads the convolution. Other pools stay launches of their own.
//
//===----------------------------------------------------------------------===//
#include "dialect/kern/Schedule.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_FUSEPOOLING
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct FusePooling : netc::impl::FusePoolingBase<FusePooling> {
  using FusePoolingBase::FusePoolingBase;
  void runOnOperation() override;
};
} // namespace

/// The pool as windows side by side, or null where it is none.
static kern::PoolingAttr describe(kern::PoolOp op) {
  kern::GeometryAttr g = op.getGeometry();
  MLIRContext *context = op.getContext();
  if (op.getKind() == kern::PoolKind::Adaptive) { // windows of equal size where the sizes divide
    if (g.getIh() % g.getOh() || g.getIw() % g.getOw())
      return {};
    return kern::PoolingAttr::get(context, kern::PoolKind::Average, g.getIh() / g.getOh(), g.getIw() / g.getOw());
  }
  if (op.getKind() != kern::PoolKind::Max && op.getKind() != kern::PoolKind::Average)
    return {};
  bool sideBySide = g.getSh() == g.getKh() && g.getSw() == g.getKw();
  // Neither padded nor rounded up.
  bool whole = g.getPt() == 0 && g.getPl() == 0 && g.getOh() == g.getIh() / g.getKh() && g.getOw() == g.getIw() / g.getKw();
  return sideBySide && whole ? kern::PoolingAttr::get(context, op.getKind(), g.getKh(), g.getKw()) : kern::PoolingAttr();
}

static bool fuse(kern::PoolOp op) {
  kern::PoolingAttr pool = describe(op);
  auto contract = op.getInputs()[0].getDefiningOp<kern::ContractOp>();
  if (!pool || !contract || !op.getInputs()[0].hasOneUse() || contract.getKind() != kern::ContractKind::Forward ||
      contract.getGpuAttr() || contract.getPoolAttr() || contract.getOuts().size() != 1 ||
      !kern::poolsOnStore(contract.getSchedule(), pool))
    return false;
  // Where the pool stands, its destination exists already.
  contract->moveBefore(op);
  contract->setLoc(FusedLoc::get(op.getContext(), {contract.getLoc(), op.getLoc()}));
  contract.getOutsMutable()[0].set(op.getOuts()[0]);
  contract.getResult(0).setType(op.getResult(0).getType());
  contract.setPoolAttr(pool);
  op.getResult(0).replaceAllUsesWith(contract.getResult(0));
  op.erase();
  return true;
}

void FusePooling::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>())
    for (auto op : llvm::make_early_inc_range(function.getBody().front().getOps<kern::PoolOp>()))
      numFused += fuse(op);
}
