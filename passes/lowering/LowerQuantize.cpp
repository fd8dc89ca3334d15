//===- LowerQuantize.cpp - scales, quantised weights, observed values -----===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

/// A tensor's scale for each channel, and its inverse; of a scale of 0 that is 0.
static void lowerScaleVectors(KernBuilder &k, net::ScaleVectorsOp op) {
  Location loc = op.getLoc();
  SmallVector<Value> results = k.reduce(
      loc, {}, k.get(op.getScale()), op->getResultTypes(),
      [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
        auto number = [&](float x) -> Value {
          return arith::ConstantOp::create(rb, loc, rb.getF32FloatAttr(x));
        };
        Value some = arith::CmpFOp::create(rb, loc, arith::CmpFPredicate::OGT, v[0], number(0));
        Value inverse = arith::DivFOp::create(rb, loc, number(1), v[0]);
        return SmallVector<Value>{v[0], arith::SelectOp::create(rb, loc, some, inverse, number(0))};
      });
  k.set(op.getScales(), results[0]);
  k.set(op.getInverses(), results[1]);
}

static void lowerProductScale(KernBuilder &k, net::ProductScaleOp op) {
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, k.getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 return SmallVector<Value>{arith::MulFOp::create(rb, op.getLoc(), v[0], v[1])};
               });
  k.set(op.getResult(), results[0]);
}

static void lowerQuantizeFilter(KernBuilder &k, net::QuantizeFilterOp op) {
  SmallVector<Value> outs;
  for (Type type : op->getResultTypes())
    outs.push_back(k.empty(type, op.getLoc()));
  auto quantize = kern::QuantizeFilterOp::create(k.b, op.getLoc(), op->getResultTypes(),
                                                 k.getAll(op->getOperands()), outs);
  for (auto [result, lowered] : llvm::zip(op->getResults(), quantize->getResults()))
    k.set(result, lowered);
}

/// A copy, which no other value takes the place of.
static void lowerObserve(KernBuilder &k, net::ObserveOp op) {
  Value value = k.get(op.getInput());
  auto type = cast<RankedTensorType>(value.getType());
  int64_t size = kern::storageBytes(type) / kern::elementBytes(type.getElementType());
  auto copy = kern::CopyOp::create(k.b, op.getLoc(), TypeRange{type}, ValueRange{value},
                                   ValueRange{k.empty(type, op.getLoc())}, size, true);
  copy->setAttr(kObserved, op.getNameAttr());
}

bool netc::lowering::lowerQuantize(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::ScaleVectorsOp s) { return lowerScaleVectors(k, s), true; })
      .Case([&](net::ProductScaleOp p) { return lowerProductScale(k, p), true; })
      .Case([&](net::QuantizeFilterOp q) { return lowerQuantizeFilter(k, q), true; })
      .Case([&](net::ObserveOp o) { return lowerObserve(k, o), true; })
      .Default(false);
}
