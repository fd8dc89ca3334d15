//===- FuseKernels.cpp - group ops into kernels ---------------------------===//
//
// Afterwards every contraction, pointwise op and channel reduction stands in a
// net.fusion that becomes one kernel. Three rules, by interface:
//  - epilogue: a contraction takes its only reader, if that is pointwise and all it
//    reads exists before the contraction; and the channel reductions of what it stores;
//  - recompute: a cheap pointwise op of one kept value is copied to each reader and
//    never stored (batch norm + ReLU of a convolution's result);
//  - roots: what is left pointwise takes the producers that only it reads.
// Leaves pooling, losses and layout conversions alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_FUSEKERNELS
#include "passes/Passes.h.inc"
} // namespace netc

namespace {

/// A kernel in the making: ops in order of computation, and the value it stores.
struct Group {
  Operation *anchor = nullptr;       ///< a contraction, or the root itself
  SmallVector<Operation *> epilogue; ///< pointwise readers, in order
  SmallVector<Operation *> sums;     ///< channel reductions of the stored value, of one kind
  Value stored;                      ///< null: only reductions
};

/// Plans and builds the kernels of one function.
class Fuser {
public:
  explicit Fuser(func::FuncOp function) : body(function.getBody().front()) {
    for (auto [index, op] : llvm::enumerate(body))
      order[&op] = index;
  }
  void run();

  int64_t numKernels = 0, numFused = 0, numRecomputed = 0;

private:
  bool isRecomputed(Value value);
  bool canInline(OpOperand &use);
  bool existsBefore(Value value, Operation *anchor);
  void growEpilogue(Group &group);
  void takeSums(Group &group, Operation *before);
  void planRoots();
  void build(Group &group);
  Value cloneValue(Value value, Group &group, IRMapping &map, OpBuilder &b, net::FusionOp fusion);
  bool isInlinedProducer(Operation *producer, Type of);

  Block &body;
  DenseMap<Operation *, unsigned> order;
  DenseMap<Value, bool> recomputed;
  DenseSet<Operation *> taken; ///< stands in some group as epilogue, root or sum
  std::vector<Group> groups;
};
} // namespace

/// Images and vectors of one size, whatever their layout.
static bool sameShape(Type a, Type b) {
  return cast<RankedTensorType>(a).getShape() == cast<RankedTensorType>(b).getShape();
}

/// Whether every activation that `op` reads has the shape of its result, so that it
/// can be read at the place that a contraction's tile stores.
static bool readsInPlace(Operation *op) {
  return llvm::all_of(op->getOperandTypes(), [&](Type type) {
    return !net::isActivation(type) || sameShape(type, op->getResult(0).getType());
  });
}

/// Whether the reader can compute `use` itself while it loads.
bool Fuser::canInline(OpOperand &use) {
  Operation *reader = use.getOwner();
  if (isa<ChannelReductionOpInterface, PointwiseOpInterface>(reader))
    return true;
  auto contraction = dyn_cast<ContractionOpInterface>(reader);
  return contraction &&
         llvm::is_contained(contraction.getActivationOperands(), use.getOperandNumber());
}

/// Whether `value` is never stored but computed again at each reader. The chain
/// must end in values that are stored anyway: a join with no other reader is
/// better stored after its activation than before.
bool Fuser::isRecomputed(Value value) {
  Operation *op = value.getDefiningOp();
  auto pointwise = dyn_cast_or_null<PointwiseOpInterface>(op);
  if (!pointwise || taken.contains(op) || !pointwise.isRecomputable() || !readsInPlace(op))
    return false;
  if (auto it = recomputed.find(value); it != recomputed.end())
    return it->second;
  bool result = llvm::all_of(value.getUses(), [&](OpOperand &use) { return canInline(use); });
  for (Value operand : op->getOperands()) {
    if (!result || !net::isActivation(operand.getType()))
      continue;
    Operation *producer = operand.getDefiningOp();
    bool storedAnyway = !producer || !isa<PointwiseOpInterface>(producer) ||
                        producer->hasTrait<IsStored>() || taken.contains(producer) ||
                        !operand.hasOneUse();
    result &= storedAnyway || isRecomputed(operand);
  }
  return recomputed[value] = result;
}

