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

/// Blocks that a multiprocessor is to hold at once: as many threads as can have all registers each;
/// accumulators are what hides latency, not many warps.
int64_t gpuBlocksPerProcessor(GpuScheduleAttr gpu);

} // namespace netc::kern

#endif // NETC_DIALECT_SCHEDULE_GPU_GPUSCHEDULE_H
