//===- ContractFilterGrad.cpp - backward-weights on the CPU ---------------===//
//
// dW[kh, kw, c, o] = sum over images and pixels of x dy. A grid item is a chunk of the
// batch (their number does not depend on the threads), a block of output channels and, where
// there are many, one of input channels; its partial gradient stays in the second cache. For
// each strip, x (with halo) and dy are packed with their prologues applied; a tile keeps A
// (column, channel) rows x U vectors of dW in registers while the pixels of the strip go by.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Sweep.h"
#include "dialect/schedule/cpu/Schedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class FilterGradEmitter {
public:
  FilterGradEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void emitItem(Value item);
  void emitImage(Value image, Value channel, Value count);
  void emitFlatChunk(Value low, Value high, Value channel, Value count);
  void zeroPartial(Value channel, Value count);
  void prefetchNext(Value channelTile, Value window, Value row);
  void emitTiles(TypedPointer x, Value rows, Value channel, Value count);
  int64_t tapsOfLane();
  void emitLanewiseTiles(TypedPointer x, Value rows);
  void emitLanewiseTile(KernelEmitter &t, Type xType, int64_t valid, ValueRange arguments);
  func::FuncOp tileFunction(Type xType, int64_t rows, int64_t vectors);
  void emitTile(KernelEmitter &t, Type xType, int64_t rows, int64_t vectors, ValueRange arguments);
  Strip xStrip();
  Strip dyStrip();

  KernelEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  kern::ScheduleAttr s;
  SmallVector<TypedPointer> lhs, rhs;
  TypedPointer output, partial; ///< all chunks; this item's
  Value hyper;
  Value depth;         ///< first input channel of this item, null: all are taken
  Value nextX, nextDy; ///< first source pixels of the strip that comes next
  Value firstChannel;  ///< output channel of this item
  TypedPointer xScratch, dyScratch;
  int64_t groupIn, groupOut, tile, tiles, stride, columns, gradSize;
  int64_t inner, runs;    ///< rows of dW that lie side by side in x; times
  int64_t block, dyPitch; ///< output channels of a block; elements of a packed pixel of dy
  int64_t depths, xPitch; ///< input channels of a block; elements of a packed pixel of x
  int64_t dyColumns, xRowPitch;
  bool pairs;   ///< pixels two by two are multiplied as bf16
  int64_t wide; ///< elements of a row of scratch per channel: of one pixel, or of a pair
  bool lanewise,
      compact; ///< compact: a 1x1 window, of whose input only the pixels in use are packed
};
} // namespace

FilterGradEmitter::FilterGradEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch)
    : k(k), op(op), launch(launch), g(op.getGeometry()), s(op.getSchedule()) {
  size_t next = 0;
  for (size_t i = 0; i < op.getLhs().size(); ++i)
    lhs.push_back(launch.buffers[next++]);
  for (size_t i = 0; i < op.getRhs().size(); ++i)
    rhs.push_back(launch.buffers[next++]);
  output = launch.buffers[next++];
  if (usesRandom(op.getLhsPrologue()) || usesRandom(op.getRhsPrologue()))
    hyper = launch.buffers[next];
  groupIn = g.getIc() / g.getGroups(), groupOut = g.getOc() / g.getGroups();
  lanewise = kern::isLanewise(g, s.getLanes());
  if (lanewise)
    groupOut = g.getOc();
  tile = s.getLanes() * s.getTileVectors(), tiles = (groupOut + tile - 1) / tile;
  compact = g.getKh() == 1 && g.getKw() == 1;
  stride = compact ? 1 : g.getSh();
  columns = (g.getOw() - 1) * (compact ? 1 : g.getSw()) + (g.getKw() - 1) * g.getDw() + 1;
  gradSize = (lanewise ? 1 : g.getGroups()) * tiles * g.getKh() * g.getKw() * groupIn * tile;
  block = s.getChannelBlock(), depths = kern::filterGradDepthBlock(g, s);
  bool merged = kern::mergesWindowRow(g);
  inner = merged ? g.getKw() * groupIn : std::min(depths, groupIn), runs = merged ? 1 : g.getKw();
  // Pixels a power of two apart would share a few sets of the first cache, where a tile reads a few
  // channels of each.
  auto spread = [&](int64_t floats) { return floats % 64 == 0 ? floats + 16 : floats; };
  xPitch = merged || g.getGroups() > 1 ? g.getIc() : spread(depths);
  // Groups read at channel offsets that need not be whole vectors; leave a vector of slack.
  dyPitch = g.getGroups() > 1 ? g.getOc()
                              : spread((block + s.getLanes() - 1) / s.getLanes() * s.getLanes());
  dyColumns = s.getFlat() ? 1 : g.getOw();
  // Beside each other, for a window of one tap, lie the pixels that are pairs.
  pairs = k.target.bf16 && s.getFlat() && g.getGroups() == 1 && lhs[0].element.isBF16() &&
          rhs[0].element.isBF16();
  wide = pairs ? 2 : 1;
  xRowPitch = s.getFlat() ? xPitch : stride * columns * xPitch;
}

