//===- PlanMemory.cpp - place every kern.alloc in the arena ---------------===//
//
// Lifetimes run from the first to the last launch that touches a buffer or a view of
// it. Buffers with a batch dimension are planned in bytes an image, so that one plan
// serves every batch: offsets, like sizes, are multiplied by it.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/memory/ArenaPlanner.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct PlanMemory : netc::impl::PlanMemoryBase<PlanMemory> {
  using PlanMemoryBase::PlanMemoryBase;
  void runOnOperation() override;
};
} // namespace

/// Bytes, of one image where the batch is a dimension; 64-byte multiples.
static int64_t plannedBytes(MemRefType type) {
  int64_t elements = 1;
  for (int64_t dim : type.getShape())
    elements *= ShapedType::isDynamic(dim) ? 1 : dim;
  return llvm::alignTo(std::max<int64_t>(elements, 1) * type.getElementTypeBitWidth() / 8, 64);
}

static bool isPerImage(MemRefType type) { return type.getRank() && type.isDynamicDim(0); }

/// Places the allocs of one kind; returns the arena's size and peak.
static std::pair<int64_t, int64_t> place(ArrayRef<std::pair<kern::AllocOp, memory::Lifetime>> allocs, kern::Space space) {
  std::vector<memory::Lifetime> lifetimes;
  for (auto &[alloc, life] : allocs)
    lifetimes.push_back(life);
  memory::ArenaPlan plan = memory::planArena(lifetimes);
  for (auto [index, entry] : llvm::enumerate(allocs)) {
    kern::AllocOp alloc = entry.first;
    OpBuilder b(alloc);
    Value buffer = kern::BufferOp::create(b, alloc.getLoc(), alloc.getType(), space, plan.offsets[index]);
    alloc.getResult().replaceAllUsesWith(buffer);
    alloc.erase();
  }
  return {plan.size, plan.peak};
}

static int64_t planFunction(func::FuncOp function) {
  llvm::MapVector<Value, memory::Lifetime> lives;
  int64_t time = 0;
  for (Operation &op : function.getBody().front()) {
    ++time;
    if (!isa<kern::KernelOpInterface>(op))
      continue;
    for (Value operand : op.getOperands()) {
      while (auto reshape = operand.getDefiningOp<kern::ReshapeOp>())
        operand = reshape.getSource();
      auto alloc = operand.getDefiningOp<kern::AllocOp>();
      if (!alloc)
        continue;
      auto [it, isNew] = lives.insert({operand, {plannedBytes(alloc.getType()), time, time}});
      it->second.last = time;
    }
  }
  SmallVector<std::pair<kern::AllocOp, memory::Lifetime>> perImage, fixed;
  for (auto &[value, life] : lives) {
    auto alloc = value.getDefiningOp<kern::AllocOp>();
    (isPerImage(alloc.getType()) ? perImage : fixed).emplace_back(alloc, life);
  }
  auto [imageSize, imagePeak] = place(perImage, kern::Space::ArenaImage);
  auto [fixedSize, fixedPeak] = place(fixed, kern::Space::ArenaFixed);
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front()))
    if (isa<kern::AllocOp>(op) && op.use_empty())
      op.erase();
  Builder b(function.getContext());
  function->setAttr("arena_bytes_per_image", b.getI64IntegerAttr(imageSize));
  function->setAttr("arena_bytes_fixed", b.getI64IntegerAttr(fixedSize));
  function->setAttr("peak_bytes_per_image", b.getI64IntegerAttr(imagePeak));
  function->setAttr("peak_bytes_fixed", b.getI64IntegerAttr(fixedPeak));
  return imageSize;
}

void PlanMemory::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>())
    arenaBytes = std::max<int64_t>(arenaBytes, planFunction(function));
}
