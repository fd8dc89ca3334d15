//===- ContractWinograd.cpp - 3x3 convolutions by Winograd's algorithm ----===//
//
// A grid item is a run of output tiles, of m x m pixels each, of all images, and a block of
// output channels. It transforms the windows of its tiles once, [points, tiles, channels], in
// scratch; then for each tile of output channels it multiplies every point's matrix with that
// point's weights and transforms the products back through the epilogue. Weights stream by
// once, in the order in which they lie. Backward-data is the same on the cotangent. A pool whose
// windows tiles hold whole is applied to a tile before it is stored. With dilation the pixels of
// equal residue of rows and columns are convolved as an image of their own.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Epilogue.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/WinogradTiles.h"
#include "dialect/kern/ContractShape.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class WinogradEmitter {
public:
  WinogradEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void emitItem(Value item, Value rowsOfGrid);
  void emitChannelTile(Value channelTile, int64_t valid, Value first, Value count);
  void emitProducts(TypedPointer weightAt, int64_t vectors, Value count);
  func::FuncOp productFunction(int64_t rows, int64_t vectors);
  func::FuncOp outputFunction(int64_t rows, int64_t columns, int64_t valid);

  KernelEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  kern::ScheduleAttr s;
  Epilogue epilogue;
  WinogradTiles input;
  TypedPointer weights, transformed, products, window; ///< the last three lie in scratch
  int64_t m, points, outH, outW, outC, tile;
  int64_t usedH,
      usedW; ///< pixels of the result that are wanted: those that the pool's windows cover
  int64_t poolH = 1, poolW = 1;
  int64_t chunk, productPitch; ///< tiles of an item; floats between points of the products
};
} // namespace

WinogradEmitter::WinogradEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch)
    : k(k), op(op), launch(launch), g(op.getGeometry()), s(op.getSchedule()), epilogue(op, launch) {
  bool forward = op.getKind() == kern::ContractKind::Forward;
  m = s.getWinograd(), points = (m + 2) * (m + 2);
  outH = forward ? g.getOh() : g.getIh(), outW = forward ? g.getOw() : g.getIw();
  outC = forward ? g.getOc() : g.getIc();
  if (kern::PoolingAttr pool = op.getPoolAttr())
    poolH = pool.getKh(), poolW = pool.getKw();
  usedH = outH / poolH * poolH, usedW = outW / poolW * poolW;
  tile = s.getLanes() * s.getTileVectors();
  int64_t p = s.getTilePixels();
  chunk = (s.getStripRows() + p - 1) / p * p; // the last micro-kernel may run over
  productPitch = chunk * tile + s.getLanes();
  input.prologue = kern::blockOf(op.getLhsPrologue());
  input.height = forward ? g.getIh() : g.getOh(), input.width = forward ? g.getIw() : g.getOw();
  input.channels = input.sourceChannels = forward ? g.getIc() : g.getOc();
  for (auto [index, operand] : llvm::enumerate(op.getLhs())) {
    input.sources.push_back(launch.buffers[index]);
    input.accesses.push_back(accessOf(operand, input.height * input.width));
  }
  input.m = m, input.size = m + 2;
  kern::WinogradCut cut = kern::winogradTiles(g, usedH, usedW, m);
  input.tilesHigh = cut.high, input.tilesWide = cut.wide, input.dilation = cut.residues;
  input.padTop = forward ? g.getPt() : 2 * g.getDh() - g.getPt();
  input.padLeft = forward ? g.getPl() : 2 * g.getDw() - g.getPl();
  input.transform = inputTransform, input.name = "input";
  // A vector more than needed: rows a power of two apart would share few sets of the cache.
  input.pitch = (input.channels + s.getLanes() - 1) / s.getLanes() * s.getLanes() + s.getLanes();
  input.pointPitch = chunk * input.pitch;
  if (usesRandom(op.getLhsPrologue()))
    input.hyper = launch.buffers.back();
  weights = launch.buffers[op.getLhs().size()];
}

void WinogradEmitter::emit() {
  kern::Grid grid = op.getGrid();
  Value rows = k.ceilDiv(k.mul(launch.images, grid.rowsPerImage), grid.rowsPerItem);
  int64_t transformedFloats = points * input.pointPitch, productFloats = points * productPitch;
  transformed = launch.scratch;
  products = k.at(launch.scratch, transformedFloats);
  window = k.at(launch.scratch, transformedFloats + productFloats);
  k.reserveScratch(transformedFloats + productFloats + input.scratchFloats(), 64);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitItem(item, rows); });
}

