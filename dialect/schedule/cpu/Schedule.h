//===- Schedule.h - shapes and a target to tile sizes -----------*- C++ -*-===//
//
// Pure: the same shapes and target give the same schedule. It lies in the dialect
// because kernels' partial sums are sized by it, so lowering, planning and code
// generation all need the one answer.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H
#define NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H

#include "dialect/kern/KernDialect.h"
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
};

/// TargetFacts::batch of a function: of inference or of a training step.
inline int64_t likelyBatch(llvm::StringRef function) {
  return function == "infer" ? 1 : target::CpuCosts().trainingBatch;
}

/// TargetFacts for a CPU's lanes and registers.
TargetFacts cpuFacts(int64_t lanes, int64_t registers);

/// Tile sizes of one contraction.
ScheduleAttr scheduleContraction(ContractKind kind, GeometryAttr geometry,
                                 const TargetFacts &target);

/// Whether a forward contraction of this schedule can pool what it stores: its tiles hold whole
/// windows.
bool poolsOnStore(ScheduleAttr schedule, PoolingAttr pool);

/// Whether a pool should compute what it reads, a few multiply-adds an element, at each of its
/// windows.
bool computesOnLoad(GeometryAttr pool);

/// What is worth timing where a machine is at hand: scheduleContraction's answer first, then other
/// algorithms and tiles.
llvm::SmallVector<ScheduleAttr> scheduleCandidates(ContractKind kind, GeometryAttr geometry,
                                                   const TargetFacts &target);

/// Whether groups are so small that a vector of output channels covers whole groups, and
/// the inputs of its lanes are the same channels: depthwise convolution, ResNeXt's groups of 4.
/// Lanes then read their own inputs instead of a broadcast.
bool isLanewise(GeometryAttr geometry, int64_t lanes);

/// Whether a strided input gradient is computed by residues of its rows and columns modulo the
/// stride, each a dense convolution of its own taps, rather than over a spread-out cotangent.
bool isByResidue(ContractKind kind, GeometryAttr geometry, int64_t lanes);

/// Input channels that an item of a filter gradient by Winograd's algorithm takes; divides them. 0:
/// there is no such number.
int64_t winogradDepthBlock(GeometryAttr geometry);

/// Whether a filter gradient takes the columns of a window and its channels as one run: where there
/// are few channels.
bool mergesWindowRow(GeometryAttr geometry);

/// Input channels that an item of a filter gradient takes; divides them.
int64_t filterGradDepthBlock(GeometryAttr geometry, ScheduleAttr schedule);

/// Shape of packed weights; lane-wise: [1, blocks, KH, KW, I / G, lanes]; Winograd: [1, blocks, m +
/// 2, m + 2, reduction channels, T]; else: [G, blocks, KH, KW, reduction channels / G, T] with T =
/// lanes * tile_vectors.
llvm::SmallVector<int64_t> packedShape(ContractKind kind, GeometryAttr geometry,
                                       ScheduleAttr schedule);

} // namespace netc::kern

#endif // NETC_DIALECT_SCHEDULE_CPU_SCHEDULE_H
