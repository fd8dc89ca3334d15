//===- ContractForward.cpp - convolution and linear layers on the CPU -----===//
//
// Direct convolution (docs/reference/cpu-kernels.md). A grid item is a strip of output rows of
// one image and a block of output channels. The strip of input that it needs is packed
// once into scratch, with a halo of zeros and the prologue applied; then register tiles
// of P pixels x U vectors of output channels run over window and input channels. Flat
// contractions (1x1) read their input in place unless it has a prologue.
//
// Where a tile's weights exceed the first cache, the reduction goes in pieces whose weights stay
// there while all tiles of pixels use them; accumulators wait in scratch meanwhile.
//
// Backward-data is the same with flipped, transposed weights over the cotangent. Where it
// is strided, outputs of equal residue modulo the stride form a dense convolution of every
// stride-th tap each; with dilation or tiny groups the cotangent is spread out instead.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ContractForward.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

ForwardEmitter::ForwardEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch)
    : k(k), op(op), launch(launch), g(op.getGeometry()), s(op.getSchedule()),
      lhs(ArrayRef(launch.buffers).take_front(op.getLhs().size())),
      weights(launch.buffers[op.getLhs().size()]), shape(op, lhs[0], weights, k.target),
      pieces(choosePieces(shape, weights)),
      prefetches(choosePrefetches(op, shape, pieces, lhs[0], weights)), epilogue(op, launch),
      strips{launch.scratch.address, shape.strip},
      tileKernels(shape, pieces, prefetches, lhs, shape.packed ? strips : lhs[0], weights,
                  static_cast<bool>(op.getStart()), epilogue) {
  if (usesRandom(op.getEpilogue()) || usesRandom(op.getLhsPrologue()))
    hyper = launch.buffers.back();
  if (op.getStart())
    start = launch.buffers[lhs.size() + 1];
}

/// Runs body for each piece of the reduction, with `current` set.
void ForwardEmitter::overPieces(llvm::function_ref<void()> body) {
  if (!pieces)
    return body();
  int64_t runs = shape.isMerged() ? 1 : g.getKw(),
          piecesOfRun = (shape.isMerged() ? g.getKw() : 1) * shape.groupDepth / pieces.steps;
  k.loop(0, pieces.count, 1, [&](Value index) {
    Value run = k.div(index, piecesOfRun), kh = k.div(run, runs), kw = k.rem(run, runs);
    Value tap = k.add(k.mul(kh, g.getDh() * shape.columns * shape.pitch),
                      k.mul(kw, g.getDw() * shape.pitch));
    current = {index, k.add(tap, k.mul(k.rem(index, piecesOfRun), pieces.steps)),
               k.mul(index, pieces.steps * shape.tile)};
    body();
  });
}

void ForwardEmitter::emit() {
  kern::Grid grid = op.getGrid();
  Value rows = k.ceilDiv(k.mul(launch.images, grid.rowsPerImage), grid.rowsPerItem);
  int64_t stripFloats = 0;
  if (shape.packed) {
    int64_t stripRows =
        shape.flat ? s.getStripRows()
                   : (s.getStripRows() - 1) * shape.stride + (g.getKh() - 1) * g.getDh() + 1;
    if (shape.byResidue)
      stripRows = s.getStripRows() / g.getSh() + shape.mostTapsH + 1;
    int64_t elements = stripRows * (shape.flat ? 1 : shape.columns) * shape.pitch;
    stripFloats = (elements * strips.bytes() / launch.scratch.bytes() + 31) / 16 * 16;
  }
  int64_t partialFloats = pieces ? s.getStripRows() * (shape.flat ? 1 : shape.outW) * shape.tile
                          : shape.inMatrices ? s.getTilePixels() * shape.tile
                                             : 0;
  partials = k.at(launch.scratch, stripFloats);
  int64_t configFloats = shape.inMatrices ? ForwardTile::kConfigFloats : 0;
  k.reserveScratch(stripFloats + partialFloats + configFloats);
  if (shape.inMatrices)
    tileKernels.beginMatrices(k, k.at(partials, partialFloats));
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitItem(item, rows); });
  if (shape.inMatrices)
    tileKernels.endMatrices(k);
}

