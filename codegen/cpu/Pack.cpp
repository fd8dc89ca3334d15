//===- Pack.cpp - weights from the user's order to tiles ------------------===//
//
// A user's filter [O, I, KH, KW] has taps or input channels side by side, a tile has output
// channels (of backward-data: input channels): squares of lanes x lanes weights are transposed in
// registers.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/WinogradTransform.h"
#include "dialect/target/Target.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class PackEmitter {
public:
  PackEmitter(KernelEmitter &k, kern::PackOp op, const Launch &launch);
  void emitItem(Value item);
  void finishStreams() {
    if (streams)
      k.fenceStreams();
  }

private:
  void emitColumns(Value d, int64_t columns);
  void emitWindow(Value d);
  void emitTaps(TypedPointer from, Value first, int64_t count, Value d);
  Values load(TypedPointer from, int64_t columns);
  Value finish(Value weights, Value d);
  void store(Value weights, Value point, Value d);
  void stream(TypedPointer block, Value low, Value high);

  KernelEmitter &k;
  kern::PackOp op;
  TypedPointer source, scale, out, staging;
  int64_t blocks, points, depth, tile, window, groupOut, groupIn;
  int64_t lanesOf, lanePitch; ///< channels along the lanes; floats between them in the source
  bool transposed, streams;
  int64_t pitch;              ///< floats between two points at `packed`
  TypedPointer packed;        ///< this item's block and vector of lanes, or where they are staged
  Value outputBase, laneBase; ///< first output channel of the group; this vector's first lane
};
} // namespace

PackEmitter::PackEmitter(KernelEmitter &k, kern::PackOp op, const Launch &launch) : k(k), op(op) {
  ArrayRef<int64_t> shape = kern::shapedType(op.getOuts()[0]).getShape();
  auto filter = kern::shapedType(op.getInputs()[0]);
  source = launch.buffers[0], out = launch.buffers.back(), staging = launch.scratch;
  scale = op.getInputs().size() > 1 ? launch.buffers[1] : TypedPointer();
  blocks = shape[1], points = shape[2] * shape[3], depth = shape[4], tile = shape[5];
  window = op.getWinograd() ? 9 : points;
  groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups()),
  groupIn = filter.getDimSize(1);
  transposed = op.getTransposed();
  lanesOf = transposed ? groupIn : groupOut;
  lanePitch = transposed ? window : groupIn * window;
  streams = op.getWinograd() && kern::storageBytes(kern::shapedType(op.getOuts()[0])) >=
                                    target::CpuCosts().streamedBytes;
  // A line more, so that points do not share sets of the first cache.
  pitch = streams ? kern::kPackedDepth * tile + 16 : depth * tile;
  if (streams)
    k.reserveScratch(points * pitch);
}

/// Items: (group, block, piece of the reduction's channels).
void PackEmitter::emitItem(Value item) {
  int64_t pieces = (depth + kern::kPackedDepth - 1) / kern::kPackedDepth;
  Value low = k.mul(k.rem(item, pieces), kern::kPackedDepth),
        high = k.min(k.add(low, kern::kPackedDepth), k.c(depth));
  Value groupBlock = k.div(item, pieces), first = k.mul(k.rem(groupBlock, blocks), tile);
  outputBase = k.mul(k.div(groupBlock, blocks), groupOut);
  TypedPointer block = k.at(out, k.mul(groupBlock, points * depth * tile));
  // All vectors of a step of the reduction at once: they share lines of the result. (A transform
  // writes so many lines at a time that a pass for each vector is faster.)
  auto overVectors = [&](llvm::function_ref<void()> body) {
    for (int64_t vector = 0; vector < tile; vector += k.lanes) {
      packed = k.at(block, vector);
      laneBase = k.add(first, vector);
      body();
    }
  };
  if (streams) { // whole lines at once, though vectors come one by one
    TypedPointer result = block;
    block = staging;
    overVectors([&] { k.loop(low, high, 1, [&](Value d) { emitWindow(d); }); });
    return stream(result, low, high);
  }
  if (op.getWinograd())
    return overVectors([&] { k.loop(low, high, 1, [&](Value d) { emitWindow(d); }); });
  if (window > 1 || (transposed && window == 1))
    return k.loop(low, high, 1, [&](Value d) { overVectors([&] { emitWindow(d); }); });
  // 1x1: the channels of the reduction lie side by side.
  Value whole = k.add(low, k.mul(k.div(k.sub(high, low), k.lanes), k.lanes));
  k.loop(low, whole, k.lanes, [&](Value d) { overVectors([&] { emitColumns(d, k.lanes); }); });
  k.loop(whole, high, 1, [&](Value d) { overVectors([&] { emitColumns(d, 1); }); });
}

/// `columns` floats from `from` on of each lane, as one vector of lanes a column.
Values PackEmitter::load(TypedPointer from, int64_t columns) {
  if (lanePitch == 1 && lanesOf % tile == 0)
    return {k.loadVector(k.at(from, laneBase))};
  Values rows;
  for (int64_t lane = 0; lane < k.lanes; ++lane) {
    Value index = k.add(laneBase, lane);
    if (lanesOf % tile) // beyond the last channel: any weights, cleared by finish()
      index = k.min(index, k.c(lanesOf - 1));
    rows.push_back(k.loadVector(k.at(from, k.mul(index, lanePitch)), columns));
  }
  Values result = k.transpose(rows);
  result.truncate(columns);
  return result;
}

/// Scaled, and zero beyond the last channel.
Value PackEmitter::finish(Value weights, Value d) {
  if (scale && transposed)
    weights = k.fmul(weights, k.splat(k.load(k.at(scale, k.add(outputBase, d)))));
  else if (scale)
    weights = k.fmul(weights, k.loadVector(k.at(scale, k.add(outputBase, laneBase))));
  return lanesOf % tile ? k.keepLanes(weights, k.sub(k.c(lanesOf), laneBase)) : weights;
}