void WinogradEmitter::emitItem(Value item, Value rowsOfGrid) {
  Value block = arith::DivUIOp::create(k.b, k.loc, item, rowsOfGrid);
  Value row = arith::RemUIOp::create(k.b, k.loc, item, rowsOfGrid);
  epilogue.beginItem(k, row, block);
  Value first = k.mul(row, s.getStripRows());
  Value total = k.mul(launch.images, input.tilesOfImage());
  Value count = k.min(k.c(s.getStripRows()), k.sub(total, first));
  emitTransforms(k, input, first, count, transformed, window);
  int64_t wholeTiles = outC / tile, tilesOfBlock = s.getChannelBlock() / tile;
  Value low = k.mul(block, tilesOfBlock), high = k.add(low, tilesOfBlock);
  if (wholeTiles)
    k.loop(low, k.min(high, k.c(wholeTiles)), 1,
           [&](Value t) { emitChannelTile(t, tile, first, count); });
  if (outC % tile)
    k.when(k.less(k.c(wholeTiles), high),
           [&] { emitChannelTile(k.c(wholeTiles), outC % tile, first, count); });
}

void WinogradEmitter::emitChannelTile(Value channelTile, int64_t valid, Value first, Value count) {
  int64_t vectors = (valid + s.getLanes() - 1) / s.getLanes();
  emitProducts(k.at(weights, k.mul(channelTile, points * input.channels * tile)), vectors, count);
  int64_t d = input.dilation, lastRows = usedH / d - (input.tilesHigh - 1) * m,
          lastColumns = usedW / d - (input.tilesWide - 1) * m;
  k.loop(k.c(0), count, 1, [&](Value t) {
    WinogradPlace at = placeOf(k, k.add(first, t), input.tilesHigh, input.tilesWide, d);
    Value image = at.image, tileRow = at.row, tileColumn = at.column;
    Value row = k.mul(tileRow, d * m), column = k.mul(tileColumn, d * m);
    if (d > 1)
      row = k.add(row, at.rowResidue), column = k.add(column, at.columnResidue);
    Value pixel = k.add(k.mul(k.add(k.mul(image, outH), row), outW), column);
    Value destination;
    if (op.getPoolAttr())
      destination =
          k.add(k.mul(k.add(k.mul(image, outH / poolH), k.mul(tileRow, m / poolH)), outW / poolW),
                k.mul(tileColumn, m / poolW));
    Values arguments{k.at(products, k.mul(t, tile))};
    llvm::append_range(arguments,
                       epilogue.argumentsAt(k, pixel, k.mul(channelTile, tile), destination));
    auto ofSize = [&](int64_t rows, int64_t columns) {
      k.call(outputFunction(rows, columns, valid), arguments);
    };
    auto ofRows = [&](int64_t rows) {
      if (lastColumns == m)
        return ofSize(rows, m);
      k.choose(
          k.less(tileColumn, k.c(input.tilesWide - 1)), [&] { ofSize(rows, m); },
          [&] { ofSize(rows, lastColumns); });
    };
    if (lastRows == m)
      return ofRows(m);
    k.choose(
        k.less(tileRow, k.c(input.tilesHigh - 1)), [&] { ofRows(m); }, [&] { ofRows(lastRows); });
  });
}

/// The products of all points: [tiles, channels] by [channels, tile].
void WinogradEmitter::emitProducts(TypedPointer weightAt, int64_t vectors, Value count) {
  int64_t p = std::min(s.getTilePixels(), chunk);
  // What is left of a whole item and of one image's last item have micro-kernels of their own.
  llvm::SmallSetVector<int64_t, 2> remainders;
  remainders.insert(s.getStripRows() % p);
  remainders.insert(input.tilesOfImage() % s.getStripRows() % p);
  Value whole = k.mul(k.div(count, p), p), left = k.sub(count, whole);
  k.loop(0, points, 1, [&](Value point) {
    TypedPointer source = k.at(transformed, k.mul(point, input.pointPitch));
    TypedPointer weight = k.at(weightAt, k.mul(point, input.channels * tile));
    TypedPointer to = k.at(products, k.mul(point, productPitch));
    int64_t line = weight.perLine();
    auto callRows = [&](int64_t rows, Value row) {
      // The first micro-kernels prefetch the next point's weights, one line per step; the others
      // need not.
      Value offset = k.add(k.mul(k.div(row, p), input.channels * line), input.channels * tile);
      TypedPointer ahead =
          k.at(weight, k.select(k.less(row, k.c(tile / line * p)), offset, k.c(0)));
      k.call(productFunction(rows, vectors),
             {k.at(source, k.mul(row, input.pitch)), weight, k.at(to, k.mul(row, tile)), ahead});
    };
    k.loop(k.c(0), whole, p, [&](Value row) { callRows(p, row); });
    auto dispatch = [&](auto &&self, size_t index) -> void {
      if (index == remainders.size())
        return k.when(k.less(k.c(0), left), [&] { callRows(p, whole); });
      int64_t rows = remainders[index];
      if (rows == 0)
        return self(self, index + 1);
      Value same = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, left, k.c(rows));
      k.choose(same, [&] { callRows(rows, whole); }, [&] { self(self, index + 1); });
    };
    dispatch(dispatch, 0);
  });
}

