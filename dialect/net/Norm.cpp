//===- Norm.cpp - batch normalisation and its parts, LRN, rows -------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

LogicalResult BatchNormOp::verify() {
  int64_t channels = channelsOf(cast<RankedTensorType>(getInput().getType()));
  for (Value operand : getOperands().drop_front())
    if (int64_t have = cast<RankedTensorType>(operand.getType()).getDimSize(0); have != channels)
      return emitOpError() << "input has " << channels
                           << " channels but a statistic or parameter has " << have;
  return success();
}

//===----------------------------------------------------------------------===//
// Channel sums and moments
//===----------------------------------------------------------------------===//

Value ChannelSumsOp::getReduced() { return getA(); }
netc::ChannelTerm ChannelSumsOp::getTerm(unsigned result) {
  return result == 0 ? ChannelTerm{getA(), {}, {}} : ChannelTerm{getA(), getB(), getCenter()};
}

LogicalResult ChannelSumsOp::verify() {
  if (static_cast<bool>(getB()) != static_cast<bool>(getCenter()))
    return emitOpError() << "expected a center where there is a second tensor, and only there";
  size_t have = getSums().size(), want = getB() ? 2 : 1;
  if (have != want)
    return emitOpError() << "has " << have << " results but computes " << want;
  return success();
}

Value ChannelMomentsOp::getReduced() { return getInput(); }
netc::ChannelTerm ChannelMomentsOp::getTerm(unsigned) {
  return {getInput(), {}, {}, /*isMoment=*/true};
}

//===----------------------------------------------------------------------===//
// BatchNormApply
//===----------------------------------------------------------------------===//

/// The statistics that scale and shift come from.
static BatchNormStatisticsOp statisticsOf(BatchNormApplyOp op) {
  return op.getScale().getDefiningOp<BatchNormStatisticsOp>();
}

LogicalResult BatchNormApplyOp::verify() {
  if (getOperation()->getParentOp() && isa<FusionOp>(getOperation()->getParentOp()))
    return success(); // inside a fused kernel the statistics are outside
  Operation *source = getScale().getDefiningOp();
  if (!isa_and_nonnull<BatchNormStatisticsOp, BatchNormCoefficientsOp>(source) ||
      getShift().getDefiningOp() != source)
    return emitOpError() << "expected scale and shift from one net.batch_norm_statistics or "
                            "net.batch_norm_coefficients";
  return success();
}

/// The statistics are constants: only parameters and the input have gradients.
static void buildFrozenAdjoint(BatchNormApplyOp op, BatchNormCoefficientsOp from,
                               OpBuilder &builder, Value g,
                               llvm::function_ref<void(Value, Value)> accumulate) {
  Location loc = op.getLoc();
  Type vector = op.getScale().getType();
  auto sums = ChannelSumsOp::create(builder, loc, TypeRange{vector, vector}, g, op.getInput(),
                                    from.getMean());
  auto grads = FrozenNormGradsOp::create(builder, loc, TypeRange{vector, vector}, sums.getResult(0),
                                         sums.getResult(1), from.getVar(), from.getEpsAttr());
  accumulate(from.getWeight(), grads.getWeightGrad());
  accumulate(from.getBias(), grads.getBiasGrad());
  accumulate(op.getInput(), FrozenNormInputGradOp::create(builder, loc, op.getInput().getType(), g,
                                                          op.getScale()));
}

LogicalResult BatchNormApplyOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                             llvm::function_ref<void(Value, Value)> accumulate) {
  if (auto frozen = getScale().getDefiningOp<BatchNormCoefficientsOp>())
    return buildFrozenAdjoint(*this, frozen, builder, cotangents[0], accumulate), success();
  BatchNormStatisticsOp stats = statisticsOf(*this);
  Location loc = getLoc();
  Type vector = getScale().getType();
  Value g = cotangents[0];
  auto sums = ChannelSumsOp::create(builder, loc, TypeRange{vector, vector}, g, getInput(),
                                    stats.getMean());
  auto grads = BatchNormGradStatisticsOp::create(
      builder, loc, TypeRange{vector, vector, vector, vector, vector},
      ValueRange{sums.getResult(0), sums.getResult(1), stats.getMean(), stats.getInvStd(),
                 getScale()},
      builder.getNamedAttr("pixels", stats.getPixelsAttr()));
  accumulate(stats.getWeight(), grads.getWeightGrad());
  accumulate(stats.getBias(), grads.getBiasGrad());
  accumulate(getInput(),
             BatchNormInputGradOp::create(builder, loc, getInput().getType(), g, getInput(),
                                          grads.getA(), grads.getB(), grads.getC()));
  return success();
}

// In one rounding: scale x and the shift may be large beside their sum.
Value BatchNormApplyOp::buildScalar(OpBuilder &b, ValueRange x) {
  return math::FmaOp::create(b, getLoc(), x[0], x[1], x[2]);
}
bool BatchNormApplyOp::isRecomputable() { return true; }

Value BatchNormInputGradOp::buildScalar(OpBuilder &b, ValueRange x) {
  Value ofInput = math::FmaOp::create(b, getLoc(), x[1], x[3], x[4]);
  return math::FmaOp::create(b, getLoc(), x[0], x[2], ofInput);
}
bool BatchNormInputGradOp::isRecomputable() { return true; }

Value FrozenNormInputGradOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::MulFOp::create(b, getLoc(), x[0], x[1]);
}
bool FrozenNormInputGradOp::isRecomputable() { return true; }

Value ScaleShiftOp::buildScalar(OpBuilder &b, ValueRange x) {
  Value scaled = arith::MulFOp::create(b, getLoc(), x[0], x[1]);
  return arith::AddFOp::create(b, getLoc(), scaled, x[2]);
}

//===----------------------------------------------------------------------===//
// Lrn
//===----------------------------------------------------------------------===//

LogicalResult LrnOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                  llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(),
             LrnGradOp::create(builder, getLoc(), getInput().getType(), cotangents[0], getInput(),
                               getSizeAttr(), getAlphaAttr(), getBetaAttr(), getKAttr()));
  return success();
}

//===----------------------------------------------------------------------===//
// Rows and groups of channels
//===----------------------------------------------------------------------===//

LogicalResult RowNormOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), RowNormGradOp::create(builder, getLoc(), getInput().getType(),
                                               cotangents[0], getInput(), getEpsAttr()));
  return success();
}

LogicalResult GroupMeanOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                        llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), GroupMeanOp::create(builder, getLoc(), getInput().getType(), cotangents[0],
                                             getGroupsAttr()));
  return success();
}
