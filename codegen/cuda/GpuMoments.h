//===- GpuMoments.h - sums about a pivot ------------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CUDA_GPUMOMENTS_H
#define NETC_CODEGEN_CUDA_GPUMOMENTS_H

#include "codegen/cuda/GpuEmitter.h"

namespace netc::cuda {

/// Of some values: one of them, then sum (x - pivot) and sum (x - pivot)^2. All f32 or all f64.
struct Moments {
  Value pivot, sum, squares;
};

/// Adds x where `p` (null: always).
Moments addValue(GpuEmitter &k, Moments total, Value x, Value p);

/// Adds `part`, of `count` values, about total's pivot (Chan, Golub and LeVeque 1979).
Moments joinMoments(GpuEmitter &k, Moments total, Moments part, Value count);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUMOMENTS_H
