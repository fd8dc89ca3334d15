//===- FusePooling.cpp - pools without a pass over memory of their own ----===//
//
// On store, pool(epilogue(product)) by one launch: the convolution stores the pooled value. Needs
// windows side by side without padding, tiles of the schedule that hold whole windows, and a pool
// that alone reads the convolution. On load, pool(formula(y)) by one launch: a pool and its
// gradient compute the formula at each element that they read, and it is never stored. Needs a
// formula of cheap arithmetic on one image tensor that only pools and sweeps read. Other pools stay
// as they are.
//
//===----------------------------------------------------------------------===//
#include "dialect/schedule/cpu/Schedule.h"
#include "passes/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

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
    return kern::PoolingAttr::get(context, kern::PoolKind::Average, g.getIh() / g.getOh(),
                                  g.getIw() / g.getOw());
  }
  if (op.getKind() != kern::PoolKind::Max && op.getKind() != kern::PoolKind::Average)
    return {};
  bool sideBySide =
      g.getSh() == g.getKh() && g.getSw() == g.getKw() && g.getDh() == 1 && g.getDw() == 1;
  // Neither padded nor rounded up.
  bool whole = g.getPt() == 0 && g.getPl() == 0 && g.getOh() == g.getIh() / g.getKh() &&
               g.getOw() == g.getIw() / g.getKw();
  return sideBySide && whole ? kern::PoolingAttr::get(context, op.getKind(), g.getKh(), g.getKw())
                             : kern::PoolingAttr();
}

static bool fuseOnStore(kern::PoolOp op) {
  kern::PoolingAttr pool = describe(op);
  auto contract = op.getInputs()[0].getDefiningOp<kern::ContractOp>();
  if (!pool || !contract || !op.getInputs()[0].hasOneUse() ||
      contract.getKind() != kern::ContractKind::Forward || contract.getGpuAttr() ||
      contract.getPoolAttr() || contract.getOuts().size() != 1 ||
      !kern::poolsOnStore(contract.getGeometry(), contract.getSchedule(), pool))
    return false;
  // Where the pool stands, its destination exists already.
  contract->moveBefore(op);
  contract->setLoc(FusedLoc::get(op.getContext(), {contract.getLoc(), op.getLoc()}));
  addLayers(contract, layersOf(op));
  contract.getOutsMutable()[0].set(op.getOuts()[0]);
  contract.getResult(0).setType(op.getResult(0).getType());
  contract.setPoolAttr(pool);
  op.getResult(0).replaceAllUsesWith(contract.getResult(0));
  op.erase();
  return true;
}

/// One value of the size of an image, from another and per-channel ones, by arithmetic alone.
static bool isCheap(kern::PointwiseOp op) {
  auto isImage = [&](Value input) { return input.getType() == op.getOuts()[0].getType(); };
  return op.getStores() == 1 && op.getOuts().size() == 1 &&
         llvm::count_if(op.getInputs(), isImage) == 1 &&
         llvm::all_of(op.getBody().front().without_terminator(), [](Operation &inner) {
           return isa<math::FmaOp>(inner) ||
                  (isa<arith::ArithDialect>(inner.getDialect()) && !isa<arith::DivFOp>(inner));
         });
}

/// Whether the use is x of a pool that may compute what it reads.
static bool isOnLoad(OpOperand &use) {
  auto pool = dyn_cast<kern::PoolOp>(use.getOwner());
  bool resamples = pool && (pool.getKind() == kern::PoolKind::Nearest ||
                            pool.getKind() == kern::PoolKind::Bilinear);
  return pool && pool.readsInput() && !resamples &&
         use.getOperandNumber() == pool.getSources().getBeginOperandIndex() &&
         pool.getPrologue().empty() && kern::computesOnLoad(pool.getGeometry());
}

/// All layers whose values `formula` computes.
static LayerNames layersComputedBy(kern::PointwiseOp formula) {
  LayerNames layers = layersOf(formula, kLoaded);
  layers.insert_range(layersOf(formula));
  return layers;
}

static void computeOnLoad(kern::PointwiseOp formula, kern::PoolOp pool) {
  addLayers(pool, layersComputedBy(formula), kLoaded);
  SmallVector<Value> inputs(pool.getInputs().drop_back(pool.getSources().size()));
  llvm::append_range(inputs, formula.getInputs());
  pool.getInputsMutable().assign(inputs);
  IRMapping mapping;
  formula.getBody().cloneInto(&pool.getPrologue(), mapping);
}

/// A sweep that reads the formula's value computes it from what the formula reads.
static void computeOnLoad(kern::PointwiseOp formula, kern::PointwiseOp reader) {
  Block &from = formula.getBody().front(), &to = reader.getBody().front();
  LayerNames layers = layersComputedBy(formula);
  layers.insert_range(layersOf(reader, kLoaded));
  setLayers(reader, layers, kLoaded);
  SmallVector<Value> inputs(reader.getInputs());
  IRMapping mapping;
  for (auto [input, argument] : llvm::zip(formula.getInputs(), from.getArguments())) {
    size_t index = llvm::find(inputs, input) - inputs.begin();
    if (index == inputs.size()) {
      inputs.push_back(input);
      to.addArgument(argument.getType(), argument.getLoc());
    }
    mapping.map(argument, to.getArgument(index));
  }
  OpBuilder b = OpBuilder::atBlockBegin(&to);
  for (Operation &op : from.without_terminator())
    b.clone(op, mapping);
  Value value = mapping.lookup(from.getTerminator()->getOperand(0));
  for (size_t index = inputs.size(); index-- > 0;)
    if (inputs[index] == formula.getResult(0)) {
      to.getArgument(index).replaceAllUsesWith(value);
      to.eraseArgument(index);
      inputs.erase(inputs.begin() + index);
    }
  reader.getInputsMutable().assign(inputs);
}

static bool fuseOnLoad(kern::PointwiseOp op) {
  if (!isCheap(op) || llvm::none_of(op.getResult(0).getUses(), isOnLoad) ||
      !llvm::all_of(op.getResult(0).getUses(), [](OpOperand &use) {
        return isOnLoad(use) || isa<kern::PointwiseOp>(use.getOwner());
      }))
    return false;
  llvm::SetVector<Operation *> readers(llvm::from_range, op.getResult(0).getUsers());
  for (Operation *reader : readers) {
    if (auto pool = dyn_cast<kern::PoolOp>(reader))
      computeOnLoad(op, pool);
    else
      computeOnLoad(op, cast<kern::PointwiseOp>(reader));
  }
  op.erase();
  return true;
}

void FusePooling::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    Block &body = function.getBody().front();
    for (auto op : llvm::make_early_inc_range(body.getOps<kern::PoolOp>()))
      numOnStore += fuseOnStore(op);
    for (auto op : llvm::make_early_inc_range(body.getOps<kern::PointwiseOp>()))
      numOnLoad += fuseOnLoad(op);
  }
}
