//===- SumKernels.h - kernels that add values over shards -------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_SUMKERNELS_H
#define NETC_RUNTIME_DEVICE_CUDA_SUMKERNELS_H

#include "runtime/device/cuda/Driver.h"

#include <cstdint>

namespace netc::runtime::cuda {

/// Values [array, array + count) of a space lie at `packed` of the packed ones.
struct SumChunk {
  uint64_t array = 0, packed = 0, count = 0;
};

/// The most values of a chunk: what a block takes.
constexpr int64_t sumChunkValues = 4096;

/// The kernels of sums on a GPU, which any chip from sm_75 on compiles when they are loaded. Each
/// value is computed by one thread, so neither the chip nor the grid changes bits.
class SumKernels {
public:
  explicit SumKernels(const CudaDriver &driver);
  ~SumKernels();
  SumKernels(const SumKernels &) = delete;
  SumKernels &operator=(const SumKernels &) = delete;

  /// How values are taken.
  enum : uint32_t {
    First = 1,   ///< written instead of added
    Rounded = 2, ///< the value and the sum are rounded to bf16
    Nothing = 4, ///< zeros instead of the array's values
  };

  /// packed (+)= share * array, of chunks [first, first + count).
  void take(CUstream stream, CUdeviceptr array, CUdeviceptr packed, CUdeviceptr chunks,
            uint64_t first, uint64_t count, float share, uint32_t how) const;
  /// array = packed / divisor, of the same.
  void give(CUstream stream, CUdeviceptr array, CUdeviceptr packed, CUdeviceptr chunks,
            uint64_t first, uint64_t count, float divisor) const;
  /// Of rows of `count` values, `stride` apart: row into += row from, of each of `steps` pairs of
  /// uint32_t in turn.
  void add(CUstream stream, CUdeviceptr values, uint64_t stride, uint64_t count, CUdeviceptr pairs,
           uint64_t steps, uint32_t how) const;
  /// The upper halves of `count` values, and back.
  void narrow(CUstream stream, CUdeviceptr from, CUdeviceptr to, uint64_t count) const;
  void widen(CUstream stream, CUdeviceptr from, CUdeviceptr to, uint64_t count) const;

private:
  template <typename... Parameters>
  void launch(CUfunction kernel, const char *name, uint64_t blocks, CUstream stream,
              Parameters... parameters) const;

  const CudaDriver &driver;
  CUmodule code = nullptr;
  CUfunction takes = nullptr, gives = nullptr, adds = nullptr, narrows = nullptr, widens = nullptr;
};

} // namespace netc::runtime::cuda

#endif // NETC_RUNTIME_DEVICE_CUDA_SUMKERNELS_H
