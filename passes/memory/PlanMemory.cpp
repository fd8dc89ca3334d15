//===- PlanMemory.cpp - place every kern.alloc in the arena ---------------===//
//
// Lifetimes run from the first to the last launch that touches a buffer or a view of
// it. Buffers with a batch dimension are planned in bytes per image, so that one plan
// serves every batch: offsets, like sizes, are multiplied by it. Inference is cut into
// sections that a few images at a time may pass: see SectionPlanner.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/memory/SectionPlanner.h"

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
  return llvm::alignTo(std::max<int64_t>(kern::storageBytes(type), 1), 64);
}

static bool isPerImage(MemRefType type) { return type.getRank() && type.isDynamicDim(0); }

namespace {
/// A buffer that an image has, an alloc or one of another space, and when it is touched.
struct Touched {
  Value buffer;
  memory::Lifetime life; ///< in launches
};

/// The allocs of a function by kind, and what decides about sections.
struct Inventory {
  std::vector<Touched> perImage, fixed;    ///< kern.alloc
  std::vector<Touched> given;              ///< an image's part of the input and the output
  std::vector<SmallVector<Value>> weights; ///< by launch: what it reads that no image has
  int64_t launches = 0;
  bool imagesApart = true; ///< each launch writes an image's part, for the image
};
} // namespace

static Value bufferBehind(Value value) {
  while (auto reshape = value.getDefiningOp<kern::ReshapeOp>())
    value = reshape.getSource();
  return value;
}

static Inventory takeStock(func::FuncOp function) {
  Inventory stock;
  llvm::MapVector<Value, memory::Lifetime> lives;
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
    auto dps = cast<DestinationStyleOpInterface>(launch.getOperation());
    SmallVector<Value> &weights = stock.weights.emplace_back();
    for (OpOperand &operand : launch->getOpOperands()) {
      Value buffer = bufferBehind(operand.get());
      auto type = cast<MemRefType>(buffer.getType());
      if (!isPerImage(type)) {
        weights.push_back(buffer);
        stock.imagesApart &= type.hasStaticShape() && !dps.isDpsInit(&operand);
      }
      auto [it, isNew] =
          lives.insert({buffer, {plannedBytes(type), stock.launches, stock.launches}});
      it->second.last = stock.launches;
    }
    ++stock.launches;
  }
  for (auto &[buffer, life] : lives) {
    bool each = isPerImage(cast<MemRefType>(buffer.getType()));
    if (buffer.getDefiningOp<kern::AllocOp>())
      (each ? stock.perImage : stock.fixed).push_back({buffer, life});
    else if (each)
      stock.given.push_back({buffer, life});
  }
  return stock;
}

/// Places allocs in a space; returns the plan.
static memory::ArenaPlan place(ArrayRef<Touched> allocs, kern::Space space) {
  std::vector<memory::Lifetime> lifetimes;
  for (const Touched &alloc : allocs)
    lifetimes.push_back(alloc.life);
  memory::ArenaPlan plan = memory::planArena(lifetimes);
  for (auto [index, entry] : llvm::enumerate(allocs)) {
    auto alloc = entry.buffer.getDefiningOp<kern::AllocOp>();
    OpBuilder b(alloc);
    Value buffer =
        kern::BufferOp::create(b, alloc.getLoc(), alloc.getType(), space, plan.offsets[index]);
    alloc.getResult().replaceAllUsesWith(buffer);
    alloc.erase();
  }
  return plan;
}

/// Bytes of the distinct buffers that launches [first, first + count) share among images.
static int64_t weightBytes(const Inventory &stock, const memory::Section &section) {
  llvm::SmallDenseSet<std::pair<int64_t, int64_t>>
      seen; // space, offset: buffers are made anew at each use
  int64_t bytes = 0;
  for (int64_t i = section.first; i < section.first + section.count; ++i)
    for (Value value : stock.weights[static_cast<size_t>(i)])
      if (auto buffer = value.getDefiningOp<kern::BufferOp>())
        if (seen.insert({static_cast<int64_t>(buffer.getSpace()),
                         static_cast<int64_t>(buffer.getOffset())})
                .second)
          bytes += plannedBytes(cast<MemRefType>(value.getType()));
  return bytes;
}