/// The micro-kernel: `rows` tiles by `vectors` vectors of output channels of one point.
func::FuncOp WinogradEmitter::productFunction(int64_t rows, int64_t vectors) {
  SmallVector<Type> types(4, k.pointerType());
  std::string suffix = "product_" + std::to_string(rows) + "x" + std::to_string(vectors);
  return k.helper(suffix, types, {true, true, true}, [&](KernelEmitter &t, ValueRange arguments) {
    int64_t depth = input.channels, unroll = depth % 4 == 0 ? 4 : depth % 2 == 0 ? 2 : 1;
    auto weightsAt = [&](Value address) { return TypedPointer{address, weights.element}; };
    Values accumulators(rows * vectors, t.zeros());
    accumulators =
        t.reduce(t.c(0), t.c(depth), unroll, accumulators, [&](Value channel, ValueRange acc) {
          Values next(acc.begin(), acc.end());
          TypedPointer source = t.at(t.floats(arguments[0]), channel),
                       weight = t.at(weightsAt(arguments[1]), t.mul(channel, tile));
          for (int64_t j = 0; j < unroll; ++j) {
            t.prefetch(t.at(weightsAt(arguments[3]), t.mul(t.add(channel, j), weights.perLine())));
            Values w;
            for (int64_t u = 0; u < vectors; ++u)
              w.push_back(t.loadVector(t.at(weight, j * tile + u * t.lanes)));
            for (int64_t r = 0; r < rows; ++r) {
              Value x = t.splat(t.load(t.at(source, r * input.pitch + j)));
              for (int64_t u = 0; u < vectors; ++u)
                next[r * vectors + u] = t.fma(x, w[u], next[r * vectors + u]);
            }
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t u = 0; u < vectors; ++u)
        t.storeVector(accumulators[r * vectors + u],
                      t.at(t.floats(arguments[2]), r * tile + u * t.lanes));
  });
}

/// Back to rows x columns pixels of one tile, through the epilogue.
func::FuncOp WinogradEmitter::outputFunction(int64_t rows, int64_t columns, int64_t valid) {
  SmallVector<Type> types{k.pointerType()};
  llvm::append_range(types, epilogue.argumentTypes(k));
  std::string suffix = "output_" + std::to_string(rows) + "x" + std::to_string(columns) + "_" +
                       std::to_string(valid);
  return k.helper(suffix, types, {true}, [&](KernelEmitter &t, ValueRange arguments) {
    for (int64_t first = 0; first < valid; first += t.lanes) {
      Values values;
      for (int64_t point = 0; point < points; ++point)
        values.push_back(t.loadVector(t.at(t.floats(arguments[0]), point * productPitch + first)));
      Values pixels = transformTile(t, m, outputTransform, m + 2, values), wanted;
      SmallVector<int64_t> offsets, destinations;
      // Window by window; without a pool a window is a pixel.
      for (int64_t top = 0; top < rows; top += poolH)
        for (int64_t left = 0; left < columns; left += poolW) {
          destinations.push_back((top / poolH * (outW / poolW) + left / poolW) * outC);
          for (int64_t y = top; y < top + poolH; ++y)
            for (int64_t x = left; x < left + poolW; ++x) {
              wanted.push_back(pixels[y * m + x]);
              offsets.push_back((y * outW + x) * input.dilation * outC);
            }
        }
      int64_t lanes = std::min(valid - first, t.lanes);
      if (op.getPoolAttr())
        epilogue.emitPooled(t, arguments.drop_front(1), first, lanes, wanted, offsets,
                            destinations);
      else
        epilogue.emit(t, arguments.drop_front(1), first, lanes, wanted, offsets);
    }
  });
}

void netc::cpu::emitWinograd(KernelEmitter &k, kern::ContractOp op, const Launch &launch) {
  WinogradEmitter(k, op, launch).emit();
}
