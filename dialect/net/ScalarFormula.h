//===- ScalarFormula.h - expressions of scalars at one place ----*- C++ -*-===//
#ifndef NETC_DIALECT_NET_SCALARFORMULA_H
#define NETC_DIALECT_NET_SCALARFORMULA_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace netc::net {

/// Makes f32 operations that read like formulas; what a room needs beside these it derives.
struct ScalarFormula {
  using Value = mlir::Value;

  mlir::OpBuilder &b;
  mlir::Location loc;

  Value c(double value) const {
    return mlir::arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
  }
  Value mul(Value x, Value y) const { return mlir::arith::MulFOp::create(b, loc, x, y); }
  Value compare(mlir::arith::CmpFPredicate predicate, Value x, Value y) const {
    return mlir::arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Value select(Value p, Value x, Value y) const {
    return mlir::arith::SelectOp::create(b, loc, p, x, y);
  }
};

} // namespace netc::net

#endif // NETC_DIALECT_NET_SCALARFORMULA_H
