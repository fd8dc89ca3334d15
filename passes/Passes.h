//===- Passes.h - every pass of netc ----------------------------*- C++ -*-===//
#ifndef NETC_PASSES_PASSES_H
#define NETC_PASSES_PASSES_H

#include "dialect/kern/KernDialect.h"
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Threading.h"
#include "mlir/Pass/Pass.h"

namespace netc {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

/// Runs `transform` on every function of `module`, on the threads of its context; where one fails,
/// the whole does. A transform changes its own function alone and reads the rest of the module.
inline mlir::LogicalResult
transformFunctions(mlir::ModuleOp module,
                   llvm::function_ref<mlir::LogicalResult(mlir::func::FuncOp)> transform) {
  return mlir::failableParallelForEach(
      module.getContext(), llvm::to_vector(module.getOps<mlir::func::FuncOp>()), transform);
}
} // namespace netc

#endif // NETC_PASSES_PASSES_H
