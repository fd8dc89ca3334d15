//===- Target.h - facts of the machines that code is generated for -*- C++ -*-===//
//
// The one place for numbers that are true of machines rather than of algorithms, each with where it
// comes from. Schedules, code generation and the command line read them here. Changing one changes
// tiles and therefore the order of sums: bits change with it.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_TARGET_TARGET_H
#define NETC_DIALECT_TARGET_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <array>
#include <cstdint>

namespace netc::target {

/// A level of x86-64.
struct CpuLevel {
  llvm::StringLiteral name;
  llvm::ArrayRef<llvm::StringLiteral> features; ///< LLVM names, those of the levels below included
  int64_t lanes;                                ///< f32 lanes of a vector register
  int64_t registers;                            ///< vector registers
  // Of a core, assumed where the code is compiled for a level rather than a machine.
  int64_t l1Bytes, l2Bytes;
};

/// Instructions beside a level: `--cpu x86-64-v4+bf16`.
struct CpuExtension {
  llvm::StringLiteral name, level;                ///< the level that it extends
  llvm::ArrayRef<llvm::StringLiteral> features;   ///< LLVM names
  llvm::ArrayRef<llvm::StringLiteral> precisions; ///< whose kernels use it
};

/// What Intel and AMD have had beside x86-64-v3: products of int8 (AVX-VNNI: Alder Lake, Zen 5);
/// beside x86-64-v4: products of bf16 (Cooper Lake, Sapphire Rapids, Zen 4), products of int8
/// (Cascade Lake, Zen 4), tiles of both (Sapphire Rapids). Features as CPUID states them: Intel,
/// Architecture Instruction Set Extensions Programming Reference, 1.5.
llvm::ArrayRef<CpuExtension> cpuExtensions();

/// Ascending. Features, lanes and registers: System V ABI for x86-64, section 3.1.1 (micro-
/// architecture levels).
llvm::ArrayRef<CpuLevel> cpuLevels();

/// The caches that kernels of so many lanes may count on.
const CpuLevel &levelOfLanes(int64_t lanes);

/// Costs that schedules assume for any x86-64 core. They compare costs of two tiles or algorithms
/// on one core, so ratios matter, not absolute speed.
struct CpuCosts {
  /// Vector operations per cycle, and the latency of a multiply-add in cycles. Intel, Optimization
  /// Reference Manual (Haswell to Sapphire Rapids: ports 0 and 1, later 0 and 5; two load ports;
  /// latency 4, Haswell's 5); AMD, Software Optimization Guides for families 17h and 19h (the same
  /// throughputs, latency 4 to 5).
  double fmasPerCycle = 2, loadsPerCycle = 2, fmaLatency = 4;
  /// Of AMX: tiles of sums in registers beside their operands, and the pixels of two of them;
  /// cycles of a product of tiles per pixel and of a load per row of 64 bytes (16 and 8 for whole
  /// tiles: Intel, Optimization Reference Manual, chapter 20). Products per cycle for each of
  /// vectors': 16 x 16 x 16 steps in 16 cycles for 2 x 16.
  int64_t matrixSums = 4, matrixPixels = 16, mostMatrixPixels = 32;
  double matrixLoad = 0.5, matrixSpeedup = 8;
  /// Bytes per cycle that one core reads sequentially from memory (weights that no cache holds) and
  /// from the last-level cache. Measured on the AVX-512 server that this project was tuned on: some
  /// 15 and 30 GB/s at 3 GHz.
  double memoryBytesPerCycle = 5, lastCacheBytesPerCycle = 10;
  /// Cycles of Winograd's transforms per vector value: timed on the same server.
  int64_t transformCycles = 5;
  /// Numbers of threads that one image's work is divided evenly for, ascending: the machines
  /// without a GPU that networks are run on are laptops and small virtual machines of 2 and 4
  /// cores. Other numbers of threads work too, with more idle time at the end of a layer.
  std::array<int64_t, 2> balancedThreads{2, 4};
  /// The least number of items that a batch's launch should have: eight per thread on four threads,
  /// so that threads end together (runtime/system/ThreadPool.h assigns runs of decreasing length).
  int64_t itemsOfBatch = 32;
  /// The least batch that schedules of a training step assume; so many images share the weights. It
  /// is small because what is chosen for 8 also suits 128, but not the reverse.
  int64_t trainingBatch = 8;
  /// Partial gradients of all chunks together, bytes: they are written and read again, so they
  /// stay in a core's L2 (1 or 2 MiB) or its share of the last-level cache.
  int64_t partialGradientBytes = 2 << 20;
  /// A result of at least this size is stored without filling caches: no cache would keep it, and
  /// an ordinary store reads each line first. Measured at 36 MiB, the transformed filters of 512
  /// channels; 9 MiB stay in the last cache until they are read.
  int64_t streamedBytes = 16 << 20;
  /// Weights of a piece of the reduction: half of the smallest L1, 32 KiB; the other half is for
  /// pixels.
  int64_t pieceBytes = 16 << 10;
};

/// A GPU by NVIDIA.
struct GpuFacts {
  /// Multiprocessors of the largest chip, an H100 SXM5 (NVIDIA H100 Tensor Core GPU Architecture,
  /// table 1); an A100 has 108.
  int64_t processors = 132;
  /// Blocks that fill it twice.
  int64_t blocksToFill = 2 * processors;
  /// Waves of blocks that a filter gradient may be divided into, and the stages that a block's
  /// beginning and end take as long as: read off an H100 (docs/gpu-results.md).
  int64_t waves = 4, stagesOfBlock = 12;
  /// Images of a batch that tall tiles are chosen for, in inference and in training: a GPU that
  /// trains at less than 128 images is idle half of the time in most layers of ResNet-50.
  int64_t batch = 32, trainingBatch = 128;
  /// Threads that a multiprocessor holds at once where each has 255 registers: 65,536 registers
  /// (CUDA C++ Programming Guide, technical specifications by compute capability).
  int64_t threadsAtFullRegisters = 256;
  /// Shared memory of an H100's multiprocessor, and what the system takes of it for each block (the
  /// same guide).
  int64_t sharedBytes = 228 << 10, sharedBytesOfBlock = 1 << 10;
  /// Shared memory of a block that needs no opt-in at launch (the same guide).
  int64_t staticSharedBytes = 48 << 10;
  /// Shared memory that a block may ask for at launch on every chip: sm_75's (the same guide).
  int64_t leastSharedBytes = 64 << 10;
  /// Shared memory of a tile's stages, bytes: two blocks fit a multiprocessor of an A100 (164 KiB;
  /// CUDA C++ Programming Guide, technical specifications). Tiles of several copied operands take
  /// three stages, up to 96 KiB: a block may have 99 KiB on the smallest chips with cp.async.
  int64_t stageBytes = 80 << 10;
  /// Partial gradients of all chunks together, bytes: of some GB that the smallest card has.
  int64_t partialGradientBytes = 64 << 20;
};

/// A chip that machine code can be made for: the compute capabilities of CUDA 12.
struct GpuChip {
  unsigned number;  ///< 10 * major + minor
  bool asyncCopy;   ///< cp.async: PTX ISA, "sm_80 or higher"
  bool tensorCores; ///< mma.sync on tf32 and bf16: PTX ISA, "sm_80 or higher"
};
llvm::ArrayRef<GpuChip> gpuChips();

/// What chips from `number` on have; the next older chip's features where it is not listed.
GpuChip gpuChipFrom(unsigned number);

} // namespace netc::target

#endif // NETC_DIALECT_TARGET_TARGET_H
