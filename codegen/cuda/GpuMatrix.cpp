//===- GpuMatrix.cpp - matrices of activations and tiles ------------------===//
#include "codegen/cuda/GpuMatrix.h"

#include "codegen/cuda/GpuKernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

/// Columns that a thread brings of a row at once.
static constexpr int64_t kFour = 4;

namespace {
struct Place {
  Value row, column;
};
} // namespace

/// Of this thread's `i`-th four in the part.
static Place placeOf(GpuEmitter &k, const MatrixPart &part, int64_t i) {
  Value index = k.add(k.thread(), i * k.threads);
  int64_t across = part.columns / kFour;
  if (part.byColumns)
    return {k.rem(index, part.rows), k.mul(k.div(index, part.rows), kFour)};
  return {k.div(index, across), k.mul(k.rem(index, across), kFour)};
}

static int64_t foursOf(GpuEmitter &k, const MatrixPart &part) {
  assert(part.rows * part.columns / kFour % k.threads == 0 && "all threads bring as many");
  return part.rows * part.columns / kFour / k.threads;
}

Values netc::cuda::loadPart(GpuEmitter &k, const MatrixPart &part) {
  const GpuMatrix &from = part.matrix;
  int64_t width = chunkWidth(from.columns, kFour);
  Values values;
  for (int64_t i = 0; i < foursOf(k, part); ++i) {
    Place place = placeOf(k, part, i);
    Value row = k.add(part.firstRow, place.row), column = k.add(part.firstColumn, place.column);
    for (int64_t j = 0; j < kFour; j += width) {
      Value own = k.add(column, j);
      Value inside = k.both(k.less(row, from.rows), k.less(own, from.columns));
      values.append(k.loadGuarded(inside, from.pointer, k.element(row, from.columns, own), width));
    }
  }
  return values;
}

Values netc::cuda::asOperands(GpuEmitter &k, const GpuTile &tile, ValueRange values) {
  Values result;
  for (Value value : values)
    result.push_back(tile.isMma() && !tile.isBf16() ? roundToTf32(k, value) : value);
  return result;
}

void netc::cuda::storePart(GpuEmitter &k, const GpuTile &tile, const MatrixPart &part,
                           ValueRange values,
                           llvm::function_ref<TypedPointer(Value, Value)> place) {
  for (int64_t i = 0; i < foursOf(k, part); ++i) {
    Place own = placeOf(k, part, i);
    Values four = asOperands(k, tile, values.slice(i * kFour, kFour));
    if (!part.byColumns) {
      k.storeChunk(four, place(own.row, own.column));
      continue;
    }
    for (int64_t j = 0; j < kFour; ++j)
      k.store(four[j], place(own.row, k.add(own.column, j)));
  }
}

Values netc::cuda::loadBeside(GpuEmitter &k, const Fragment &fragment, const GpuMatrix &matrix,
                              Value firstRow, Value firstColumn, bool turned) {
  auto count = static_cast<int64_t>(fragment.values.size());
  int64_t width = !turned && matrix.columns % count == 0 ? count : 1;
  Value row = k.add(firstRow, turned ? fragment.column : fragment.row),
        column = k.add(firstColumn, turned ? fragment.row : fragment.column);
  Values values;
  for (int64_t j = 0; j < count; j += width) {
    Value r = turned ? k.add(row, j) : row, c = turned ? column : k.add(column, j);
    Value inside = k.both(k.less(r, matrix.rows), k.less(c, matrix.columns));
    values.append(k.loadGuarded(inside, matrix.pointer, k.element(r, matrix.columns, c), width));
  }
  return values;
}

void netc::cuda::storeFragments(GpuEmitter &k, ArrayRef<Fragment> fragments,
                                const GpuMatrix &matrix, Value firstRow, Value firstColumn) {
  for (const Fragment &fragment : fragments) {
    auto count = static_cast<int64_t>(fragment.values.size());
    int64_t width = matrix.columns % count == 0 ? count : 1;
    Value row = k.add(firstRow, fragment.row), column = k.add(firstColumn, fragment.column);
    for (int64_t j = 0; j < count; j += width) {
      Value own = k.add(column, j);
      k.when(k.both(k.less(row, matrix.rows), k.less(own, matrix.columns)), [&] {
        k.storeChunk(ValueRange(fragment.values).slice(j, width),
                     k.at(matrix.pointer, k.element(row, matrix.columns, own)));
      });
    }
  }
}
