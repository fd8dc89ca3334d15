//===- LowerNorm.cpp - vectors of batch norm ------------------------------===//
//
// Statistics, their gradients and folded coefficients: per-channel formulas of Ioffe and Szegedy,
// 2015, in f64. Sums over images that are still partial are added up by the same launch.
//
//===----------------------------------------------------------------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

namespace {
/// f64 arithmetic that reads like formulas.
struct F64 {
  OpBuilder &b;
  Location loc;
  Value c(double v) { return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(v)); }
  Value ext(Value x) { return arith::ExtFOp::create(b, loc, b.getF64Type(), x); }
  Value trunc(Value x) { return arith::TruncFOp::create(b, loc, b.getF32Type(), x); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y); }
  Value sqrt(Value x) { return math::SqrtOp::create(b, loc, x); }
  Value select(Value on, Value x, Value y) { return arith::SelectOp::create(b, loc, on, x, y); }
  /// Whether an f32 switch, 0 or 1, is on.
  Value isOn(Value flag) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, ext(flag), c(0.5));
  }
};
} // namespace

/// The switch with which the runtime freezes a batch norm, a word of its running mean's block.
static Value frozenFlag(KernBuilder &k, Value runningMean) {
  auto get = runningMean.getDefiningOp<net::GetParameterOp>();
  net::ParameterOp parameter = k.parameter(get.getParameterAttr());
  int64_t index = parameter->getAttrOfType<IntegerAttr>("index").getInt();
  Type word = k.b.getF32Type();
  int64_t at = kHyperWords + index * kParameterHyperWords + kFrozenStatistics;
  return kern::BufferOp::create(k.b, get.getLoc(), RankedTensorType::get({1}, word),
                                kern::Space::Hyper, kern::elementBytes(word) * at);
}

static void lowerStatistics(KernBuilder &k, net::BatchNormStatisticsOp op) {
  double eps = op.getEps().convertToDouble(), momentum = op.getMomentum().convertToDouble();
  SmallVector<Value> vectors =
      k.getAll({op.getWeight(), op.getBias(), op.getRunningMean(), op.getRunningVar()});
  vectors.push_back(frozenFlag(k, op.getRunningMean()));
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getBatchMean(), op.getSumSquares()}, vectors, op->getResultTypes(),
               [&](OpBuilder &rb, Value images, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value count = f.mul(images, f.c(static_cast<double>(op.getPixels())));
                 Value frozen = f.isOn(v[4]);
                 Value ownMean = sums[0], ownVar = f.div(sums[1], count); // of the batch
                 Value mean = f.select(frozen, f.ext(v[2]), ownMean);
                 Value var = f.select(frozen, f.ext(v[3]), ownVar);
                 Value invStd = f.div(f.c(1), f.sqrt(f.add(var, f.c(eps))));
                 // Readers have the scale in f32: the shift takes the mean to the bias with that
                 // one.
                 Value scale = f.ext(f.trunc(f.mul(f.ext(v[0]), invStd)));
                 Value shift = f.sub(f.ext(v[1]), f.mul(mean, scale));
                 // The unbiased variance of a single value is undefined; keep the biased one then.
                 Value unbiased = f.div(f.mul(ownVar, count), f.max(f.sub(count, f.c(1)), f.c(1)));
                 auto blend = [&](Value old, Value next) {
                   Value blended =
                       f.add(f.mul(f.ext(old), f.c(1 - momentum)), f.mul(next, f.c(momentum)));
                   return f.select(frozen, f.ext(old), blended);
                 };
                 SmallVector<Value> all{
                     mean, invStd, scale, shift, blend(v[2], ownMean), blend(v[3], unbiased)};
                 return llvm::map_to_vector(all, [&](Value x) { return f.trunc(x); });
               });
  for (auto [result, lowered] : llvm::zip(op->getResults(), results))
    k.set(result, lowered);
}

