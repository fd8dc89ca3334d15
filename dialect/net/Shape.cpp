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

LogicalResult ConcatOp::verify() {
  auto result = cast<RankedTensorType>(getType());
  int64_t channels = 0;
  for (Value input : getInputs()) {
    auto type = cast<RankedTensorType>(input.getType());
    channels += type.getDimSize(1);
    if (type.getRank() != result.getRank())
      return emitOpError() << "expected inputs of the result's rank, found " << type << " for "
                           << result;
    if (type.getShape().drop_front(2) != result.getShape().drop_front(2))
      return emitOpError() << "expected inputs of equal height and width, found " << type << " for "
                           << result;
  }
  if (channels != result.getDimSize(1))
    return emitOpError() << "inputs have " << channels << " channels but result has "
                         << result.getDimSize(1);
  return success();
}
LogicalResult ConcatOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  int64_t channel = 0;
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  for (Value input : getInputs()) {
    accumulate(input, MoveOp::create(b, getLoc(), input.getType(), cotangents[0], ones, ones, zeros,
                                     channel));
    channel += cast<RankedTensorType>(input.getType()).getDimSize(1);
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
