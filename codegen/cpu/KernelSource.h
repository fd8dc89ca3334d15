//===- KernelSource.h - the source of one kernel, as text -------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_KERNELSOURCE_H
#define NETC_CODEGEN_CPU_KERNELSOURCE_H

#include "dialect/kern/KernDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace netc::cpu {

/// All that the kernel of a launch (a kern op on memrefs) depends on, beside the target: the op
/// with fresh operands, as the text of a module. Launches that share a kernel have the same text.
std::string kernelSource(kern::KernelOpInterface launch);

/// A launch parsed from its text, in the MLIR context of the thread that compiles it.
struct ParsedLaunch {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  kern::KernelOpInterface op; ///< null: the text is no launch
};
ParsedLaunch parseKernelSource(llvm::StringRef source, mlir::MLIRContext &context);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELSOURCE_H
