//===- BuildLeanSteps.cpp - the training step in less memory --------------===//
//
// Selective recomputation (Chen, Xu, Zhang, Guestrin 2016, "Training Deep Nets with Sublinear
// Memory Cost"): the result of a chosen convolution is let go after its forward readers and
// computed again, by the same kernel and so to the same bits, before the first reader in the
// backward pass. What can be chosen together: no convolution reads another one's dropped result.
// Chosen first is what frees most bytes for a multiply-add.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_BUILDLEANSTEPS
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct BuildLeanSteps : netc::impl::BuildLeanStepsBase<BuildLeanSteps> {
  using BuildLeanStepsBase::BuildLeanStepsBase;
  void runOnOperation() override;
};

/// A convolution whose result the backward pass reads.
struct Candidate {
  Operation *op;
  double bytes, flops; ///< of one image
};

/// One copy of the step.
class LeanStep {
public:
  explicit LeanStep(func::FuncOp step);
  /// Multiply-adds of all convolutions and linear layers of the forward pass.
  double forwardFlops() const { return total; }
  /// Chooses until `budget` multiply-adds are spent; the number of results that are dropped.
  int64_t choose(double budget);
  void rewrite();

private:
  bool isBackward(Operation *op) const {
    return op->getBlock() == &body && border->isBeforeInBlock(op);
  }
  bool isReadBackward(Value value) const;
  Operation *storedSource(Value value) const;
  bool fits(Operation *op) const;
  Operation *fusionAnchor(Operation *reader) const;
  Value again(Value value, Operation *first, IRMapping &map);

  Block &body;
  Operation *border = nullptr; ///< the last loss: what comes after it is the backward pass
  double total = 0;
  SmallVector<Candidate> candidates;
  SetVector<Operation *> chosen;
  DenseSet<Operation *> inputs; ///< whose results the chosen ones read
};
} // namespace

static double elementsOf(Type type) {
  double count = 1;
  for (int64_t dim : cast<ShapedType>(type).getShape())
    count *= ShapedType::isDynamic(dim) ? 1 : static_cast<double>(dim);
  return count;
}

/// Computed again at each reader by fusion, hence never stored.
static bool isRecomputable(Operation *op) {
  auto pointwise = dyn_cast_or_null<PointwiseOpInterface>(op);
  return pointwise && pointwise.isRecomputable();
}

LeanStep::LeanStep(func::FuncOp step) : body(step.getBody().front()) {
  for (Operation &op : body) {
    if (isa<LossOpInterface>(op))
      border = &op;
    if (border || !isa<ContractionOpInterface>(op))
      continue;
    auto weights = cast<ShapedType>(op.getOperand(1).getType());
    double flops = elementsOf(op.getResult(0).getType()) * elementsOf(weights) /
                   static_cast<double>(weights.getDimSize(0));
    total += flops;
    auto stored = cast<ShapedType>(op.getResult(0).getType());
    if (stored.getRank() == 4) // a linear layer's is small
      candidates.push_back({&op, static_cast<double>(kern::storageBytes(stored)), flops});
  }
  llvm::stable_sort(candidates, [](const Candidate &a, const Candidate &b) {
    return a.bytes * b.flops > b.bytes * a.flops;
  });
}

/// By itself or through what fusion computes again anyway.
bool LeanStep::isReadBackward(Value value) const {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    return isBackward(user) || (isRecomputable(user) && user->getOperand(0) == value &&
                                isReadBackward(user->getResult(0)));
  });
}

/// The op whose stored result `value` is made of on load.
Operation *LeanStep::storedSource(Value value) const {
  Operation *op = value.getDefiningOp();
  while (isRecomputable(op))
    op = op->getOperand(0).getDefiningOp();
  return op;
}

/// Whether `op` may be dropped beside those that are: it reads none of them, none of them reads it.
bool LeanStep::fits(Operation *op) const {
  Operation *source = storedSource(op->getOperand(0));
  return !inputs.contains(op) && !(source && chosen.contains(source));
}

int64_t LeanStep::choose(double budget) {
  if (!border)
    return 0;
  for (const Candidate &candidate : candidates) {
    bool read = isReadBackward(candidate.op->getResult(0));
    if (!read || candidate.flops > budget || !fits(candidate.op))
      continue;
    budget -= candidate.flops;
    chosen.insert(candidate.op);
    if (Operation *source = storedSource(candidate.op->getOperand(0)))
      inputs.insert(source);
  }
  return static_cast<int64_t>(chosen.size());
}

/// The last contraction of the backward pass whose epilogue could hold `reader`; `reader` itself if
/// there is none.
Operation *LeanStep::fusionAnchor(Operation *reader) const {
  Operation *last = nullptr;
  SmallVector<Operation *> work{reader};
  DenseSet<Operation *> seen;
  while (!work.empty())
    for (Value operand : work.pop_back_val()->getOperands()) {
      Operation *op = operand.getDefiningOp();
      if (!op || !isBackward(op) || !seen.insert(op).second)
        continue;
      auto contraction = dyn_cast<ContractionOpInterface>(op);
      if (contraction && contraction.supportsEpilogue())
        last = !last || last->isBeforeInBlock(op) ? op : last;
      else if (isa<PointwiseOpInterface>(op) && !op->hasAttr("net.recomputed"))
        work.push_back(op);
    }
  return last ? last : reader;
}

/// `value` of the forward pass, made of what is computed again; `map` remembers.
Value LeanStep::again(Value value, Operation *first, IRMapping &map) {
  if (Value known = map.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (!isRecomputable(op) && !chosen.contains(op))
    return value;
  if (isRecomputable(op) && !chosen.contains(storedSource(value)))
    return value;
  if (isRecomputable(op))
    again(op->getOperand(0), first, map);
  OpBuilder b(first);
  Operation *copy = b.clone(*op, map);
  if (chosen.contains(op))
    copy->setAttr("net.recomputed", b.getUnitAttr());
  map.map(op->getResults(), copy->getResults());
  return map.lookup(value);
}

void LeanStep::rewrite() {
  // Forward values of the chosen ones, in the order of the backward pass. They are there before the
  // contraction whose epilogue may read them: so the same ops fuse, and sums have the same order,
  // as where nothing is dropped.
  IRMapping map;
  for (Operation &op :
       llvm::make_early_inc_range(llvm::make_range(std::next(border->getIterator()), body.end()))) {
    for (OpOperand &operand : op.getOpOperands()) {
      Operation *source = storedSource(operand.get());
      if (source && chosen.contains(source))
        operand.set(again(operand.get(), fusionAnchor(&op), map));
    }
  }
}

void BuildLeanSteps::runOnOperation() {
  auto step = net::functionOf(getOperation(), net::Role::Step);
  if (!step)
    return;
  OpBuilder b(step);
  b.setInsertionPointAfter(step);
  int64_t dropped = 0;
  for (auto [index, share] : llvm::enumerate(shares)) {
    auto copy = cast<func::FuncOp>(b.clone(*step));
    copy.setName(("step_lean" + Twine(index + 1)).str());
    copy->setAttr("net.lean_step", b.getI64IntegerAttr(static_cast<int64_t>(index)));
    LeanStep lean(copy);
    int64_t count = lean.choose(share * lean.forwardFlops());
    if (count <= dropped) { // nothing more to drop
      copy.erase();
      break;
    }
    dropped = count;
    lean.rewrite();
    numDropped += count;
  }
}
