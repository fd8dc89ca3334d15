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
    : k(k), op(op), launch(launch), g(op.getGeometry()), s(op.getSchedule()), epilogue(op, launch) {
  forward = op.getKind() == kern::ContractKind::Forward;
  flat = s.getFlat();
  inH = forward ? g.getIh() : g.getOh(), inW = forward ? g.getIw() : g.getOw();
  inC = forward ? g.getIc() : g.getOc();
  outH = forward ? g.getOh() : g.getIh(), outW = forward ? g.getOw() : g.getIw();
  outC = forward ? g.getOc() : g.getIc();
  groupIn = inC / g.getGroups(), groupOut = outC / g.getGroups();
  lanewise = kern::isLanewise(g, s.getLanes());
  if (lanewise)
    groupOut = outC; // one run of tiles over all groups; groupIn stays the depth
  tile = s.getLanes() * s.getTileVectors(), tiles = (groupOut + tile - 1) / tile;
  // A 1x1 window needs only every stride-th pixel: pack those alone.
  bool compact = forward && g.getKh() == 1 && g.getKw() == 1;
  stride = forward && !compact ? g.getSh() : 1, strideW = forward && !compact ? g.getSw() : 1;
  columns = (outW - 1) * strideW + (g.getKw() - 1) * g.getDw() + 1;
  byResidue = kern::isByResidue(op.getKind(), g, s.getLanes());
  tapStepH = byResidue ? g.getSh() : 1, tapStepW = byResidue ? g.getSw() : 1, outStep = tapStepW;
  mostH = (g.getKh() + g.getSh() - 1) / g.getSh(), mostW = (g.getKw() + g.getSw() - 1) / g.getSw();
  if (byResidue)
    columns = (outW - 1 + g.getPl()) / g.getSw() - g.getPl() / g.getSw() + mostW;
  packed = !flat || kern::blockOf(op.getLhsPrologue());
  isRun = g.getGroups() == 1 &&
          (flat || (compact && g.getPt() == 0 && g.getPl() == 0 && (outH - 1) * g.getSh() < inH &&
                    (outW - 1) * g.getSw() < inW));
  for (size_t i = 0; i < op.getLhs().size(); ++i)
    lhs.push_back(launch.buffers[i]);
  weights = launch.buffers[op.getLhs().size()];
  // Pixels a multiple of a page apart lie in the same few sets of the first cache, which a tile's
  // rows then overflow.
  auto onPages = [&](TypedPointer of) { return inC * strideW * of.bytes() % 4096 == 0; };
  packed |= !lanewise && g.getGroups() == 1 && onPages(lhs[0]) && s.getTilePixels() > 8;
  // In scratch they needn't; nor where a store would have the low twelve bits of the loads that
  // follow it.
  pitch = inC;
  int64_t line = launch.scratch.perLine();
  bool onPowers = inC % (4 * line) == 0 && (g.getKw() == 1 || onPages(launch.scratch));
  if (packed && onPowers && !lanewise && g.getGroups() == 1)
    pitch += line;
  choosePieces();
  choosePrefetches();
  if (usesRandom(op.getEpilogue()) || usesRandom(op.getLhsPrologue()))
    hyper = launch.buffers.back();
}

/// Pieces of equal size, as long as their weights leave half of the first cache to pixels and
/// accumulators.
void ForwardEmitter::choosePieces() {
  if (lanewise || byResidue || g.getGroups() > 1)
    return;
  int64_t run = isMerged() ? g.getKw() * inC : inC, all = g.getKh() * g.getKw() * inC;
  int64_t most = target::CpuCosts().pieceBytes / weights.bytes() / tile;
  if (all <= 2 * most)
    return;
  for (int64_t steps = std::min(most, run); steps >= 32 && !piece; --steps)
    if (run % steps == 0)
      piece = steps, pieces = all / steps;
}

