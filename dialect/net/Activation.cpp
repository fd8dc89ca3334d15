//===- Activation.cpp - unary nonlinearities as a table -------------------===//
//
// One row a nonlinearity: its formula, its derivative, what the derivative reads.
//
//===----------------------------------------------------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

namespace {
/// Scalar expressions that read like formulas.
struct Formula {
  OpBuilder &b;
  Location loc;
  double slope;

  Value c(double value) const {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
  }
  Value add(Value x, Value y) const { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) const { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) const { return arith::MulFOp::create(b, loc, x, y); }
  /// The larger of x and a constant: one instruction on x86, and NaN stays NaN.
  Value max(Value x, Value y) const { return select(gt(y, x), y, x); }
  Value min(Value x, Value y) const { return select(gt(x, y), y, x); }
  Value gt(Value x, Value y) const {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  }
  Value select(Value p, Value x, Value y) const { return arith::SelectOp::create(b, loc, p, x, y); }
  Value sigmoid(Value x) const {
    Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, x));
    return arith::DivFOp::create(b, loc, c(1), add(c(1), e));
  }
  Value tanh(Value x) const { return math::TanhOp::create(b, loc, x); }
};

struct Row {
  Value (*value)(const Formula &, Value x);
  Value (*derivative)(const Formula &, Value saved);
  bool savesOutput;
  bool cheap; ///< worth recomputing at each reader
};
} // namespace

/// Formulas: relu, relu6 (Howard et al. 2017), leaky relu (Maas et al. 2013), silu
/// (Elfwing et al. 2018), hardswish (Howard et al. 2019).
static const Row &rowOf(ActivationKind kind) {
  using F = const Formula &;
  static const Row rows[] = {
      {[](F f, Value x) { return f.max(x, f.c(0)); },
       [](F f, Value y) { return f.select(f.gt(y, f.c(0)), f.c(1), f.c(0)); }, true, true},
      {[](F f, Value x) { return f.min(f.max(x, f.c(0)), f.c(6)); },
       [](F f, Value y) {
         return f.select(f.gt(y, f.c(0)), f.select(f.gt(f.c(6), y), f.c(1), f.c(0)), f.c(0));
       },
       true, true},
      {[](F f, Value x) { return f.select(f.gt(x, f.c(0)), x, f.mul(x, f.c(f.slope))); },
       [](F f, Value x) { return f.select(f.gt(x, f.c(0)), f.c(1), f.c(f.slope)); }, false, true},
      {[](F f, Value x) { return f.tanh(x); },
       [](F f, Value y) { return f.sub(f.c(1), f.mul(y, y)); }, true, false},
      {[](F f, Value x) { return f.sigmoid(x); },
       [](F f, Value y) { return f.mul(y, f.sub(f.c(1), y)); }, true, false},
      {[](F f, Value x) { return f.mul(x, f.sigmoid(x)); },
       [](F f, Value x) {
         Value s = f.sigmoid(x);
         return f.mul(s, f.add(f.c(1), f.mul(x, f.sub(f.c(1), s))));
       },
       false, false},
      {[](F f, Value x) {
         return f.mul(x, f.mul(f.min(f.max(f.add(x, f.c(3)), f.c(0)), f.c(6)), f.c(1.0 / 6)));
       },
       [](F f, Value x) {
         Value inner = f.add(f.mul(x, f.c(1.0 / 3)), f.c(0.5));
         return f.select(f.gt(x, f.c(-3)), f.select(f.gt(f.c(3), x), inner, f.c(1)), f.c(0));
       },
       false, true}};
  return rows[static_cast<unsigned>(kind)];
}

LogicalResult ActivationOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                         llvm::function_ref<void(Value, Value)> accumulate) {
  Value saved = rowOf(getKind()).savesOutput ? getResult() : getInput();
  accumulate(getInput(),
             ActivationGradOp::create(builder, getLoc(), getInput().getType(), getKindAttr(),
                                      cotangents[0], saved, getSlopeAttr()));
  return success();
}

Value ActivationOp::buildScalar(OpBuilder &builder, ValueRange scalars) {
  return rowOf(getKind()).value({builder, getLoc(), getSlope().convertToDouble()}, scalars[0]);
}
bool ActivationOp::isRecomputable() { return rowOf(getKind()).cheap; }

OpFoldResult ActivationOp::fold(FoldAdaptor) {
  auto producer = getInput().getDefiningOp<ActivationOp>();
  if (getKind() == ActivationKind::Relu && producer &&
      (producer.getKind() == ActivationKind::Relu || producer.getKind() == ActivationKind::Relu6))
    return getInput(); // never negative already
  return {};
}

Value ActivationGradOp::buildScalar(OpBuilder &builder, ValueRange scalars) {
  Formula f{builder, getLoc(), getSlope().convertToDouble()};
  // A select instead of a product keeps an infinite cotangent from becoming NaN where relu is flat.
  if (getKind() == ActivationKind::Relu)
    return f.select(f.gt(scalars[1], f.c(0)), scalars[0], f.c(0));
  return f.mul(scalars[0], rowOf(getKind()).derivative(f, scalars[1]));
}