Strip FilterGradEmitter::xStrip() {
  Strip strip;
  strip.prologue = kern::blockOf(op.getLhsPrologue());
  strip.sources = lhs;
  for (Value operand : op.getLhs())
    strip.accesses.push_back(accessOf(operand, g.getIh() * g.getIw()));
  strip.height = g.getIh(), strip.width = g.getIw(), strip.channels = g.getIc();
  strip.columns = columns;
  strip.padTop = g.getPt(), strip.padLeft = g.getPl();
  strip.gather = compact ? g.getSh() : 1;
  strip.gatherColumns = compact ? g.getSw() : 1;
  strip.count = depths, strip.pitch = xPitch;
  strip.random.hyper = hyper;
  return strip;
}

Strip FilterGradEmitter::dyStrip() {
  Strip strip;
  strip.prologue = kern::blockOf(op.getRhsPrologue());
  strip.sources = rhs;
  for (Value operand : op.getRhs())
    strip.accesses.push_back(accessOf(operand, g.getOh() * g.getOw()));
  strip.height = g.getOh(), strip.width = g.getOw(), strip.channels = g.getOc();
  strip.columns = g.getOw();
  strip.pitch = dyPitch;
  strip.random.hyper = hyper;
  return strip;
}

void FilterGradEmitter::emit() {
  int64_t xRows = s.getFlat() ? s.getStripRows()
                              : (s.getStripRows() - 1) * stride + (g.getKh() - 1) * g.getDh() + 1;
  int64_t xFloats = xRows * (s.getFlat() ? 1 : columns) * xPitch;
  xFloats = (xFloats + 15) / 16 * 16;
  // The last tile of a group may read past its channels, and so past the packed rows.
  int64_t dyFloats = s.getStripRows() * dyColumns * dyPitch + tile;
  k.reserveScratch(xFloats + dyFloats, 64);
  Type element = pairs ? Type(k.b.getBF16Type()) : launch.scratch.element;
  xScratch = {launch.scratch.address, element};
  dyScratch = {k.at(launch.scratch, xFloats).address, element};
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitItem(item); });
}

void FilterGradEmitter::emitItem(Value item) {
  int64_t blocks = (g.getOc() + block - 1) / block, depthBlocks = g.getIc() / depths;
  if (depthBlocks > 1) {
    depth = k.mul(k.rem(item, depthBlocks), depths);
    item = k.div(item, depthBlocks);
  }
  Value chunk = k.div(item, blocks), channel = k.mul(k.rem(item, blocks), block);
  Value count = k.min(k.c(block), k.sub(k.c(g.getOc()), channel));
  partial = k.at(output, k.mul(chunk, gradSize));
  zeroPartial(channel, count);
  int64_t total = s.getFlat() ? g.getOh() * g.getOw() : 1;
  Value rows = k.mul(launch.images, total);
  Value low = k.div(k.mul(chunk, rows), s.getChunks()),
        high = k.div(k.mul(k.add(chunk, 1), rows), s.getChunks());
  if (s.getFlat())
    emitFlatChunk(low, high, channel, count);
  else
    k.loop(low, high, 1, [&](Value image) { emitImage(image, channel, count); });
}