/// Chooses how many lines each tile prefetches: as few as suffice for all operands of the next item
/// to be requested by the last tile of this one.
void ForwardEmitter::choosePrefetches() {
  auto ceilDiv = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  int64_t steps = piece ? piece : inC, iterations = steps / unrollOf(steps);
  int64_t pixels = flat ? s.getStripRows() : s.getStripRows() * outW,
          p = std::min(pixelsOfTile(), pixels);
  if (isRun || piece) {
    int64_t calls = isRun ? pixels / p : s.getStripRows() * (outW / p);
    prefetches =
        std::clamp<int64_t>(ceilDiv(steps * tile / weights.perLine(), calls * iterations), 1, 4);
  }
  if (!flat || outH * outW == 1) // a linear layer's pixels are few: memory is its weights'
    return;
  // A flat item's operands are one run of memory, read at its beginning: the last item's products
  // bring it from memory.
  for (auto [index, operand] : llvm::enumerate(op.getLhs()))
    if (accessOf(operand, inH * inW) == Access::Full)
      streams.push_back(static_cast<unsigned>(index));
  int64_t calls = ceilDiv(std::min(s.getChannelBlock(), outC), tile) * pieces * ceilDiv(pixels, p);
  streamLines = ceilDiv(pixels * inC, lhs[0].perLine() * calls);
  if (streamLines > 4) {
    streamSteps = ceilDiv(streamLines, iterations);
    streamLines = std::min(streamLines, streamSteps * iterations);
  }
}

/// Runs body for each piece of the reduction, with `current` set.
void ForwardEmitter::overPieces(llvm::function_ref<void()> body) {
  if (!piece)
    return body();
  int64_t runs = isMerged() ? 1 : g.getKw(),
          piecesOfRun = (isMerged() ? g.getKw() : 1) * inC / piece;
  k.loop(0, pieces, 1, [&](Value index) {
    Value run = k.div(index, piecesOfRun), kh = k.div(run, runs), kw = k.rem(run, runs);
    Value tap = k.add(k.mul(kh, g.getDh() * columns * pitch), k.mul(kw, g.getDw() * pitch));
    current = {index, k.add(tap, k.mul(k.rem(index, piecesOfRun), piece)),
               k.mul(index, piece * tile)};
    body();
  });
}

void ForwardEmitter::emit() {
  kern::Grid grid = op.getGrid();
  Value rows = k.ceilDiv(k.mul(launch.images, grid.rowsPerImage), grid.rowsPerItem);
  int64_t stripFloats = 0;
  if (packed) {
    int64_t stripRows =
        flat ? s.getStripRows() : (s.getStripRows() - 1) * stride + (g.getKh() - 1) * g.getDh() + 1;
    if (byResidue)
      stripRows = s.getStripRows() / g.getSh() + mostH + 1;
    stripFloats = (stripRows * (flat ? 1 : columns) * pitch + 31) / 16 * 16;
  }
  int64_t partialFloats = piece ? s.getStripRows() * (flat ? 1 : outW) * tile : 0;
  partials = k.at(launch.scratch, stripFloats);
  k.reserveScratch(stripFloats + partialFloats);
  k.loop(launch.begin, launch.end, 1, [&](Value item) { emitItem(item, rows); });
}

void ForwardEmitter::emitItem(Value item, Value rowsOfGrid) {
  Value block = arith::DivUIOp::create(k.b, k.loc, item, rowsOfGrid);
  Value row = arith::RemUIOp::create(k.b, k.loc, item, rowsOfGrid);
  epilogue.beginItem(k, row, block);
  flat ? emitFlatItem(row, block) : emitStripItem(row, block);
}

Strip ForwardEmitter::strip() {
  Strip strip;
  strip.prologue = kern::blockOf(op.getLhsPrologue());
  strip.sources = lhs;
  for (Value operand : op.getLhs())
    strip.accesses.push_back(accessOf(operand, inH * inW));
  strip.height = inH, strip.width = inW, strip.channels = inC;
  strip.columns = columns;
  strip.padTop = forward ? g.getPt() : g.getDh() * (g.getKh() - 1) - g.getPt();
  strip.padLeft = forward ? g.getPl() : g.getDw() * (g.getKw() - 1) - g.getPl();
  strip.spread = forward ? 1 : g.getSh();
  if (byResidue) {
    strip.spread = 1;
    strip.padTop = mostH - 1;
    strip.padLeft = mostW - 1 - g.getPl() / g.getSw();
  }
  bool compact = forward && g.getKh() == 1 && g.getKw() == 1;
  strip.gather = compact ? g.getSh() : 1;
  strip.gatherColumns = compact ? g.getSw() : 1;
  strip.spreadColumns = forward || byResidue ? 1 : g.getSw();
  strip.count = inC, strip.pitch = pitch;
  strip.random.hyper = hyper;
  return strip;
}

