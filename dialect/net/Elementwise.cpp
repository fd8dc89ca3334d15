//===- Elementwise.cpp - skip-add, gates, dropout -------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

Value netc::net::buildSum(OpBuilder &b, Location loc, Value lhs, Value rhs) {
  auto type = cast<RankedTensorType>(lhs.getType());
  if (!type.hasStaticShape())
    return AddOp::create(b, loc, type, lhs, rhs);
  auto vector = RankedTensorType::get({type.getNumElements()}, type.getElementType());
  auto shaped = [&](Type to, Value value) {
    return b.createOrFold<ReshapeParameterOp>(loc, to, value);
  };
  return shaped(type, AddParametersOp::create(b, loc, shaped(vector, lhs), shaped(vector, rhs)));
}

static Value constantF32(OpBuilder &b, Location loc, double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}

//===----------------------------------------------------------------------===//
// Sums and products, also with a value per channel
//===----------------------------------------------------------------------===//

/// Whether `operand` has one value for each channel of `of`, of each image or of all of them.
static bool isPerChannel(RankedTensorType operand, RankedTensorType of) {
  if (operand.getRank() == 1)
    return operand.getDimSize(0) == channelsOf(of);
  bool image = of.getRank() == 4, flat = operand.getRank() == 2;
  return of.getRank() > 2 && (flat || (image && operand.getRank() == 4)) &&
         pixelsOf(operand) == 1 && channelsOf(operand) == channelsOf(of);
}

static LogicalResult verifyOperands(Operation *op) {
  auto lhs = cast<RankedTensorType>(op->getOperand(0).getType()),
       rhs = cast<RankedTensorType>(op->getOperand(1).getType());
  if (lhs.getShape() == rhs.getShape() || isPerChannel(rhs, lhs))
    return success();
  return op->emitOpError() << "expected equal shapes, or a value per channel on the right, found "
                           << lhs << " and " << rhs;
}

/// The cotangent of an operand of `type` that a cotangent at every element belongs to: where the
/// operand held for all pixels or tokens, their sum, an average times their number.
static Value reduceTo(OpBuilder &b, Location loc, RankedTensorType type, Value cotangent) {
  auto full = cast<RankedTensorType>(cotangent.getType());
  if (full.getShape() == type.getShape())
    return cotangent;
  if (type.getRank() == 1)
    return ChannelSumsOp::create(b, loc, TypeRange{type}, cotangent, Value(), Value()).getResult(0);
  int64_t n = full.getDimSize(0), count = pixelsOf(full), channels = channelsOf(full);
  auto shaped = [&](ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, type.getElementType());
  };
  SmallVector<int64_t> window{count, 1};
  if (full.getRank() == 4)
    window = {full.getDimSize(2), full.getDimSize(3)};
  else // tokens are rows of an image of one channel
    cotangent = UnflattenOp::create(b, loc, shaped({n, 1, count, channels}),
                                    FlattenOp::create(b, loc, cotangent));
  Type pooled = full.getRank() == 4 ? shaped({n, channels, 1, 1}) : shaped({n, 1, 1, channels});
  Value mean = AvgPoolOp::create(b, loc, pooled, cotangent, window, window,
                                 ArrayRef<int64_t>{0, 0, 0, 0}, false, DenseI64ArrayAttr());
  Value sum = SpreadOp::create(b, loc, pooled, mean, b.getF64FloatAttr(static_cast<double>(count)));
  return type.getRank() == 2 ? FlattenOp::create(b, loc, sum) : sum;
}

LogicalResult AddOp::verify() { return verifyOperands(*this); }
LogicalResult AddOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                  llvm::function_ref<void(Value, Value)> accumulate) {
  // y = F(x) + x: the "+1" of the gradient.
  accumulate(getLhs(), cotangents[0]);
  accumulate(getRhs(),
             reduceTo(b, getLoc(), cast<RankedTensorType>(getRhs().getType()), cotangents[0]));
  return success();
}
Value AddOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::AddFOp::create(b, getLoc(), x[0], x[1]);
}

LogicalResult MulOp::verify() { return verifyOperands(*this); }
LogicalResult MulOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                  llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0];
  Type type = getType();
  accumulate(getLhs(), MulOp::create(b, getLoc(), type, g, getRhs()));
  Value product = MulOp::create(b, getLoc(), type, g, getLhs());
  accumulate(getRhs(), reduceTo(b, getLoc(), cast<RankedTensorType>(getRhs().getType()), product));
  return success();
}
Value MulOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::MulFOp::create(b, getLoc(), x[0], x[1]);
}

LogicalResult AffineOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), b.createOrFold<AffineOp>(getLoc(), getType(), cotangents[0],
                                                  getScaleAttr(), b.getF64FloatAttr(0)));
  return success();
}
Value AffineOp::buildScalar(OpBuilder &b, ValueRange x) {
  Value y = x[0];
  if (!getScale().isExactlyValue(1.0))
    y = arith::MulFOp::create(b, getLoc(), y,
                              constantF32(b, getLoc(), getScale().convertToDouble()));
  if (!getShift().isZero())
    y = arith::AddFOp::create(b, getLoc(), y,
                              constantF32(b, getLoc(), getShift().convertToDouble()));
  return y;
}
bool AffineOp::isRecomputable() { return true; }
OpFoldResult AffineOp::fold(FoldAdaptor) {
  return getScale().isExactlyValue(1.0) && getShift().isZero() ? getInput() : Value();
}

Value SpreadOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::MulFOp::create(b, getLoc(), x[0],
                               constantF32(b, getLoc(), getFactor().convertToDouble()));
}

LogicalResult DropoutOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), DropoutOp::create(b, getLoc(), getInput().getType(), cotangents[0],
                                           getPAttr(), getIdAttr(), getPerImageAttr()));
  return success();
}
Value DropoutOp::buildScalar(OpBuilder &b, ValueRange x) {
  // x[1] is uniform in [0, 1), or 1 where dropout is switched off.
  double p = getP().convertToDouble();
  Location loc = getLoc();
  Value u = x[1];
  Value one = constantF32(b, loc, 1);
  Value off = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, u, one);
  Value kept = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, u, constantF32(b, loc, p));
  Value scale = arith::SelectOp::create(b, loc, kept, constantF32(b, loc, p < 1 ? 1 / (1 - p) : 0),
                                        constantF32(b, loc, 0));
  return arith::MulFOp::create(b, loc, x[0], arith::SelectOp::create(b, loc, off, one, scale));
}
std::optional<int64_t> DropoutOp::getRandomStream() { return static_cast<int64_t>(getId()); }
bool DropoutOp::drawsPerImage() { return getPerImage(); }
OpFoldResult DropoutOp::fold(FoldAdaptor) { return getP().isZero() ? getInput() : Value(); }

//===----------------------------------------------------------------------===//
// Repeat
//===----------------------------------------------------------------------===//

LogicalResult RepeatOp::verify() {
  auto result = cast<RankedTensorType>(getType());
  if (result.getRank() != 2 || !isActivation(result) ||
      channelsOf(result) != cast<RankedTensorType>(getInput().getType()).getDimSize(0))
    return emitOpError() << "expected a vector of as many elements for each image, found "
                         << result;
  return success();
}
LogicalResult RepeatOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), ChannelSumsOp::create(b, getLoc(), TypeRange{getInput().getType()},
                                               cotangents[0], Value(), Value())
                             .getResult(0));
  return success();
}
Value RepeatOp::buildScalar(OpBuilder &, ValueRange x) { return x[0]; }
bool RepeatOp::isRecomputable() { return true; }