/// Zeroes this item's part of its chunk.
void FilterGradEmitter::zeroPartial(Value channel, Value count) {
  if (g.getGroups() > 1)
    return k.fillZero(partial, k.c(gradSize));
  int64_t windowFloats = groupIn * tile, tileFloats = g.getKh() * g.getKw() * windowFloats;
  TypedPointer first = k.at(partial, k.mul(k.div(channel, tile), tileFloats));
  Value ofBlock = k.ceilDiv(count, tile);
  if (!depth)
    return k.fillZero(first, k.mul(ofBlock, tileFloats));
  k.loop(k.c(0), k.mul(ofBlock, g.getKh() * g.getKw()), 1, [&](Value window) {
    k.fillZero(k.at(first, k.add(k.mul(window, windowFloats), k.mul(depth, tile))),
               k.c(depths * tile));
  });
}

/// Calls body with the static number of channels of a block: all are equal but the last.
static void overBlockSizes(KernelEmitter &k, Value count, int64_t block, int64_t channels,
                           llvm::function_ref<void(int64_t)> body) {
  int64_t last = channels % block;
  if (block >= channels)
    return body(channels);
  if (!last)
    return body(block);
  k.choose(k.less(count, k.c(block)), [&] { body(last); }, [&] { body(block); });
}

void FilterGradEmitter::emitImage(Value image, Value channel, Value count) {
  Strip x = xStrip();
  k.loop(0, g.getOh(), s.getStripRows(), [&](Value first) {
    Value rows = k.min(k.c(s.getStripRows()), k.sub(k.c(g.getOh()), first));
    Value needed = k.add(k.mul(k.sub(rows, k.c(1)), stride), (g.getKh() - 1) * g.getDh() + 1);
    emitStrip(k, x, xScratch, image, k.mul(first, stride), needed, depth);
    overBlockSizes(k, count, block, g.getOc(), [&](int64_t channels) {
      Strip dy = dyStrip();
      dy.count = channels;
      emitStrip(k, dy, dyScratch, image, first, rows, channel);
    });
    // Behind the last strip of an image lies the next image, as a rule.
    Value next = k.add(first, s.getStripRows());
    nextX = k.mul(k.add(k.mul(image, g.getIh()), k.mul(next, g.getSh())), g.getIw());
    nextDy = k.mul(k.add(k.mul(image, g.getOh()), next), g.getOw()), firstChannel = channel;
    emitTiles(xScratch, rows, channel, count);
  });
}

void FilterGradEmitter::emitFlatChunk(Value low, Value high, Value channel, Value count) {
  k.loop(low, high, s.getStripRows(), [&](Value first) {
    Value rows = k.min(k.c(s.getStripRows()), k.sub(high, first));
    auto sweepOf = [&](Region &prologue, OperandRange operands, ArrayRef<TypedPointer> pointers,
                       int64_t pitch, Value shift) {
      Sweep sweep;
      sweep.formula = kern::blockOf(prologue);
      for (auto [operand, pointer] : llvm::zip(operands, pointers)) {
        bool moves = accessOf(operand, g.getOh() * g.getOw()) == Access::Full;
        Value offset = moves ? k.add(k.mul(first, pitch), shift) : shift;
        sweep.inputs.push_back({k.at(pointer, offset), moves, pitch});
      }
      sweep.pixels = rows, sweep.pairs = pairs;
      sweep.random = {hyper, k.add(k.mul(first, pitch), shift)};
      sweep.randomPitch = pitch;
      return sweep;
    };
    TypedPointer x = k.at(lhs[0], k.mul(first, g.getIc()));
    if (pairs || kern::blockOf(op.getLhsPrologue()) || depth || xPitch != g.getIc()) {
      Sweep sweep =
          sweepOf(op.getLhsPrologue(), op.getLhs(), lhs, g.getIc(), depth ? depth : k.c(0));
      sweep.output = xScratch;
      sweep.outputPitch = xPitch, sweep.channels = depths;
      emitSweep(k, sweep);
      x = xScratch;
    }
    overBlockSizes(k, count, block, g.getOc(), [&](int64_t channels) {
      Sweep sweep = sweepOf(op.getRhsPrologue(), op.getRhs(), rhs, g.getOc(), channel);
      sweep.output = dyScratch;
      sweep.outputPitch = dyPitch;
      sweep.channels = channels;
      emitSweep(k, sweep);
    });
    Value next = k.add(first, s.getStripRows());
    nextX = nextDy = k.select(k.less(next, high), next, first), firstChannel = channel;
    emitTiles(x, rows, channel, count);
  });
}

