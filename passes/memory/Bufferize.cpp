//===- Bufferize.cpp - tensors to memrefs ---------------------------------===//
//
// Every kern op names its destination, and every destination is fresh, so each
// tensor is simply its destination's memory. A pointwise result, or an epilogue's,
// takes the memory of an operand of the same size that dies there. Upstream's
// one-shot analysis would find the same at more than linear cost.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_BUFFERIZE
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct Bufferize : netc::impl::BufferizeBase<Bufferize> {
  using BufferizeBase::BufferizeBase;
  void runOnOperation() override;
};
} // namespace

static MemRefType memrefOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

/// Retypes each tensor in place: memory flows from destinations to results.
static void bufferize(Block &body) {
  for (Operation &op : llvm::make_early_inc_range(body)) {
    OpBuilder b(&op);
    if (auto empty = dyn_cast<kern::EmptyOp>(op)) {
      Value alloc = kern::AllocOp::create(b, op.getLoc(), memrefOf(empty.getType()));
      empty->replaceAllUsesWith(ValueRange{alloc});
      op.erase();
    } else if (isa<kern::BufferOp, kern::ReshapeOp>(op)) {
      op.getResult(0).setType(memrefOf(op.getResult(0).getType()));
    } else if (auto dps = dyn_cast<DestinationStyleOpInterface>(op)) {
      for (OpResult result : op.getResults())
        result.replaceAllUsesWith(dps.getDpsInitOperand(result.getResultNumber())->get());
      // The same op without results: memory is written, nothing is returned.
      Operation *bare =
          Operation::create(op.getLoc(), op.getName(), TypeRange{}, op.getOperands(),
                            op.getDiscardableAttrDictionary(), op.getPropertiesStorage(),
                            BlockRange{}, op.getNumRegions());
      b.insert(bare);
      for (auto [from, to] : llvm::zip(op.getRegions(), bare->getRegions()))
        to.takeBody(from);
      op.erase();
    }
  }
}

/// The kern.alloc behind a view, or null.
static kern::AllocOp allocOf(Value value) {
  while (auto reshape = value.getDefiningOp<kern::ReshapeOp>())
    value = reshape.getSource();
  return value.getDefiningOp<kern::AllocOp>();
}

/// Operands that are read only where the destination is written.
static OperandRange inPlaceCandidates(Operation &op) {
  if (auto pointwise = dyn_cast<kern::PointwiseOp>(op); pointwise && pointwise.getStores() == 1)
    return pointwise.getInputs();
  if (auto contract = dyn_cast<kern::ContractOp>(op);
      contract && contract.getKind() != kern::ContractKind::FilterGrad)
    return contract.getExtra();
  return OperandRange(op.operand_end(), op.operand_end());
}

static int64_t shareMemory(Block &body) {
  DenseMap<Operation *, unsigned> lastUse; // of each alloc, as an op's position
  DenseMap<Operation *, unsigned> position;
  for (auto [index, op] : llvm::enumerate(body)) {
    position[&op] = index;
    for (Value operand : op.getOperands())
      if (auto alloc = allocOf(operand))
        lastUse[alloc] = index;
  }
  int64_t shared = 0;
  for (Operation &op : llvm::make_early_inc_range(body)) {
    OperandRange candidates = inPlaceCandidates(op);
    if (candidates.empty())
      continue;
    auto dps = cast<DestinationStyleOpInterface>(op);
    auto destination = dps.getDpsInitOperand(0)->get().getDefiningOp<kern::AllocOp>();
    if (!destination)
      continue;
    for (Value operand : candidates) {
      auto alloc = allocOf(operand);
      if (!alloc || alloc == destination || operand.getType() != destination.getType() ||
          alloc.getType() != destination.getType() || lastUse[alloc] != position[&op])
        continue;
      // Read through another operand too (a convolution's input): then it must stay whole.
      if (llvm::count_if(op.getOperands(), [&](Value v) { return allocOf(v) == alloc; }) != 1)
        continue;
      lastUse[alloc] = lastUse[destination];
      destination.getResult().replaceAllUsesWith(alloc.getResult());
      destination.erase();
      ++shared;
      break;
    }
  }
  return shared;
}

void Bufferize::runOnOperation() {
  auto onMemory = [&](func::FuncOp function) {
    Block &body = function.getBody().front();
    bufferize(body);
    numInPlace += shareMemory(body);
    numBuffers += llvm::range_size(body.getOps<kern::AllocOp>());
    return success();
  };
  (void)transformFunctions(getOperation(), onMemory);
}
