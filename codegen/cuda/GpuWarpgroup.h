//===- GpuWarpgroup.h - products by wgmma and TMA ---------------*- C++ -*-===//
//
// Hopper's own way (sm_90a) to a block's product of two tiles. One warp, the producer, has the copy
// engine (TMA) bring both operands by tensor maps to a ring of stages in shared memory; two
// warpgroups, the consumers, multiply them by wgmma, 64 rows each, straight from there. Each stage
// has two mbarriers: `full` completes when its bytes have landed, `empty` when all consumers have
// read it. PTX ISA 9.7.15 (wgmma), 9.7.13.15 (mbarrier), 9.7.9.27 (cp.async.bulk.tensor).
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CUDA_GPUWARPGROUP_H
#define NETC_CODEGEN_CUDA_GPUWARPGROUP_H

#include "codegen/cuda/GpuTile.h"

namespace netc::cuda {

class GpuWarpgroup {
public:
  static constexpr int64_t rows = 128, depth = 64, stages = 3;
  static constexpr int64_t consumers = 256, threads = consumers + 32;
  /// Columns of a box of B: the 128 bytes that a swizzle permutes.
  static constexpr int64_t boxColumns = 64;

  /// `columns`: of the tile, 64 or 128. Takes shared memory, which reuseShared() frees but for the
  /// mbarriers. All threads come here.
  GpuWarpgroup(GpuEmitter &k, int64_t columns);

  /// What the producer does: brings `iterations` stages from row `firstRow` of A and column
  /// `firstColumn` of B.
  void produce(Value mapOfA, Value mapOfB, Value firstRow, Value firstColumn, Value iterations);
  /// What consumers do: the product of the stages.
  Values consume(Value iterations);
  Value isConsumer() { return k.less(k.thread(), consumers); }
  Value isProducer() { return k.equal(k.thread(), consumers); }

  /// The product's places, as GpuTile has them.
  llvm::SmallVector<Fragment> fragments(ValueRange accumulators);
  int64_t columnsOfThread() const { return columns / 8; }
  int64_t rowGroups() const { return rows / 2; }
  Value rowGroup();

private:
  Value full(Value slot) { return k.add(barriers, k.mul(slot, 16)); }
  Value empty(Value slot) { return k.add(full(slot), 8); }
  /// The slot of iteration `i` and the parity of its phase.
  std::pair<Value, Value> slotOf(Value i);
  Value stageOf(Value slot) { return k.add(tiles, k.mul(slot, stageBytes())); }
  int64_t bytesOfA() const { return rows * depth * 2; }
  int64_t stageBytes() const { return bytesOfA() + depth * columns * 2; }
  void wait(Value barrier, Value parity);
  void load(Value to, Value map, Value x, Value y, Value barrier);
  /// One instruction that all registers of the sums pass through: nothing moves across it.
  Values through(ValueRange sums, llvm::StringRef text);
  Values multiply(ValueRange sums, Value descriptorOfA, Value descriptorOfB);

  GpuEmitter &k;
  int64_t columns;
  Value barriers, tiles; ///< i32 addresses in shared memory
};

/// Whether `op` has such a kernel in code for sm_90a: a 1x1 convolution with stride 1 of bf16 whose
/// operands are read as they lie in memory.
bool usesWarpgroups(kern::ContractOp op);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUWARPGROUP_H
