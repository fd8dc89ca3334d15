//===- Loss.cpp - losses --------------------------------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

LogicalResult SoftmaxCrossEntropyOp::verify() {
  if (cast<RankedTensorType>(getLogits().getType()).getRank() != 2)
    return emitOpError() << "expected logits [N, classes], found " << getLogits().getType();
  if (isActivation(getLabels().getType()) &&
      cast<RankedTensorType>(getLabels().getType()).getRank() == 2 &&
      getLabels().getType() != getLogits().getType())
    return emitOpError() << "expected distributions of the logits' type " << getLogits().getType()
                         << ", found " << getLabels().getType();
  return success();
}

/// The weight of this head in the mean loss that reads it; null if there is none.
static FloatAttr headWeight(SoftmaxCrossEntropyOp op, OpBuilder &b) {
  for (OpOperand &use : op.getLosses().getUses())
    if (auto mean = dyn_cast<MeanLossOp>(use.getOwner()))
      return b.getF64FloatAttr(mean.getWeights()[use.getOperandNumber()]);
  return {};
}

LogicalResult
SoftmaxCrossEntropyOp::buildAdjoint(OpBuilder &b, ValueRange,
                                    llvm::function_ref<void(Value, Value)> accumulate) {
  FloatAttr weight = headWeight(*this, b);
  if (!weight)
    return emitOpError() << "expected a net.mean_loss among the readers of a loss to differentiate";
  accumulate(getLogits(), SoftmaxCrossEntropyGradOp::create(b, getLoc(), getLogits().getType(),
                                                            getLogits(), getLabels(), weight));
  return success();
}

LogicalResult MeanLossOp::verify() {
  if (getLosses().size() != getWeights().size())
    return emitOpError() << "has " << getLosses().size() << " losses but " << getWeights().size()
                         << " weights";
  return success();
}

LogicalResult SoftmaxOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(),
             SoftmaxGradOp::create(b, getLoc(), getInput().getType(), cotangents[0], getResult()));
  return success();
}