/// Whether `value` is there before `anchor` runs: in the program's order, or stored by
/// a kernel whose anchor stands before.
bool Fuser::existsBefore(Value value, Operation *anchor) {
  Operation *op = value.getDefiningOp();
  return !op || order.lookup(op) < order.lookup(anchor);
}

/// The one op that reads `value`, if there is exactly one.
static Operation *onlyReader(Value value) {
  Operation *reader = nullptr;
  for (Operation *user : value.getUsers()) {
    if (reader && reader != user)
      return nullptr;
    reader = user;
  }
  return reader;
}

void Fuser::growEpilogue(Group &group) {
  Value value = group.stored;
  while (Operation *reader = onlyReader(value)) {
    auto pointwise = dyn_cast<PointwiseOpInterface>(reader);
    if (!pointwise || taken.contains(reader) || !readsInPlace(reader) ||
        !sameShape(reader->getResult(0).getType(), value.getType()))
      break;
    bool ready = llvm::all_of(reader->getOperands(), [&](Value operand) {
      return operand == value || existsBefore(operand, group.anchor);
    });
    if (!ready)
      break;
    group.epilogue.push_back(reader);
    taken.insert(reader);
    // Readers of its result now find it where the anchor stands.
    order[reader] = order[group.anchor];
    value = reader->getResult(0);
    ++numFused;
    if (reader->hasTrait<IsStored>())
      break;
  }
  group.stored = value;
}

void Fuser::takeSums(Group &group, Operation *before) {
  for (Operation *user : group.stored.getUsers()) {
    auto reduction = dyn_cast<ChannelReductionOpInterface>(user);
    if (!reduction || taken.contains(user) || reduction.getReduced() != group.stored)
      continue;
    auto contraction = dyn_cast<ContractionOpInterface>(before);
    if (reduction.getTerm(0).isMoment && contraction && !contraction.supportsMoments())
      continue;
    bool sameKind = group.sums.empty() || group.sums[0]->getName() == user->getName();
    bool ready = llvm::all_of(user->getOperands(), [&](Value operand) {
      return operand == group.stored || existsBefore(operand, before);
    });
    if (!sameKind || !ready)
      continue;
    group.sums.push_back(user);
    taken.insert(user);
    order[user] = order[before];
    ++numFused;
  }
}

/// A pointwise producer that only this kernel reads is computed inside it.
bool Fuser::isInlinedProducer(Operation *producer, Type of) {
  return producer && isa<PointwiseOpInterface>(producer) && !producer->hasTrait<IsStored>() &&
         !taken.contains(producer) && producer->getResult(0).hasOneUse() &&
         sameShape(producer->getResult(0).getType(), of);
}

void Fuser::planRoots() {
  DenseSet<Operation *> inlined;
  std::vector<Group> roots;
  for (Operation &op : llvm::reverse(body)) {
    bool loneSums = isa<ChannelReductionOpInterface>(op) && !taken.contains(&op);
    bool root = isa<PointwiseOpInterface>(op) && !taken.contains(&op) && !inlined.contains(&op) &&
                !isRecomputed(op.getResult(0));
    if (!loneSums && !root)
      continue;
    Group group;
    group.anchor = &op;
    if (root) {
      group.stored = op.getResult(0);
      takeSums(group, &op);
    } else {
      group.sums.push_back(&op);
    }
    Type shape = root ? op.getResult(0).getType() : op.getOperand(0).getType();
    SmallVector<Operation *> worklist{&op};
    while (!worklist.empty()) {
      Operation *reader = worklist.pop_back_val();
      for (Value operand : reader->getOperands())
        if (Operation *producer = operand.getDefiningOp();
            isInlinedProducer(producer, shape) && inlined.insert(producer).second) {
          worklist.push_back(producer);
          ++numFused;
        }
    }
    roots.push_back(std::move(group));
  }
  for (Group &group : llvm::reverse(roots))
    groups.push_back(std::move(group));
}

