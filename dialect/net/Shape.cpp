//===- Shape.cpp - moving values: flatten, pad, subsample, concat ---------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

LogicalResult FlattenOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                          SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  int64_t size = 1;
  for (int64_t dim : input.getShape().drop_front())
    size *= dim;
  types.push_back(activationType({size}, input));
  return success();
}
LogicalResult FlattenOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), UnflattenOp::create(b, getLoc(), getInput().getType(), cotangents[0]));
  return success();
}
OpFoldResult FlattenOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? getInput() : Value();
}

LogicalResult UnflattenOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                        llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), FlattenOp::create(b, getLoc(), cotangents[0]));
  return success();
}
LogicalResult UnflattenOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()),
       result = cast<RankedTensorType>(getType());
  int64_t size = channelsOf(result) * pixelsOf(result);
  if (input.getDimSize(1) != size)
    return emitOpError() << "input has " << input.getDimSize(1) << " features but result has "
                         << size;
  return success();
}

LogicalResult MoveOp::verify() {
  int64_t have = cast<RankedTensorType>(getInput().getType()).getRank();
  if (int64_t want = cast<RankedTensorType>(getType()).getRank(); have != want)
    return emitOpError() << "input has rank " << have << " but result has " << want;
  if (getStrides().size() != 2 || getSpreads().size() != 2 || getOffsets().size() != 2)
    return emitOpError() << "expected 2 strides, 2 spreads and 2 offsets";
  for (int axis = 0; axis < 2; ++axis)
    if (getStrides()[axis] < 1 || getSpreads()[axis] < 1 ||
        (getStrides()[axis] > 1 && getSpreads()[axis] > 1))
      return emitOpError() << "expected a positive stride and spread, one of them 1";
  return success();
}
LogicalResult MoveOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                   llvm::function_ref<void(Value, Value)> accumulate) {
  // i -> (i stride + offset) / spread inverts to j -> (j spread - offset) / stride.
  SmallVector<int64_t> offsets{-getOffsets()[0], -getOffsets()[1]};
  accumulate(getInput(),
             MoveOp::create(b, getLoc(), getInput().getType(), cotangents[0], getSpreads(),
                            getStrides(), offsets, -static_cast<int64_t>(getChannelOffset())));
  return success();
}
OpFoldResult MoveOp::fold(FoldAdaptor) {
  auto isOne = [](int64_t v) { return v == 1; };
  bool still = llvm::all_of(getStrides(), isOne) && llvm::all_of(getSpreads(), isOne) &&
               getOffsets()[0] == 0 && getOffsets()[1] == 0 && getChannelOffset() == 0;
  return still && getInput().getType() == getType() ? getInput() : Value();
}

/// Whether `tokens` has the pixels of `image` in a row.
static LogicalResult verifyTokens(Operation *op, Value image, Value tokens) {
  auto from = cast<RankedTensorType>(image.getType()),
       to = cast<RankedTensorType>(tokens.getType());
  if (from.getRank() == 4 && to.getRank() == 3 && channelsOf(from) == channelsOf(to) &&
      pixelsOf(from) == pixelsOf(to))
    return success();
  return op->emitOpError() << "expected an image and the sequence of its pixels, found " << from
                           << " and " << to;
}
LogicalResult ToTokensOp::verify() { return verifyTokens(*this, getInput(), getResult()); }
LogicalResult FromTokensOp::verify() { return verifyTokens(*this, getResult(), getInput()); }
LogicalResult ToTokensOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                       llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), FromTokensOp::create(b, getLoc(), getInput().getType(), cotangents[0]));
  return success();
}
LogicalResult FromTokensOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                         llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), ToTokensOp::create(b, getLoc(), getInput().getType(), cotangents[0]));
  return success();
}

LogicalResult SliceOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()),
       result = cast<RankedTensorType>(getType());
  auto axis = static_cast<int64_t>(getAxis());
  if (input.getRank() != result.getRank() || axis < 1 || axis >= input.getRank())
    return emitOpError() << "expected an axis behind the batch that input and result have, found "
                         << axis;
  for (int64_t i = 0; i < input.getRank(); ++i)
    if (i != axis && input.getDimSize(i) != result.getDimSize(i))
      return emitOpError() << "changes axis " << i << " of " << input << " to " << result
                           << " but slices axis " << axis;
  return success();
}
LogicalResult SliceOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                    llvm::function_ref<void(Value, Value)> accumulate) {
  auto back = b.getI64IntegerAttr(-static_cast<int64_t>(getBegin()));
  accumulate(getInput(), SliceOp::create(b, getLoc(), getInput().getType(), cotangents[0],
                                         getAxisAttr(), back));
  return success();
}
OpFoldResult SliceOp::fold(FoldAdaptor) {
  return getBegin() == 0 && getInput().getType() == getType() ? getInput() : Value();
}

