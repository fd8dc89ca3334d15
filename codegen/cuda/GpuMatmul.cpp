//===- GpuMatmul.cpp - products of two activations on the GPU -------------===//
//
// A block computes one tile of one product, stage by stage: while one stage is multiplied, the next
// one is on its way to registers.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuMatrix.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

void netc::cuda::emitMatmul(GpuEmitter &k, kern::MatmulOp op, const Launch &launch) {
  kern::GpuScheduleAttr s = op.getGpuAttr();
  auto rows = static_cast<int64_t>(op.getRows()), columns = static_cast<int64_t>(op.getColumns()),
       depth = static_cast<int64_t>(op.getDepth());
  int64_t down = (rows + s.getRows() - 1) / s.getRows(),
          across = (columns + s.getColumns() - 1) / s.getColumns();
  k.threads = s.getThreads();
  k.grid = {1, static_cast<int64_t>(op.getMatrices()) * down * across, 1};
  bool leftTurned = op.getTransposeLhs(), rightTurned = op.getTransposeRhs();
  // A transposed left side lies as tiles of [depth][rows] do.
  GpuTile tile(k, s, /*deepRows=*/!leftTurned);
  Value block = k.rem(k.block(), down * across), matrix = k.div(k.block(), down * across);
  Value firstRow = k.mul(k.div(block, across), s.getRows()),
        firstColumn = k.mul(k.rem(block, across), s.getColumns());
  auto matrixAt = [&](int64_t buffer, int64_t height, int64_t width) {
    return GpuMatrix{k.at(launch.buffers[buffer], k.element(matrix, height * width, k.c(0))),
                     height, width};
  };
  GpuMatrix left = matrixAt(0, leftTurned ? depth : rows, leftTurned ? rows : depth),
            right = matrixAt(1, rightTurned ? columns : depth, rightTurned ? depth : columns);
  TypedPointer a = k.shared(tile.aElements(), tile.element()),
               b = k.shared(tile.bElements(), tile.element());
  auto partOfLeft = [&](Value first) {
    return leftTurned ? MatrixPart{left, first, firstRow, s.getDepth(), s.getRows(), false}
                      : MatrixPart{left, firstRow, first, s.getRows(), s.getDepth(), false};
  };
  auto partOfRight = [&](Value first) {
    return rightTurned ? MatrixPart{right, firstColumn, first, s.getColumns(), s.getDepth(), true}
                       : MatrixPart{right, first, firstColumn, s.getDepth(), s.getColumns(), false};
  };
  auto load = [&](Value first) {
    Values values = loadPart(k, partOfLeft(first));
    values.append(loadPart(k, partOfRight(first)));
    return values;
  };
  auto ofLeft = static_cast<unsigned>(tile.aElements() / s.getThreads());
  auto store = [&](ValueRange values) {
    storePart(k, tile, partOfLeft(k.c(0)), values.take_front(ofLeft), [&](Value r, Value c) {
      return leftTurned ? tile.placeOfA(a, c, r) : tile.placeOfA(a, r, c);
    });
    storePart(k, tile, partOfRight(k.c(0)), values.drop_front(ofLeft), [&](Value r, Value c) {
      return rightTurned ? tile.placeOfB(b, c, r) : tile.placeOfB(b, r, c);
    });
  };
  Values carried = tile.zeros();
  auto sums = static_cast<unsigned>(carried.size());
  carried.append(load(k.c(0)));
  Values result =
      k.reduce(k.c(0), k.c(depth), s.getDepth(), carried, [&](Value first, ValueRange now) {
        store(now.drop_front(sums));
        k.barrier();
        Values ahead = load(k.add(first, s.getDepth())); // zeros past the end
        Values product = tile.multiply(a, b, now.take_front(sums), 0, s.getDepth());
        k.barrier();
        product.append(ahead);
        return product;
      });
  storeFragments(k, tile.fragments(ValueRange(result).take_front(sums)), matrixAt(2, rows, columns),
                 firstRow, firstColumn);
}
