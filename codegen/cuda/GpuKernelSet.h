//===- GpuKernelSet.h - one CUDA kernel a signature -------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CUDA_GPUKERNELSET_H
#define NETC_CODEGEN_CUDA_GPUKERNELSET_H

#include "codegen/common/KernelSignatures.h"
#include "codegen/cuda/GpuEmitter.h"

#include "mlir/IR/OwningOpRef.h"

#include <vector>

namespace netc::cuda {

/// What the runtime needs to launch a kernel.
struct GpuKernelInfo {
  std::string name;
  int64_t threads = 0;     ///< a block
  int64_t sharedBytes = 0; ///< dynamic shared memory
  kern::Grid grid;         ///< blocks
};

/// The distinct kernels of a program, as llvm.func with nvvm.kernel in one module.
class GpuKernelSet {
public:
  GpuKernelSet(mlir::MLIRContext &context, GpuFeatures features);

  /// The kernel of a launch (a kern op on memrefs), emitted on first sight. Fails, and says so, for
  /// an op without CUDA code.
  mlir::FailureOr<unsigned> get(kern::KernelOpInterface launch);

  const std::vector<GpuKernelInfo> &kernels() const { return infos; }
  mlir::ModuleOp module() { return *code; }

private:
  mlir::LogicalResult emit(kern::KernelOpInterface launch, GpuKernelInfo &info);

  mlir::OwningOpRef<mlir::ModuleOp> code;
  GpuFeatures features;
  KernelSignatures signatures;
  std::vector<GpuKernelInfo> infos;
};

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUKERNELSET_H
