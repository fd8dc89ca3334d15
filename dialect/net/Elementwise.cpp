//===- Elementwise.cpp - skip-add, gates, dropout -------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

Value netc::net::buildSum(OpBuilder &b, Location loc, Value lhs, Value rhs) {
  return AddOp::create(b, loc, lhs, rhs);
}

static Value constantF32(OpBuilder &b, Location loc, double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}

LogicalResult AddOp::buildAdjoint(OpBuilder &, ValueRange cotangents,
                                  llvm::function_ref<void(Value, Value)> accumulate) {
  // y = F(x) + x: the "+1" of the gradient.
  accumulate(getLhs(), cotangents[0]);
  accumulate(getRhs(), cotangents[0]);
  return success();
}
Value AddOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::AddFOp::create(b, getLoc(), x[0], x[1]);
}

LogicalResult MulOp::verify() {
  auto lhs = cast<RankedTensorType>(getLhs().getType()),
       rhs = cast<RankedTensorType>(getRhs().getType());
  bool gate = rhs.getRank() == 4 && lhs.getRank() == 4 && rhs.getDimSize(1) == lhs.getDimSize(1) &&
              pixelsOf(rhs) == 1;
  if (lhs.getShape() == rhs.getShape() || gate)
    return success();
  return emitOpError() << "expected equal shapes or a 1x1 gate, found " << lhs << " and " << rhs;
}
LogicalResult MulOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                  llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0];
  auto lhs = cast<RankedTensorType>(getLhs().getType()),
       rhs = cast<RankedTensorType>(getRhs().getType());
  accumulate(getLhs(), MulOp::create(b, getLoc(), lhs, g, getRhs()));
  Value product = MulOp::create(b, getLoc(), lhs, g, getLhs());
  if (lhs.getShape() != rhs.getShape()) {
    // The gate was spread over the pixels: its gradient is their sum, an average times their
    // number.
    SmallVector<int64_t> window{lhs.getDimSize(2), lhs.getDimSize(3)};
    Value mean = AvgPoolOp::create(b, getLoc(), rhs, product, window, window,
                                   ArrayRef<int64_t>{0, 0, 0, 0}, false);
    product = SpreadOp::create(b, getLoc(), rhs, mean,
                               b.getF64FloatAttr(static_cast<double>(pixelsOf(lhs))));
  }
  accumulate(getRhs(), product);
  return success();
}
Value MulOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::MulFOp::create(b, getLoc(), x[0], x[1]);
}

Value SpreadOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::MulFOp::create(b, getLoc(), x[0],
                               constantF32(b, getLoc(), getFactor().convertToDouble()));
}

LogicalResult DropoutOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), DropoutOp::create(b, getLoc(), getInput().getType(), cotangents[0],
                                           getPAttr(), getIdAttr()));
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
OpFoldResult DropoutOp::fold(FoldAdaptor) { return getP().isZero() ? getInput() : Value(); }