void ForwardEmitter::emitItem(Value item, Value rowsOfGrid) {
  Value block = arith::DivUIOp::create(k.b, k.loc, item, rowsOfGrid);
  Value row = arith::RemUIOp::create(k.b, k.loc, item, rowsOfGrid);
  epilogue.beginItem(k, row, block);
  shape.flat ? emitFlatItem(row, block) : emitStripItem(row, block);
}

Strip ForwardEmitter::strip() {
  Strip strip;
  strip.prologue = kern::blockOf(op.getLhsPrologue());
  strip.sources = lhs;
  for (Value operand : op.getLhs())
    strip.accesses.push_back(accessOf(operand, shape.inH * shape.inW));
  strip.height = shape.inH, strip.width = shape.inW, strip.channels = shape.inC;
  strip.columns = shape.columns;
  strip.padTop = shape.forward ? g.getPt() : g.getDh() * (g.getKh() - 1) - g.getPt();
  strip.padLeft = shape.forward ? g.getPl() : g.getDw() * (g.getKw() - 1) - g.getPl();
  strip.spread = shape.forward ? 1 : g.getSh();
  if (shape.byResidue) {
    strip.spread = 1;
    strip.padTop = shape.mostTapsH - 1;
    strip.padLeft = shape.mostTapsW - 1 - g.getPl() / g.getSw();
  }
  strip.gather = shape.compact ? g.getSh() : 1;
  strip.gatherColumns = shape.compact ? g.getSw() : 1;
  strip.spreadColumns = shape.forward || shape.byResidue ? 1 : g.getSw();
  strip.count = shape.inC, strip.pitch = shape.pitch, strip.isPadded = shape.isPadded();
  strip.random.hyper = hyper;
  return strip;
}

void ForwardEmitter::emitStripItem(Value row, Value block) {
  int64_t perImage = (shape.outH + s.getStripRows() - 1) / s.getStripRows();
  Value image = k.div(row, perImage);
  Value first = k.mul(k.rem(row, perImage), s.getStripRows());
  Value count = k.min(k.c(s.getStripRows()), k.sub(k.c(shape.outH), first));
  Value needed = k.add(k.mul(k.sub(count, k.c(1)), shape.stride), (g.getKh() - 1) * g.getDh() + 1);
  Value firstRow = k.mul(first, shape.stride);
  if (shape.byResidue) {
    firstRow = k.div(k.add(first, g.getPt()), g.getSh());
    needed = k.add(k.sub(k.div(k.add(k.add(first, count), g.getPt() - 1), g.getSh()), firstRow),
                   shape.mostTapsH);
  }
  emitStrip(k, strip(), strips, image, firstRow, needed);
  if (shape.contiguous) {
    int64_t whole = s.getStripRows() * shape.outW,
            last = shape.outH % s.getStripRows() * shape.outW;
    Value pixel = k.mul(k.add(k.mul(image, shape.outH), first), shape.outW);
    return emitContiguous(strips, pixel, k.mul(count, shape.outW), whole, last, block);
  }
  overChannelTiles(block, [&](Value group, Value channelTile, int64_t valid) {
    if (shape.byResidue)
      return emitResidueRows(image, first, count, group, channelTile, valid);
    overPieces([&] {
      k.loop(k.c(0), count, 1, [&](Value r) {
        TypedPointer source =
            k.at(strips, k.add(k.mul(r, shape.stride * shape.columns * shape.pitch),
                               k.mul(group, shape.groupIn)));
        Value pixel = k.mul(k.add(k.mul(image, shape.outH), k.add(first, r)), shape.outW);
        emitRow(source, pixel, group, channelTile, valid, k.mul(r, shape.outW));
      });
    });
  });
}

