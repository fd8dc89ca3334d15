//===- HoistPrepare.cpp - weight-only work runs once ----------------------===//
//
// A launch of @infer whose operands all come from parameters (folding, packing)
// moves to @prepare, which the executable runs once after loading. What @infer still
// reads of it lies in the `prepared` space. Training repacks at each step instead.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_HOISTPREPARE
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct HoistPrepare : netc::impl::HoistPrepareBase<HoistPrepare> {
  using HoistPrepareBase::HoistPrepareBase;
  void runOnOperation() override;
};
} // namespace

static bool isParameterBuffer(Value value) {
  auto buffer = value.getDefiningOp<kern::BufferOp>();
  return buffer && buffer.getSpace() == kern::Space::Parameters;
}

void HoistPrepare::runOnOperation() {
  auto infer = net::functionOf(getOperation(), net::Role::Infer);
  if (!infer)
    return;
  OpBuilder b(infer);
  auto prepare = func::FuncOp::create(b, infer.getLoc(), "prepare", b.getFunctionType({}, {}));
  net::setRole(prepare, net::Role::Prepare);
  Block *target = prepare.addEntryBlock();
  b.setInsertionPointToEnd(target);
  auto end = func::ReturnOp::create(b, infer.getLoc());

  DenseSet<Operation *> hoisted;
  SmallVector<Operation *> launches;
  auto fromParameters = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return op && (hoisted.contains(op) || isParameterBuffer(value) || isa<kern::EmptyOp>(op));
  };
  auto hasNoBatch = [](Value value) { return cast<ShapedType>(value.getType()).hasStaticShape(); };
  for (Operation &op : infer.getBody().front()) {
    bool readsParameters = llvm::any_of(op.getOperands(), [&](Value v) {
      return fromParameters(v) && !v.getDefiningOp<kern::EmptyOp>();
    });
    if (isa<kern::KernelOpInterface>(op) && readsParameters &&
        llvm::all_of(op.getOperands(), fromParameters) &&
        llvm::all_of(op.getOperands(), hasNoBatch)) {
      hoisted.insert(&op);
      launches.push_back(&op);
    }
  }

  int64_t preparedBytes = 0;
  for (Operation *op : launches) {
    // Operands that only this function owns come along; parameter buffers are made anew.
    b.setInsertionPoint(end);
    for (OpOperand &operand : op->getOpOperands()) {
      Operation *source = operand.get().getDefiningOp();
      if (!hoisted.contains(source))
        operand.set(b.clone(*source)->getResult(0));
    }
    op->moveBefore(end);
    auto dps = cast<DestinationStyleOpInterface>(op);
    for (OpResult result : op->getResults()) {
      auto readOutside = [&](OpOperand &use) { return !hoisted.contains(use.getOwner()); };
      if (llvm::none_of(result.getUses(), readOutside))
        continue;
      b.setInsertionPoint(op);
      OpOperand *init = dps.getDpsInitOperand(result.getResultNumber());
      init->set(kern::BufferOp::create(b, op->getLoc(), result.getType(), kern::Space::Prepared,
                                       preparedBytes));
      OpBuilder inside(&infer.getBody().front(), infer.getBody().front().begin());
      Value reader = kern::BufferOp::create(inside, op->getLoc(), result.getType(),
                                            kern::Space::Prepared, preparedBytes);
      result.replaceUsesWithIf(reader, readOutside);
      preparedBytes =
          llvm::alignTo(preparedBytes + kern::storageBytes(cast<ShapedType>(result.getType())), 64);
    }
    ++numHoisted;
  }
  for (auto function : {prepare, infer})
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isa<kern::EmptyOp, kern::BufferOp>(op) && op.use_empty())
        op.erase();
  getOperation()->setAttr("net.prepared_bytes", b.getI64IntegerAttr(preparedBytes));
}
