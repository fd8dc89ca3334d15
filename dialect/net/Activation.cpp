//===- Activation.cpp - unary nonlinearities as a table -------------------===//
//
// One row per nonlinearity: its formula, its derivative, what the derivative reads.
//
//===----------------------------------------------------------------------===//
#include "dialect/net/NetDialect.h"
#include "dialect/net/ScalarFormula.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace netc::net;

namespace {
struct Formula : ScalarFormula {
  double slope;

  Value add(Value x, Value y) const { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) const { return arith::SubFOp::create(b, loc, x, y); }
  /// The larger of x and a constant: one instruction on x86, and NaN stays NaN.
  Value max(Value x, Value y) const { return select(gt(y, x), y, x); }
  Value min(Value x, Value y) const { return select(gt(x, y), y, x); }
  Value gt(Value x, Value y) const { return compare(arith::CmpFPredicate::OGT, x, y); }
  Value sigmoid(Value x) const {
    Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, x));
    return arith::DivFOp::create(b, loc, c(1), add(c(1), e));
  }
  Value tanh(Value x) const { return math::TanhOp::create(b, loc, x); }
  Value exp(Value x) const { return math::ExpOp::create(b, loc, x); }
  Value div(Value x, Value y) const { return arith::DivFOp::create(b, loc, x, y); }
  Value sqrt(Value x) const { return math::SqrtOp::create(b, loc, x); }
  Value abs(Value x) const { return math::AbsFOp::create(b, loc, x); }
  /// 1, 0 or -1; NaN stays NaN.
  Value sign(Value x) const { return select(gt(x, c(0)), c(1), select(gt(c(0), x), c(-1), x)); }
  Value fma(Value x, Value y, Value z) const { return math::FmaOp::create(b, loc, x, y, z); }
  Value polynomial(Value x, std::initializer_list<double> fromHighest) const {
    Value sum;
    for (double coefficient : fromHighest)
      sum = sum ? fma(sum, x, c(coefficient)) : c(coefficient);
    return sum;
  }
  /// The error function: z p(z^2) / q(z^2), of least relative error in -3.92 to 3.92, where single
  /// precision reaches 1. At most 3.4e-7 off.
  Value erf(Value x) const {
    Value z = min(max(x, c(-3.92)), c(3.92)), t = mul(z, z);
    Value p = polynomial(t, {2.050074726867024e-06, 2.8488453244790435e-04, 3.7656952627003193e-03,
                             5.2748970687389374e-02, 1.9040827453136444e-01, 1.1283791065216064});
    Value q = polynomial(t, {3.809167901636101e-05, 1.1625544866546988e-03, 1.4969375915825367e-02,
                             1.1410986632108688e-01, 5.020776987075806e-01, 1});
    return div(mul(z, p), q);
  }
  /// The normal distribution's function.
  Value normal(Value x) const { return mul(c(0.5), add(c(1), erf(mul(x, c(M_SQRT1_2))))); }
  /// tanh of sqrt(2 / pi) (x + 0.044715 x^3), gelu's approximation.
  Value geluTanh(Value x) const {
    Value cubic = mul(mul(mul(x, x), x), c(0.044715));
    return tanh(mul(c(M_2_SQRTPI * M_SQRT1_2), add(x, cubic)));
  }
  /// log(1 + e^x).
  Value softplus(Value x) const {
    Value e = exp(mul(c(-1), abs(x)));
    return add(max(x, c(0)), math::LogOp::create(b, loc, add(c(1), e)));
  }
  /// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); 1 in single precision from 20 on.
  Value tanhSoftplus(Value x) const {
    Value e = exp(min(x, c(20)));
    Value n = mul(e, add(e, c(2)));
    return div(n, add(n, c(2)));
  }
};

struct Row {
  Value (*value)(const Formula &, Value x);
  Value (*derivative)(const Formula &, Value saved);
  bool savesOutput;
  bool cheap; ///< worth recomputing at each reader
};
} // namespace

