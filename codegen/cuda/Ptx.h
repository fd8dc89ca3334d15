//===- Ptx.h - CUDA kernels to PTX and machine code -------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CUDA_PTX_H
#define NETC_CODEGEN_CUDA_PTX_H

#include "codegen/cuda/GpuKernelSet.h"
#include "codegen/cuda/GpuTarget.h"

#include <optional>

namespace netc::cuda {

/// One form of a program's kernels.
struct GpuImage {
  unsigned chip = 0; ///< PTX: the oldest chip that may load it; else the chip
  bool assembled = false;
  std::string bytes; ///< PTX text or a cubin
  std::vector<GpuKernelInfo> kernels;
};

/// What PTX is written for: `number` and newer chips, or that chip alone, with its own
/// instructions.
struct GpuLevel {
  unsigned number = 80;
  bool exact = false;
  std::string name() const { return "sm_" + std::to_string(number) + (exact ? "a" : ""); }
};

/// What chips from `chip` on have in common, and the oldest PTX that says it.
GpuFeatures featuresOf(unsigned chip);
/// With the instructions of one chip alone, where the level has them.
GpuFeatures featuresOf(const GpuLevel &level);

/// Lowers the kernels and writes PTX for a level. The set's module is consumed.
mlir::FailureOr<std::string> emitPtx(mlir::ModuleOp source, GpuKernelSet &kernels,
                                     const GpuLevel &level);

/// ptxas from $NETC_PTXAS, PATH or /usr/local/cuda; none: nullopt.
std::optional<std::string> findPtxas();

/// Assembles `ptx` for `chip` ("sm_90"). Reports through the module's diagnostics.
mlir::FailureOr<std::string> assemble(mlir::ModuleOp source, llvm::StringRef ptxas,
                                      llvm::StringRef ptx, llvm::StringRef chip);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_PTX_H