void PackEmitter::store(Value weights, Value point, Value d) {
  Value step = streams ? k.rem(d, kern::kPackedDepth) : d;
  k.storeVector(weights, k.at(packed, k.add(k.mul(point, pitch), k.mul(step, tile))));
}

/// Steps [low, high) of the reduction, from where they are staged to the block that they are of.
void PackEmitter::stream(TypedPointer block, Value low, Value high) {
  k.loop(0, points, 1, [&](Value point) {
    TypedPointer from = k.at(staging, k.mul(point, pitch)),
                 to = k.at(block, k.mul(k.add(k.mul(point, depth), low), tile));
    k.loop(k.c(0), k.mul(k.sub(high, low), tile), k.lanes,
           [&](Value i) { k.streamVector(k.loadVector(k.at(from, i)), k.at(to, i)); });
  });
}

void PackEmitter::emitColumns(Value d, int64_t columns) {
  for (auto [column, weights] :
       llvm::enumerate(load(k.at(source, k.add(k.mul(outputBase, groupIn), d)), columns))) {
    Value channel = k.add(d, static_cast<int64_t>(column));
    store(finish(weights, channel), k.c(0), channel);
  }
}

/// `count` taps from `first` on of the lanes' filters at channel `d` of the reduction.
void PackEmitter::emitTaps(TypedPointer from, Value first, int64_t count, Value d) {
  for (auto [column, weights] : llvm::enumerate(load(k.at(from, first), count))) {
    Value tap = k.add(first, static_cast<int64_t>(column));
    store(finish(weights, d), transposed ? k.sub(k.c(window - 1), tap) : tap, d);
  }
}

/// All taps of the lanes' filters at channel `d` of the reduction.
void PackEmitter::emitWindow(Value d) {
  Value filter =
      transposed ? k.mul(k.add(outputBase, d), groupIn) : k.add(k.mul(outputBase, groupIn), d);
  TypedPointer from = k.at(source, k.mul(filter, window));
  // The lanes' filters of the next step lie a row of filters further: no hardware prefetch has
  // them.
  if (transposed && op.getWinograd())
    for (int64_t line = 0; line < k.lanes * window; line += from.perLine())
      k.prefetchNear(k.at(from, k.add(k.mul(laneBase, lanePitch), groupIn * window + line)));
  if (!op.getWinograd()) {
    int64_t whole = window > kMostUnrolled ? window / k.lanes * k.lanes : 0;
    if (whole)
      k.loop(0, whole, k.lanes, [&](Value tap) { emitTaps(from, tap, k.lanes, d); });
    for (int64_t tap = whole; tap < window; tap += k.lanes)
      emitTaps(from, k.c(tap), std::min(k.lanes, window - tap), d);
    return;
  }
  Values taps;
  for (int64_t tap = 0; tap < window; tap += k.lanes)
    for (Value weights : load(k.at(from, tap), std::min(k.lanes, window - tap)))
      taps.push_back(finish(weights, d));
  if (transposed)
    std::reverse(taps.begin(), taps.end());
  int64_t m = static_cast<int64_t>(op.getWinograd());
  for (auto [point, weights] : llvm::enumerate(transformTile(k, m, filterTransform, 3, taps)))
    store(weights, k.c(static_cast<int64_t>(point)), d);
}

/// Lane-wise tiles [1, blocks, KH, KW, depth, T]: each lane's own group; transposed, its outputs
/// take turns as the depth.
static void emitLanewise(KernelEmitter &k, kern::PackOp op, const Launch &launch) {
  ArrayRef<int64_t> shape = kern::shapedType(op.getOuts()[0]).getShape();
  auto filter = kern::shapedType(op.getInputs()[0]);
  int64_t window = shape[2] * shape[3], depth = shape[4], tile = shape[5],
          channels = filter.getDimSize(0);
  int64_t groupOut = channels / static_cast<int64_t>(op.getGroups()),
          groupIn = filter.getDimSize(1);
  bool scaled = op.getInputs().size() > 1;
  TypedPointer source = launch.buffers[0], scale = scaled ? launch.buffers[1] : TypedPointer(),
               out = launch.buffers.back();
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value first = k.mul(item, tile), count = k.min(k.c(tile), k.sub(k.c(channels), first));
    k.loop(0, depth, 1, [&](Value d) {
      k.loop(0, window, 1, [&](Value tap) {
        Value to = k.add(k.mul(item, window * depth * tile),
                         k.add(k.mul(tap, depth * tile), k.mul(d, tile)));
        k.loop(k.c(0), count, 1, [&](Value t) {
          Value lane = k.add(first, t), own = k.mul(k.div(lane, groupOut), groupOut);
          Value o = op.getTransposed() ? k.add(own, d) : lane,
                i = op.getTransposed() ? k.rem(lane, groupIn) : d;
          Value at = op.getTransposed() ? k.sub(k.c(window - 1), tap) : tap;
          Value value = k.load(k.at(source, k.add(k.mul(k.add(k.mul(o, groupIn), i), window), at)));
          if (scaled)
            value = k.fmul(value, k.load(k.at(scale, o)));
          k.store(value, k.at(out, k.add(to, t)));
        });
        k.loop(count, k.c(tile), 1,
               [&](Value t) { k.store(k.number(0), k.at(out, k.add(to, t))); });
      });
    });
  });
}

void netc::cpu::emitPack(KernelEmitter &k, kern::PackOp op, const Launch &launch) {
  if (op.getLanewise())
    return emitLanewise(k, op, launch);
  PackEmitter emitter(k, op, launch);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitter.emitItem(item); });
  emitter.finishStreams();
}