LogicalResult PermuteOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()),
       result = cast<RankedTensorType>(getType());
  ArrayRef<int64_t> order = getOrder();
  SmallVector<bool> seen(input.getRank());
  bool fits = input.getRank() == result.getRank() &&
              static_cast<int64_t>(order.size()) == input.getRank() && order[0] == 0;
  for (auto [axis, from] : llvm::enumerate(order)) {
    fits = fits && from >= 0 && from < input.getRank() && !seen[from] &&
           input.getDimSize(from) == result.getDimSize(static_cast<unsigned>(axis));
    if (fits)
      seen[from] = true;
  }
  if (!fits)
    return emitOpError() << "order [" << order << "] does not map " << input << " to " << result;
  return success();
}
LogicalResult PermuteOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  SmallVector<int64_t> back(getOrder().size());
  for (auto [axis, from] : llvm::enumerate(getOrder()))
    back[from] = static_cast<int64_t>(axis);
  accumulate(getInput(), PermuteOp::create(b, getLoc(), getInput().getType(), cotangents[0], back));
  return success();
}
OpFoldResult PermuteOp::fold(FoldAdaptor) {
  return llvm::is_sorted(getOrder()) && getInput().getType() == getType() ? getInput() : Value();
}

LogicalResult ShuffleChannelsOp::verify() {
  int64_t channels = channelsOf(cast<RankedTensorType>(getType()));
  auto groups = static_cast<int64_t>(getGroups());
  if (groups < 1 || channels % groups)
    return emitOpError() << "has " << channels << " channels, which " << groups
                         << " groups do not divide";
  return success();
}
LogicalResult ShuffleChannelsOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                              llvm::function_ref<void(Value, Value)> accumulate) {
  int64_t channels = channelsOf(cast<RankedTensorType>(getType()));
  auto rows = b.getI64IntegerAttr(channels / static_cast<int64_t>(getGroups()));
  accumulate(getInput(), ShuffleChannelsOp::create(b, getLoc(), getType(), cotangents[0], rows));
  return success();
}

/// The axis that a concatenation joins.
static int64_t joinedAxis(ConcatOp op) {
  return op.getAxis() ? static_cast<int64_t>(*op.getAxis())
                      : channelAxis(cast<RankedTensorType>(op.getType()));
}

LogicalResult ConcatOp::verify() {
  auto result = cast<RankedTensorType>(getType());
  int64_t axis = joinedAxis(*this), size = 0;
  if (axis < 1 || axis >= result.getRank())
    return emitOpError() << "expected an axis behind the batch, found " << axis;
  for (Value input : getInputs()) {
    auto type = cast<RankedTensorType>(input.getType());
    if (type.getRank() != result.getRank())
      return emitOpError() << "expected inputs of the result's rank, found " << type << " for "
                           << result;
    size += type.getDimSize(axis);
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (i != axis && type.getDimSize(i) != result.getDimSize(i))
        return emitOpError() << "expected inputs of equal sizes beside axis " << axis << ", found "
                             << type << " for " << result;
  }
  if (size != result.getDimSize(axis))
    return emitOpError() << "inputs have " << size << " indices on axis " << axis
                         << " but result has " << result.getDimSize(axis);
  return success();
}
LogicalResult ConcatOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  int64_t begin = 0, axis = joinedAxis(*this);
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  for (Value input : getInputs()) {
    Value part = getAxis()
                     ? Value(SliceOp::create(b, getLoc(), input.getType(), cotangents[0],
                                             b.getI64IntegerAttr(axis), b.getI64IntegerAttr(begin)))
                     : Value(MoveOp::create(b, getLoc(), input.getType(), cotangents[0], ones, ones,
                                            zeros, begin));
    accumulate(input, part);
    begin += cast<RankedTensorType>(input.getType()).getDimSize(axis);
  }
  return success();
}

OpFoldResult ToLayoutOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  auto producer = getInput().getDefiningOp<ToLayoutOp>();
  return producer && producer.getInput().getType() == getType() ? producer.getInput() : Value();
}
LogicalResult ToLayoutOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()),
       result = cast<RankedTensorType>(getType());
  if (input.getShape() != result.getShape())
    return emitOpError() << "changes the logical shape from " << input << " to " << result;
  return success();
}
