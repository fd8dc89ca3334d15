//===- GpuFilterGrad.cpp - backward-weights on the GPU --------------------===//
//
// dW[(tap, c), o] = sum over pixels of x dy, as GEMM with split K: a block has a tile of
// dW and a chunk of the batch's pixels; kern.unpack adds the chunks in order. Their number
// depends on shapes alone, so the bits do not depend on the chip. Tiny groups: a thread an
// element of dW.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuStaging.h"
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

  // Tiles.
  struct Share { ///< of a tile, one thread's: one place across, every `step`-th pixel
    int64_t width, step;
    Value column, first, on, inside;
  };
  void placeBlock();
  Share share(int64_t size, int64_t width, Value begin, int64_t limit);
  StagedOperand stage(const Share &own, Region &prologue, const FormulaInputs &inputs,
                      int64_t channels);
  Pixel pixelOf(Value at, const Share &own, int64_t i);
  StagedOperand stageInput(GpuTile &product);
  StagedOperand stageCotangent(GpuTile &product);
  void emitTiled();

  GpuEmitter &k;
  kern::ContractOp op;
  kern::GeometryAttr g;
  kern::GpuScheduleAttr s;
  const Launch &launch;
  FormulaInputs x, dy;
  TypedPointer output;
  Value hyper, low, high; ///< pixels [low, high) are this block's
  Value chunk, group, firstRow, firstColumn;
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

/// Which tile of dW and which chunk of the pixels this block has.
void FilterGradEmitter::placeBlock() {
  int64_t rowTiles = (rowsOfGroup + s.getRows() - 1) / s.getRows(),
          columnTiles = kern::gpuColumnTiles(op.getKind(), g, s);
  Value block = k.block(), rest = k.rem(block, rowTiles * columnTiles);
  chunk = k.div(block, rowTiles * columnTiles);
  Value rowTile = k.div(rest, columnTiles), columnTile = k.rem(rest, columnTiles);
  int64_t ofGroup = columnTiles / g.getGroups();
  group = k.div(columnTile, ofGroup);
  firstColumn = k.mul(k.rem(columnTile, ofGroup), s.getColumns());
  firstRow = k.mul(rowTile, s.getRows());
  rangeOf(chunk);
}

/// `size` places of a tile from `begin` on, of `limit` that there are, in chunks of `width`.
FilterGradEmitter::Share FilterGradEmitter::share(int64_t size, int64_t width, Value begin,
                                                  int64_t limit) {
  Share own;
  int64_t across = size / width;
  own.width = width;
  own.step = std::min(s.getThreads() / across, s.getDepth());
  Value t = k.thread();
  own.column = k.mul(k.rem(t, across), width), own.first = k.div(t, across);
  own.on = own.step * across < s.getThreads() ? k.less(t, own.step * across) : Value();
  own.inside = limit % size ? k.less(k.add(begin, own.column), limit) : Value();
  return own;
}

/// What A and B have in common; the caller says where chunks come from and lie.
StagedOperand FilterGradEmitter::stage(const Share &own, Region &prologue,
                                       const FormulaInputs &inputs, int64_t channels) {
  StagedOperand operand;
  operand.formula = kern::blockOf(prologue);
  operand.inputs = inputs, operand.channels = channels, operand.hyper = hyper;
  operand.width = own.width, operand.count = s.getDepth() / own.step, operand.on = own.on;
  return operand;
}

Pixel FilterGradEmitter::pixelOf(Value at, const Share &own, int64_t i) {
  Pixel p = pixelAt(k.add(k.add(at, own.first), i * own.step));
  p.valid = k.both(p.valid, own.inside);
  return p;
}

StagedOperand FilterGradEmitter::stageInput(GpuTile &product) {
  Share own = share(s.getRows(), chunkWidth(groupIn, product.chunk()), firstRow, rowsOfGroup);
  StagedOperand a = stage(own, op.getLhsPrologue(), x, g.getIc());
  Value row = k.add(firstRow, own.column), tap = k.div(row, groupIn);
  Value tapH = k.div(tap, g.getKw()), tapW = k.rem(tap, g.getKw());
  Value channel = k.add(k.mul(group, groupIn), k.rem(row, groupIn));
  a.chunk = [=, this](Value at, int64_t i) {
    Pixel p = pixelOf(at, own, i);
    auto [valid, pixel] = source(p, tapH, tapW);
    return Chunk{valid, pixel, p.image, channel, own.inside};
  };
  a.place = [=, this, &product](TypedPointer base, int64_t i) {
    return product.placeOfA(base, own.column, k.add(own.first, i * own.step));
  };
  return a;
}

StagedOperand FilterGradEmitter::stageCotangent(GpuTile &product) {
  Share own = share(s.getColumns(), chunkWidth(groupOut, product.chunk()), firstColumn, groupOut);
  StagedOperand b = stage(own, op.getRhsPrologue(), dy, g.getOc());
  Value channel = k.add(k.add(k.mul(group, groupOut), firstColumn), own.column);
  b.chunk = [=, this](Value at, int64_t i) {
    Pixel p = pixelOf(at, own, i);
    return Chunk{p.valid, p.index, p.image, channel, own.inside};
  };
  b.place = [=, this, &product](TypedPointer base, int64_t i) {
    return product.placeOfB(base, k.add(own.first, i * own.step), own.column);
  };
  return b;
}

void FilterGradEmitter::emitTiled() {
  placeBlock();
  GpuTile product(k, s, /*deepRows=*/false);
  Value iterations = k.ceilDiv(k.sub(high, low), s.getDepth());
  Values accumulators =
      runStages(k, product, s, low, iterations, stageInput(product), stageCotangent(product));
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
