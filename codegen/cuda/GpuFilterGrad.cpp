//===- GpuFilterGrad.cpp - backward-weights on the GPU --------------------===//
//
// dW[(tap, c), o] = sum over pixels of x dy, as GEMM with split K: a block has a tile of
// dW and a chunk of the batch's pixels; kern.unpack adds the chunks in order. Their number
// depends on shapes alone, so the bits do not depend on the chip. Tiny groups: a thread an
// element of dW.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuTile.h"
#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
/// An output pixel of the batch.
struct Pixel {
  Value valid, index, image, h, w; ///< h, w: of the window's corner in x
};

class FilterGradEmitter {
public:
  FilterGradEmitter(GpuEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  Pixel pixelAt(Value index);
  /// Whether the window's tap of `pixel` lies in x, and the pixel of x.
  std::pair<Value, Value> source(const Pixel &pixel, Value tapH, Value tapW);
  void rangeOf(Value chunk);
  void emitDirect();
  void emitTiled();
  bool copies(bool ofX);

  GpuEmitter &k;
  kern::ContractOp op;
  kern::GeometryAttr g;
  kern::GpuScheduleAttr s;
  const Launch &launch;
  FormulaInputs x, dy;
  Value output, hyper, low, high; ///< pixels [low, high) are this block's
  int64_t groupIn, groupOut, tile, rowsOfGroup, gradSize, chunks;
  bool pointwise;
};
} // namespace

FilterGradEmitter::FilterGradEmitter(GpuEmitter &k, kern::ContractOp op, const Launch &launch)
    : k(k), op(op), g(op.getGeometry()), s(op.getGpuAttr()), launch(launch) {
  size_t next = 0;
  for (Value operand : op.getLhs()) {
    x.pointers.push_back(launch.buffers[next++]);
    x.accesses.push_back(accessOf(operand, g.getIh() * g.getIw()));
  }
  for (Value operand : op.getRhs()) {
    dy.pointers.push_back(launch.buffers[next++]);
    dy.accesses.push_back(accessOf(operand, g.getOh() * g.getOw()));
  }
  output = launch.buffers[next++];
  if (usesRandom(op.getLhsPrologue()) || usesRandom(op.getRhsPrologue()))
    hyper = launch.buffers[next];
  groupIn = g.getIc() / g.getGroups(), groupOut = g.getOc() / g.getGroups();
  tile = op.getSchedule().getLanes() * op.getSchedule().getTileVectors();
  rowsOfGroup = g.getKh() * g.getKw() * groupIn;
  gradSize = g.getGroups() * rowsOfGroup * tile;
  chunks = op.getSchedule().getChunks();
  pointwise = g.getKh() == 1 && g.getKw() == 1 && g.getSh() == 1 && g.getSw() == 1 &&
              g.getPt() == 0 && g.getPl() == 0 && g.getIh() == g.getOh() && g.getIw() == g.getOw();
}

void FilterGradEmitter::rangeOf(Value chunk) {
  Value pixels = k.mul(k.wide(launch.images), g.getOh() * g.getOw());
  auto bound = [&](Value c) -> Value {
    Value at = k.div(k.mul(k.wide(c), pixels), chunks);
    return arith::TruncIOp::create(k.b, k.loc, k.i32(), at);
  };
  low = bound(chunk), high = bound(k.add(chunk, 1));
}

Pixel FilterGradEmitter::pixelAt(Value index) {
  Pixel p;
  p.valid = k.less(index, high);
  p.index = index;
  p.image = k.div(index, g.getOh() * g.getOw());
  if (pointwise)
    return p;
  Value inImage = k.rem(index, g.getOh() * g.getOw());
  p.h = k.add(k.mul(k.div(inImage, g.getOw()), g.getSh()), -g.getPt());
  p.w = k.add(k.mul(k.rem(inImage, g.getOw()), g.getSw()), -g.getPl());
  return p;
}

std::pair<Value, Value> FilterGradEmitter::source(const Pixel &p, Value tapH, Value tapW) {
  if (pointwise)
    return {p.valid, p.index};
  Value h = k.add(p.h, k.mul(tapH, g.getDh())), w = k.add(p.w, k.mul(tapW, g.getDw()));
  Value valid = k.both(p.valid, k.both(k.inside(h, g.getIh()), k.inside(w, g.getIw())));
  return {valid, k.add(k.mul(k.add(k.mul(p.image, g.getIh()), h), g.getIw()), w)};
}

