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
  void emitWinogradWindow(TypedPointer from, Value d);
  void packRows(TypedPointer from, int64_t count, TypedPointer to, int64_t step, Value d);
  func::FuncOp packFunction(int64_t count);
  func::FuncOp winogradFunction();
  llvm::SmallVector<Type> argumentTypes();
  Values argumentsFor(TypedPointer from, TypedPointer to, int64_t step, Value d);
  Values load(KernelEmitter &t, ValueRange arguments, int64_t first, int64_t columns);
  Value finish(KernelEmitter &t, ValueRange arguments, Value weights);
  TypedPointer placeOf(Value point, Value d);
  void storePaired(KernelEmitter &t, Value weights, TypedPointer to, Value odd);
  void stream(TypedPointer block, Value low, Value high);

  KernelEmitter &k;
  kern::PackOp op;
  TypedPointer source, scale, out, staging;
  int64_t blocks, points, depth, tile, window, groupOut, groupIn;
  int64_t lanesOf, lanePitch;       ///< channels along the lanes; floats between them in the source
  bool transposed, streams, ragged; ///< ragged: the last vector may have lanes without a channel
  bool alongDepth; ///< what lies side by side in the source are steps of the reduction, not taps
  bool pairs;      ///< two steps of the reduction lie lane by lane beside each other, as bf16
  int64_t pitch;   ///< floats between two points at `packed`
  TypedPointer packed;        ///< this item's block and vector of lanes, or where they are staged
  Value outputBase, laneBase; ///< first output channel of the group; this vector's first lane
};
} // namespace

