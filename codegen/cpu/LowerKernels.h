//===- LowerKernels.h - kernels to LLVM -------------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_LOWERKERNELS_H
#define NETC_CODEGEN_CPU_LOWERKERNELS_H

#include "mlir/IR/BuiltinOps.h"

namespace netc::cpu {

/// Lowers arith, math, vector, scf and func to the LLVM dialect. exp, log and tanh
/// become polynomials, so that kernels need no vector math library.
mlir::LogicalResult lowerKernels(mlir::ModuleOp kernels);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_LOWERKERNELS_H
