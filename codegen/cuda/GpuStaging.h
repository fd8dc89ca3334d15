//===- GpuStaging.h - operands of a tile on their way to it -----*- C++ -*-===//
//
// The stages of a block's product. Each thread brings its own chunks of A and B to shared memory,
// in one of two ways.
//
// By copies (cp.async): every full operand of a prologue is copied as it lies in memory, several
// stages ahead, so that many bytes are on their way while tensor cores multiply. When a stage has
// landed, and before the barrier that shows it to the block, each thread applies the prologue to
// the chunks that it copied itself, in place: copies never wait for arithmetic, and a value is
// rounded to tf32 or bf16 once, not each time that a warp reads it.
//
// Through registers, one stage ahead: on chips without cp.async, and for f32 products whose
// operands have a prologue.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CUDA_GPUSTAGING_H
#define NETC_CODEGEN_CUDA_GPUSTAGING_H

#include "codegen/cuda/GpuTile.h"

#include <functional>

namespace netc::cuda {

/// Where a chunk of `width` neighbouring channels comes from.
struct Chunk {
  Value valid;        ///< i1; null: always. Elsewhere the tile has zeros
  Value pixel, image; ///< i32; image: null where no operand is ImageChannel
  Value channel;      ///< i32, the first
  Value channelValid; ///< i1; null: always. Whether channel-wise operands have this channel
};

/// A or B of a block's product.
struct StagedOperand {
  mlir::Block *formula = nullptr; ///< the prologue; null: the only input as it is
  FormulaInputs inputs;
  int64_t channels = 0;         ///< of a pixel
  int64_t width = 4, count = 0; ///< channels of a chunk, chunks of a thread in a stage
  Value on;                     ///< i1; null: all threads bring chunks
  Value hyper;                  ///< of a formula with random numbers
  bool rounded = false;         ///< memory holds what tensor cores take
  /// Chunk `i` of the stage that begins at depth `at`.
  std::function<Chunk(Value at, int64_t i)> chunk;
  /// Its place in a tile that begins at `base`.
  std::function<TypedPointer(TypedPointer base, int64_t i)> place;

  /// Full inputs: each is copied to a tile of its own; the first one's receives the result.
  int64_t copies() const;
  /// Whether cp.async can bring these to a tile of `element`: what memory holds as another type is
  /// converted by loads.
  bool canCopy(mlir::Type element) const;
};

/// Multiplies `iterations` (i32) stages from depth `first`. All threads have passed a barrier after
/// the last read of shared memory when it returns.
Values runStages(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr schedule, Value first,
                 Value iterations, const StagedOperand &a, const StagedOperand &b);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUSTAGING_H
