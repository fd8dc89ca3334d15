//===- KernelSet.h - one kernel a signature ---------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_KERNELSET_H
#define NETC_CODEGEN_CPU_KERNELSET_H

#include "codegen/common/KernelSignatures.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace netc::cpu {

/// A compiled-once kernel and what the runtime is told about it.
struct KernelInfo {
  std::string name;
  uint64_t scratchBytes = 0;
};

/// The distinct kernels of a program: launches that differ only in where their
/// operands lie share one, so depth is free.
class KernelSet {
public:
  /// `lanes`: f32 lanes of the target's vectors.
  KernelSet(mlir::MLIRContext &context, int64_t lanes);

  /// The kernel of a launch (a kern op on memrefs); emitted on first sight.
  unsigned get(kern::KernelOpInterface launch);

  const std::vector<KernelInfo> &kernels() const { return infos; }
  mlir::ModuleOp module() { return *code; }

private:
  void emit(kern::KernelOpInterface launch, KernelInfo &info);

  mlir::OwningOpRef<mlir::ModuleOp> code; ///< func.func of each kernel and its micro-kernels
  int64_t lanes;
  std::vector<KernelInfo> infos;
  KernelSignatures signatures;
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELSET_H
