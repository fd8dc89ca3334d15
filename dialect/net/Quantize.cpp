//===- Quantize.cpp - activations and weights as integers -----------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

Value QuantizeOp::buildScalar(OpBuilder &b, ValueRange x) {
  return x.size() == 1 ? x[0] : Value(arith::MulFOp::create(b, getLoc(), x[0], x[1]));
}

Value DequantizeOp::buildScalar(OpBuilder &b, ValueRange x) {
  return arith::MulFOp::create(b, getLoc(), x[0], x[1]);
}
bool DequantizeOp::isRecomputable() { return true; }
