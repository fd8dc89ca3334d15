//===- Schedule.h - shapes and a target to tile sizes -----------*- C++ -*-===//
//
// Pure: the same shapes and target give the same schedule. It lies in the dialect
// because kernels' partial sums are sized by it, so lowering, planning and code
// generation all need the one answer. What a schedule, once chosen, says of shapes and
// grids is in dialect/kern/ContractShape.h.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H
#define NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H

#include "dialect/kern/ContractShape.h"
#include "dialect/target/Target.h"

namespace netc::kern {

/// What a schedule depends on; the numbers come from dialect/target/Target.h (cpuFacts).
struct TargetFacts {
  int64_t lanes = 0;                ///< f32 lanes of a vector register
  int64_t registers = 0;            ///< vector registers
  int64_t l1Bytes = 0, l2Bytes = 0; ///< of a core
  int64_t batch = 1; ///< images that a launch is likely to see: 1 in inference, more in training
  bool gpu = false;  ///< kernels for CUDA: lanes are 1, tiles as GpuSchedule.h says
  bool tensorCores = false; ///< products of tf32 operands are allowed
  target::CpuCosts costs;
  target::GpuFacts device;
  int64_t elementBytes = 4; ///< of operands, as they are stored
};

/// Sums of products are f32, whatever their operands are stored as.
constexpr int64_t kSumBytes = 4;

/// TargetFacts::batch of a function: of inference or of a training step.
inline int64_t likelyBatch(llvm::StringRef function) {
  return function == "infer" ? 1 : target::CpuCosts().trainingBatch;
}

/// TargetFacts for a CPU's lanes and registers.
TargetFacts cpuFacts(int64_t lanes, int64_t registers);

/// Tile sizes of one contraction.
ScheduleAttr scheduleContraction(ContractKind kind, GeometryAttr geometry,
                                 const TargetFacts &target);

/// Whether a pool should compute what it reads, a few multiply-adds an element, at each of its
/// windows.
bool computesOnLoad(GeometryAttr pool);

/// What is worth timing where a machine is at hand: scheduleContraction's answer first, then other
/// algorithms and tiles.
llvm::SmallVector<ScheduleAttr> scheduleCandidates(ContractKind kind, GeometryAttr geometry,
                                                   const TargetFacts &target);

} // namespace netc::kern

#endif // NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H