void ForwardEmitter::emitStripItem(Value row, Value block) {
  int64_t strips = (outH + s.getStripRows() - 1) / s.getStripRows();
  Value image = k.div(row, strips);
  Value first = k.mul(k.rem(row, strips), s.getStripRows());
  Value count = k.min(k.c(s.getStripRows()), k.sub(k.c(outH), first));
  Value needed = k.add(k.mul(k.sub(count, k.c(1)), stride), (g.getKh() - 1) * g.getDh() + 1);
  Value firstRow = k.mul(first, stride);
  if (byResidue) {
    firstRow = k.div(k.add(first, g.getPt()), g.getSh());
    needed =
        k.add(k.sub(k.div(k.add(k.add(first, count), g.getPt() - 1), g.getSh()), firstRow), mostH);
  }
  emitStrip(k, strip(), launch.scratch, image, firstRow, needed);
  if (isRun) {
    int64_t whole = s.getStripRows() * outW, last = outH % s.getStripRows() * outW;
    Value pixel = k.mul(k.add(k.mul(image, outH), first), outW);
    return emitRun(launch.scratch, pixel, k.mul(count, outW), whole, last, block);
  }
  overChannelTiles(block, [&](Value group, Value channelTile, int64_t valid) {
    if (byResidue)
      return emitResidueRows(image, first, count, group, channelTile, valid);
    overPieces([&] {
      k.loop(k.c(0), count, 1, [&](Value r) {
        TypedPointer source =
            k.at(launch.scratch, k.add(k.mul(r, stride * columns * pitch), k.mul(group, groupIn)));
        Value pixel = k.mul(k.add(k.mul(image, outH), k.add(first, r)), outW);
        emitRow(source, pixel, group, channelTile, valid, k.mul(r, outW));
      });
    });
  });
}

void ForwardEmitter::emitFlatItem(Value row, Value block) {
  int64_t rows = s.getStripRows();
  Value first = k.mul(row, rows);
  Value total = k.mul(launch.images, outH * outW);
  Value count = k.min(k.c(rows), k.sub(total, first));
  // After the last item there is nothing to prefetch: take its own pixels again.
  Value next = k.add(first, rows);
  nextInput = k.mul(k.select(k.less(next, total), next, first), inC);
  firstTile = k.mul(block, s.getChannelBlock() / tile);
  TypedPointer source = k.at(lhs[0], k.mul(first, inC));
  if (packed) {
    Sweep sweep;
    sweep.formula = kern::blockOf(op.getLhsPrologue());
    for (auto [pointer, operand] : llvm::zip(lhs, op.getLhs())) {
      bool moves = accessOf(operand, inH * inW) == Access::Full;
      sweep.inputs.push_back({moves ? k.at(pointer, k.mul(first, inC)) : pointer, moves, inC});
    }
    sweep.output = launch.scratch;
    sweep.outputPitch = pitch;
    sweep.pixels = count;
    sweep.channels = inC;
    sweep.random = {hyper, k.mul(first, inC)};
    sweep.randomPitch = inC;
    emitSweep(k, sweep);
    source = launch.scratch;
  }
  emitRun(source, first, count, rows, outH * outW % rows, block);
}

/// `count` pixels that lie side by side in the source and in the result; most often `whole` or, at
/// the end of an image, `last`.
void ForwardEmitter::emitRun(TypedPointer source, Value first, Value count, int64_t whole,
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
        callTile(wholeWindow(pixels), k.at(source, k.mul(r, pitch)), k.add(first, r), group,
                 channelTile, valid, r);
      };
    };
    auto dispatch = [&](auto &&self, size_t index) -> void {
      if (index == remainders.size())
        return k.loop(end, count, 1, tileAt(1));
      int64_t pixels = remainders[index];
      if (pixels <= 1)
        return self(self, index + 1);
      Value same = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, left, k.c(pixels));
      k.choose(
          same, [&] { tileAt(pixels)(end); }, [&] { self(self, index + 1); });
    };
    overPieces([&] {
      k.loop(k.c(0), end, p, tileAt(p));
      if (p > 1)
        dispatch(dispatch, 0);
    });
  });
}

