//===- GpuTile.h - one block's product of two tiles -------------*- C++ -*-===//
//
// A block of threads multiplies tiles A [rows, depth] and B [depth, columns] in shared memory,
// stage by stage, and keeps the product in registers: f32 multiply-adds, or mma.sync.m16n8k8 on
// tf32 operands. Rows in shared memory are swizzled: 16-byte chunks are permuted within a row so
// that copies, ldmatrix, the reads of FMA and the scalar reads of fragments have no bank conflicts.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CUDA_GPUTILE_H
#define NETC_CODEGEN_CUDA_GPUTILE_H

#include "codegen/cuda/GpuEmitter.h"

namespace netc::cuda {

/// Neighbours in a row of the product that one thread holds.
struct Fragment {
  Value row, column;   ///< i32, within the tile
  int64_t columnIndex; ///< which of the thread's distinct columns
  Values values;
};

class GpuTile {
public:
  /// `deepRows`: A lies as [rows][depth] (else [depth][rows]). `rounds`: operands of mma are
  /// rounded to tf32 when they are read, not when they were written.
  GpuTile(GpuEmitter &k, kern::GpuScheduleAttr schedule, bool deepRows, bool rounds);

  int64_t aFloats() const { return s.getRows() * s.getDepth(); }
  int64_t bFloats() const { return s.getDepth() * s.getColumns(); }
  int64_t stageFloats() const { return aFloats() + bFloats(); }
  /// Where an element of a stage's A or B lies; neighbours within 4 along the rows of memory (A's
  /// depths where `deepRows`, else its rows; B's columns) lie side by side.
  Value placeOfA(Value a, Value row, Value depth);
  Value placeOfB(Value b, Value depth, Value column);

  Values zeros();
  /// accumulators + A B over one stage.
  Values multiply(Value a, Value b, ValueRange accumulators);
  /// In the order of rows for equal columnIndex.
  llvm::SmallVector<Fragment> fragments(ValueRange accumulators);
  int64_t columnsOfThread() const;
  int64_t fragmentWidth() const { return isMma() ? 2 : 4; }
  /// Threads with the same columns are numbered by rowGroup() in the order of their rows.
  int64_t rowGroups() const;
  Value rowGroup();
  bool isMma() const { return s.getAlgorithm() == kern::GpuAlgorithm::Mma; }

private:
  Values multiplyFma(Value a, Value b, ValueRange accumulators);
  Values multiplyMma(Value a, Value b, ValueRange accumulators);
  Value rounded(Value f32);
  Value placeAcross(Value base, Value depth, Value column, int64_t columns);
  Value rowOffset(int64_t r);    // FMA: the thread's r-th row
  Value columnOffset(int64_t j); // FMA: its j-th chunk of 4 columns

  GpuEmitter &k;
  kern::GpuScheduleAttr s;
  bool deepRows, rounds;
  int64_t threadColumns;   // FMA
  int64_t warpColumns = 0; // MMA
  int64_t warpsAcross = 0;
  Value tx, ty;                           // FMA
  Value warpRow, warpColumn, quad, lane4; // MMA: lane / 4, lane % 4
  Value lane;
};

/// Rounds to tf32: to nearest, ties away from zero (cvt.rna). Result f32.
Value roundToTf32(GpuEmitter &k, Value x);

/// The stages of a block's product: where a stage's operands come from.
struct StageSource {
  /// Loads the stage that begins at depth `at` into registers.
  llvm::function_ref<Values(Value at)> load;
  /// Writes what was loaded to A and B in shared memory.
  llvm::function_ref<void(ValueRange loaded, Value a, Value b)> store;
  /// Starts copying the stage with cp.async.
  llvm::function_ref<void(Value at, Value a, Value b)> copy;
};

/// Runs `iterations` (i32) stages from depth `first`; `async`: by copies that run ahead,
/// schedule.stages deep, else through registers with two buffers. All threads have passed a
/// barrier after the last read of shared memory when it returns.
Values runStages(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr schedule, Value first,
                 Value iterations, bool async, const StageSource &source);

/// 16 bytes from global to shared memory, or zeros where `p` is false.
void copyAsync(GpuEmitter &k, Value to, Value base, Value offset, Value p);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUTILE_H
