//===- GpuTile.h - one block's product of two tiles -------------*- C++ -*-===//
//
// A block of threads multiplies tiles A [rows, depth] and B [depth, columns] in shared memory,
// stage by stage, and keeps the product in registers: f32 multiply-adds, or mma.sync on tf32
// (m16n8k8) or bf16 (m16n8k16) operands. Rows in shared memory are swizzled: 16-byte chunks are
// permuted within a row so that copies, ldmatrix, the reads of FMA and the scalar reads of
// fragments have no bank conflicts.
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
  int64_t rowIndex;    ///< which of its distinct rows
  int64_t first;       ///< the first of its accumulators
  Values values;
};

class GpuTile {
public:
  /// `deepRows`: A lies as [rows][depth] (else [depth][rows]). Operands of mma are rounded to tf32
  /// where they lie.
  GpuTile(GpuEmitter &k, kern::GpuScheduleAttr schedule, bool deepRows);

  /// What the tiles in shared memory hold: bf16, or f32 (rounded to tf32 for mma).
  mlir::Type element() const { return isBf16() ? Type(k.b.getBF16Type()) : k.f32(); }
  /// Elements of 16 bytes.
  int64_t chunk() const { return isBf16() ? 8 : 4; }
  int64_t aElements() const { return s.getRows() * s.getDepth(); }
  int64_t bElements() const { return s.getDepth() * s.getColumns(); }
  /// Where an element of a stage's A or B lies; those of one chunk along the rows of memory (A's
  /// depths where `deepRows`, else its rows; B's columns) lie side by side.
  TypedPointer placeOfA(TypedPointer a, Value row, Value depth);
  TypedPointer placeOfB(TypedPointer b, Value depth, Value column);

  Values zeros();
  /// accumulators + A B over depths [begin, end) of one stage: multiples of two chunks.
  Values multiply(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                  int64_t end);
  /// accumulators + A B over so many stages, whose tiles lie behind each other.
  Values multiplyStages(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t stages);
  /// In the order of rows for equal columnIndex.
  llvm::SmallVector<Fragment> fragments(ValueRange accumulators);
  int64_t columnsOfThread() const;
  int64_t rowsOfThread() const { return isMma() ? s.getThreadRows() / 8 : s.getThreadRows(); }
  int64_t fragmentWidth() const { return isMma() ? 2 : 4; }
  /// Threads with the same columns are numbered by rowGroup() in the order of their rows.
  int64_t rowGroups() const;
  Value rowGroup();
  /// Combines one value per thread over the threads that share its rows, which lie in one warp.
  Value acrossRow(Value own, llvm::function_ref<Value(Value, Value)> combine);
  bool isMma() const { return s.isMma(); }
  bool isBf16() const { return s.getAlgorithm() == kern::GpuAlgorithm::MmaBf16; }

private:
  Values multiplyFma(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                     int64_t end);
  Values multiplyMma(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                     int64_t end);
  Values fragmentOfA(TypedPointer a, int64_t i, int64_t depth);
  Values fragmentsOfB(TypedPointer b, int64_t j, int64_t depth);
  Values loadMatrices(TypedPointer row, bool transposed);
  Value multiplyFragments(ValueRange a, ValueRange b, ValueRange sums);
  TypedPointer placeAcross(TypedPointer base, Value depth, Value column, int64_t columns);
  Value rowOffset(int64_t r);    // FMA: the thread's r-th row
  Value columnOffset(int64_t j); // FMA: its j-th chunk of 4 columns

  GpuEmitter &k;
  kern::GpuScheduleAttr s;
  bool deepRows;
  int64_t threadColumns;   // FMA
  int64_t warpColumns = 0; // MMA
  int64_t warpsAcross = 0;
  Value tx, ty;                           // FMA
  Value warpRow, warpColumn, quad, lane4; // MMA: lane / 4, lane % 4
  Value lane;
};

/// Rounds to tf32: to nearest, ties away from zero (cvt.rna). Result f32.
Value roundToTf32(GpuEmitter &k, Value x);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUTILE_H
