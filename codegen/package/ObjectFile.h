//===- ObjectFile.h - LLVM IR to text or object -----------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_OBJECTFILE_H
#define NETC_CODEGEN_PACKAGE_OBJECTFILE_H

#include "codegen/package/Compile.h"

namespace llvm {
class Module;
}

namespace netc {

/// Optimises `code` for `target` and writes it as `kind`.
mlir::LogicalResult writeCode(mlir::ModuleOp source, llvm::Module &code, const CpuTarget &target,
                              CodeKind kind, llvm::raw_pwrite_stream &out);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_OBJECTFILE_H
