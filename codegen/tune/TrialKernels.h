//===- TrialKernels.h - one contraction by several schedules ----*- C++ -*-===//
#ifndef NETC_CODEGEN_TUNE_TRIALKERNELS_H
#define NETC_CODEGEN_TUNE_TRIALKERNELS_H

#include "codegen/common/Target.h"
#include "dialect/kern/KernDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace netc::tune {

/// As the runtime's NetcKernelFn.
using KernelFn = void (*)(char *const *buffers, char *scratch, int64_t n, int64_t begin,
                          int64_t end);

/// A compiled launch with its own memory.
struct TrialLaunch {
  kern::KernelOpInterface op;
  unsigned kernel = 0;
  KernelFn fn = nullptr;
  uint64_t scratchBytes = 0;
};

/// All that one schedule costs at each run: the contraction, and in training the packing of its
/// weights or the unpacking of their gradient.
class Trial {
public:
  std::vector<TrialLaunch> launches;

  /// Allocates and fills what the launches touch for `batch` images, and runs them once.
  void prepare(int64_t batch);
  /// Of one run: in training the mean over at least a millisecond, for one image with activations
  /// alone in the caches.
  double seconds();
  void release();

private:
  void run();

  int64_t batch = 0;
  struct Free {
    void operator()(char *memory) const { std::free(memory); }
  };
  char *take(size_t bytes, float fill);

  std::vector<std::unique_ptr<char, Free>> memory; ///< of operands, launch by launch, then scratch
  std::vector<std::pair<const char *, size_t>>
      activations; ///< what the layers before have just written, and its size
  std::vector<std::vector<char *>> operands;
  char *scratch = nullptr;
};

/// A contraction compiled in process once for each of several schedules.
class TrialKernels {
public:
  /// `op`: a contraction on memrefs; `training`: packing counts.
  static mlir::FailureOr<std::unique_ptr<TrialKernels>>
  compile(kern::ContractOp op, bool training, llvm::ArrayRef<kern::ScheduleAttr> schedules,
          const CpuTarget &target);
  ~TrialKernels();

  /// One per schedule, in their order.
  llvm::MutableArrayRef<Trial> trials() { return all; }

private:
  TrialKernels();

  mlir::OwningOpRef<mlir::ModuleOp> launches;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::vector<Trial> all;
};

/// Whether `op` may multiply bf16: what net-assign-precision said of it.
bool multipliesBf16(kern::ContractOp op, const CpuTarget &target);

} // namespace netc::tune

#endif // NETC_CODEGEN_TUNE_TRIALKERNELS_H
