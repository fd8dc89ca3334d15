//===- GpuPack.cpp - weights between the user's order and the kernels' ----===//
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuTile.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

/// A thread writes one element of the packed filter [G, 1, KH, KW, depth, T].
void netc::cuda::emitPack(GpuEmitter &k, kern::PackOp op, const Launch &launch) {
  ArrayRef<int64_t> packed = kern::shapedType(op.getOuts()[0]).getShape();
  auto filter = kern::shapedType(op.getInputs()[0]);
  int64_t blocks = packed[1], window = packed[2] * packed[3], depth = packed[4], tile = packed[5];
  int64_t groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups()),
          groupIn = filter.getDimSize(1);
  bool transposed = op.getTransposed(), scaled = op.getInputs().size() > 1;
  int64_t lanes = transposed ? groupIn : groupOut; // of a group
  forEachItem(k, launch, 0, kern::shapedType(op.getOuts()[0]).getNumElements(), [&](Value item) {
    Value t = k.rem(item, tile), rest = k.div(item, tile);
    Value d = k.rem(rest, depth);
    rest = k.div(rest, depth);
    Value tap = k.rem(rest, window), groupBlock = k.div(rest, window);
    Value lane = k.add(k.mul(k.rem(groupBlock, blocks), tile), t),
          group = k.div(groupBlock, blocks);
    Value valid = k.less(lane, lanes);
    Value o = k.add(k.mul(group, groupOut), transposed ? d : lane), i = transposed ? lane : d;
    Value at = transposed ? k.sub(k.c(window - 1), tap) : tap;
    Value from = k.add(k.mul(k.add(k.mul(o, groupIn), i), window), at);
    Value value = k.loadGuarded(valid, launch.buffers[0], from, 1)[0];
    if (scaled)
      value = k.fmul(value, k.loadGuarded(valid, launch.buffers[1], o, 1)[0]);
    if (op.getTf32())
      value = roundToTf32(k, value);
    k.store(value, k.at(launch.buffers.back(), item));
  });
}

/// A thread adds the chunks of one element of the gradient in order.
void netc::cuda::emitUnpack(GpuEmitter &k, kern::UnpackOp op, const Launch &launch) {
  ArrayRef<int64_t> packed =
      kern::shapedType(op.getInputs()[0]).getShape(); // [chunks, G, 1, KH, KW, depth, T]
  auto filter = kern::shapedType(op.getOuts()[0]);
  int64_t chunks = packed[0], blocks = packed[2], window = packed[3] * packed[4], depth = packed[5],
          tile = packed[6];
  int64_t groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups());
  int64_t gradSize = packed[1] * blocks * window * depth * tile;
  // Neighbouring threads read neighbouring lanes of a tile.
  forEachItem(k, launch, 0, gradSize, [&](Value item) {
    Value t = k.rem(item, tile), rest = k.div(item, tile);
    Value d = k.rem(rest, depth);
    rest = k.div(rest, depth);
    Value tap = k.rem(rest, window), groupBlock = k.div(rest, window);
    Value lane = k.add(k.mul(k.rem(groupBlock, blocks), tile), t),
          group = k.div(groupBlock, blocks);
    Value valid = groupOut % tile ? k.less(lane, groupOut) : Value();
    k.when(valid, [&] {
      Value sum = k.reduce(k.c(0), k.c(chunks), 1, k.number(0), [&](Value chunk, ValueRange acc) {
        Value from = k.element(chunk, gradSize, item);
        return Values{k.fadd(acc[0], k.load(k.at(launch.buffers[0], from)))};
      })[0];
      Value o = k.add(k.mul(group, groupOut), lane);
      k.store(sum, k.at(launch.buffers[1], k.add(k.mul(k.add(k.mul(o, depth), d), window), tap)));
    });
  });
}
