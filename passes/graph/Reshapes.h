//===- Reshapes.h - ops behind reshapes -------------------------*- C++ -*-===//
#ifndef NETC_PASSES_GRAPH_RESHAPES_H
#define NETC_PASSES_GRAPH_RESHAPES_H

#include "passes/Passes.h"

namespace netc {

/// What `value` is a reshape of, as long as nothing else reads what lies between.
inline mlir::Value behindReshapes(mlir::Value value) {
  mlir::Operation *op = value.getDefiningOp();
  while (llvm::isa_and_nonnull<net::FlattenOp, net::UnflattenOp>(op) && value.hasOneUse()) {
    value = op->getOperand(0);
    op = value.getDefiningOp();
  }
  return value;
}

/// The op behind the reshapes of `value` if nothing but them reads it.
template <typename OpTy> OpTy soleSource(mlir::Value value) {
  value = behindReshapes(value);
  return value.hasOneUse() ? value.getDefiningOp<OpTy>() : OpTy();
}

} // namespace netc

#endif // NETC_PASSES_GRAPH_RESHAPES_H
