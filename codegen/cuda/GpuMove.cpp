//===- GpuMove.cpp - moving values on the GPU -----------------------------===//
#include "codegen/cuda/GpuKernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

/// A thread writes one chunk of channels of one pixel of the result.
void netc::cuda::emitMove(GpuEmitter &k, kern::MoveOp op, const Launch &launch) {
  auto in = kern::shapedType(op.getInputs()[0]), out = kern::shapedType(op.getOuts()[0]);
  int64_t inH = in.getDimSize(1), inW = in.getDimSize(2), inC = in.getDimSize(3);
  int64_t outH = out.getDimSize(1), outW = out.getDimSize(2), outC = out.getDimSize(3);
  int64_t channels = op.getChannels(), shift = op.getChannelOffset(), first = op.getOutChannel();
  bool whole = (channels | shift | first | inC | outC) % 4 == 0;
  int64_t width = whole ? 4 : 1;
  auto sourceOf = [&](Value i, int axis, int64_t size) {
    Value s = k.add(k.mul(i, op.getStrides()[axis]), op.getOffsets()[axis]);
    int64_t spread = op.getSpreads()[axis];
    Value inside = k.inside(s, size * spread), positive = k.max(s, k.c(0));
    if (spread > 1)
      inside = k.both(inside, k.equal(k.rem(positive, spread), 0));
    return std::pair(k.div(positive, spread), inside);
  };
  forEachItem(k, launch, outH * outW * channels / width, 0, [&](Value item) {
    Value channel = k.mul(k.rem(item, channels / width), width),
          pixel = k.div(item, channels / width);
    Value w = k.rem(pixel, outW), rest = k.div(pixel, outW);
    Value h = k.rem(rest, outH), image = k.div(rest, outH);
    auto [sourceH, insideH] = sourceOf(h, 0, inH);
    auto [sourceW, insideW] = sourceOf(w, 1, inW);
    Value sourceC = k.add(channel, shift);
    Value valid = k.both(k.both(insideH, insideW), k.inside(sourceC, inC));
    Value from = k.add(k.mul(k.add(k.mul(image, inH), sourceH), inW), sourceW);
    Values values = k.loadGuarded(valid, launch.buffers[0],
                                  k.element(from, inC, k.select(valid, sourceC, k.c(0))), width);
    k.storeChunk(values, k.at(launch.buffers[1], k.element(pixel, outC, k.add(channel, first))));
  });
}

/// A thread moves one element.
void netc::cuda::emitPermute(GpuEmitter &k, kern::PermuteOp op, const Launch &launch) {
  ArrayRef<int64_t> order = op.getOrder();
  SmallVector<int64_t> pitches(order.size(), 1);
  for (size_t axis = order.size() - 1; axis > 0; --axis)
    pitches[axis - 1] = pitches[axis] * op.getSizes()[axis];
  int64_t total = pitches[0] * op.getSizes()[0];
  forEachItem(k, launch, total, 0, [&](Value item) {
    Value rest = k.rem(item, total), from = k.c(0);
    for (int64_t axis : llvm::reverse(order)) {
      int64_t size = op.getSizes()[axis];
      from = k.add(from, k.mul(k.rem(rest, size), pitches[axis]));
      rest = k.div(rest, size);
    }
    Value source = k.element(k.div(item, total), total, from);
    k.store(k.load(k.at(launch.buffers[0], source)), k.at(launch.buffers[1], k.wide(item)));
  });
}

/// [R, S] to [S, R] by tiles of 32x32 through shared memory: reads and writes are both of
/// neighbours. Rows of 33 floats, so that columns lie in different banks too.
static void emitTiledTranspose(GpuEmitter &k, kern::TransposeOp op, const Launch &launch) {
  constexpr int64_t kTile = 32, kRows = 8;
  int64_t rows = op.getRows(), columns = op.getColumns();
  int64_t down = (rows + kTile - 1) / kTile, across = (columns + kTile - 1) / kTile;
  k.threads = kTile * kRows;
  k.grid = {1, down * across, 1};
  Value tile = k.rem(k.block(), down * across), image = k.div(k.block(), down * across);
  Value firstRow = k.mul(k.div(tile, across), kTile),
        firstColumn = k.mul(k.rem(tile, across), kTile);
  Value x = k.rem(k.thread(), kTile), y = k.div(k.thread(), kTile);
  TypedPointer place = k.shared(kTile * (kTile + 1));
  Value base = k.mul(k.wide(image), rows * columns);
  auto within = [&](Value r, Value s) { return k.both(k.less(r, rows), k.less(s, columns)); };
  for (int64_t i = 0; i < kTile; i += kRows) {
    Value r = k.add(k.add(firstRow, y), i), s = k.add(firstColumn, x);
    k.when(within(r, s), [&] {
      Value from = k.add(base, k.element(r, columns, s));
      k.store(k.load(k.at(launch.buffers[0], from)),
              k.at(place, k.add(k.mul(k.add(y, i), kTile + 1), x)));
    });
  }
  k.barrier();
  for (int64_t i = 0; i < kTile; i += kRows) {
    Value r = k.add(firstRow, x), s = k.add(k.add(firstColumn, y), i);
    k.when(within(r, s), [&] {
      Value to = k.add(base, k.element(s, rows, r));
      k.store(k.load(k.at(place, k.add(k.mul(x, kTile + 1), k.add(y, i)))),
              k.at(launch.buffers[1], to));
    });
  }
}

/// Where one side is short (an image's three channels) a thread moves one element: its neighbours
/// share what a warp reads.
void netc::cuda::emitTranspose(GpuEmitter &k, kern::TransposeOp op, const Launch &launch) {
  int64_t rows = op.getRows(), columns = op.getColumns();
  if (rows >= 16 && columns >= 16)
    return emitTiledTranspose(k, op, launch);
  forEachItem(k, launch, rows * columns, 0, [&](Value item) {
    Value r = k.rem(item, rows), rest = k.div(item, rows);
    Value s = k.rem(rest, columns), image = k.div(rest, columns);
    Value from = k.element(k.add(k.mul(image, rows), r), columns, s);
    k.store(k.load(k.at(launch.buffers[0], from)), k.at(launch.buffers[1], k.wide(item)));
  });
}

void netc::cuda::emitCopy(GpuEmitter &k, kern::CopyOp op, const Launch &launch) {
  int64_t size = op.getSize(), width = chunkWidth(size);
  auto move = [&](Value item) {
    Value at = k.mul(k.wide(item), width);
    k.storeChunk(k.loadChunk(k.at(launch.buffers[0], at), width), k.at(launch.buffers[1], at));
  };
  forEachItem(k, launch, op.getPerImage() ? size / width : 0, op.getPerImage() ? 0 : size / width,
              move);
}
