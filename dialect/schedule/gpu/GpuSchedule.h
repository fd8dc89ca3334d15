//===- GpuSchedule.h - tiles of contractions on a GPU -----------*- C++ -*-===//
//
// Contractions run as implicit GEMM on [N, H, W, C]: rows are output pixels (of a filter
// gradient: taps and input channels), columns output channels, the depth taps and input
// channels (pixels). Pure, and in the dialect, for the reasons of Schedule.h.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_SCHEDULE_GPU_GPUSCHEDULE_H
#define NETC_DIALECT_SCHEDULE_GPU_GPUSCHEDULE_H

#include "dialect/schedule/cpu/Schedule.h"

namespace netc::kern {

/// Tile of one contraction; null unless `target` is a GPU.
GpuScheduleAttr gpuSchedule(ContractKind kind, GeometryAttr geometry, const TargetFacts &target);

/// How weights are packed for a GPU and in how many chunks filter gradients are summed: one block
/// of all channels of a group, their number rounded up to whole chunks of 16 bytes.
ScheduleAttr packForGpu(ContractKind kind, GeometryAttr geometry, const TargetFacts &target);

/// How tensor cores, or threads, multiply operands of a type: f32, tf32 or bf16.
GpuAlgorithm gpuAlgorithm(mlir::Type operand);

/// Tile of a product of two activations with so many columns.
GpuScheduleAttr gpuMatmulSchedule(mlir::MLIRContext *context, GpuAlgorithm algorithm,
                                  int64_t columns);

/// Tile of rows x `columns` of a product whose rows each lie in one warp, and all of whose columns
/// one thread's rows have: the scores of an attention, or what they are multiplied to.
GpuScheduleAttr gpuRowSchedule(mlir::MLIRContext *context, GpuAlgorithm algorithm, int64_t columns);

/// `columns`, rounded up to what a tile in shared memory may have.
int64_t gpuTileColumns(GpuAlgorithm algorithm, int64_t columns);

/// Tile of an attention's scores: as many columns as leave room for the other tiles of a block.
GpuScheduleAttr gpuAttentionSchedule(mlir::MLIRContext *context, GpuAlgorithm algorithm,
                                     int64_t depth, int64_t width, bool backward);

/// Whether the kernels of an attention with so many features per query and per value have room in
/// every chip's shared memory.
bool fitsGpuAttention(int64_t depth, int64_t width);

/// Blocks that a multiprocessor is to hold at once: as many threads as can have all registers each;
/// accumulators are what hides latency, not many warps.
int64_t gpuBlocksPerProcessor(GpuScheduleAttr gpu);

} // namespace netc::kern

#endif // NETC_DIALECT_SCHEDULE_GPU_GPUSCHEDULE_H
