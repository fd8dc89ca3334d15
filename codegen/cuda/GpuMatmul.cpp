//===- GpuMatmul.cpp - products of two activations on the GPU -------------===//
//
// A block computes 32x32 of one product; its threads have a column and four rows each. Both
// operands pass through shared memory, 32 of the depth at a time, read from global memory in the
// order in which they lie there.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

static constexpr int64_t kTile = 32, kThreadRows = 8;

namespace {
/// One operand's tile in shared memory, [32, 33]: an odd pitch, so that columns lie in different
/// banks too.
struct OperandTile {
  TypedPointer matrix; ///< in global memory, [down, across]
  int64_t down, across;
  TypedPointer place;
  bool turned; ///< shared memory holds its transpose

  /// Copies the tile at (firstDown, firstAcross); zeros beyond the matrix.
  void load(GpuEmitter &k, Value firstDown, Value firstAcross, Value x, Value y) const {
    for (int64_t i = 0; i < kTile; i += kThreadRows) {
      Value own = k.add(y, i), r = k.add(firstDown, own), s = k.add(firstAcross, x);
      Value inside = k.both(k.less(r, down), k.less(s, across));
      Values value = k.loadGuarded(inside, matrix, k.element(r, across, s), 1);
      Value at = turned ? k.add(k.mul(x, kTile + 1), own) : k.add(k.mul(own, kTile + 1), x);
      k.store(value[0], k.at(place, at));
    }
  }
};
} // namespace

void netc::cuda::emitMatmul(GpuEmitter &k, kern::MatmulOp op, const Launch &launch) {
  auto rows = static_cast<int64_t>(op.getRows()), columns = static_cast<int64_t>(op.getColumns()),
       depth = static_cast<int64_t>(op.getDepth());
  int64_t down = (rows + kTile - 1) / kTile, across = (columns + kTile - 1) / kTile;
  k.threads = kTile * kThreadRows;
  k.grid = {1, static_cast<int64_t>(op.getMatrices()) * down * across, 1};
  Value tile = k.rem(k.block(), down * across), matrix = k.div(k.block(), down * across);
  Value firstRow = k.mul(k.div(tile, across), kTile),
        firstColumn = k.mul(k.rem(tile, across), kTile);
  Value x = k.rem(k.thread(), kTile), y = k.div(k.thread(), kTile);
  auto matrixAt = [&](int64_t buffer, int64_t size) {
    return k.at(launch.buffers[buffer], k.element(matrix, size, k.c(0)));
  };
  bool leftTurned = op.getTransposeLhs(), rightTurned = op.getTransposeRhs();
  OperandTile left{matrixAt(0, rows * depth), leftTurned ? depth : rows, leftTurned ? rows : depth,
                   k.shared(kTile * (kTile + 1)), leftTurned};
  OperandTile right{matrixAt(1, columns * depth), rightTurned ? columns : depth,
                    rightTurned ? depth : columns, k.shared(kTile * (kTile + 1)), rightTurned};
  constexpr int64_t each = kTile / kThreadRows;
  Values sums = k.reduce(
      k.c(0), k.c(depth), kTile, Values(each, k.number(0)), [&](Value first, ValueRange acc) {
        left.load(k, leftTurned ? first : firstRow, leftTurned ? firstRow : first, x, y);
        right.load(k, rightTurned ? firstColumn : first, rightTurned ? first : firstColumn, x, y);
        k.barrier();
        Values next = k.reduce(k.c(0), k.c(kTile), 1, acc, [&](Value d, ValueRange inside) {
          Value v = k.load(k.at(right.place, k.add(k.mul(d, kTile + 1), x)));
          Values added;
          for (int64_t i = 0; i < each; ++i) {
            Value row = k.add(y, i * kThreadRows);
            Value u = k.load(k.at(left.place, k.add(k.mul(row, kTile + 1), d)));
            added.push_back(k.fma(u, v, inside[i]));
          }
          return added;
        });
        k.barrier();
        return next;
      });
  TypedPointer out = matrixAt(2, rows * columns);
  for (int64_t i = 0; i < each; ++i) {
    Value r = k.add(firstRow, k.add(y, i * kThreadRows)), s = k.add(firstColumn, x);
    k.when(k.both(k.less(r, rows), k.less(s, columns)),
           [&] { k.store(sums[i], k.at(out, k.element(r, columns, s))); });
  }
}