/// Whole tiles of output channels in a loop, then the ragged one of each group.
void ForwardEmitter::overChannelTiles(Value block,
                                      llvm::function_ref<void(Value, Value, int64_t)> body) {
  int64_t ragged = groupOut % tile;
  int64_t wholeTiles = groupOut / tile;
  auto ofGroup = [&](Value group, Value low, Value high, Value wantsRagged) {
    if (wholeTiles)
      k.loop(low, k.min(high, k.c(wholeTiles)), 1, [&](Value t) { body(group, t, tile); });
    if (!ragged)
      return;
    if (wantsRagged)
      k.when(wantsRagged, [&] { body(group, k.c(wholeTiles), ragged); });
    else
      body(group, k.c(wholeTiles), ragged);
  };
  if (g.getGroups() > 1 && !lanewise) {
    k.loop(0, g.getGroups(), 1, [&](Value group) { ofGroup(group, k.c(0), k.c(tiles), {}); });
    return;
  }
  if (s.getChannelBlock() >= outC)
    return ofGroup(k.c(0), k.c(0), k.c(tiles), {});
  int64_t tilesOfBlock = s.getChannelBlock() / tile;
  Value low = k.mul(block, tilesOfBlock), high = k.min(k.add(low, tilesOfBlock), k.c(tiles));
  ofGroup(k.c(0), low, high, k.less(k.c(wholeTiles), high));
}

void ForwardEmitter::emitRow(TypedPointer source, Value pixel, Value group, Value channelTile,
                             int64_t valid, Value index) {
  int64_t p = std::min(s.getTilePixels(), outW), whole = outW / p * p;
  auto tileAt = [&](int64_t pixels, Value column) {
    callTile(wholeWindow(pixels), k.at(source, k.mul(column, strideW * pitch)),
             k.add(pixel, column), group, channelTile, valid, k.add(index, column));
  };
  if (whole == p)
    tileAt(p, k.c(0));
  else
    k.loop(0, whole, p, [&](Value column) { tileAt(p, column); });
  if (outW > whole)
    tileAt(outW - whole, k.c(whole));
}

Residue ForwardEmitter::residueOf(int64_t output, int64_t pad, int64_t step, int64_t kernel) const {
  int64_t residue = (output + pad) % step;
  int64_t taps = residue < kernel ? (kernel - 1 - residue) / step + 1 : 0;
  return {taps, kernel - 1 - (residue + step * (taps - 1))};
}

/// The outputs below `count` of an axis, in runs that one loop can do: equal numbers of taps, whose
/// first goes down by one from each output to the next. `joins`: whether two neighbours may.
SmallVector<ResidueRun>
ForwardEmitter::residueRuns(int64_t count, int64_t pad, int64_t step, int64_t kernel,
                            llvm::function_ref<bool(int64_t, int64_t)> joins) const {
  SmallVector<ResidueRun> runs;
  bool unrolled = g.getSh() * g.getSw() <= kMostUnrolled / 4;
  for (int64_t i = 0; i < count; ++i) {
    Residue residue = residueOf(i, pad, step, kernel);
    ResidueRun *last = runs.empty() || unrolled ? nullptr : &runs.back();
    if (last && last->residue.taps == residue.taps && (i + pad) % step != 0 && joins(i - 1, i))
      ++last->count;
    else
      runs.push_back({residue, i, 1});
  }
  return runs;
}

