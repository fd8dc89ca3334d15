//===- VerifyPlan.cpp - stage verifier of the memory plan -----------------===//
//
// From here on: no kern.alloc is left, and buffers of one arena whose lifetimes meet
// do not overlap. A sweep over time with the live buffers sorted by offset. Where groups of
// images pass sections, what a section hands on lives as long as the sections that touch it
// run, and nothing of a group's part outlives its section.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "mlir/IR/Verifier.h"
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
      InFlightDiagnostic diag = a.emitError()
                                << "stage plan: bytes " << life.begin << " to " << life.end
                                << " overlap a buffer that lives at the same time";
      diag.attachNote(other.getLoc())
          << "bytes " << clash->begin << " to " << clash->end << " are this one's";
      return diag;
    }
    active[life.begin] = &life;
    byLast.emplace(life.last, &life);
  }
  return success();
}

/// By launch the index of its section, or of itself where there are none; fails where they do not
/// cover the launches.
static FailureOr<std::vector<int64_t>> sectionsOf(func::FuncOp function) {
  std::vector<int64_t> result;
  int64_t launches = llvm::range_size(function.getBody().front().getOps<kern::KernelOpInterface>());
  auto sections = function->getAttrOfType<ArrayAttr>("sections");
  if (!sections) {
    for (int64_t i = 0; i < launches; ++i)
      result.push_back(i);
    return result;
  }
  for (auto [index, section] : llvm::enumerate(sections.getAsRange<kern::SectionAttr>()))
    result.insert(result.end(), static_cast<size_t>(section.getLaunches()),
                  static_cast<int64_t>(index));
  if (static_cast<int64_t>(result.size()) != launches)
    return function.emitError() << "stage plan: sections have " << result.size()
                                << " launches, the function " << launches;
  return result;
}

/// Lives are in launches, of the buffers of one function.
static LogicalResult verifySections(func::FuncOp function, std::vector<Live> &image,
                                    std::vector<Live> &group, ArrayRef<int64_t> sectionOf) {
  auto sections = function->getAttrOfType<ArrayAttr>("sections");
  for (Live &life : group) {
    int64_t section = sectionOf[static_cast<size_t>(life.first)];
    if (!sections || section != sectionOf[static_cast<size_t>(life.last)])
      return life.buffer.emitError() << "stage plan: a buffer of a group's outlives its section";
    if (life.end > cast<kern::SectionAttr>(sections[static_cast<size_t>(section)]).getGroupBytes())
      return life.buffer.emitError()
             << "stage plan: a buffer ends behind its section's group_bytes";
  }
  for (Live &life : image) {
    life.first = sectionOf[static_cast<size_t>(life.first)];
    life.last = sectionOf[static_cast<size_t>(life.last)];
    for (int64_t i = life.first; sections && i <= life.last; ++i)
      if (life.end > cast<kern::SectionAttr>(sections[static_cast<size_t>(i)]).getBatchBytes())
        return life.buffer.emitError()
               << "stage plan: a buffer ends behind its section's batch_bytes";
  }
  return success();
}

static LogicalResult verifyFunction(func::FuncOp function) {
  llvm::MapVector<Operation *, Live> lives;
  int64_t launch = -1;
  for (Operation &op : function.getBody().front()) {
    if (isa<kern::AllocOp>(op)) {
      op.emitError() << "stage plan: a buffer has no place";
      return failure();
    }
    if (!isa<kern::KernelOpInterface>(op))
      continue;
    ++launch;
    for (Value operand : op.getOperands()) {
      while (auto reshape = operand.getDefiningOp<kern::ReshapeOp>())
        operand = reshape.getSource();
      auto buffer = operand.getDefiningOp<kern::BufferOp>();
      if (!buffer)
        continue;
      int64_t begin = buffer.getOffset();
      auto [it, isNew] = lives.insert(
          {buffer,
           {buffer, begin, begin + kern::storageBytes(cast<MemRefType>(buffer.getType())), launch,
            launch}});
      it->second.last = launch;
    }
  }
  std::vector<Live> image, fixed, group;
  for (auto &[op, life] : lives) {
    if (life.buffer.getSpace() == kern::Space::ArenaImage)
      image.push_back(life);
    else if (life.buffer.getSpace() == kern::Space::ArenaFixed)
      fixed.push_back(life);
    else if (life.buffer.getSpace() == kern::Space::ArenaGroup)
      group.push_back(life);
  }
  FailureOr<std::vector<int64_t>> sections = sectionsOf(function);
  if (failed(sections) || failed(verifySections(function, image, group, *sections)) ||
      failed(verifyDisjoint(image)) || failed(verifyDisjoint(fixed)) ||
      failed(verifyDisjoint(group)))
    return failure();
  return success();
}

void VerifyPlan::runOnOperation() {
  if (failed(mlir::verify(getOperation())) ||
      failed(transformFunctions(getOperation(), verifyFunction)))
    signalPassFailure();
}
