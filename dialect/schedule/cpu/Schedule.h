//===- Schedule.h - shapes and a target to tile sizes -----------*- C++ -*-===//
//
// Pure functions: the same shapes and target give the same schedule. They lie in dialect/
// because the schedule determines the size of partial sums, so lowering, planning and code
// generation need the same result. The shapes and grids that follow from a chosen schedule are in
// dialect/kern/ContractShape.h.
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
  bool tensorCores = false; ///< products of operands below f32 are allowed
  target::CpuCosts costs;
  target::GpuFacts device;
  int64_t elementBytes = 4; ///< of operands of direct algorithms, as they are multiplied
  bool integers = false;    ///< operands are integers: products are exact by no other algorithm
  bool matrixTiles = false; ///< operands below f32 are multiplied by AMX where direct kernels
                            ///< multiply several steps at once
};

/// Sums of products are f32, whatever their operands are stored as.
constexpr int64_t kSumBytes = 4;

/// TargetFacts::batch of inference or of training.
inline int64_t likelyBatch(bool inference) {
  return inference ? 1 : target::CpuCosts().trainingBatch;
}

/// TargetFacts for a CPU's lanes and registers.
TargetFacts cpuFacts(int64_t lanes, int64_t registers);

/// Tile sizes of one contraction.
ScheduleAttr scheduleContraction(ContractKind kind, GeometryAttr geometry,
                                 const TargetFacts &target);

/// Whether a pool should compute its operand on load (a few multiply-adds per element), for each of
/// its windows again.
bool computesOnLoad(GeometryAttr pool);

/// The candidates that `--tune` times: the result of scheduleContraction first, then other
/// algorithms and tiles.
llvm::SmallVector<ScheduleAttr> scheduleCandidates(ContractKind kind, GeometryAttr geometry,
                                                   const TargetFacts &target);

} // namespace netc::kern

#endif // NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H
