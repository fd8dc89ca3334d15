//===- ForwardMatrixTile.cpp - micro-kernels of direct convolution by AMX -===//
//
// The same tile of pixels by output channels, over the same packed weights and strips, with sums in
// AMX's registers. They go through scratch to the epilogue, which works on vectors.
//
// A kernel's launch finds no configuration and leaves none, so that any thread may run any item.
// Tiles of the usual size find theirs made; others make their own and restore the usual one.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ForwardTile.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

/// Pixels whose values an epilogue has in registers at once.
static constexpr int64_t kEpiloguePixels = 8;
/// Of a step of the reduction, for one channel, and of a sum.
static constexpr int64_t kStepBytes = 4;

/// The pixels of one configuration: all of them, or, where registers are too few, 16.
static int64_t pixelsAtOnce(int64_t pixels, int64_t steps) {
  return MatrixTile::fits(pixels, steps) ? pixels : 16;
}

/// That of the most frequent tile's first pixels.
MatrixTile ForwardTile::usualMatrix() const {
  TileShape tile = shape.wholeWindow(shape.pixelsOfTile());
  int64_t steps = shape.stepsOf(runOf(tile).elements);
  return {pixelsAtOnce(tile.pixels, steps), steps};
}

void ForwardTile::beginMatrices(KernelEmitter &k, Value place) {
  configurations = place;
  usualMatrix().configure(k, place);
}

void ForwardTile::endMatrices(KernelEmitter &k) { MatrixTile::release(k); }

void ForwardTile::multiplyMatrices(KernelEmitter &t, TileShape tile, int64_t first,
                                   const MatrixTile &matrix, const TileArguments &arguments) {
  int64_t pixelPitch = shape.strideW * shape.pitch, sumPitch = kStepBytes * shape.tile;
  MatrixRows sums{t.at(arguments.partials, first * shape.tile), sumPitch};
  auto clear = [&] { matrix.clearSums(t, tile.vectors); };
  if (pieces)
    t.choose(
        t.less(t.c(0), arguments.piece), [&] { matrix.loadSums(t, tile.vectors, sums); }, clear);
  else
    clear();
  overRuns(t, runOf(tile), arguments, {},
           [&](TypedPointer source, TypedPointer weights, ValueRange) {
             MatrixRows pixels{t.at(source, first * pixelPitch), pixelPitch * source.bytes()};
             matrix.multiply(t, tile.vectors, pixels, {weights, sumPitch});
             return Values();
           });
  matrix.storeSums(t, tile.vectors, sums);
}

/// The last piece's sums, or all, from scratch.
void ForwardTile::emitMatrixEpilogue(KernelEmitter &t, TileShape tile,
                                     const TileArguments &arguments) {
  SmallVector<int64_t> offsets = pixelOffsets(tile);
  for (int64_t first = 0; first < tile.pixels; first += kEpiloguePixels) {
    int64_t count = std::min(kEpiloguePixels, tile.pixels - first);
    for (int64_t u = 0; u < tile.vectors; ++u) {
      int64_t valid = u == tile.vectors - 1 ? tile.lastLanes : t.lanes, channel = u * t.lanes;
      Value start = hasStart ? t.loadVector(t.at(arguments.start, channel), valid) : Value();
      Values values;
      for (int64_t p = first; p < first + count; ++p) {
        Value sum = t.loadVector(t.at(arguments.partials, p * shape.tile + channel));
        if (start)
          sum = arith::AddIOp::create(t.b, t.loc, sum, start);
        values.push_back(inF32(t, sum));
      }
      epilogue.emit(t, arguments.epilogue, channel, valid, values,
                    ArrayRef(offsets).slice(first, count));
    }
  }
}

void ForwardTile::emitInMatrices(KernelEmitter &t, TileShape tile, const TileArguments &arguments) {
  Run run = runOf(tile);
  int64_t steps = shape.stepsOf(run.elements), atOnce = pixelsAtOnce(tile.pixels, steps);
  // A product of 16 pixels, 16 channels and 16 steps every 16 cycles.
  prefetchEpilogue(t, tile, run.rows * run.count * steps * tile.pixels * tile.vectors / 16,
                   arguments);
  const std::array<int32_t, 16> usual = usualMatrix().configuration();
  std::array<int32_t, 16> current = usual;
  Value own = t.at({arguments.configurations, t.f32()}, kConfigFloats / 2);
  for (int64_t first = 0; first < tile.pixels; first += atOnce) {
    MatrixTile matrix(std::min(atOnce, tile.pixels - first), steps);
    if (current != matrix.configuration())
      matrix.configure(t, own), current = matrix.configuration();
    multiplyMatrices(t, tile, first, matrix, arguments);
  }
  if (current != usual)
    MatrixTile::restore(t, arguments.configurations);
  auto finish = [&] { emitMatrixEpilogue(t, tile, arguments); };
  if (pieces)
    t.when(t.less(t.c(pieces.count - 2), arguments.piece), finish);
  else
    finish();
}