/// Products of the strip's packed cotangent with `x`, which is packed too or the input itself.
void FilterGradEmitter::emitTiles(TypedPointer x, Value rows, Value channel, Value count) {
  int64_t ragged = groupOut % tile, wholeTiles = groupOut / tile;
  int64_t a = std::min(s.getTilePixels(), inner), wholeRows = inner / a * a;
  auto ofTile = [&](Value group, Value channelTile, TypedPointer dyAt, int64_t vectors) {
    Value tileBase =
        k.mul(k.add(k.mul(group, tiles), channelTile), g.getKh() * g.getKw() * groupIn * tile);
    k.loop(0, g.getKh() * runs, 1, [&](Value window) {
      Value kh = k.div(window, runs), kw = k.rem(window, runs);
      Value xAt =
          k.add(k.add(k.mul(kh, g.getDh() * columns * xPitch), k.mul(kw, g.getDw() * xPitch)),
                k.mul(group, groupIn));
      Value grad = k.add(tileBase, k.mul(window, g.getKw() / runs * groupIn * tile));
      if (depth)
        grad = k.add(grad, k.mul(depth, tile));
      auto callRows = [&](int64_t count, Value m) {
        prefetchNext(channelTile, window, m);
        k.call(tileFunction(x.element, count, vectors),
               {k.at(x, k.mul(k.add(xAt, m), wide)), dyAt,
                k.at(partial, k.add(grad, k.mul(m, tile))), pairs ? k.ceilDiv(rows, 2) : rows});
      };
      k.loop(0, wholeRows, a, [&](Value m) { callRows(a, m); });
      if (inner > wholeRows)
        callRows(inner - wholeRows, k.c(wholeRows));
    });
  };
  if (lanewise)
    return emitLanewiseTiles(x, rows);
  int64_t lanes = s.getLanes();
  auto ofGroup = [&](Value group, TypedPointer dyBase, Value firstTile, Value lastTile,
                     Value wantsRagged) {
    if (wholeTiles)
      k.loop(firstTile, k.min(lastTile, k.c(wholeTiles)), 1, [&](Value t) {
        ofTile(group, t, k.at(dyBase, k.mul(k.sub(t, firstTile), tile * wide)), s.getTileVectors());
      });
    if (!ragged)
      return;
    auto last = [&] {
      ofTile(group, k.c(wholeTiles),
             k.at(dyBase, k.mul(k.sub(k.c(wholeTiles), firstTile), tile * wide)),
             (ragged + lanes - 1) / lanes);
    };
    wantsRagged ? k.when(wantsRagged, last) : last();
  };
  if (g.getGroups() > 1) {
    k.loop(0, g.getGroups(), 1, [&](Value group) {
      ofGroup(group, k.at(dyScratch, k.mul(group, groupOut)), k.c(0), k.c(tiles), {});
    });
    return;
  }
  Value firstTile = k.div(channel, tile), lastTile = k.ceilDiv(k.add(channel, count), tile);
  ofGroup(k.c(0), dyScratch, firstTile, lastTile,
          block >= g.getOc() ? Value() : k.less(k.c(wholeTiles), lastTile));
}

/// Window columns whose gradients a lane-wise tile keeps in registers.
int64_t FilterGradEmitter::tapsOfLane() { return g.getKw() * groupIn <= 12 ? g.getKw() : 1; }

/// Small groups: a vector of channels at a time, its gradients for a window row in registers.
void FilterGradEmitter::emitLanewiseTiles(TypedPointer x, Value rows) {
  k.overChannels(g.getOc(), [&](Value channel, int64_t valid) {
    SmallVector<Type> types{k.pointerType(), k.pointerType(), k.pointerType(), k.i64()};
    func::FuncOp function = k.helper("lanes_" + std::to_string(valid), types, {true, true, true},
                                     [&](KernelEmitter &t, ValueRange arguments) {
                                       emitLanewiseTile(t, x.element, valid, arguments);
                                     });
    k.loop(0, g.getKh() * g.getKw(), tapsOfLane(), [&](Value window) {
      Value kh = k.div(window, g.getKw()), kw = k.rem(window, g.getKw());
      Value xAt =
          k.add(k.mul(kh, g.getDh() * columns * g.getIc()), k.mul(kw, g.getDw() * g.getIc()));
      Value grad =
          k.add(k.mul(channel, g.getKh() * g.getKw() * groupIn), k.mul(window, groupIn * tile));
      k.call(function,
             {k.at(x, k.add(xAt, channel)), k.at(dyScratch, channel), k.at(partial, grad), rows});
    });
  });
}