static void lowerGradStatistics(KernBuilder &k, net::BatchNormGradStatisticsOp op) {
  SmallVector<Value> vectors = k.getAll({op.getMean(), op.getInvStd(), op.getScale()});
  auto statistics = op.getMean().getDefiningOp<net::BatchNormStatisticsOp>();
  vectors.push_back(frozenFlag(k, statistics.getRunningMean()));
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getSumG(), op.getSumGd()}, vectors, op->getResultTypes(),
               [&](OpBuilder &rb, Value images, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value count = f.mul(images, f.c(static_cast<double>(op.getPixels())));
                 Value mean = f.ext(v[0]), invStd = f.ext(v[1]), scale = f.ext(v[2]);
                 Value dBias = sums[0];
                 Value dWeight = f.mul(invStd, sums[1]);
                 Value b = f.sub(f.c(0), f.div(f.mul(f.mul(scale, invStd), dWeight), count));
                 b = f.ext(f.trunc(b)); // as readers have it: c takes the mean to its place
                 Value c = f.sub(f.sub(f.c(0), f.div(f.mul(scale, dBias), count)), f.mul(b, mean));
                 // Frozen statistics do not depend on x.
                 Value frozen = f.isOn(v[3]);
                 b = f.select(frozen, f.c(0), b), c = f.select(frozen, f.c(0), c);
                 SmallVector<Value> all{dWeight, dBias, scale, b, c};
                 return llvm::map_to_vector(all, [&](Value x) { return f.trunc(x); });
               });
  for (auto [result, lowered] : llvm::zip(op->getResults(), results))
    k.set(result, lowered);
}

static void lowerCoefficients(KernBuilder &k, net::BatchNormCoefficientsOp op) {
  double eps = op.getEps().convertToDouble();
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, k.getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value scale = f.div(f.ext(v[0]), f.sqrt(f.add(f.ext(v[3]), f.c(eps))));
                 Value shift = f.sub(f.ext(v[1]), f.mul(f.ext(v[2]), scale));
                 return SmallVector<Value>{f.trunc(scale), f.trunc(shift)};
               });
  k.set(op.getScale(), results[0]);
  k.set(op.getShift(), results[1]);
}

static void lowerFrozenGrads(KernBuilder &k, net::FrozenNormGradsOp op) {
  double eps = op.getEps().convertToDouble();
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getSumG(), op.getSumGd()}, k.get(op.getVar()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value std = f.sqrt(f.add(f.ext(v[0]), f.c(eps)));
                 return SmallVector<Value>{f.trunc(f.div(sums[1], std)), f.trunc(sums[0])};
               });
  k.set(op.getWeightGrad(), results[0]);
  k.set(op.getBiasGrad(), results[1]);
}

static void lowerFoldBias(KernBuilder &k, net::FoldBiasOp op) {
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, k.getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 Value scaled = arith::MulFOp::create(rb, op.getLoc(), v[0], v[1]);
                 return SmallVector<Value>{arith::AddFOp::create(rb, op.getLoc(), scaled, v[2])};
               });
  k.set(op.getResult(), results[0]);
}

static void lowerAddParameters(KernBuilder &k, net::AddParametersOp op) {
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, k.getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 return SmallVector<Value>{arith::AddFOp::create(rb, op.getLoc(), v[0], v[1])};
               });
  k.set(op.getResult(), results[0]);
}

bool netc::lowering::lowerNorm(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::BatchNormStatisticsOp s) { return lowerStatistics(k, s), true; })
      .Case([&](net::BatchNormGradStatisticsOp s) { return lowerGradStatistics(k, s), true; })
      .Case([&](net::BatchNormCoefficientsOp c) { return lowerCoefficients(k, c), true; })
      .Case([&](net::FrozenNormGradsOp g) { return lowerFrozenGrads(k, g), true; })
      .Case([&](net::FoldBiasOp f) { return lowerFoldBias(k, f), true; })
      .Case([&](net::AddParametersOp a) { return lowerAddParameters(k, a), true; })
      .Case([&](net::ScaleFilterOp) { return true; }) // packed with the filter by its reader
      .Default(false);
}
