//===- Compile.h - planned kern functions to code ---------------*- C++ -*-===//
#ifndef NETC_CODEGEN_LINK_COMPILE_H
#define NETC_CODEGEN_LINK_COMPILE_H

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace netc {

enum class CodeKind { LlvmIr, Assembly, Object };

/// Emits kernels and model table of `module` (after the kern stage) to `out`.
/// Reports through the module's diagnostics.
mlir::LogicalResult compileModel(mlir::ModuleOp module, const CpuTarget &target, CodeKind kind,
                                 llvm::raw_pwrite_stream &out);

} // namespace netc

#endif // NETC_CODEGEN_LINK_COMPILE_H
