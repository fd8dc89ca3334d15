//===- KernelSet.h - one kernel a signature ---------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_KERNELSET_H
#define NETC_CODEGEN_CPU_KERNELSET_H

#include "codegen/common/KernelSignatures.h"
#include "codegen/common/Target.h"

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
/// micro-kernels.
KernelInfo emitKernel(mlir::ModuleOp code, kern::KernelOpInterface launch, std::string name,
                      const CpuTarget &target);

/// Loads the dialects that kernels are emitted in.
void loadKernelDialects(mlir::MLIRContext &context);

/// The distinct kernels of a program in one module: launches that differ only in the buffers of
/// their operands share one, so more layers add no code.
class KernelSet {
public:
  KernelSet(mlir::MLIRContext &context, const CpuTarget &target);

  /// The kernel of a launch (a kern op on memrefs); emitted when it is first asked for.
  unsigned get(kern::KernelOpInterface launch);

  const std::vector<KernelInfo> &kernels() const { return infos; }
  mlir::ModuleOp module() { return *code; }

private:
  mlir::OwningOpRef<mlir::ModuleOp> code; ///< func.func of each kernel and its micro-kernels
  CpuTarget target;
  std::vector<KernelInfo> infos;
  KernelSignatures signatures;
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELSET_H
