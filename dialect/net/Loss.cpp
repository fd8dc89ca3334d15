//===- Loss.cpp - losses --------------------------------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

SmallVector<LossAttr> netc::net::lossTerms(Operation *module) {
  if (auto list = module->getAttrOfType<ArrayAttr>("net.losses"))
    return llvm::to_vector(list.getAsRange<LossAttr>());
  return {LossAttr::get(module->getContext(), LossKind::CrossEntropy, 0,
                        Builder(module->getContext()).getF64FloatAttr(1), {})};
}

RankedTensorType netc::net::labelsType(RankedTensorType scores) {
  SmallVector<int64_t> shape(scores.getShape());
  shape.erase(shape.begin() + channelAxis(scores));
  return RankedTensorType::get(shape, IntegerType::get(scores.getContext(), 64));
}

RankedTensorType netc::net::lossesType(RankedTensorType like, int64_t rows) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  if (rows > 1)
    shape.push_back(rows);
  return RankedTensorType::get(shape, Float32Type::get(like.getContext()));
}

LogicalResult SoftmaxCrossEntropyOp::verify() {
  auto logits = cast<RankedTensorType>(getLogits().getType()),
       labels = cast<RankedTensorType>(getLabels().getType());
  if (logits.getRank() < 2 || logits.getRank() > 4)
    return emitOpError() << "expected logits [N, classes], [N, tokens, classes] or "
                            "[N, classes, H, W], found "
                         << logits;
  if (labels.getElementType().isF32() && labels != logits)
    return emitOpError() << "expected distributions of the logits' type " << logits << ", found "
                         << labels;
  if (labels.getElementType().isInteger(64) && labels != labelsType(logits))
    return emitOpError() << "expected labels " << labelsType(logits) << ", found " << labels;
  if (getIgnore().has_value() != static_cast<bool>(getShare()))
    return emitOpError() << "expected a share exactly where a label is ignored";
  return success();
}
Value SoftmaxCrossEntropyOp::getPredicted() { return getLogits(); }

/// The weight of this loss in the mean loss that reads it; null if there is none.
static FloatAttr weightOf(Value losses, OpBuilder &b) {
  for (OpOperand &use : losses.getUses())
    if (auto mean = dyn_cast<MeanLossOp>(use.getOwner()))
      return b.getF64FloatAttr(mean.getWeights()[use.getOperandNumber()]);
  return {};
}

LogicalResult
SoftmaxCrossEntropyOp::buildAdjoint(OpBuilder &b, ValueRange,
                                    llvm::function_ref<void(Value, Value)> accumulate) {
  FloatAttr weight = weightOf(getLosses(), b);
  if (!weight)
    return emitOpError() << "expected a net.mean_loss among the readers of a loss to differentiate";
  accumulate(getLogits(),
             SoftmaxCrossEntropyGradOp::create(b, getLoc(), getLogits().getType(), getLogits(),
                                               getLabels(), getShare(), weight, getIgnoreAttr()));
  return success();
}

LogicalResult DiceLossOp::verify() {
  auto probabilities = cast<RankedTensorType>(getProbabilities().getType());
  if (getLabels().getType() != labelsType(probabilities))
    return emitOpError() << "expected labels " << labelsType(probabilities) << ", found "
                         << getLabels().getType();
  if (getSums().getType() != diceSumsType(probabilities))
    return emitOpError() << "expected sums " << diceSumsType(probabilities) << ", found "
                         << getSums().getType();
  return success();
}
Value DiceLossOp::getPredicted() { return getProbabilities(); }

RankedTensorType netc::net::diceSumsType(RankedTensorType probabilities) {
  return RankedTensorType::get({ShapedType::kDynamic, 2 * channelsOf(probabilities)},
                               Float32Type::get(probabilities.getContext()));
}

LogicalResult DiceLossOp::buildAdjoint(OpBuilder &b, ValueRange,
                                       llvm::function_ref<void(Value, Value)> accumulate) {
  FloatAttr weight = weightOf(getLosses(), b);
  if (!weight)
    return emitOpError() << "expected a net.mean_loss among the readers of a loss to differentiate";
  accumulate(getProbabilities(), DiceLossGradOp::create(b, getLoc(), getProbabilities().getType(),
                                                        getProbabilities(), getLabels(), getSums(),
                                                        weight, getSmoothAttr(), getIgnoreAttr()));
  return success();
}

LogicalResult RegressionLossOp::verify() {
  auto prediction = cast<RankedTensorType>(getPrediction().getType());
  if (getKind() != LossKind::Mse && getKind() != LossKind::L1 && getKind() != LossKind::Bce)
    return emitOpError() << "expected mse, l1 or bce";
  if (getTarget().getType() != prediction)
    return emitOpError() << "expected a target of the prediction's type " << prediction
                         << ", found " << getTarget().getType();
  if (getLosses().getType() != lossesType(prediction, rowsOf(prediction)))
    return emitOpError() << "expected losses " << lossesType(prediction, rowsOf(prediction))
                         << ", found " << getLosses().getType();
  return success();
}
Value RegressionLossOp::getPredicted() { return getPrediction(); }

LogicalResult RegressionLossOp::buildAdjoint(OpBuilder &b, ValueRange,
                                             llvm::function_ref<void(Value, Value)> accumulate) {
  FloatAttr weight = weightOf(getLosses(), b);
  if (!weight)
    return emitOpError() << "expected a net.mean_loss among the readers of a loss to differentiate";
  accumulate(getPrediction(), RegressionLossGradOp::create(
                                  b, getLoc(), getPrediction().getType(), getKindAttr(),
                                  getPrediction(), getTarget(), weight, getThresholdAttr()));
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
