//===- VerifyPlan.cpp - stage verifier of the memory plan -----------------===//
//
// From here on: no kern.alloc is left, and buffers of one arena whose lifetimes meet
// do not overlap. A sweep over time with the live buffers sorted by offset.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/ADT/MapVector.h"

#include <map>

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_VERIFYPLAN
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct VerifyPlan : netc::impl::VerifyPlanBase<VerifyPlan> {
  using VerifyPlanBase::VerifyPlanBase;
  void runOnOperation() override;
};

struct Live {
  kern::BufferOp buffer;
  int64_t begin, end; ///< bytes
  int64_t first, last;
};
} // namespace

static int64_t bytesOf(Type type) {
  auto memref = cast<MemRefType>(type);
  int64_t elements = 1;
  for (int64_t dim : memref.getShape())
    elements *= ShapedType::isDynamic(dim) ? 1 : dim;
  return elements * memref.getElementTypeBitWidth() / 8;
}

static LogicalResult verifyDisjoint(std::vector<Live> &lives) {
  llvm::sort(lives, [](const Live &a, const Live &b) { return a.first < b.first; });
  std::map<int64_t, const Live *> active; // by begin
  std::multimap<int64_t, const Live *> byLast;
  for (const Live &life : lives) {
    while (!byLast.empty() && byLast.begin()->first < life.first) {
      active.erase(byLast.begin()->second->begin);
      byLast.erase(byLast.begin());
    }
    auto above = active.lower_bound(life.begin);
    const Live *clash = nullptr;
    if (above != active.end() && above->second->begin < life.end)
      clash = above->second;
    else if (above != active.begin() && std::prev(above)->second->end > life.begin)
      clash = std::prev(above)->second;
    if (clash) {
      kern::BufferOp a = life.buffer, other = clash->buffer;
      InFlightDiagnostic diag = a.emitError() << "stage plan: bytes " << life.begin << " to " << life.end
                                              << " overlap a buffer that lives at the same time";
      diag.attachNote(other.getLoc()) << "bytes " << clash->begin << " to " << clash->end << " are this one's";
      return diag;
    }
    active[life.begin] = &life;
    byLast.emplace(life.last, &life);
  }
  return success();
}

void VerifyPlan::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    llvm::MapVector<Operation *, Live> lives;
    int64_t time = 0;
    for (Operation &op : function.getBody().front()) {
      ++time;
      if (isa<kern::AllocOp>(op)) {
        op.emitError() << "stage plan: a buffer has no place";
        return signalPassFailure();
      }
      if (!isa<kern::KernelOpInterface>(op))
        continue;
      for (Value operand : op.getOperands()) {
        while (auto reshape = operand.getDefiningOp<kern::ReshapeOp>())
          operand = reshape.getSource();
        auto buffer = operand.getDefiningOp<kern::BufferOp>();
        if (!buffer)
          continue;
        int64_t begin = buffer.getOffset();
        auto [it, isNew] = lives.insert({buffer, {buffer, begin, begin + bytesOf(buffer.getType()), time, time}});
        it->second.last = time;
      }
    }
    std::vector<Live> image, fixed;
    for (auto &[op, life] : lives) {
      if (life.buffer.getSpace() == kern::Space::ArenaImage)
        image.push_back(life);
      else if (life.buffer.getSpace() == kern::Space::ArenaFixed)
        fixed.push_back(life);
    }
    if (failed(verifyDisjoint(image)) || failed(verifyDisjoint(fixed)))
      return signalPassFailure();
  }
}
