//===- ContractWinogradGrad.cpp - 3x3 filter gradients by Winograd --------===//
//
// The adjoint of y = A^T [(G g G^T) * (B^T d B)] A by g is G^T [sum over tiles of (A dy A^T) * (B^T
// d B)] G. The sum is formed here, in the transform's domain; kern.unpack adds the chunks and
// applies G once. An item is a chunk of the tiles of all images, a block of input channels and one
// of output channels.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/WinogradTiles.h"
#include "dialect/schedule/cpu/Schedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class WinogradFilterGradEmitter {
public:
  WinogradFilterGradEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void emitItem(Value item);
  void emitProducts(Value channel, Value count, Value fresh);
  func::FuncOp productFunction(int64_t rows, int64_t vectors, bool fresh);

  KernelEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  kern::ScheduleAttr s;
  WinogradTiles x, dy;
  TypedPointer output, partial; ///< all chunks; this item's chunk and block of output channels
  TypedPointer xTiles, dyTiles, window; ///< scratch
  int64_t points, tile;
};
} // namespace

/// What both operands have in common, `step` tiles of scratch at a time.
static WinogradTiles tilesOf(kern::ContractOp op, OperandRange operands,
                             ArrayRef<TypedPointer> buffers, Region &prologue, int64_t channels,
                             int64_t blockChannels) {
  kern::GeometryAttr g = op.getGeometry();
  kern::ScheduleAttr s = op.getSchedule();
  WinogradTiles tiles;
  tiles.m = s.getWinograd();
  kern::WinogradCut cut = kern::winogradTiles(g, g.getOh(), g.getOw(), tiles.m);
  tiles.tilesHigh = cut.high, tiles.tilesWide = cut.wide, tiles.dilation = cut.residues;
  tiles.prologue = kern::blockOf(prologue);
  tiles.sourceChannels = channels, tiles.channels = blockChannels;
  tiles.pitch = (blockChannels + s.getLanes() - 1) / s.getLanes() * s.getLanes() + s.getLanes();
  tiles.pointPitch = s.getStripRows() * tiles.pitch;
  tiles.sources.assign(buffers.begin(), buffers.end());
  return tiles;
}

WinogradFilterGradEmitter::WinogradFilterGradEmitter(KernelEmitter &k, kern::ContractOp op,
                                                     const Launch &launch)
    : k(k), op(op), launch(launch), g(op.getGeometry()), s(op.getSchedule()) {
  ArrayRef<TypedPointer> buffers = launch.buffers;
  size_t lhs = op.getLhs().size(), rhs = op.getRhs().size();
  x = tilesOf(op, op.getLhs(), buffers.take_front(lhs), op.getLhsPrologue(), g.getIc(),
              kern::winogradDepthBlock(g));
  x.height = g.getIh(), x.width = g.getIw(), x.size = x.m + 2;
  x.padTop = g.getPt(), x.padLeft = g.getPl();
  x.transform = inputTransform, x.name = "input";
  for (Value operand : op.getLhs())
    x.accesses.push_back(accessOf(operand, x.height * x.width));
  dy = tilesOf(op, op.getRhs(), buffers.slice(lhs, rhs), op.getRhsPrologue(), g.getOc(),
               s.getChannelBlock());
  dy.height = g.getOh(), dy.width = g.getOw(), dy.size = dy.m;
  dy.transform = outputAdjoint, dy.name = "cotangent";
  for (Value operand : op.getRhs())
    dy.accesses.push_back(accessOf(operand, dy.height * dy.width));
  if (usesRandom(op.getLhsPrologue()) || usesRandom(op.getRhsPrologue()))
    x.hyper = dy.hyper = buffers.back();
  output = buffers[lhs + rhs];
  points = x.points();
  tile = s.getLanes() * s.getTileVectors();
}

void WinogradFilterGradEmitter::emit() {
  int64_t xFloats = points * x.pointPitch, dyFloats = points * dy.pointPitch;
  int64_t windowFloats = std::max(x.scratchFloats(), dy.scratchFloats());
  xTiles = launch.scratch;
  dyTiles = k.at(launch.scratch, xFloats);
  window = k.at(launch.scratch, xFloats + dyFloats);
  // A tile of the last channels may read a few vectors past the cotangent's.
  k.reserveScratch(xFloats + dyFloats + windowFloats + tile, 64);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitItem(item); });
}

