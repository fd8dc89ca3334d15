//===- KernelSignatures.h - which launches share a kernel -------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_KERNELSIGNATURES_H
#define NETC_CODEGEN_COMMON_KERNELSIGNATURES_H

#include "dialect/kern/KernDialect.h"

namespace netc {

/// Numbers the distinct signatures among launches: op, operand types, attributes, regions.
/// Launches that differ only in the buffers of their operands share one, so more layers add no
/// code.
class KernelSignatures {
public:
  /// The number of the launch's signature, and whether it is new.
  std::pair<unsigned, bool> insert(kern::KernelOpInterface launch);

private:
  llvm::DenseMap<llvm::hash_code, llvm::SmallVector<std::pair<mlir::Operation *, unsigned>>> known;
  unsigned count = 0;
};

/// Whether the kernel reads the hyper block although the kern op has no operand for it.
bool readsHyper(kern::KernelOpInterface launch);

} // namespace netc

#endif // NETC_CODEGEN_COMMON_KERNELSIGNATURES_H