void FilterGradEmitter::emitLanewiseTile(KernelEmitter &t, Type xType, int64_t valid,
                                         ValueRange arguments) {
  TypedPointer x{arguments[0], xType}, dy{arguments[1], dyScratch.element},
      grad{arguments[2], output.element};
  Value stripRows = arguments[3];
  int64_t xPixel = (compact ? 1 : g.getSw()) * g.getIc();
  SmallVector<SmallVector<int64_t>> masks(groupIn);
  for (int64_t j = 0; j < groupIn; ++j)
    for (int64_t lane = 0; lane < t.lanes; ++lane)
      masks[j].push_back(lane / groupIn * groupIn + j);
  int64_t taps = tapsOfLane();
  auto gradAt = [&](int64_t tap, int64_t j) { return t.at(grad, (tap * groupIn + j) * tile); };
  Values accumulators;
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t j = 0; j < groupIn; ++j)
      accumulators.push_back(t.loadVector(gradAt(tap, j)));
  accumulators = t.reduce(t.c(0), stripRows, 1, accumulators, [&](Value row, ValueRange acc) {
    TypedPointer xRow = t.at(x, t.mul(row, xRowPitch)),
                 dyRow = t.at(dy, t.mul(row, dyColumns * dyPitch));
    return t.reduce(t.c(0), t.c(dyColumns), 1, acc, [&](Value column, ValueRange inside) {
      Values next(inside.begin(), inside.end());
      TypedPointer xAt = t.at(xRow, t.mul(column, xPixel));
      Value vy = t.loadVector(t.at(dyRow, t.mul(column, dyPitch)), valid);
      for (int64_t tap = 0; tap < taps; ++tap) {
        Value vx = t.loadVector(t.at(xAt, tap * g.getDw() * g.getIc()), valid);
        for (int64_t j = 0; j < groupIn; ++j) {
          Value own =
              groupIn == 1 ? vx : Value(vector::ShuffleOp::create(t.b, t.loc, vx, vx, masks[j]));
          next[tap * groupIn + j] = t.fma(own, vy, next[tap * groupIn + j]);
        }
      }
      return next;
    });
  });
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t j = 0; j < groupIn; ++j)
      t.storeVector(accumulators[tap * groupIn + j], gradAt(tap, j));
}

func::FuncOp FilterGradEmitter::tileFunction(Type xType, int64_t rows, int64_t vectors) {
  SmallVector<Type> types{k.pointerType(), k.pointerType(), k.pointerType(), k.i64()};
  std::string suffix = "tile_" + std::to_string(rows) + "x" + std::to_string(vectors);
  return k.helper(suffix, types, {true, true, true}, [&](KernelEmitter &t, ValueRange arguments) {
    emitTile(t, xType, rows, vectors, arguments);
  });
}

