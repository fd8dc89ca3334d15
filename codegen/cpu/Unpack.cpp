//===- Unpack.cpp - filter gradients from tiles to the user's order -------===//
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/WinogradTransform.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class UnpackEmitter {
public:
  UnpackEmitter(KernelEmitter &k, kern::UnpackOp op, const Launch &launch);
  void emitItem(Value item);

private:
  Value addChunks(Value point, Value d);
  void store(Values columns, Value d, Value tap);
  void emitWindow(Value d);

  KernelEmitter &k;
  kern::UnpackOp op;
  TypedPointer source, out;
  int64_t chunks, blocks, points, depth, tile, window, groupOut, gradSize;
  TypedPointer packed;   ///< this item's block
  Value group, laneBase; ///< its group and vector of lanes
};
} // namespace

UnpackEmitter::UnpackEmitter(KernelEmitter &k, kern::UnpackOp op, const Launch &launch)
    : k(k), op(op) {
  ArrayRef<int64_t> shape =
      kern::shapedType(op.getInputs()[0]).getShape(); // [chunks, G, blocks, KH, KW, I/G, T]
  auto filter = kern::shapedType(op.getOuts()[0]);
  source = launch.buffers[0], out = launch.buffers[1];
  chunks = shape[0], blocks = shape[2], points = shape[3] * shape[4], depth = shape[5],
  tile = shape[6];
  window = op.getWinograd() ? 9 : points;
  groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups());
  gradSize = shape[1] * blocks * points * depth * tile;
}

/// Items: (group, block, piece of the input channels).
void UnpackEmitter::emitItem(Value item) {
  int64_t pieces = (depth + kern::kPackedDepth - 1) / kern::kPackedDepth;
  Value low = k.mul(k.rem(item, pieces), kern::kPackedDepth),
        high = k.min(k.add(low, kern::kPackedDepth), k.c(depth));
  Value groupBlock = k.div(item, pieces), first = k.mul(k.rem(groupBlock, blocks), tile);
  group = k.div(groupBlock, blocks);
  TypedPointer block = k.at(source, k.mul(groupBlock, points * depth * tile));
  for (int64_t vector = 0; vector < tile; vector += k.lanes) {
    packed = k.at(block, vector);
    laneBase = k.add(first, vector);
    if (window > 1) {
      k.loop(low, high, 1, [&](Value d) { emitWindow(d); });
      continue;
    }
    auto columnsAt = [&](int64_t columns) {
      return [&, columns](Value d) {
        Values sums;
        for (int64_t column = 0; column < columns; ++column)
          sums.push_back(addChunks(k.c(0), k.add(d, column)));
        store(sums, d, k.c(0));
      };
    };
    Value whole = k.add(low, k.mul(k.div(k.sub(high, low), k.lanes), k.lanes));
    k.loop(low, whole, k.lanes, columnsAt(k.lanes));
    k.loop(whole, high, 1, columnsAt(1));
  }
}

Value UnpackEmitter::addChunks(Value point, Value d) {
  TypedPointer at = k.at(packed, k.mul(k.add(k.mul(point, depth), d), tile));
  if (chunks == 1)
    return k.loadVector(at);
  return k.reduce(k.c(0), k.c(chunks), 1, k.zeros(), [&](Value chunk, ValueRange acc) {
    return Values{k.fadd(acc[0], k.loadVector(k.at(at, k.mul(chunk, gradSize))))};
  })[0];
}

/// Columns of lanes to runs of floats from tap `tap` of channel `d` on, one run a lane.
void UnpackEmitter::store(Values columns, Value d, Value tap) {
  int64_t count = static_cast<int64_t>(columns.size());
  columns.resize(k.lanes, k.zeros());
  for (auto [lane, row] : llvm::enumerate(k.transpose(columns))) {
    Value o = k.add(laneBase, static_cast<int64_t>(lane));
    auto put = [&, row = row] {
      Value filter = k.add(k.mul(k.add(k.mul(group, groupOut), o), depth), d);
      k.storeVector(row, k.at(out, k.add(k.mul(filter, window), tap)), count);
    };
    groupOut % tile == 0 ? put() : k.when(k.less(o, k.c(groupOut)), put);
  }
}

void UnpackEmitter::emitWindow(Value d) {
  if (!op.getWinograd() && window > kMostUnrolled) {
    auto tapsAt = [&](int64_t count) {
      return [&, count](Value tap) {
        Values sums;
        for (int64_t i = 0; i < count; ++i)
          sums.push_back(addChunks(k.add(tap, i), d));
        store(sums, d, tap);
      };
    };
    int64_t whole = window / k.lanes * k.lanes;
    k.loop(0, whole, k.lanes, tapsAt(k.lanes));
    if (window > whole)
      tapsAt(window - whole)(k.c(whole));
    return;
  }
  Values taps;
  for (int64_t point = 0; point < points; ++point)
    taps.push_back(addChunks(k.c(point), d));
  if (int64_t m = static_cast<int64_t>(op.getWinograd()))
    taps = transformTile(k, m, filterAdjoint, m + 2, taps);
  for (int64_t tap = 0; tap < window; tap += k.lanes) {
    int64_t count = std::min(k.lanes, window - tap);
    store(Values(taps.begin() + tap, taps.begin() + tap + count), d, k.c(tap));
  }
}

void netc::cpu::emitUnpack(KernelEmitter &k, kern::UnpackOp op, const Launch &launch) {
  UnpackEmitter emitter(k, op, launch);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitter.emitItem(item); });
}