/// Formulas: relu, relu6 (Howard et al. 2017), leaky relu (Maas et al. 2013), silu
/// (Elfwing et al. 2018), hardswish and hardsigmoid (Howard et al. 2019), gelu (Hendrycks and
/// Gimpel 2016), elu (Clevert et al. 2016), mish (Misra 2019). Negative part and rsqrt are parts of
/// other layers. From abs on: functions of one number, as the math library has them; what
/// rounds has the derivative 0.
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
       false, true},
      {[](F f, Value x) { return f.mul(x, f.normal(x)); },
       [](F f, Value x) {
         Value density = f.exp(f.mul(f.mul(x, x), f.c(-0.5)));
         return f.add(f.normal(x), f.mul(x, f.mul(density, f.c(0.5 * M_2_SQRTPI * M_SQRT1_2))));
       },
       false, false},
      {[](F f, Value x) { return f.mul(f.mul(x, f.c(0.5)), f.add(f.c(1), f.geluTanh(x))); },
       [](F f, Value x) {
         Value t = f.geluTanh(x);
         Value inner = f.mul(f.c(M_2_SQRTPI * M_SQRT1_2),
                             f.add(f.c(1), f.mul(f.c(3 * 0.044715), f.mul(x, x))));
         Value slope = f.mul(f.mul(x, f.sub(f.c(1), f.mul(t, t))), inner);
         return f.mul(f.c(0.5), f.add(f.add(f.c(1), t), slope));
       },
       false, false},
      {[](F f, Value x) {
         Value below = math::ExpM1Op::create(f.b, f.loc, f.min(x, f.c(0)));
         return f.select(f.gt(x, f.c(0)), x, f.mul(f.c(f.slope), below));
       },
       [](F f, Value x) {
         return f.select(f.gt(x, f.c(0)), f.c(1), f.mul(f.c(f.slope), f.exp(f.min(x, f.c(0)))));
       },
       false, false},
      {[](F f, Value x) { return f.mul(x, f.tanhSoftplus(x)); },
       [](F f, Value x) {
         Value t = f.tanhSoftplus(x);
         Value slope = f.mul(f.sub(f.c(1), f.mul(t, t)), f.sigmoid(x));
         return f.add(t, f.mul(x, slope));
       },
       false, false},
      {[](F f, Value x) {
         return f.mul(f.min(f.max(f.add(x, f.c(3)), f.c(0)), f.c(6)), f.c(1.0 / 6));
       },
       [](F f, Value y) {
         return f.select(f.gt(y, f.c(0)), f.select(f.gt(f.c(1), y), f.c(1.0 / 6), f.c(0)), f.c(0));
       },
       true, true},
      {[](F f, Value x) { return f.min(x, f.c(0)); },
       [](F f, Value x) { return f.select(f.gt(x, f.c(0)), f.c(0), f.c(1)); }, false, true},
      {[](F f, Value x) { return f.div(f.c(1), f.sqrt(f.add(x, f.c(f.slope)))); },
       [](F f, Value y) { return f.mul(f.c(-0.5), f.mul(y, f.mul(y, y))); }, true, false},
      {[](F f, Value x) { return f.abs(x); }, [](F f, Value x) { return f.sign(x); }, false, true},
      {[](F f, Value x) { return f.exp(x); }, [](F, Value y) { return y; }, true, false},
      {[](F f, Value x) -> Value { return math::LogOp::create(f.b, f.loc, x); },
       [](F f, Value x) { return f.div(f.c(1), x); }, false, false},
      {[](F f, Value x) { return f.sqrt(x); }, [](F f, Value y) { return f.div(f.c(0.5), y); },
       true, false},
      {[](F f, Value x) { return f.div(f.c(1), x); },
       [](F f, Value y) { return f.mul(f.c(-1), f.mul(y, y)); }, true, false},
      {[](F f, Value x) -> Value { return math::SinOp::create(f.b, f.loc, x); },
       [](F f, Value x) -> Value { return math::CosOp::create(f.b, f.loc, x); }, false, false},
      {[](F f, Value x) -> Value { return math::CosOp::create(f.b, f.loc, x); },
       [](F f, Value x) { return f.mul(f.c(-1), math::SinOp::create(f.b, f.loc, x)); }, false,
       false},
      {[](F f, Value x) -> Value { return math::AtanOp::create(f.b, f.loc, x); },
       [](F f, Value x) { return f.div(f.c(1), f.add(f.c(1), f.mul(x, x))); }, false, false},
      {[](F f, Value x) -> Value { return math::ErfOp::create(f.b, f.loc, x); },
       [](F f, Value x) { return f.mul(f.c(M_2_SQRTPI), f.exp(f.mul(f.c(-1), f.mul(x, x)))); },
       false, false},
      {[](F f, Value x) -> Value { return math::FloorOp::create(f.b, f.loc, x); },
       [](F f, Value) { return f.c(0); }, false, true},
      {[](F f, Value x) -> Value { return math::CeilOp::create(f.b, f.loc, x); },
       [](F f, Value) { return f.c(0); }, false, true},
      {[](F f, Value x) -> Value { return math::RoundEvenOp::create(f.b, f.loc, x); },
       [](F f, Value) { return f.c(0); }, false, true},
      {[](F f, Value x) { return f.sign(x); }, [](F f, Value) { return f.c(0); }, false, true},
      {[](F f, Value x) { return f.softplus(x); }, [](F f, Value x) { return f.sigmoid(x); }, false,
       false}};
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
  return rowOf(getKind()).value({{builder, getLoc()}, getSlope().convertToDouble()}, scalars[0]);
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
  Formula f{{builder, getLoc()}, getSlope().convertToDouble()};
  // A select instead of a product keeps an infinite cotangent from becoming NaN where relu is flat.
  if (getKind() == ActivationKind::Relu)
    return f.select(f.gt(scalars[1], f.c(0)), scalars[0], f.c(0));
  return f.mul(scalars[0], rowOf(getKind()).derivative(f, scalars[1]));
}