void ForwardEmitter::emitFlatItem(Value row, Value block) {
  int64_t rows = s.getStripRows();
  Value first = k.mul(row, rows);
  Value total = k.mul(launch.images, shape.outH * shape.outW);
  Value count = k.min(k.c(rows), k.sub(total, first));
  // After the last item there is nothing to prefetch: take its own pixels again.
  Value next = k.add(first, rows);
  nextInput = k.mul(k.select(k.less(next, total), next, first), shape.inC);
  firstTile = k.mul(block, s.getChannelBlock() / shape.tile);
  TypedPointer source = k.at(lhs[0], k.mul(first, shape.inC));
  if (shape.packed) {
    Sweep sweep;
    sweep.formula = kern::blockOf(op.getLhsPrologue());
    for (auto [pointer, operand] : llvm::zip(lhs, op.getLhs())) {
      bool moves = accessOf(operand, shape.inH * shape.inW) == Access::Full;
      sweep.inputs.push_back(
          {moves ? k.at(pointer, k.mul(first, shape.inC)) : pointer, moves, shape.inC});
    }
    if (shape.isPadded())
      k.fillZero(strips, k.mul(count, shape.pitch));
    sweep.output = strips;
    sweep.outputPitch = shape.pitch;
    sweep.pixels = count;
    sweep.channels = shape.inC;
    sweep.random = {hyper, k.mul(first, shape.inC)};
    sweep.randomPitch = shape.inC;
    emitSweep(k, sweep);
    source = strips;
  }
  emitContiguous(source, first, count, rows, shape.outH * shape.outW % rows, block);
}

/// `count` pixels that lie side by side in the source and in the result; most often `whole` or, at
/// the end of an image, `last`.
void ForwardEmitter::emitContiguous(TypedPointer source, Value first, Value count, int64_t whole,
                                    int64_t last, Value block) {
  int64_t p = s.getTilePixels();
  // What is left of such a run has tiles of its own.
  llvm::SmallSetVector<int64_t, 2> remainders;
  remainders.insert(whole % p);
  remainders.insert(last % p);
  overChannelTiles(block, [&](Value group, Value channelTile, int64_t valid) {
    Value end = k.mul(k.div(count, p), p), left = k.sub(count, end);
    auto tileAt = [&](int64_t pixels) {
      return [&, pixels](Value r) {
        callTile(shape.wholeWindow(pixels), k.at(source, k.mul(r, shape.pitch)), k.add(first, r),
                 group, channelTile, valid, r);
      };
    };
    auto dispatch = [&](auto &&self, size_t index) -> void {
      if (index == remainders.size())
        return k.loop(end, count, 1, tileAt(1));
      int64_t pixels = remainders[index];
      if (pixels <= 1)
        return self(self, index + 1);
      Value same = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, left, k.c(pixels));
      k.choose(same, [&] { tileAt(pixels)(end); }, [&] { self(self, index + 1); });
    };
    overPieces([&] {
      k.loop(k.c(0), end, p, tileAt(p));
      if (p > 1)
        dispatch(dispatch, 0);
    });
  });
}

/// Whole tiles of output channels in a loop, then the ragged one of each group.
void ForwardEmitter::overChannelTiles(Value block, OfChannelTile body) {
  int64_t ragged = shape.groupOut % shape.tile;
  int64_t wholeTiles = shape.groupOut / shape.tile;
  auto ofGroup = [&](Value group, Value low, Value high, Value wantsRagged) {
    if (wholeTiles)
      k.loop(low, k.min(high, k.c(wholeTiles)), 1, [&](Value t) { body(group, t, shape.tile); });
    if (!ragged)
      return;
    if (wantsRagged)
      k.when(wantsRagged, [&] { body(group, k.c(wholeTiles), ragged); });
    else
      body(group, k.c(wholeTiles), ragged);
  };
  if (g.getGroups() > 1 && !shape.lanewise) {
    k.loop(0, g.getGroups(), 1, [&](Value group) { ofGroup(group, k.c(0), k.c(shape.tiles), {}); });
    return;
  }
  if (s.getChannelBlock() >= shape.outC)
    return ofGroup(k.c(0), k.c(0), k.c(shape.tiles), {});
  int64_t tilesOfBlock = s.getChannelBlock() / shape.tile;
  Value low = k.mul(block, tilesOfBlock), high = k.min(k.add(low, tilesOfBlock), k.c(shape.tiles));
  ofGroup(k.c(0), low, high, k.less(k.c(wholeTiles), high));
}

