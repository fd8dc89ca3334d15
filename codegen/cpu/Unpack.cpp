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
  Value addChunks(KernelEmitter &t, ValueRange arguments, int64_t index);
  void store(KernelEmitter &t, ValueRange arguments, Values columns, int64_t tap);
  void unpackRows(int64_t count, Value d, Value tap, int64_t step);
  func::FuncOp unpackFunction(int64_t count);
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
      return [&, columns](Value d) { unpackRows(columns, d, k.c(0), tile); };
    };
    Value whole = k.add(low, k.mul(k.div(k.sub(high, low), k.lanes), k.lanes));
    k.loop(low, whole, k.lanes, columnsAt(k.lanes));
    k.loop(whole, high, 1, columnsAt(1));
  }
}

/// The sum of all chunks of vector `index`; see unpackRows for the arguments.
Value UnpackEmitter::addChunks(KernelEmitter &t, ValueRange arguments, int64_t index) {
  TypedPointer at = t.at(TypedPointer{arguments[0], source.element}, t.mul(arguments[1], index));
  if (chunks == 1)
    return t.loadVector(at);
  return t.reduce(t.c(0), arguments[2], 1, t.zeros(), [&](Value chunk, ValueRange acc) {
    return Values{t.fadd(acc[0], t.loadVector(t.at(at, t.mul(chunk, arguments[3]))))};
  })[0];
}

/// Columns of lanes to runs of elements from element `tap` of each lane's on.
void UnpackEmitter::store(KernelEmitter &t, ValueRange arguments, Values columns, int64_t tap) {
  auto count = static_cast<int64_t>(columns.size());
  TypedPointer to = t.at(TypedPointer{arguments[4], out.element}, tap);
  columns.resize(t.lanes, t.zeros());
  for (auto [index, row] : llvm::enumerate(t.transpose(columns))) {
    auto lane = static_cast<int64_t>(index);
    auto put = [&, row = row] { t.storeVector(row, t.at(to, t.mul(arguments[5], lane)), count); };
    groupOut % tile == 0 ? put() : t.when(t.less(t.c(lane), arguments[6]), put);
  }
}

/// Adds the chunks of `count` vectors from tap `tap` of channel `d` on, `step` elements apart, and
/// stores them as runs of elements, one run a lane.
void UnpackEmitter::unpackRows(int64_t count, Value d, Value tap, int64_t step) {
  Value filter = k.add(k.mul(k.add(k.mul(group, groupOut), laneBase), depth), d);
  Values arguments{k.at(packed, k.mul(k.add(k.mul(tap, depth), d), tile)),
                   k.c(step),
                   k.c(chunks),
                   k.c(gradSize),
                   k.at(out, k.add(k.mul(filter, window), tap)),
                   k.c(depth * window)};
  if (groupOut % tile)
    arguments.push_back(k.sub(k.c(groupOut), laneBase));
  k.call(unpackFunction(count), arguments);
}

/// `count` vectors, which Winograd's adjoint makes a window of.
func::FuncOp UnpackEmitter::unpackFunction(int64_t count) {
  SmallVector<Type> types{k.pointerType(), k.i64(), k.i64(), k.i64(), k.pointerType(), k.i64()};
  if (groupOut % tile)
    types.push_back(k.i64());
  return k.part(
      "rows_" + std::to_string(count), types, [&](KernelEmitter &t, ValueRange arguments) {
        Values taps;
        for (int64_t i = 0; i < count; ++i)
          taps.push_back(addChunks(t, arguments, i));
        if (auto m = static_cast<int64_t>(op.getWinograd()))
          taps = transformTile(t, m, filterAdjoint, m + 2, taps);
        auto all = static_cast<int64_t>(taps.size());
        for (int64_t tap = 0; tap < all; tap += t.lanes)
          store(t, arguments,
                Values(taps.begin() + tap, taps.begin() + std::min(tap + t.lanes, all)), tap);
      });
}

void UnpackEmitter::emitWindow(Value d) {
  int64_t step = depth * tile;
  if (op.getWinograd())
    return unpackRows(points, d, k.c(0), step);
  int64_t whole = window > kMostUnrolled ? window / k.lanes * k.lanes : 0;
  if (whole)
    k.loop(0, whole, k.lanes, [&](Value tap) { unpackRows(k.lanes, d, tap, step); });
  for (int64_t tap = whole; tap < window; tap += k.lanes)
    unpackRows(std::min(k.lanes, window - tap), d, k.c(tap), step);
}

void netc::cpu::emitUnpack(KernelEmitter &k, kern::UnpackOp op, const Launch &launch) {
  UnpackEmitter emitter(k, op, launch);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitter.emitItem(item); });
}