/// The value inside the fusion's body: cloned if it is computed here, else an argument.
Value Fuser::cloneValue(Value value, Group &group, IRMapping &map, OpBuilder &b,
                        net::FusionOp fusion) {
  if (Value known = map.lookupOrNull(value))
    return known;
  Operation *producer = value.getDefiningOp();
  bool fromRecompute = isRecomputed(value);
  bool inlined = group.anchor && !isa<ContractionOpInterface>(group.anchor) &&
                 producer != group.anchor && isInlinedProducer(producer, value.getType());
  if (fromRecompute || inlined) {
    for (Value operand : producer->getOperands())
      cloneValue(operand, group, map, b, fusion);
    numRecomputed += fromRecompute && !value.hasOneUse();
    return b.clone(*producer, map)->getResult(0);
  }
  fusion.getInputsMutable().append(value);
  Value argument = fusion.getBody().front().addArgument(value.getType(), value.getLoc());
  map.map(value, argument);
  return argument;
}

void Fuser::build(Group &group) {
  OpBuilder b(group.anchor);
  SmallVector<Type> types;
  SmallVector<Value> outside;
  if (group.stored)
    outside.push_back(group.stored);
  for (Operation *sums : group.sums)
    llvm::append_range(outside, sums->getResults());
  for (Value value : outside)
    types.push_back(value.getType());

  SmallVector<Location> locs{group.anchor->getLoc()};
  LayerNames layers = layersOf(group.anchor);
  for (Operation *op : group.epilogue) {
    locs.push_back(op->getLoc());
    layers.insert_range(layersOf(op));
  }
  auto fusion = net::FusionOp::create(b, b.getFusedLoc(locs), types, ValueRange{});
  setLayers(fusion, layers);
  Block *block = b.createBlock(&fusion.getBody());
  IRMapping map;
  auto cloneOp = [&](Operation *op) {
    for (Value operand : op->getOperands())
      cloneValue(operand, group, map, b, fusion);
    b.clone(*op, map);
  };
  if (!isa<ChannelReductionOpInterface>(group.anchor))
    cloneOp(group.anchor);
  // Prologue copies stay private to the contraction: the epilogue makes its own, at its own shape.
  for (Operation *op : group.epilogue)
    cloneOp(op);
  for (Operation *op : group.sums)
    cloneOp(op);
  SmallVector<Value> inside;
  for (Value value : outside)
    inside.push_back(map.lookup(value));
  b.setInsertionPointToEnd(block);
  net::YieldOp::create(b, fusion.getLoc(), inside);
  for (auto [before, after] : llvm::zip(outside, fusion.getResults()))
    before.replaceAllUsesExcept(after, fusion);
  // The originals may stand after the fusion; readers between are impossible by construction.
  ++numKernels;
}

void Fuser::run() {
  for (Operation &op : body) {
    auto contraction = dyn_cast<ContractionOpInterface>(op);
    if (!contraction)
      continue;
    Group group;
    group.anchor = &op;
    group.stored = op.getResult(0);
    taken.insert(&op);
    // What is computed again is a plain stand-in for what was stored: sums of its readers keep
    // their own order.
    if (contraction.supportsEpilogue() && !op.hasAttr("net.recomputed")) {
      growEpilogue(group);
      takeSums(group, &op);
    }
    groups.push_back(std::move(group));
  }
  planRoots();
  for (Group &group : groups)
    build(group);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

namespace {
struct FuseKernels : netc::impl::FuseKernelsBase<FuseKernels> {
  using FuseKernelsBase::FuseKernelsBase;
  void runOnOperation() override;
};
} // namespace

void FuseKernels::runOnOperation() {
  auto fuse = [&](func::FuncOp function) {
    std::optional<net::Role> role = net::roleOf(function);
    if (role != net::Role::Infer && role != net::Role::Step && role != net::Role::Observe)
      return success();
    Fuser fuser(function);
    fuser.run();
    numKernels += fuser.numKernels;
    numFused += fuser.numFused;
    numRecomputed += fuser.numRecomputed;
    return success();
  };
  (void)transformFunctions(getOperation(), fuse);
}
