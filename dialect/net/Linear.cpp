//===- Linear.cpp - fully connected layer and its gradients ---------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

LogicalResult LinearOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         Adaptor op, SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  if (input.getRank() < 2 || input.getRank() > 3 || weight.getRank() != 2)
    return emitOptionalError(loc, "expected vectors, found input ", input, " and weight ", weight);
  if (channelsOf(input) != weight.getDimSize(1))
    return emitOptionalError(loc, "input has ", channelsOf(input), " features but weight expects ",
                             weight.getDimSize(1));
  SmallVector<int64_t> shape(input.getShape().drop_front());
  shape.back() = weight.getDimSize(0);
  types.push_back(activationType(shape, input));
  return success();
}

LogicalResult LinearOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0];
  Location loc = getLoc();
  accumulate(getWeight(),
             LinearWeightGradOp::create(builder, loc, getWeight().getType(), getInput(), g));
  if (getBias())
    accumulate(getBias(), ChannelSumsOp::create(builder, loc, TypeRange{getBias().getType()}, g,
                                                Value(), Value())
                              .getResult(0));
  accumulate(getInput(),
             LinearInputGradOp::create(builder, loc, getInput().getType(), g, getWeight()));
  return success();
}

SmallVector<unsigned> LinearOp::getActivationOperands() { return {0}; }
bool LinearOp::supportsEpilogue() { return true; }
SmallVector<unsigned> LinearInputGradOp::getActivationOperands() { return {0}; }
bool LinearInputGradOp::supportsEpilogue() { return true; }
SmallVector<unsigned> LinearWeightGradOp::getActivationOperands() { return {0, 1}; }
bool LinearWeightGradOp::supportsEpilogue() { return false; }