void ForwardEmitter::emitRow(TypedPointer source, Value pixel, Value group, Value channelTile,
                             int64_t valid, Value index) {
  int64_t p = std::min(s.getTilePixels(), shape.outW), whole = shape.outW / p * p;
  auto tileAt = [&](int64_t pixels, Value column) {
    callTile(shape.wholeWindow(pixels), k.at(source, k.mul(column, shape.strideW * shape.pitch)),
             k.add(pixel, column), group, channelTile, valid, k.add(index, column));
  };
  if (whole == p)
    tileAt(p, k.c(0));
  else
    k.loop(0, whole, p, [&](Value column) { tileAt(p, column); });
  if (shape.outW > whole)
    tileAt(shape.outW - whole, k.c(whole));
}

/// Each tile prefetches some of the next weights.
TypedPointer ForwardEmitter::nextWeightsOf(TypedPointer weight, Value index) {
  int64_t steps = shape.stepsOf(pieces ? pieces.steps : shape.groupDepth),
          tileFloats = g.getKh() * g.getKw() * shape.groupDepth * shape.tile;
  int64_t each = steps / unrollOf(steps) * prefetches.weightLines * weights.perLine();
  Value done = k.mul(k.div(index, shape.pixelsOfTile()), each),
        next = k.c(pieces ? pieces.steps * shape.tile : tileFloats);
  return k.at(weight, k.select(k.less(done, next), k.add(done, next), k.c(0)));
}

/// The part of the next item's operands that this tile prefetches.
SmallVector<TypedPointer> ForwardEmitter::nextInputsOf(Value channelTile, Value index) {
  int64_t rowTiles = (s.getStripRows() + shape.pixelsOfTile() - 1) / shape.pixelsOfTile();
  Value call = k.sub(channelTile, firstTile);
  if (pieces)
    call = k.add(k.mul(call, pieces.count), current.index);
  call = k.add(k.mul(call, rowTiles), k.div(index, shape.pixelsOfTile()));
  SmallVector<TypedPointer> inputs;
  for (unsigned input : prefetches.inputs) {
    Value from = k.add(nextInput, k.mul(call, prefetches.inputLines * lhs[input].perLine()));
    inputs.push_back(k.at(lhs[input], from));
  }
  return inputs;
}

void ForwardEmitter::callTile(TileShape tile, TypedPointer source, Value pixel, Value group,
                              Value channelTile, int64_t valid, Value index, Value weightOffset) {
  tile.vectors = (valid + s.getLanes() - 1) / s.getLanes();
  tile.lastLanes = valid - (tile.vectors - 1) * s.getLanes();
  Value channel = k.add(k.mul(group, shape.groupOut), k.mul(channelTile, shape.tile));
  Value tileIndex = k.add(k.mul(group, shape.tiles), channelTile);
  if (shape.lanewise)
    source = k.at(source, channel);
  Value element = k.mul(tileIndex, g.getKh() * g.getKw() * shape.groupDepth * shape.tile);
  TypedPointer weight = k.at(weights, weightOffset ? k.add(element, weightOffset) : element);
  if (pieces)
    source = k.at(source, current.source), weight = k.at(weight, current.weight);
  TileArguments arguments;
  arguments.source = source, arguments.weights = weight;
  if (start)
    arguments.start = k.at(start, channel);
  if (prefetches.weightLines)
    arguments.nextWeights = nextWeightsOf(weight, index);
  if (pieces) {
    arguments.partials = k.at(partials, k.mul(index, shape.tile));
    arguments.piece = current.index;
  } else if (shape.inMatrices) {
    arguments.partials = partials;
  }
  if (!prefetches.inputs.empty())
    arguments.inputs = nextInputsOf(channelTile, index);
  arguments.epilogue = epilogue.argumentsAt(k, pixel, channel);
  tileKernels.call(k, tile, arguments);
}

void netc::cpu::emitForward(KernelEmitter &k, kern::ContractOp op, const Launch &launch) {
  if (op.getSchedule().getWinograd())
    return emitWinograd(k, op, launch);
  ForwardEmitter(k, op, launch).emit();
}