PackEmitter::PackEmitter(KernelEmitter &k, kern::PackOp op, const Launch &launch) : k(k), op(op) {
  ArrayRef<int64_t> shape = kern::shapedType(op.getOuts()[0]).getShape();
  auto filter = kern::shapedType(op.getInputs()[0]);
  source = launch.buffers[0], out = launch.buffers.back(), staging = launch.scratch;
  scale = op.getInputs().size() > 1 ? launch.buffers[1] : TypedPointer();
  pairs = out.element.isBF16();
  blocks = shape[1], points = shape[2] * shape[3], depth = shape[4], tile = shape[5];
  window = op.getWinograd() ? 9 : points;
  groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups()),
  groupIn = filter.getDimSize(1);
  transposed = op.getTransposed();
  alongDepth = window == 1 && !transposed;
  lanesOf = transposed ? groupIn : groupOut, ragged = lanesOf % tile != 0;
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
        high = k.min(k.add(low, kern::kPackedDepth), k.c(transposed ? groupOut : groupIn));
  Value groupBlock = k.div(item, pieces), first = k.mul(k.rem(groupBlock, blocks), tile);
  outputBase = k.mul(k.div(groupBlock, blocks), groupOut);
  TypedPointer block = k.at(out, k.mul(groupBlock, points * depth * tile));
  // All vectors of a step of the reduction at once: they share lines of the result. (A transform
  // writes so many lines at a time that a pass for each vector is faster.)
  auto overVectors = [&](llvm::function_ref<void()> body) {
    for (int64_t vector = 0; vector < tile; vector += k.lanes) {
      packed = k.at(block, pairs ? 2 * vector : vector);
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
  if (!alongDepth)
    return k.loop(low, high, 1, [&](Value d) { overVectors([&] { emitWindow(d); }); });
  // 1x1: the channels of the reduction lie side by side.
  Value whole = k.add(low, k.mul(k.div(k.sub(high, low), k.lanes), k.lanes));
  k.loop(low, whole, k.lanes, [&](Value d) { overVectors([&] { emitColumns(d, k.lanes); }); });
  k.loop(whole, high, 1, [&](Value d) { overVectors([&] { emitColumns(d, 1); }); });
}

/// Arguments of what packs one vector of lanes at channel `d` of the reduction: lane 0 of the
/// source, elements between lanes, the result, elements between its vectors, the last lane that has
/// a channel, the scale, of pairs whether the step is the second one.
Values PackEmitter::argumentsFor(TypedPointer from, TypedPointer to, int64_t step, Value d) {
  Values arguments{k.at(from, k.mul(laneBase, lanePitch)), k.c(lanePitch), to, k.c(step)};
  if (ragged)
    arguments.push_back(k.sub(k.c(lanesOf - 1), laneBase));
  if (pairs)
    arguments.insert(arguments.begin() + 4, k.rem(d, 2));
  if (scale)
    arguments.push_back(k.at(scale, k.add(outputBase, transposed ? d : laneBase)));
  return arguments;
}

SmallVector<Type> PackEmitter::argumentTypes() {
  SmallVector<Type> types{k.pointerType(), k.i64(), k.pointerType(), k.i64()};
  if (pairs)
    types.push_back(k.i64());
  if (ragged)
    types.push_back(k.i64());
  if (scale)
    types.push_back(k.pointerType());
  return types;
}

/// `columns` elements from `first` on of each lane, as one vector of lanes a column.
Values PackEmitter::load(KernelEmitter &t, ValueRange arguments, int64_t first, int64_t columns) {
  TypedPointer from = t.at(TypedPointer{arguments[0], source.element}, first);
  Values rows;
  for (int64_t lane = 0; lane < t.lanes; ++lane) {
    Value index = t.c(lane);
    if (ragged) // beyond the last channel: any weights, cleared by finish()
      index = t.min(index, arguments[pairs ? 5 : 4]);
    rows.push_back(t.loadVector(t.at(from, t.mul(arguments[1], index)), columns));
  }
  Values result = t.transpose(rows);
  result.truncate(columns);
  return result;
}

/// Scaled, and zero beyond the last channel.
Value PackEmitter::finish(KernelEmitter &t, ValueRange arguments, Value weights) {
  if (scale) {
    TypedPointer factors{arguments.back(), scale.element};
    weights = t.fmul(weights, transposed ? t.splat(t.load(factors)) : t.loadVector(factors));
  }
  return ragged ? t.keepLanes(weights, t.add(arguments[pairs ? 5 : 4], 1)) : weights;
}

/// Where a vector of the result lies.
TypedPointer PackEmitter::placeOf(Value point, Value d) {
  Value step = streams ? k.rem(d, kern::kPackedDepth) : pairs ? k.mul(k.div(d, 2), 2) : d;
  return k.at(packed, k.add(k.mul(point, pitch), k.mul(step, tile)));
}

/// The bits of bf16 in the lower halves of i32.
static Value lowerHalves(KernelEmitter &t, Value weights) {
  auto wide = VectorType::get({t.lanes}, t.b.getI32Type());
  return arith::ExtUIOp::create(t.b, t.loc, wide,
                                toStorage(t.b, t.loc, weights, t.b.getBF16Type()));
}
/// `number` in every lane of i32.
static Value splatI32(KernelEmitter &t, Value number) {
  auto wide = VectorType::get({t.lanes}, t.b.getI32Type());
  return vector::BroadcastOp::create(t.b, t.loc, wide,
                                     arith::TruncIOp::create(t.b, t.loc, t.b.getI32Type(), number));
}

/// The first or second steps of pairs. The first ones come first, and leave zeros for the second.
void PackEmitter::storePaired(KernelEmitter &t, Value weights, TypedPointer to, Value odd) {
  Value half = lowerHalves(t, weights);
  half = arith::ShLIOp::create(t.b, t.loc, half, splatI32(t, t.mul(odd, 16)));
  Value before = LLVM::LoadOp::create(t.b, t.loc, half.getType(), to.address,
                                      static_cast<unsigned>(to.bytes()));
  before = arith::AndIOp::create(t.b, t.loc, before, splatI32(t, t.sub(t.c(0), odd)));
  LLVM::StoreOp::create(t.b, t.loc, arith::OrIOp::create(t.b, t.loc, before, half), to.address,
                        static_cast<unsigned>(to.bytes()));
}

/// `count` elements of each lane, to one vector of lanes each.
func::FuncOp PackEmitter::packFunction(int64_t count) {
  bool whole = pairs && alongDepth && count % 2 == 0; // pairs, the first step an even one
  auto body = [&](KernelEmitter &t, ValueRange arguments) {
    TypedPointer to{arguments[2], packed.element};
    Values all = load(t, arguments, 0, count);
    for (Value &weights : all)
      weights = finish(t, arguments, weights);
    auto at = [&](int64_t column) { return t.at(to, t.mul(arguments[3], column)); };
    for (int64_t column = 0; column < count; ++column)
      if (!pairs)
        t.storeVector(all[column], at(column));
      else if (!whole)
        storePaired(t, all[column], at(column), arguments[4]);
      else if (column % 2)
        t.storePairs(all[column - 1], all[column], at(column - 1));
  };
  StringRef what = whole ? "pairs_" : "rows_";
  return k.part((what + Twine(count)).str(), argumentTypes(), body);
}

/// Packs `count` elements from `from` on of each lane to vectors from `to` on, `step` elements
/// apart.
void PackEmitter::packRows(TypedPointer from, int64_t count, TypedPointer to, int64_t step,
                           Value d) {
  Values arguments = argumentsFor(from, to, step, d);
  if (lanePitch != 1 || ragged)
    return k.call(packFunction(count), arguments);
  // Lanes lie side by side.
  Value weights = finish(k, arguments, k.loadVector(TypedPointer{arguments[0], source.element}));
  pairs ? storePaired(k, weights, to, arguments[4]) : k.storeVector(weights, to);
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
  packRows(k.at(source, k.add(k.mul(outputBase, groupIn), d)), columns, placeOf(k.c(0), d), tile,
           d);
}

/// `count` taps from `first` on of the lanes' filters at channel `d` of the reduction.
void PackEmitter::emitTaps(TypedPointer from, Value first, int64_t count, Value d) {
  Value place = transposed ? k.sub(k.c(window - 1), first) : first;
  packRows(k.at(from, first), count, placeOf(place, d), transposed ? -pitch : pitch, d);
}

/// All taps of the lanes' filters at channel `d` of the reduction.
void PackEmitter::emitWindow(Value d) {
  Value filter =
      transposed ? k.mul(k.add(outputBase, d), groupIn) : k.add(k.mul(outputBase, groupIn), d);
  TypedPointer from = k.at(source, k.mul(filter, window));
  if (op.getWinograd())
    return emitWinogradWindow(from, d);
  int64_t whole = window > kMostUnrolled ? window / k.lanes * k.lanes : 0;
  if (whole)
    k.loop(0, whole, k.lanes, [&](Value tap) { emitTaps(from, tap, k.lanes, d); });
  for (int64_t tap = whole; tap < window; tap += k.lanes)
    emitTaps(from, k.c(tap), std::min(k.lanes, window - tap), d);
}

void PackEmitter::emitWinogradWindow(TypedPointer from, Value d) {
  Values arguments = argumentsFor(from, placeOf(k.c(0), d), pitch, d);
  if (transposed)
    arguments.insert(arguments.begin(), k.c(groupIn * window));
  k.call(winogradFunction(), arguments);
}

/// All taps of the lanes' filters, transformed. Before the other arguments stands, if transposed,
/// how far the next step's filters lie.
func::FuncOp PackEmitter::winogradFunction() {
  SmallVector<Type> types = argumentTypes();
  if (transposed)
    types.insert(types.begin(), k.i64());
  return k.part("window", types, [&](KernelEmitter &t, ValueRange all) {
    ValueRange arguments = all.drop_front(transposed ? 1 : 0);
    TypedPointer from{arguments[0], source.element}, to{arguments[2], packed.element};
    // The lanes' filters of the next step lie a row of filters further: no hardware prefetch has
    // them.
    if (transposed)
      for (int64_t line = 0; line < t.lanes * window; line += from.perLine())
        t.prefetchNear(t.at(t.at(from, all[0]), line));
    Values taps;
    for (int64_t tap = 0; tap < window; tap += t.lanes)
      for (Value weights : load(t, arguments, tap, std::min(t.lanes, window - tap)))
        taps.push_back(finish(t, arguments, weights));
    if (transposed)
      std::reverse(taps.begin(), taps.end());
    auto m = static_cast<int64_t>(op.getWinograd());
    for (auto [point, weights] : llvm::enumerate(transformTile(t, m, filterTransform, 3, taps)))
      t.storeVector(weights, t.at(to, t.mul(arguments[3], static_cast<int64_t>(point))));
  });
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
  if (isa<IntegerType>(launch.buffers.back().element))
    return emitPackIntegers(k, op, launch);
  PackEmitter emitter(k, op, launch);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitter.emitItem(item); });
  emitter.finishStreams();
}
