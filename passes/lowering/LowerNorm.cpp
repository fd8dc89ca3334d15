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
};
} // namespace

static void lowerStatistics(KernBuilder &k, net::BatchNormStatisticsOp op) {
  double eps = op.getEps().convertToDouble(), momentum = op.getMomentum().convertToDouble();
  SmallVector<Value> vectors =
      k.getAll({op.getWeight(), op.getBias(), op.getRunningMean(), op.getRunningVar()});
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getBatchMean(), op.getSumSquares()}, vectors, op->getResultTypes(),
               [&](OpBuilder &rb, Value images, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value count = f.mul(images, f.c(static_cast<double>(op.getPixels())));
                 Value mean = sums[0], var = f.div(sums[1], count);
                 Value invStd = f.div(f.c(1), f.sqrt(f.add(var, f.c(eps))));
                 // Readers have the scale in f32: the shift takes the mean to the bias with that
                 // one.
                 Value scale = f.ext(f.trunc(f.mul(f.ext(v[0]), invStd)));
                 Value shift = f.sub(f.ext(v[1]), f.mul(mean, scale));
                 // The unbiased variance of a single value is undefined; keep the biased one then.
                 Value unbiased = f.div(f.mul(var, count), f.max(f.sub(count, f.c(1)), f.c(1)));
                 auto blend = [&](Value old, Value next) {
                   return f.add(f.mul(f.ext(old), f.c(1 - momentum)), f.mul(next, f.c(momentum)));
                 };
                 SmallVector<Value> all{
                     mean, invStd, scale, shift, blend(v[2], mean), blend(v[3], unbiased)};
                 return llvm::map_to_vector(all, [&](Value x) { return f.trunc(x); });
               });
  for (auto [result, lowered] : llvm::zip(op->getResults(), results))
    k.set(result, lowered);
}

static void lowerGradStatistics(KernBuilder &k, net::BatchNormGradStatisticsOp op) {
  SmallVector<Value> vectors = k.getAll({op.getMean(), op.getInvStd(), op.getScale()});
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

static void lowerFoldBias(KernBuilder &k, net::FoldBiasOp op) {
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, k.getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 Value scaled = arith::MulFOp::create(rb, op.getLoc(), v[0], v[1]);
                 return SmallVector<Value>{arith::AddFOp::create(rb, op.getLoc(), scaled, v[2])};
               });
  k.set(op.getResult(), results[0]);
}

bool netc::lowering::lowerNorm(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::BatchNormStatisticsOp s) { return lowerStatistics(k, s), true; })
      .Case([&](net::BatchNormGradStatisticsOp s) { return lowerGradStatistics(k, s), true; })
      .Case([&](net::BatchNormCoefficientsOp c) { return lowerCoefficients(k, c), true; })
      .Case([&](net::FoldBiasOp f) { return lowerFoldBias(k, f), true; })
      .Case([&](net::ScaleFilterOp) { return true; }) // packed with the filter by its reader
      .Default(false);
}
