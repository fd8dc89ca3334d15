//===- Compile.h - planned kern functions to code ---------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_COMPILE_H
#define NETC_CODEGEN_PACKAGE_COMPILE_H

#include "codegen/common/Target.h"
#include "codegen/common/WatchCode.h"
#include "codegen/cuda/GpuTarget.h"
#include "codegen/package/KernelObjects.h"
#include "codegen/package/ModelTable.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace netc {

enum class CodeKind { LlvmIr, Assembly, Object, Ptx };

/// Emits kernels and model table of `module` (after the kern stage) to `out`.
/// Reports through the module's diagnostics. `watch` is given the optimised LLVM IR.
mlir::LogicalResult compileModel(mlir::ModuleOp module, const CpuTarget &target, CodeKind kind,
                                 const WatchCode &watch, llvm::raw_pwrite_stream &out);

/// The same for an executable: the tables alone to `out`, an object file, the kernels to `kernels`.
/// `level`: see ModelSymbols.
mlir::LogicalResult compileForLinking(mlir::ModuleOp module, const CpuTarget &target,
                                      KernelObjects &kernels, llvm::raw_pwrite_stream &out,
                                      unsigned level);

/// The same as compileModel for a GPU: the object holds the tables and the kernels as PTX, and as
/// machine code for each chip where chips were named and ptxas is found. Ptx: the text for the
/// first chip alone. `watch` is given the PTX for each group of chips ("sm_80").
mlir::LogicalResult compileModelForGpu(mlir::ModuleOp module, const cuda::GpuTarget &gpu,
                                       const CpuTarget &host, CodeKind kind, const WatchCode &watch,
                                       llvm::raw_pwrite_stream &out);

/// The object file that makes an executable of others: `netc_models`, the list of `tables`, each a
/// ModelSymbols::table.
mlir::LogicalResult writeEntryTable(mlir::ModuleOp source, const CpuTarget &target,
                                    llvm::ArrayRef<std::string> tables,
                                    llvm::raw_pwrite_stream &out);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_COMPILE_H
