//===- ComposePermutes.cpp - one permutation in place of two --------------===//
//
// permute(reshape(permute(x))) is one permutation of x's axes, divided so far that both can be
// expressed: an attention over windows cuts an image into windows and each pixel into heads in one
// pass over memory instead of two.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Reshapes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_COMPOSEPERMUTES
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct ComposePermutes : netc::impl::ComposePermutesBase<ComposePermutes> {
  using ComposePermutesBase::ComposePermutesBase;
  void runOnOperation() override;
};
} // namespace

using Sizes = SmallVector<int64_t>;

static Sizes sizesBehindBatch(Value value) {
  return Sizes(cast<RankedTensorType>(value.getType()).getShape().drop_front());
}

/// The axes of a permutation behind the batch.
static Sizes orderBehindBatch(net::PermuteOp op) {
  return llvm::map_to_vector(op.getOrder().drop_front(), [](int64_t axis) { return axis - 1; });
}

/// The coarsest sizes of which each axis of `a` and each of `b` is a product of neighbours; nothing
/// where axes overlap, as those of [4, 6] and [6, 4] do.
static std::optional<Sizes> commonSizes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  Sizes sizes;
  size_t i = 0, j = 0;
  int64_t left = 1, right = 1; // of the axes begun
  while (i < a.size() || j < b.size() || left > 1 || right > 1) {
    if (left == 1 && i < a.size())
      left = a[i++];
    else if (right == 1 && j < b.size())
      right = b[j++];
    else {
      int64_t size = std::min(left, right);
      if (size == 1 || left % size || right % size)
        return {};
      sizes.push_back(size);
      left /= size, right /= size;
    }
  }
  return sizes;
}

/// For each axis of `sizes` the axes of `fine` whose product it is; axes of one index have none.
static SmallVector<Sizes> partsOf(ArrayRef<int64_t> sizes, ArrayRef<int64_t> fine) {
  SmallVector<Sizes> parts(sizes.size());
  size_t next = 0;
  for (auto [axis, size] : llvm::enumerate(sizes))
    for (int64_t product = 1; product < size; product *= fine[next++])
      parts[axis].push_back(static_cast<int64_t>(next));
  return parts;
}

/// `value` in another shape but for the batch.
static Value reshaped(OpBuilder &b, Location loc, Value value, ArrayRef<int64_t> sizes) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape().drop_front() == sizes)
    return value;
  Sizes shape{type.getDimSize(0)};
  llvm::append_range(shape, sizes);
  Value flat = b.createOrFold<net::FlattenOp>(loc, value);
  return net::UnflattenOp::create(b, loc, type.clone(shape), flat);
}

/// Replaces `outer` by one permutation of what `inner` permutes.
static bool compose(net::PermuteOp inner, net::PermuteOp outer) {
  Sizes between = sizesBehindBatch(inner), seen = sizesBehindBatch(outer.getInput());
  std::optional<Sizes> fine = commonSizes(between, seen);
  if (!fine || fine->empty())
    return false;
  // The divided axes as they lie in the input of `inner`, and the place there of each.
  SmallVector<Sizes> ofInner = partsOf(between, *fine), ofOuter = partsOf(seen, *fine);
  Sizes innerOrder = orderBehindBatch(inner), place(fine->size()), input, order{0}, result;
  for (size_t axis = 0; axis < innerOrder.size(); ++axis)
    for (int64_t part : ofInner[llvm::find(innerOrder, axis) - innerOrder.begin()]) {
      place[part] = static_cast<int64_t>(input.size());
      input.push_back((*fine)[part]);
    }
  for (int64_t axis : orderBehindBatch(outer))
    for (int64_t part : ofOuter[axis]) {
      order.push_back(place[part] + 1);
      result.push_back((*fine)[part]);
    }
  OpBuilder b(outer);
  LayerScope scope(b, outer);
  Location loc = outer.getLoc();
  auto outerType = cast<RankedTensorType>(outer.getType());
  Value from = reshaped(b, loc, inner.getInput(), input);
  Sizes shape{outerType.getDimSize(0)};
  llvm::append_range(shape, result);
  Value permuted = b.createOrFold<net::PermuteOp>(loc, outerType.clone(shape), from,
                                                  b.getDenseI64ArrayAttr(order));
  outer.replaceAllUsesWith(reshaped(b, loc, permuted, sizesBehindBatch(outer)));
  return true;
}

void ComposePermutes::runOnOperation() {
  getOperation()->walk([&](net::PermuteOp outer) {
    auto inner = soleSource<net::PermuteOp>(outer.getInput());
    if (!inner || !compose(inner, outer))
      return;
    // Each of the chain was read by the next alone.
    for (Operation *op = outer; op != inner.getOperation();) {
      Operation *source = op->getOperand(0).getDefiningOp();
      op->erase();
      op = source;
    }
    inner.erase();
    ++numComposed;
  });
}