/// Rows and columns by residue: each tile's pixels lie a stride apart.
void ForwardEmitter::emitResidueRows(Value image, Value first, Value count, Value group,
                                     Value channelTile, int64_t valid) {
  Value firstQ = k.div(k.add(first, g.getPt()), g.getSh());
  auto overRun = [&](const ResidueRun &run, llvm::function_ref<void(Value, Value)> body) {
    auto at = [&](Value i) { body(i, k.sub(k.c(run.residue.firstTap + run.first), i)); };
    run.count == 1 ? at(k.c(run.first)) : k.loop(run.first, run.first + run.count, 1, at);
  };
  auto sameRow = [](int64_t, int64_t) { return true; };
  auto totalOf = [&](int64_t b) { return (outW - b + g.getSw() - 1) / g.getSw(); };
  auto firstColumnOf = [&](int64_t b) {
    return (b + g.getPl()) / g.getSw() - g.getPl() / g.getSw();
  };
  auto sameColumns = [&](int64_t b, int64_t c) {
    return totalOf(b) == totalOf(c) && firstColumnOf(b) == firstColumnOf(c);
  };
  for (const ResidueRun &rows : residueRuns(g.getSh(), g.getPt(), g.getSh(), g.getKh(), sameRow))
    overRun(rows, [&](Value a, Value firstRowTap) {
      k.loop(a, count, g.getSh(), [&](Value r) {
        // Scratch row 0 holds cotangent row firstQ - (mostH - 1); the deepest tap needs q - (taps -
        // 1).
        Value q = k.div(k.add(k.add(first, r), g.getPt()), g.getSh());
        Value row = k.add(k.sub(q, firstQ), mostH - rows.residue.taps);
        TypedPointer source =
            k.at(launch.scratch, k.add(k.mul(row, columns * pitch), k.mul(group, groupIn)));
        Value pixel = k.mul(k.add(k.mul(image, outH), k.add(first, r)), outW);
        for (const ResidueRun &cols : residueRuns(std::min<int64_t>(g.getSw(), outW), g.getPl(),
                                                  g.getSw(), g.getKw(), sameColumns))
          overRun(cols, [&](Value b, Value firstColumnTap) {
            int64_t total = totalOf(cols.first), p = std::min<int64_t>(s.getTilePixels(), total);
            int64_t whole = total / p * p, q0 = firstColumnOf(cols.first);
            bool none = rows.residue.taps == 0 || cols.residue.taps == 0;
            Value taps = k.add(k.mul(firstRowTap, g.getKw()), firstColumnTap);
            Value weightOffset = none ? k.c(0) : k.mul(taps, groupIn * tile);
            auto tileAt = [&](int64_t pixels, Value index) {
              TileShape shape{pixels, 0, 0, rows.residue.taps, cols.residue.taps};
              TypedPointer at =
                  k.at(source, k.mul(k.add(index, q0 + mostW - cols.residue.taps), pitch));
              callTile(shape, at, k.add(pixel, k.add(k.mul(index, g.getSw()), b)), group,
                       channelTile, valid, {}, weightOffset);
            };
            k.loop(0, whole, p, [&](Value index) { tileAt(p, index); });
            if (total > whole)
              tileAt(total - whole, k.c(whole));
          });
      });
    });
}

void ForwardEmitter::callTile(TileShape shape, TypedPointer source, Value pixel, Value group,
                              Value channelTile, int64_t valid, Value index, Value weightOffset) {
  shape.vectors = (valid + s.getLanes() - 1) / s.getLanes();
  shape.lastLanes = valid - (shape.vectors - 1) * s.getLanes();
  Value channel = k.add(k.mul(group, groupOut), k.mul(channelTile, tile));
  Value tileIndex = k.add(k.mul(group, tiles), channelTile);
  if (lanewise)
    source = k.at(source, channel);
  int64_t tileFloats = g.getKh() * g.getKw() * groupIn * tile, steps = piece ? piece : groupIn;
  Value element = k.mul(tileIndex, tileFloats);
  TypedPointer weight = k.at(weights, weightOffset ? k.add(element, weightOffset) : element);
  if (piece)
    source = k.at(source, current.source), weight = k.at(weight, current.weight);
  Values arguments{source, weight};
  if (prefetches) {
    // Each tile prefetches some of the next weights.
    int64_t each = steps / unrollOf(steps) * prefetches * weights.perLine();
    Value done = k.mul(k.div(index, pixelsOfTile()), each),
          next = k.c(piece ? piece * tile : tileFloats);
    arguments.push_back(k.at(weight, k.select(k.less(done, next), k.add(done, next), k.c(0))));
  }
  if (piece)
    llvm::append_range(arguments, Values{k.at(partials, k.mul(index, tile)), current.index});
  if (!streams.empty()) {
    int64_t rowTiles = (s.getStripRows() + pixelsOfTile() - 1) / pixelsOfTile();
    Value call = k.sub(channelTile, firstTile);
    if (piece)
      call = k.add(k.mul(call, pieces), current.index);
    call = k.add(k.mul(call, rowTiles), k.div(index, pixelsOfTile()));
    for (unsigned stream : streams) {
      Value from = k.add(nextInput, k.mul(call, streamLines * lhs[stream].perLine()));
      arguments.push_back(k.at(lhs[stream], from));
    }
  }
  llvm::append_range(arguments, epilogue.argumentsAt(k, pixel, channel));
  k.call(tileFunction(shape), arguments);
}

void netc::cpu::emitForward(KernelEmitter &k, kern::ContractOp op, const Launch &launch) {
  if (op.getSchedule().getWinograd())
    return emitWinograd(k, op, launch);
  ForwardEmitter(k, op, launch).emit();
}
