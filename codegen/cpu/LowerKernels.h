//===- LowerKernels.h - kernels to LLVM -------------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_LOWERKERNELS_H
#define NETC_CODEGEN_CPU_LOWERKERNELS_H

#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace netc::cpu {

/// Lowers arith, math, vector, scf and func to LLVM IR, a module of `context`. exp, log and tanh
/// become polynomials, so that kernels need no vector math library. Null: an error was reported.
std::unique_ptr<llvm::Module> lowerKernels(mlir::ModuleOp kernels, llvm::LLVMContext &context);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_LOWERKERNELS_H
