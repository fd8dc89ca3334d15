//===- Move.cpp - moving values on the CPU --------------------------------===//
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

/// Copies `count` channels by vectors.
static void copyChannels(KernelEmitter &k, TypedPointer to, TypedPointer from, int64_t count) {
  k.overChannels(count, [&](Value c, int64_t valid) {
    k.storeVector(k.loadVector(k.at(from, c), valid), k.at(to, c), valid);
  });
}

static void zeroChannels(KernelEmitter &k, TypedPointer to, int64_t count) {
  k.overChannels(count,
                 [&](Value c, int64_t valid) { k.storeVector(k.zeros(), k.at(to, c), valid); });
}

/// Item: one row of the result.
void netc::cpu::emitMove(KernelEmitter &k, kern::MoveOp op, const Launch &launch) {
  auto in = kern::shapedType(op.getInputs()[0]), out = kern::shapedType(op.getOuts()[0]);
  int64_t inH = in.getDimSize(1), inW = in.getDimSize(2), inC = in.getDimSize(3);
  int64_t outH = out.getDimSize(1), outW = out.getDimSize(2), outC = out.getDimSize(3);
  int64_t channels = op.getChannels(), shift = op.getChannelOffset(), first = op.getOutChannel();
  // Channels [low, high) of the moved ones come from the source, the rest are zero.
  int64_t low = std::clamp<int64_t>(-shift, 0, channels),
          high = std::clamp<int64_t>(inC - shift, low, channels);
  // Source index of result index `i` along an axis, and whether it lies inside.
  auto sourceOf = [&](Value i, int axis, int64_t size) {
    Value s = k.add(k.mul(i, op.getStrides()[axis]), op.getOffsets()[axis]);
    int64_t spread = op.getSpreads()[axis];
    Value positive = k.max(s, k.c(0));
    Value inside = k.both(k.less(k.c(-1), s), k.less(s, k.c(size * spread)));
    if (spread > 1)
      inside = k.both(inside, arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq,
                                                    k.rem(positive, spread), k.c(0)));
    return std::pair(k.div(positive, spread), inside);
  };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, outH), h = k.rem(item, outH);
    auto [sourceH, insideH] = sourceOf(h, 0, inH);
    k.loop(0, outW, 1, [&](Value w) {
      auto [sourceW, insideW] = sourceOf(w, 1, inW);
      TypedPointer to =
          k.at(launch.buffers[1], k.add(k.mul(k.add(k.mul(item, outW), w), outC), first));
      k.choose(
          k.both(insideH, insideW),
          [&] {
            Value pixel = k.add(k.mul(k.add(k.mul(image, inH), sourceH), inW), sourceW);
            TypedPointer from = k.at(launch.buffers[0], k.add(k.mul(pixel, inC), low + shift));
            zeroChannels(k, to, low);
            copyChannels(k, k.at(to, low), from, high - low);
            zeroChannels(k, k.at(to, high), channels - high);
          },
          [&] { zeroChannels(k, to, channels); });
    });
  });
}

/// Item: some columns of an image [R, S], to rows of [S, R].
void netc::cpu::emitTranspose(KernelEmitter &k, kern::TransposeOp op, const Launch &launch) {
  int64_t rows = op.getRows(), columns = op.getColumns(), pieces = op.getGrid().rowsPerImage;
  int64_t each = (columns + pieces - 1) / pieces;
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value base = k.mul(k.div(item, pieces), rows * columns),
          first = k.mul(k.rem(item, pieces), each);
    k.loop(first, k.min(k.add(first, each), k.c(columns)), 1, [&](Value s) {
      k.loop(0, rows, 1, [&](Value r) {
        Value value = k.load(k.at(launch.buffers[0], k.add(base, k.add(k.mul(r, columns), s))));
        k.store(value, k.at(launch.buffers[1], k.add(base, k.add(k.mul(s, rows), r))));
      });
    });
  });
}

void netc::cpu::emitCopy(KernelEmitter &k, kern::CopyOp op, const Launch &launch) {
  int64_t size = op.getSize();
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value offset = k.mul(item, size);
    TypedPointer to = k.at(launch.buffers[1], offset), from = k.at(launch.buffers[0], offset);
    to.element == from.element ? k.copy(to, from, k.c(size)) : copyChannels(k, to, from, size);
  });
}