/// Element (group, tap, c, o) a thread; o runs fastest.
void FilterGradEmitter::emitDirect() {
  int64_t elements = rowsOfGroup * g.getOc(),
          blocks = (elements + s.getThreads() - 1) / s.getThreads();
  Value chunk = k.div(k.block(), blocks);
  rangeOf(chunk);
  Value item = k.add(k.mul(k.rem(k.block(), blocks), s.getThreads()), k.thread());
  Value o = k.rem(item, g.getOc()), row = k.div(item, g.getOc()), inside = k.less(item, elements);
  Value group = k.div(o, groupOut), c = k.rem(row, groupIn), tap = k.div(row, groupIn);
  Value tapH = k.div(tap, g.getKw()), tapW = k.rem(tap, g.getKw()),
        channel = k.add(k.mul(group, groupIn), c);
  Block *lhs = kern::blockOf(op.getLhsPrologue()), *rhs = kern::blockOf(op.getRhsPrologue());
  Value sum = k.reduce(low, high, 1, k.number(0), [&](Value index, ValueRange acc) {
    Pixel p = pixelAt(index);
    auto [valid, pixel] = source(p, tapH, tapW);
    valid = k.both(valid, inside);
    Value a = emitFormulaAt(k, lhs, x, valid, pixel, p.image, g.getIc(), channel, 1, hyper)[0][0];
    Value d = emitFormulaAt(k, rhs, dy, valid, index, p.image, g.getOc(), o, 1, hyper)[0][0];
    return Values{k.select(valid, k.fma(a, d, acc[0]), acc[0])};
  })[0];
  k.when(inside, [&] {
    Value at = k.add(k.mul(k.add(k.mul(group, rowsOfGroup), row), tile), k.rem(o, groupOut));
    k.store(sum, k.at(output, k.element(chunk, gradSize, at)));
  });
}

/// Whether an operand may be copied as it is.
bool FilterGradEmitter::copies(bool ofX) {
  Block *prologue = kern::blockOf(ofX ? op.getLhsPrologue() : op.getRhsPrologue());
  return !prologue && chunkWidth(ofX ? groupIn : groupOut) == 4;
}

