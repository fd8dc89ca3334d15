//===- TranslateKernels.h - kernels to LLVM IR ------------------*- C++ -*-===//
//
// MLIR's own way, dialect conversion and export, costs a quarter of a compilation for the few ops
// that kernels are made of. This is the direct way: one visit an op, constants folded on the way.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CPU_TRANSLATEKERNELS_H
#define NETC_CODEGEN_CPU_TRANSLATEKERNELS_H

#include "mlir/IR/BuiltinOps.h"

namespace llvm {
class Module;
} // namespace llvm

namespace netc::cpu {

/// Adds the functions of `kernels` (func, scf, arith, vector, math and llvm) to `code`. Reports an
/// op that has no translation and fails.
mlir::LogicalResult translateKernels(mlir::ModuleOp kernels, llvm::Module &code);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_TRANSLATEKERNELS_H