/// What lives within one section has its place in a group's part of the arena; what a section hands
/// to a later one lies in the batch's part, for as long as the sections run that touch it.
static memory::ArenaPlan placeInSections(func::FuncOp function, const Inventory &stock) {
  std::vector<memory::Lifetime> lives;
  for (const std::vector<Touched> *list : {&stock.perImage, &stock.given})
    for (const Touched &touched : *list)
      lives.push_back(touched.life);
  std::vector<memory::Section> sections = memory::planSections(lives, stock.launches);
  auto sectionOf = [&](int64_t launch) {
    auto after = llvm::upper_bound(
        sections, launch, [](int64_t at, const memory::Section &s) { return at < s.first; });
    return static_cast<int64_t>(after - sections.begin()) - 1;
  };
  std::vector<Touched> handedOn;
  std::vector<std::vector<Touched>> within(sections.size());
  for (const Touched &touched : stock.perImage) {
    int64_t first = sectionOf(touched.life.first), last = sectionOf(touched.life.last);
    if (first == last)
      within[static_cast<size_t>(first)].push_back(touched);
    else
      handedOn.push_back({touched.buffer, {touched.life.size, first, last}});
  }
  memory::ArenaPlan outer = place(handedOn, kern::Space::ArenaImage);
  memory::ArenaPlan whole;
  SmallVector<Attribute> attributes;
  for (auto [index, section] : llvm::enumerate(sections)) {
    int64_t batchBytes = 0, handed = 0;
    for (auto [touched, offset] : llvm::zip(handedOn, outer.offsets))
      if (touched.life.first <= static_cast<int64_t>(index) &&
          static_cast<int64_t>(index) <= touched.life.last) {
        batchBytes = std::max(batchBytes, offset + touched.life.size);
        handed += touched.life.size;
      }
    memory::ArenaPlan inner = place(within[index], kern::Space::ArenaGroup);
    attributes.push_back(kern::SectionAttr::get(function.getContext(), section.count, batchBytes,
                                                inner.size, section.liveBytes,
                                                weightBytes(stock, section)));
    whole.size = std::max(whole.size, batchBytes + inner.size);
    whole.peak = std::max(whole.peak, handed + inner.peak);
  }
  function->setAttr("sections", ArrayAttr::get(function.getContext(), attributes));
  return whole;
}

static int64_t planFunction(func::FuncOp function, bool depthFirst) {
  Inventory stock = takeStock(function);
  memory::ArenaPlan image = depthFirst && stock.imagesApart && stock.launches
                                ? placeInSections(function, stock)
                                : place(stock.perImage, kern::Space::ArenaImage);
  memory::ArenaPlan fixed = place(stock.fixed, kern::Space::ArenaFixed);
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front()))
    if (isa<kern::AllocOp>(op) && op.use_empty())
      op.erase();
  Builder b(function.getContext());
  function->setAttr("arena_bytes_per_image", b.getI64IntegerAttr(image.size));
  function->setAttr("arena_bytes_fixed", b.getI64IntegerAttr(fixed.size));
  function->setAttr("peak_bytes_per_image", b.getI64IntegerAttr(image.peak));
  function->setAttr("peak_bytes_fixed", b.getI64IntegerAttr(fixed.peak));
  return image.size;
}

void PlanMemory::runOnOperation() {
  auto plan = [&](func::FuncOp function) {
    bool inSections = depthFirst && net::roleOf(function) == net::Role::Infer;
    arenaBytes.updateMax(static_cast<uint64_t>(planFunction(function, inSections)));
    return success();
  };
  (void)transformFunctions(getOperation(), plan);
}
