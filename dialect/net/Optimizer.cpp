//===- Optimizer.cpp - the formulas of optimizers -------------------------===//
//
// The order of operations is PyTorch's (torch/optim), so that results agree to rounding.
//
//===----------------------------------------------------------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc;
using namespace netc::net;

namespace {
/// Scalar expressions that read like formulas, and what all optimizers have in common.
struct Formula {
  OpBuilder &b;
  Location loc;
  const UpdateScalars &s;

  Value c(double v) const {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(v)));
  }
  Value add(Value x, Value y) const { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) const { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) const { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) const { return arith::DivFOp::create(b, loc, x, y); }
  Value sqrt(Value x) const { return math::SqrtOp::create(b, loc, x); }
  Value select(Value p, Value x, Value y) const { return arith::SelectOp::create(b, loc, p, x, y); }
  Value positive(Value x) const {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, c(0));
  }

  Value word(HyperWord index) const { return s.hyper[index]; }
  Value rate() const { return mul(word(kLearningRate), s.parameter[kRateScale]); }
  Value decay() const { return mul(word(kWeightDecay), s.parameter[kDecayScale]); }
  Value gradient() const { return mul(s.gradient, word(kGradientScale)); }
  Value average(Value next, Value before) const {
    Value d = word(kAverageDecay);
    return add(mul(d, before), mul(sub(c(1), d), next));
  }
  SmallVector<Value> result(SmallVector<Value> next, bool averaged) const {
    if (averaged)
      next.push_back(average(next.front(), s.state.back()));
    return next;
  }
};
} // namespace

static SmallVector<int64_t> slots(int64_t count) {
  return llvm::to_vector(llvm::seq<int64_t>(0, count));
}

SmallVector<int64_t> SgdUpdateOp::getStateSlots() { return slots(getAveraged() ? 2 : 1); }
SmallVector<Value> SgdUpdateOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  Value momentum = f.word(kMomentum);
  Value g = f.add(f.gradient(), f.mul(f.decay(), s.value));
  Value v = f.add(f.mul(momentum, s.state[0]), g);
  Value direction = getNesterov() ? f.add(g, f.mul(momentum, v)) : v;
  return f.result({f.sub(s.value, f.mul(f.rate(), direction)), v}, getAveraged());
}

SmallVector<int64_t> AdamUpdateOp::getStateSlots() { return slots(getAveraged() ? 3 : 2); }
SmallVector<Value> AdamUpdateOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  Value w = s.value, g = f.gradient(), beta1 = f.word(kMomentum), beta2 = f.word(kBeta2);
  if (getDecoupled())
    w = f.mul(w, f.sub(f.c(1), f.mul(f.rate(), f.decay())));
  else
    g = f.add(g, f.mul(f.decay(), w));
  Value m = f.add(f.mul(beta1, s.state[0]), f.mul(f.sub(f.c(1), beta1), g));
  Value v = f.add(f.mul(beta2, s.state[1]), f.mul(f.word(kOneMinusBeta2), f.mul(g, g)));
  Value scale = f.add(f.div(f.sqrt(v), f.word(kCorrection2)), f.word(kEpsilon));
  Value size = f.div(f.rate(), f.word(kCorrection1));
  return f.result({f.sub(w, f.mul(size, f.div(m, scale))), m, v}, getAveraged());
}

bool LarsUpdateOp::needsNorms() { return true; }
SmallVector<int64_t> LarsUpdateOp::getStateSlots() { return slots(getAveraged() ? 2 : 1); }
SmallVector<Value> LarsUpdateOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  Value weights = s.norms[0], gradients = f.mul(s.norms[1], f.word(kGradientScale));
  Value ratio = f.div(f.mul(f.word(kBeta2), weights), f.add(gradients, f.mul(f.decay(), weights)));
  // A parameter without weights or gradients has no ratio.
  for (Value needed : {Value(s.parameter[kAdapts]), weights, gradients})
    ratio = f.select(f.positive(needed), ratio, f.c(1));
  Value g = f.add(f.gradient(), f.mul(f.decay(), s.value));
  Value v = f.add(f.mul(f.word(kMomentum), s.state[0]), f.mul(f.mul(f.rate(), ratio), g));
  return f.result({f.sub(s.value, v), v}, getAveraged());
}

SmallVector<int64_t> RmspropUpdateOp::getStateSlots() { return slots(getAveraged() ? 3 : 2); }
SmallVector<Value> RmspropUpdateOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  Value g = f.add(f.gradient(), f.mul(f.decay(), s.value));
  Value squares =
      f.add(f.mul(f.word(kBeta2), s.state[0]), f.mul(f.word(kOneMinusBeta2), f.mul(g, g)));
  Value scaled = f.div(g, f.add(f.sqrt(squares), f.word(kEpsilon)));
  Value v = f.add(f.mul(f.word(kMomentum), s.state[1]), scaled);
  return f.result({f.sub(s.value, f.mul(f.rate(), v)), squares, v}, getAveraged());
}

bool LambDirectionOp::replacesGradient() { return true; }
SmallVector<int64_t> LambDirectionOp::getStateSlots() { return slots(2); }
SmallVector<Value> LambDirectionOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  Value g = f.gradient(), beta1 = f.word(kMomentum);
  Value m = f.add(f.mul(beta1, s.state[0]), f.mul(f.sub(f.c(1), beta1), g));
  Value v = f.add(f.mul(f.word(kBeta2), s.state[1]), f.mul(f.word(kOneMinusBeta2), f.mul(g, g)));
  Value scale = f.add(f.div(f.sqrt(v), f.word(kCorrection2)), f.word(kEpsilon));
  Value adam = f.div(f.div(m, f.word(kCorrection1)), scale);
  return {s.value, m, v, f.add(adam, f.mul(f.decay(), s.value))};
}

bool LambUpdateOp::needsNorms() { return true; }
SmallVector<int64_t> LambUpdateOp::getStateSlots() {
  return getAveraged() ? SmallVector<int64_t>{2} : SmallVector<int64_t>{};
}
SmallVector<Value> LambUpdateOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  Value ratio = f.div(s.norms[0], s.norms[1]);
  // A parameter without weights or direction has no ratio.
  for (Value needed : {Value(s.parameter[kAdapts]), Value(s.norms[0]), Value(s.norms[1])})
    ratio = f.select(f.positive(needed), ratio, f.c(1));
  Value next = f.sub(s.value, f.mul(f.mul(f.rate(), ratio), s.gradient));
  return f.result({next}, getAveraged());
}

SmallVector<int64_t> AverageOp::getStateSlots() { return {static_cast<int64_t>(getSlot())}; }
SmallVector<Value> AverageOp::buildUpdate(OpBuilder &b, const UpdateScalars &s) {
  Formula f{b, getLoc(), s};
  return {s.value, f.average(s.value, s.state[0])};
}