void WinogradFilterGradEmitter::emitItem(Value item) {
  int64_t inBlocks = g.getIc() / x.channels, outBlocks = g.getOc() / dy.channels;
  int64_t tilesOut = (g.getOc() + tile - 1) / tile;
  x.firstChannel = k.mul(k.rem(item, inBlocks), x.channels);
  Value rest = k.div(item, inBlocks);
  dy.firstChannel = k.mul(k.rem(rest, outBlocks), dy.channels);
  Value chunk = k.div(rest, outBlocks);
  Value firstTile = k.div(dy.firstChannel, tile);
  partial =
      k.at(output, k.mul(k.add(k.mul(chunk, tilesOut), firstTile), points * g.getIc() * tile));
  Value total = k.mul(launch.images, x.tilesOfImage());
  Value low = k.div(k.mul(chunk, total), s.getChunks()),
        high = k.div(k.mul(k.add(chunk, 1), total), s.getChunks());
  auto same = [&](Value a, Value b) -> Value {
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, a, b);
  };
  k.loop(low, high, s.getStripRows(), [&](Value first) {
    Value count = k.min(k.c(s.getStripRows()), k.sub(high, first));
    emitTransforms(k, x, first, count, xTiles, window);
    emitTransforms(k, dy, first, count, dyTiles, window);
    emitProducts(x.firstChannel, count, same(first, low));
  });
  // No tile, no product: more chunks than tiles.
  k.when(same(low, high), [&] { emitProducts(x.firstChannel, k.c(0), same(low, low)); });
}

/// dU[point, channel + c, o] += sum over `count` tiles of x[point, tile, c] dy[point, tile, o]; =
/// where `fresh`.
void WinogradFilterGradEmitter::emitProducts(Value channel, Value count, Value fresh) {
  int64_t rows = std::min(s.getTilePixels(), x.channels), whole = x.channels / rows * rows;
  k.loop(0, points, 1, [&](Value point) {
    TypedPointer xAt = k.at(xTiles, k.mul(point, x.pointPitch)),
                 dyAt = k.at(dyTiles, k.mul(point, dy.pointPitch));
    auto ofTile = [&](Value t, int64_t vectors) {
      TypedPointer to = k.at(
          partial, k.mul(k.add(k.mul(k.add(k.mul(t, points), point), g.getIc()), channel), tile));
      TypedPointer from = k.at(dyAt, k.mul(t, tile));
      auto callRows = [&](int64_t n, Value c) {
        Values arguments{k.at(xAt, c), from, k.at(to, k.mul(c, tile)), count};
        k.choose(
            fresh, [&] { k.call(productFunction(n, vectors, true), arguments); },
            [&] { k.call(productFunction(n, vectors, false), arguments); });
      };
      k.loop(0, whole, rows, [&](Value c) { callRows(rows, c); });
      if (x.channels > whole)
        callRows(x.channels - whole, k.c(whole));
    };
    int64_t wholeTiles = dy.channels / tile, ragged = dy.channels % tile;
    if (wholeTiles)
      k.loop(0, wholeTiles, 1, [&](Value t) { ofTile(t, s.getTileVectors()); });
    if (ragged)
      ofTile(k.c(wholeTiles), (ragged + s.getLanes() - 1) / s.getLanes());
  });
}

func::FuncOp WinogradFilterGradEmitter::productFunction(int64_t rows, int64_t vectors, bool fresh) {
  SmallVector<Type> types{k.pointerType(), k.pointerType(), k.pointerType(), k.i64()};
  std::string suffix =
      (fresh ? "product_" : "add_") + std::to_string(rows) + "x" + std::to_string(vectors);
  return k.helper(suffix, types, {true, true, true}, [&](KernelEmitter &t, ValueRange arguments) {
    auto at = [&](int64_t r, int64_t u) {
      return t.at(TypedPointer{arguments[2], output.element}, r * tile + u * t.lanes);
    };
    Values accumulators;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t u = 0; u < vectors; ++u)
        accumulators.push_back(fresh ? t.zeros() : t.loadVector(at(r, u)));
    accumulators =
        t.reduce(t.c(0), arguments[3], 1, accumulators, [&](Value index, ValueRange acc) {
          Values next(acc.begin(), acc.end()), y;
          TypedPointer xAt = t.at(t.floats(arguments[0]), t.mul(index, x.pitch)),
                       dyAt = t.at(t.floats(arguments[1]), t.mul(index, dy.pitch));
          for (int64_t u = 0; u < vectors; ++u)
            y.push_back(t.loadVector(t.at(dyAt, u * t.lanes)));
          for (int64_t r = 0; r < rows; ++r) {
            Value v = t.splat(t.load(t.at(xAt, r)));
            for (int64_t u = 0; u < vectors; ++u)
              next[r * vectors + u] = t.fma(v, y[u], next[r * vectors + u]);
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t u = 0; u < vectors; ++u)
        t.storeVector(accumulators[r * vectors + u], at(r, u));
  });
}

void netc::cpu::emitWinogradFilterGrad(KernelEmitter &k, kern::ContractOp op,
                                       const Launch &launch) {
  WinogradFilterGradEmitter(k, op, launch).emit();
}
