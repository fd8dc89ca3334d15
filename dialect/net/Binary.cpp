//===- Binary.cpp - functions of two numbers ------------------------------===//
#include "dialect/net/NetDialect.h"
#include "dialect/net/ScalarFormula.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc::net;

namespace {
struct Formula : ScalarFormula {
  Value floor(Value x) const { return math::FloorOp::create(b, loc, x); }
  Value one(Value p) const { return select(p, c(1), c(0)); }
  Value equal(Value x, Value y) const { return compare(arith::CmpFPredicate::OEQ, x, y); }
  Value less(Value x, Value y) const { return compare(arith::CmpFPredicate::OLT, x, y); }
  /// A NaN on either side is the result.
  Value extreme(Value x, Value y, bool isMax) const {
    Value wins = isMax ? less(x, y) : less(y, x);
    Value isNaN = compare(arith::CmpFPredicate::UNO, y, y);
    return select(arith::OrIOp::create(b, loc, wins, isNaN), y, x);
  }
  /// e^(y log |x|), negative for odd y of a negative x, NaN for a fraction y of it.
  Value power(Value x, Value y) const {
    Value log = math::LogOp::create(b, loc, math::AbsFOp::create(b, loc, x));
    Value size = math::ExpOp::create(b, loc, mul(y, log));
    Value half = mul(y, c(0.5)), whole = equal(floor(y), y), even = equal(floor(half), half);
    Value below = select(even, size, mul(size, c(-1)));
    below = select(whole, below, c(std::numeric_limits<double>::quiet_NaN()));
    Value result = select(less(x, c(0)), below, size);
    // 0 log 0 and infinities times 0 are no numbers.
    return select(equal(y, c(0)), c(1), select(equal(y, c(1)), x, result));
  }
};
} // namespace

Value BinaryOp::buildScalar(OpBuilder &builder, ValueRange v) {
  Formula f{{builder, getLoc()}};
  switch (getKind()) {
  case BinaryKind::Divide:
    return arith::DivFOp::create(builder, getLoc(), v[0], v[1]);
  case BinaryKind::Power:
    return f.power(v[0], v[1]);
  case BinaryKind::Maximum:
    return f.extreme(v[0], v[1], /*isMax=*/true);
  case BinaryKind::Minimum:
    return f.extreme(v[0], v[1], /*isMax=*/false);
  case BinaryKind::Less:
    return f.one(f.less(v[0], v[1]));
  case BinaryKind::Equal:
    return f.one(f.equal(v[0], v[1]));
  case BinaryKind::Mask:
    return f.select(f.compare(arith::CmpFPredicate::UNE, v[1], f.c(0)), v[0], f.c(0));
  }
  llvm_unreachable("a kind without a formula");
}

LogicalResult BinaryOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  Location loc = getLoc();
  Value g = cotangents[0], x = getLhs(), y = getRhs();
  Type type = getType();
  auto binary = [&](BinaryKind kind, Value left, Value right) -> Value {
    return BinaryOp::create(b, loc, type, BinaryKindAttr::get(b.getContext(), kind), left, right);
  };
  auto times = [&](Value left, Value right) -> Value {
    return MulOp::create(b, loc, type, left, right);
  };
  auto affine = [&](Value v, double scale, double shift) -> Value {
    return AffineOp::create(b, loc, type, v, b.getF64FloatAttr(scale), b.getF64FloatAttr(shift));
  };
  auto logOf = [&](Value v) -> Value {
    return ActivationOp::create(b, loc, type,
                                ActivationKindAttr::get(b.getContext(), ActivationKind::Log), v,
                                b.getF64FloatAttr(0));
  };
  switch (getKind()) {
  case BinaryKind::Divide: {
    Value share = binary(BinaryKind::Divide, g, y);
    accumulate(x, share);
    accumulate(y, affine(times(share, getResult()), -1, 0));
    break;
  }
  case BinaryKind::Power:
    accumulate(x, times(g, times(y, binary(BinaryKind::Power, x, affine(y, 1, -1)))));
    accumulate(y, times(g, times(getResult(), logOf(x))));
    break;
  case BinaryKind::Maximum:
  case BinaryKind::Minimum: {
    bool isMax = getKind() == BinaryKind::Maximum;
    Value right = binary(BinaryKind::Less, isMax ? x : y, isMax ? y : x); // y is the result
    accumulate(x, binary(BinaryKind::Mask, g, affine(right, -1, 1)));
    accumulate(y, binary(BinaryKind::Mask, g, right));
    break;
  }
  case BinaryKind::Mask:
    accumulate(x, binary(BinaryKind::Mask, g, y));
    break;
  case BinaryKind::Less:
  case BinaryKind::Equal:
    break;
  }
  return success();
}
