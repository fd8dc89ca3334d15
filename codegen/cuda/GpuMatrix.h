//===- GpuMatrix.h - matrices of activations and tiles ----------*- C++ -*-===//
//
// Products of two activations: parts of matrices in global memory on their way to a block's tiles,
// and what a block computed on its way back.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CUDA_GPUMATRIX_H
#define NETC_CODEGEN_CUDA_GPUMATRIX_H

#include "codegen/cuda/GpuTile.h"

namespace netc::cuda {

/// In global memory, row by row.
struct GpuMatrix {
  TypedPointer pointer;
  int64_t rows, columns;
};

/// Rows by columns of a matrix that all threads of a block bring together; zeros beyond it.
struct MatrixPart {
  GpuMatrix matrix;
  Value firstRow, firstColumn;
  int64_t rows, columns; ///< columns: a multiple of four
  bool byColumns;        ///< threads side by side take neighbours in a column
};

/// What this thread has of `part`: fours of one row.
Values loadPart(GpuEmitter &k, const MatrixPart &part);

/// Stores them, as `tile`'s products take them, at place(row, column) of the part. Fours are stored
/// as one where columns lie side by side in shared memory, which `byColumns` says that they don't.
void storePart(GpuEmitter &k, const GpuTile &tile, const MatrixPart &part, ValueRange values,
               llvm::function_ref<TypedPointer(Value row, Value column)> place);

/// Values of a product as operands of the next one: rounded to tf32 where `tile` multiplies that.
Values asOperands(GpuEmitter &k, const GpuTile &tile, ValueRange values);

/// A matrix's values beside a fragment of a product whose first element is beside (firstRow,
/// firstColumn), or `turned`, of the product's transpose; zeros beyond the matrix.
Values loadBeside(GpuEmitter &k, const Fragment &fragment, const GpuMatrix &matrix, Value firstRow,
                  Value firstColumn, bool turned = false);

/// Stores what lies inside the matrix of a product whose first element is (firstRow, firstColumn).
void storeFragments(GpuEmitter &k, llvm::ArrayRef<Fragment> fragments, const GpuMatrix &matrix,
                    Value firstRow, Value firstColumn);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUMATRIX_H
