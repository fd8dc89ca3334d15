//===- Matmul.cpp - products of two activations on the CPU ----------------===//
//
// An item is a block of rows of one matrix. A transposed right side is turned in scratch first, so
// that a tile always loads vectors of columns. A tile of rows by vectors stays in registers over
// the whole depth; tiles that share columns follow each other, so that those stay in the nearest
// cache. Rows beyond the last one are computed as the last one, again.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class MatmulEmitter {
public:
  MatmulEmitter(KernelEmitter &k, kern::MatmulOp op, const Launch &launch)
      : k(k), op(op), launch(launch), rows(static_cast<int64_t>(op.getRows())),
        columns(static_cast<int64_t>(op.getColumns())), depth(static_cast<int64_t>(op.getDepth())) {
    bool wide = k.lanes >= 16; // of 32 registers, else of 16
    tileRows = std::min<int64_t>(rows, wide ? 8 : 4);
    tileVectors = wide ? 3 : 2;
  }
  void emit();

private:
  TypedPointer turned(TypedPointer right);
  void turnBlock(TypedPointer right, TypedPointer to, Value firstDepth, int64_t valid);
  void tile(TypedPointer left, TypedPointer right, int64_t pitch, TypedPointer out, Value first,
            Value end, Value column, ArrayRef<int64_t> valid);
  int64_t turnedPitch() const { return (columns + k.lanes - 1) / k.lanes * k.lanes; }

  KernelEmitter &k;
  kern::MatmulOp op;
  const Launch &launch;
  int64_t rows, columns, depth, tileRows, tileVectors;
};
} // namespace

/// Turns [columns, lanes of depth from firstDepth on]; columns beyond the last repeat it.
void MatmulEmitter::turnBlock(TypedPointer right, TypedPointer to, Value firstDepth,
                              int64_t valid) {
  k.loop(0, columns, k.lanes, [&](Value column) {
    Values vectors;
    for (int64_t i = 0; i < k.lanes; ++i) {
      Value at = k.min(k.add(column, i), k.c(columns - 1));
      vectors.push_back(k.loadVector(k.at(right, k.add(k.mul(at, depth), firstDepth)), valid));
    }
    vectors = k.transpose(vectors);
    for (int64_t i = 0; i < valid; ++i) {
      Value row = k.mul(k.add(firstDepth, i), turnedPitch());
      k.storeVector(vectors[i], k.at(to, k.add(row, column)));
    }
  });
}

/// The right side [columns, depth] as [depth, columns] in scratch.
TypedPointer MatmulEmitter::turned(TypedPointer right) {
  k.reserveScratch(depth * turnedPitch(), 64);
  k.overChannels(
      depth, [&](Value first, int64_t valid) { turnBlock(right, launch.scratch, first, valid); });
  return launch.scratch;
}

/// Rows [first, first + tileRows) below `end` by as many vectors as `valid` has lane counts.
void MatmulEmitter::tile(TypedPointer left, TypedPointer right, int64_t pitch, TypedPointer out,
                         Value first, Value end, Value column, ArrayRef<int64_t> valid) {
  bool turnedLeft = op.getTransposeLhs();
  SmallVector<Value> place;
  for (int64_t r = 0; r < tileRows; ++r)
    place.push_back(k.min(k.add(first, r), k.add(end, -1)));
  auto vectors = static_cast<int64_t>(valid.size());
  Values sums = k.reduce(k.c(0), k.c(depth), 1, Values(tileRows * vectors, k.zeros()),
                         [&](Value d, ValueRange acc) {
                           Values loaded, next;
                           TypedPointer from = k.at(right, k.add(k.mul(d, pitch), column));
                           for (int64_t v = 0; v < vectors; ++v)
                             loaded.push_back(k.loadVector(k.at(from, v * k.lanes), valid[v]));
                           for (int64_t r = 0; r < tileRows; ++r) {
                             Value at = turnedLeft ? k.add(k.mul(d, rows), place[r])
                                                   : k.add(k.mul(place[r], depth), d);
                             Value x = k.splat(k.load(k.at(left, at)));
                             for (int64_t v = 0; v < vectors; ++v)
                               next.push_back(k.fma(x, loaded[v], acc[r * vectors + v]));
                           }
                           return next;
                         });
  for (int64_t r = 0; r < tileRows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      k.storeVector(sums[r * vectors + v],
                    k.at(out, k.add(k.mul(place[r], columns), k.add(column, v * k.lanes))),
                    valid[v]);
}

void MatmulEmitter::emit() {
  int64_t blocks = op.getRowBlocks(), step = tileVectors * k.lanes, whole = columns / step * step;
  SmallVector<int64_t> full(tileVectors, k.lanes), tail;
  for (int64_t left = columns - whole; left > 0; left -= k.lanes)
    tail.push_back(std::min(left, k.lanes));
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value matrix = k.div(item, blocks), low = k.mul(k.rem(item, blocks), kern::MatmulOp::kRows);
    Value end = k.min(k.add(low, kern::MatmulOp::kRows), k.c(rows));
    TypedPointer left = k.at(launch.buffers[0], k.mul(matrix, rows * depth)),
                 right = k.at(launch.buffers[1], k.mul(matrix, columns * depth)),
                 out = k.at(launch.buffers[2], k.mul(matrix, rows * columns));
    int64_t pitch = columns;
    if (op.getTransposeRhs()) {
      right = turned(right);
      pitch = turnedPitch();
    }
    auto overRows = [&](Value column, ArrayRef<int64_t> valid) {
      k.loop(low, end, tileRows,
             [&](Value row) { tile(left, right, pitch, out, row, end, column, valid); });
    };
    if (whole)
      k.loop(0, whole, step, [&](Value column) { overRows(column, full); });
    if (!tail.empty())
      overRows(k.c(whole), tail);
  });
}

void netc::cpu::emitMatmul(KernelEmitter &k, kern::MatmulOp op, const Launch &launch) {
  MatmulEmitter(k, op, launch).emit();
}