/// Each tile prefetches its share of the next strip's operands, so that memory traffic overlaps
/// with products.
void FilterGradEmitter::prefetchNext(Value channelTile, Value window, Value row) {
  if (g.getGroups() > 1)
    return;
  int64_t a = std::min(s.getTilePixels(), inner), rowCalls = (inner + a - 1) / a,
          windows = g.getKh() * runs;
  int64_t calls = rowCalls * windows * ((std::min(block, g.getOc()) + tile - 1) / tile);
  Value call = k.sub(channelTile, k.div(firstChannel, tile));
  call = k.add(k.mul(k.add(k.mul(call, windows), window), rowCalls), k.div(row, a));
  int64_t dyPixels = s.getStripRows() * dyColumns,
          xPixels = compact ? dyPixels : s.getStripRows() * stride * g.getIw();
  auto ofOperand = [&](TypedPointer pointer, Value base, int64_t pixels, bool gathers,
                       int64_t channels, int64_t taken, Value first) {
    int64_t line = pointer.perLine(), linesOfPixel = (taken + line - 1) / line;
    int64_t each = (pixels * linesOfPixel + calls - 1) / calls;
    auto ask = [&](Value number) {
      Value pixel = k.div(number, linesOfPixel);
      if (gathers)
        pixel = k.add(k.mul(k.div(pixel, g.getOw()), g.getSh() * g.getIw()),
                      k.mul(k.rem(pixel, g.getOw()), g.getSw()));
      Value element = k.add(k.mul(k.add(base, pixel), channels), first);
      k.prefetch(k.at(pointer, k.add(element, k.mul(k.rem(number, linesOfPixel), line))));
    };
    Value from = k.mul(call, each);
    if (each > kMostUnrolled)
      return k.loop(from, k.add(from, each), 1, ask);
    for (int64_t j = 0; j < each; ++j)
      ask(k.add(from, j));
  };
  for (auto [pointer, operand] : llvm::zip(lhs, op.getLhs()))
    if (accessOf(operand, g.getIh() * g.getIw()) == Access::Full)
      ofOperand(pointer, nextX, xPixels, compact && !s.getFlat(), g.getIc(), depths,
                depth ? depth : k.c(0));
  for (auto [pointer, operand] : llvm::zip(rhs, op.getRhs()))
    if (accessOf(operand, g.getOh() * g.getOw()) == Access::Full)
      ofOperand(pointer, nextDy, dyPixels, false, g.getOc(), std::min(block, g.getOc()),
                firstChannel);
}

/// dW[m, o] += sum over the strip's pixels of x[pixel, m] dy[pixel, o].
void FilterGradEmitter::emitTile(KernelEmitter &t, Type xType, int64_t rows, int64_t vectors,
                                 ValueRange arguments) {
  TypedPointer x{arguments[0], xType}, dy{arguments[1], dyScratch.element},
      grad{arguments[2], output.element};
  Value stripRows = arguments[3];
  int64_t xPixel = (compact ? 1 : g.getSw()) * xPitch;
  auto at = [&](int64_t m, int64_t u) { return t.at(grad, m * tile + u * t.lanes); };
  Values accumulators;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t u = 0; u < vectors; ++u)
      accumulators.push_back(t.loadVector(at(m, u)));
  auto pixel = [&](TypedPointer xAt, TypedPointer dyAt, Values acc) {
    Values y;
    for (int64_t u = 0; u < vectors; ++u) {
      TypedPointer from = t.at(dyAt, wide * u * t.lanes);
      y.push_back(pairs ? t.loadSteps(from) : t.loadVector(from));
    }
    for (int64_t m = 0; m < rows; ++m) {
      Value v = pairs ? t.splatSteps(t.at(xAt, wide * m)) : t.splat(t.load(t.at(xAt, m)));
      for (int64_t u = 0; u < vectors; ++u) {
        Value &sum = acc[m * vectors + u];
        sum = pairs ? t.addProducts(sum, y[u], v) : t.fma(v, y[u], sum);
      }
    }
    return acc;
  };
  accumulators = t.reduce(t.c(0), stripRows, 1, accumulators, [&](Value row, ValueRange acc) {
    TypedPointer xRow = t.at(x, t.mul(row, xRowPitch * wide)),
                 dyRow = t.at(dy, t.mul(row, dyColumns * dyPitch * wide));
    if (dyColumns == 1)
      return pixel(xRow, dyRow, Values(acc.begin(), acc.end()));
    int64_t unroll = dyColumns % 2 == 0 ? 2 : 1;
    return t.reduce(t.c(0), t.c(dyColumns), unroll, acc, [&](Value column, ValueRange inside) {
      Values next(inside.begin(), inside.end());
      TypedPointer xAt = t.at(xRow, t.mul(column, xPixel)),
                   dyAt = t.at(dyRow, t.mul(column, dyPitch));
      for (int64_t j = 0; j < unroll; ++j)
        next = pixel(t.at(xAt, j * xPixel), t.at(dyAt, j * dyPitch), next);
      return next;
    });
  });
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t u = 0; u < vectors; ++u)
      t.storeVector(accumulators[m * vectors + u], at(m, u));
}

void netc::cpu::emitFilterGrad(KernelEmitter &k, kern::ContractOp op, const Launch &launch) {
  if (op.getSchedule().getWinograd())
    return emitWinogradFilterGrad(k, op, launch);
  FilterGradEmitter(k, op, launch).emit();
}