void FilterGradEmitter::emitTiled() {
  int64_t rowTiles = (rowsOfGroup + s.getRows() - 1) / s.getRows(),
          columnTiles = kern::gpuColumnTiles(op.getKind(), g, s);
  Value block = k.block();
  Value chunk = k.div(block, rowTiles * columnTiles), rest = k.rem(block, rowTiles * columnTiles);
  Value rowTile = k.div(rest, columnTiles), columnTile = k.rem(rest, columnTiles);
  int64_t ofGroup = columnTiles / g.getGroups();
  Value group = k.div(columnTile, ofGroup),
        firstColumn = k.mul(k.rem(columnTile, ofGroup), s.getColumns());
  Value firstRow = k.mul(rowTile, s.getRows());
  rangeOf(chunk);

  bool async = copies(true) && copies(false) && k.features.asyncCopy;
  GpuTile product(k, s, /*deepRows=*/false, /*rounds=*/async);
  bool rounds = product.isMma() && !async;
  Block *lhs = kern::blockOf(op.getLhsPrologue()), *rhs = kern::blockOf(op.getRhsPrologue());
  int64_t depth = s.getDepth(), threads = s.getThreads();
  Value t = k.thread();
  // Both operands: one chunk across, every `step`-th pixel.
  struct Part {
    int64_t width, step, count;
    Value column, first, on, inside;
  };
  auto divide = [&](int64_t size, int64_t width, Value begin, int64_t limit) {
    Part part;
    int64_t across = size / width;
    part.width = width;
    part.step = std::min(threads / across, depth), part.count = depth / part.step;
    part.column = k.mul(k.rem(t, across), width), part.first = k.div(t, across);
    part.on = part.step * across < threads ? k.less(t, part.step * across) : Value();
    part.inside = limit % size ? k.less(k.add(begin, part.column), limit) : Value();
    return part;
  };
  Part a = divide(s.getRows(), chunkWidth(groupIn), firstRow, rowsOfGroup);
  Part b = divide(s.getColumns(), chunkWidth(groupOut), firstColumn, groupOut);
  Value row = k.add(firstRow, a.column), tap = k.div(row, groupIn);
  Value tapH = k.div(tap, g.getKw()), tapW = k.rem(tap, g.getKw());
  Value inChannel = k.add(k.mul(group, groupIn), k.rem(row, groupIn));
  Value outChannel = k.add(k.add(k.mul(group, groupOut), firstColumn), b.column);

  auto pixelOf = [&](Value at, const Part &part, int64_t i) {
    Pixel p = pixelAt(k.add(k.add(at, part.first), i * part.step));
    p.valid = k.both(p.valid, k.both(part.inside, part.on));
    return p;
  };
  auto placeOfA = [&](Value to, int64_t i) {
    return product.placeOfA(to, a.column, k.add(a.first, i * a.step));
  };
  auto placeOfB = [&](Value to, int64_t i) {
    return product.placeOfB(to, k.add(b.first, i * b.step), b.column);
  };
  auto load = [&](Value at) {
    Values loaded;
    auto take = [&](Block *formula, const FormulaInputs &inputs, Value valid, Value pixel,
                    Value image, int64_t channels, Value channel, int64_t width) {
      for (Values &lane :
           emitFormulaAt(k, formula, inputs, valid, pixel, image, channels, channel, width, hyper))
        loaded.push_back(formula ? k.select(valid, lane[0], k.number(0)) : lane[0]);
    };
    for (int64_t i = 0; i < a.count; ++i) {
      Pixel p = pixelOf(at, a, i);
      auto [valid, pixel] = source(p, tapH, tapW);
      take(lhs, x, valid, pixel, p.image, g.getIc(), inChannel, a.width);
    }
    for (int64_t i = 0; i < b.count; ++i) {
      Pixel p = pixelOf(at, b, i);
      take(rhs, dy, p.valid, p.index, p.image, g.getOc(), outChannel, b.width);
    }
    if (rounds)
      for (Value &value : loaded)
        value = roundToTf32(k, value);
    return loaded;
  };
  auto store = [&](ValueRange loaded, Value toA, Value toB) {
    k.when(a.on, [&] {
      for (int64_t i = 0; i < a.count; ++i)
        k.storeChunk(loaded.slice(i * a.width, a.width), placeOfA(toA, i));
    });
    k.when(b.on, [&] {
      for (int64_t i = 0; i < b.count; ++i)
        k.storeChunk(loaded.slice(a.count * a.width + i * b.width, b.width), placeOfB(toB, i));
    });
  };
  auto copy = [&](Value at, Value toA, Value toB) {
    k.when(a.on, [&] {
      for (int64_t i = 0; i < a.count; ++i) {
        auto [valid, pixel] = source(pixelOf(at, a, i), tapH, tapW);
        copyAsync(k, placeOfA(toA, i), x.pointers[0], k.element(pixel, g.getIc(), inChannel),
                  valid);
      }
    });
    k.when(b.on, [&] {
      for (int64_t i = 0; i < b.count; ++i) {
        Pixel p = pixelOf(at, b, i);
        copyAsync(k, placeOfB(toB, i), dy.pointers[0], k.element(p.index, g.getOc(), outChannel),
                  p.valid);
      }
    });
  };
  Value iterations = k.ceilDiv(k.sub(high, low), depth);
  Values accumulators = runStages(k, product, s, low, iterations, async, {load, store, copy});
  for (const Fragment &fragment : product.fragments(accumulators)) {
    Value m = k.add(firstRow, fragment.row), n = k.add(firstColumn, fragment.column), p;
    if (rowsOfGroup % s.getRows())
      p = k.less(m, rowsOfGroup);
    if (tile % s.getColumns())
      p = k.both(p, k.less(n, tile));
    k.when(p, [&] {
      Value at = k.add(k.mul(k.add(k.mul(group, rowsOfGroup), m), tile), n);
      k.storeChunk(fragment.values, k.at(output, k.element(chunk, gradSize, at)));
    });
  }
}

void FilterGradEmitter::emit() {
  k.threads = s.getThreads();
  k.blocksPerProcessor = kern::gpuBlocksPerProcessor(s);
  k.grid = op.getGrid();
  s.getAlgorithm() == kern::GpuAlgorithm::Direct ? emitDirect() : emitTiled();
}

void netc::cuda::emitFilterGrad(GpuEmitter &k, kern::ContractOp op, const Launch &launch) {
  FilterGradEmitter(k, op, launch).emit();
}
