//===- KernelSet.h - one kernel a signature ---------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_KERNELSET_H
#define NETC_CODEGEN_CPU_KERNELSET_H

#include "codegen/common/KernelSignatures.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace netc::cpu {

/// A kernel that is compiled once, and the sizes that the runtime needs to call it.
struct KernelInfo {
  std::string name;
  uint64_t scratchBytes = 0;
};

/// Emits the kernel of `launch` (a kern op on memrefs) to `code`, a func.func `name` and its
/// micro-kernels. `lanes`: f32 lanes of the target's vectors.
KernelInfo emitKernel(mlir::ModuleOp code, kern::KernelOpInterface launch, std::string name,
                      int64_t lanes);

/// Loads the dialects that kernels are emitted in.
void loadKernelDialects(mlir::MLIRContext &context);

/// The distinct kernels of a program in one module: launches that differ only in the buffers of
/// their operands share one, so more layers add no code.
class KernelSet {
public:
  /// `lanes`: f32 lanes of the target's vectors.
  KernelSet(mlir::MLIRContext &context, int64_t lanes);

  /// The kernel of a launch (a kern op on memrefs); emitted when it is first asked for.
  unsigned get(kern::KernelOpInterface launch);

  const std::vector<KernelInfo> &kernels() const { return infos; }
  mlir::ModuleOp module() { return *code; }

private:
  mlir::OwningOpRef<mlir::ModuleOp> code; ///< func.func of each kernel and its micro-kernels
  int64_t lanes;
  std::vector<KernelInfo> infos;
  KernelSignatures signatures;
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELSET_H
