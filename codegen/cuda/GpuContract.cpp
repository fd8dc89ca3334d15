//===- GpuContract.cpp - convolution and linear layers on the GPU ---------===//
//
// Implicit GEMM, forward and backward-data: rows are output pixels, columns output
// channels, the depth (tap, input channel). A block of threads has one tile (GpuTile), whose
// operands go through shared memory (GpuStaging); padding is zero after the prologue.
//
// Backward-data reads flipped, transposed weights. Strided, a block's pixels are of one
// residue modulo the stride and meet the taps of that residue alone. Tiny groups: a thread
// an output, without shared memory.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuContractEmitter.h"
#include "codegen/cuda/GpuWarpgroup.h"
#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

ContractEmitter::ContractEmitter(GpuEmitter &k, kern::ContractOp op, const Launch &launch)
    : k(k), op(op), launch(launch), g(op.getGeometry()), s(op.getGpuAttr()) {
  forward = op.getKind() == kern::ContractKind::Forward;
  direct = s.getAlgorithm() == kern::GpuAlgorithm::Direct;
  residues = kern::gpuByResidue(op.getKind(), g);
  inH = forward ? g.getIh() : g.getOh(), inW = forward ? g.getIw() : g.getOw();
  inC = forward ? g.getIc() : g.getOc();
  outH = forward ? g.getOh() : g.getIh(), outW = forward ? g.getOw() : g.getIw();
  outC = forward ? g.getOc() : g.getIc();
  groupIn = inC / g.getGroups(), groupOut = outC / g.getGroups();
  taps = g.getKh() * g.getKw();
  pointwise = taps == 1 && g.getSh() == 1 && g.getSw() == 1 && g.getPt() == 0 && g.getPl() == 0 &&
              inH == outH && inW == outW;
  tile = kern::shapedType(op.getWeights()).getShape().back();
  size_t next = 0;
  for (Value operand : op.getLhs()) {
    lhs.pointers.push_back(launch.buffers[next++]);
    lhs.accesses.push_back(accessOf(operand, inH * inW));
  }
  weights = launch.buffers[next++];
  for (Value operand : op.getExtra()) {
    extra.pointers.push_back(launch.buffers[next++]);
    extra.accesses.push_back(accessOf(operand, outH * outW));
  }
  output = launch.buffers[next++];
  if (op.getOuts().size() > 1) {
    partials = launch.buffers[next++];
    terms = op.getTerms();
    partialRows = kern::shapedType(op.getOuts()[1]).getDimSize(2);
  }
  if (usesRandom(op.getEpilogue()) || usesRandom(op.getLhsPrologue()))
    hyper = launch.buffers[next];
}

/// Which tile this block has. Tiles of columns run fastest: their blocks read the same pixels.
void ContractEmitter::placeBlock() {
  k.threads = s.getThreads();
  k.blocksPerProcessor = kern::gpuBlocksPerProcessor(s);
  if (terms >=
      4) // sums of four products for each of a thread's columns: half of the registers spill
    k.blocksPerProcessor = std::max<int64_t>(1, k.blocksPerProcessor / 2);
  k.grid = op.getGrid();
  int64_t tiles = kern::gpuColumnTiles(op.getKind(), g, s);
  Value block = k.block();
  rowTile = k.div(block, tiles);
  Value columnTile = k.rem(block, tiles);
  int64_t ofGroup = direct ? tiles : tiles / g.getGroups();
  group = direct || g.getGroups() == 1 ? k.c(0) : k.div(columnTile, ofGroup);
  firstColumn = k.mul(k.rem(columnTile, ofGroup), s.getColumns());
  totalRows = k.mul(launch.images, outH * outW);
  depthEnd = k.c(taps * groupIn);
  firstRow = k.mul(rowTile, s.getRows());
  if (!residues)
    return;
  kern::ResidueTiles r = kern::gpuResidueTiles(g, s);
  int64_t ofImage = g.getSh() * g.getSw() * r.tiles;
  image = k.div(rowTile, ofImage);
  Value rest = k.rem(rowTile, ofImage);
  firstRow = k.mul(k.rem(rest, r.tiles), s.getRows());
  Value residue = k.div(rest, r.tiles);
  residueH = k.div(residue, g.getSw()), residueW = k.rem(residue, g.getSw());
  firstTapH = k.rem(k.add(residueH, g.getPt()), g.getSh()),
  firstTapW = k.rem(k.add(residueW, g.getPl()), g.getSw());
  // Taps first, first + stride, … below the kernel's size; sums to zero where there is none.
  auto tapsOf = [&](Value first, int64_t kernel, int64_t stride) {
    return k.div(k.max(k.sub(k.c(kernel + stride - 1), first), k.c(0)), stride);
  };
  tapsW = tapsOf(firstTapW, g.getKw(), g.getSw());
  depthEnd = k.mul(k.mul(tapsOf(firstTapH, g.getKh(), g.getSh()), tapsW), groupIn);
}

ContractRow ContractEmitter::rowAt(Value row) {
  ContractRow result;
  Value index = k.add(firstRow, row);
  if (residues) {
    int64_t across = kern::gpuResidueTiles(g, s).width;
    Value h = k.add(k.mul(k.div(index, across), g.getSh()), residueH);
    Value w = k.add(k.mul(k.rem(index, across), g.getSw()), residueW);
    result.valid = k.both(k.less(h, outH), k.less(w, outW));
    result.image = image;
    result.pixel = k.add(k.mul(k.add(k.mul(image, outH), h), outW), w);
    result.h = k.div(k.add(h, g.getPt()), g.getSh()),
    result.w = k.div(k.add(w, g.getPl()), g.getSw());
    result.source = sourceAt(image, result.h, result.w);
    return result;
  }
  result.valid = k.less(index, totalRows);
  result.pixel = index;
  result.image = k.div(index, outH * outW);
  if (pointwise)
    return result;
  Value inImage = k.rem(index, outH * outW);
  Value h = k.div(inImage, outW), w = k.rem(inImage, outW);
  if (forward) {
    result.h = k.add(k.mul(h, g.getSh()), -g.getPt()),
    result.w = k.add(k.mul(w, g.getSw()), -g.getPl());
  } else {
    result.h = k.add(h, g.getPt() - g.getDh() * (g.getKh() - 1));
    result.w = k.add(w, g.getPl() - g.getDw() * (g.getKw() - 1));
  }
  result.source = sourceAt(result.image, result.h, result.w);
  return result;
}

Value ContractEmitter::sourceAt(Value inImage, Value h, Value w) {
  return k.add(k.mul(k.add(k.mul(inImage, inH), h), inW), w);
}

ContractDepth ContractEmitter::depthAt(Value begin, Value offset) {
  ContractDepth d;
  Value at = k.add(begin, offset);
  d.valid = k.less(at, depthEnd);
  // A stage that lies within one tap has the same one for all threads, and channels that exist,
  // past the end too.
  bool together = groupIn % s.getDepth() == 0;
  d.channelValid = together ? Value() : d.valid;
  if (taps == 1) {
    d.tapH = d.tapW = k.c(0);
    d.channel = together ? k.add(k.rem(begin, groupIn), offset) : at;
  } else {
    Value tap = k.div(together ? begin : at, groupIn);
    d.channel = together ? k.add(k.rem(begin, groupIn), offset) : k.rem(at, groupIn);
    d.tapH = k.div(tap, g.getKw()), d.tapW = k.rem(tap, g.getKw());
    if (residues) {
      // A residue has the most taps or one less; zero taps have no depth at all.
      int64_t most = (g.getKw() + g.getSw() - 1) / g.getSw();
      Value isMost = k.equal(tapsW, most);
      int64_t fewer = std::max<int64_t>(most - 1, 1);
      d.tapH = k.select(isMost, k.div(tap, most), k.div(tap, fewer));
      d.tapW = k.select(isMost, k.rem(tap, most), k.rem(tap, fewer));
    }
  }
  d.weightRow = at;
  if (residues) {
    Value h = k.sub(k.c(g.getKh() - 1), k.add(firstTapH, k.mul(d.tapH, g.getSh())));
    Value w = k.sub(k.c(g.getKw() - 1), k.add(firstTapW, k.mul(d.tapW, g.getSw())));
    d.weightRow = k.add(k.mul(k.add(k.mul(h, g.getKw()), w), groupIn), d.channel);
  }
  return d;
}

std::pair<Value, Value> ContractEmitter::source(const ContractRow &row,
                                                const ContractDepth &depth) {
  Value valid = k.both(row.valid, depth.valid);
  if (pointwise)
    return {valid, row.pixel};
  if (!forward && !residues && (g.getSh() > 1 || g.getSw() > 1)) {
    // Dilated and strided: stride - 1 zeros lie between the cotangent's pixels.
    auto along = [&](Value first, Value tap, int64_t dilation, int64_t stride, int64_t size) {
      Value at = k.add(first, k.mul(tap, dilation)), positive = k.max(at, k.c(0));
      valid = k.both(valid, k.both(k.inside(at, (size - 1) * stride + 1),
                                   k.equal(k.rem(positive, stride), 0)));
      return k.div(positive, stride);
    };
    Value h = along(row.h, depth.tapH, g.getDh(), g.getSh(), inH);
    Value w = along(row.w, depth.tapW, g.getDw(), g.getSw(), inW);
    return {valid, sourceAt(row.image, h, w)};
  }
  // Taps lie at multiples of the dilation; those of a residue behind each other, backwards.
  int64_t stepH = residues ? -1 : g.getDh(), stepW = residues ? -1 : g.getDw();
  Value h = k.add(row.h, k.mul(depth.tapH, stepH)), w = k.add(row.w, k.mul(depth.tapW, stepW));
  valid = k.both(valid, k.both(k.inside(h, inH), k.inside(w, inW)));
  Value offset = k.add(k.mul(depth.tapH, stepH * inW), k.mul(depth.tapW, stepW));
  return {valid, k.add(row.source, offset)};
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// A thread an output: fragment i is row t / columns + i * (threads / columns), column t % columns.
Values ContractEmitter::emitDirect(SmallVectorImpl<Fragment> &fragments) {
  int64_t step = s.getThreads() / s.getColumns(), count = s.getRows() / step;
  Value t = k.thread(), column = k.rem(t, s.getColumns()), first = k.div(t, s.getColumns());
  Value channel = k.add(firstColumn, column), inside = k.less(channel, outC);
  Value own = k.div(channel, groupOut), lane = k.rem(channel, groupOut);
  SmallVector<ContractRow> rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(rowAt(k.add(first, i * step)));
  Block *prologue = kern::blockOf(op.getLhsPrologue());
  Values sums =
      k.reduce(k.c(0), depthEnd, 1, Values(count, k.number(0)), [&](Value at, ValueRange acc) {
        ContractDepth depth = depthAt(at, k.c(0));
        Value index = k.add(k.mul(k.add(k.mul(own, taps * groupIn), depth.weightRow), tile), lane);
        Value w = k.loadGuarded(inside, weights, index, 1)[0];
        Value from = k.add(k.mul(own, groupIn), depth.channel);
        Values next;
        for (int64_t i = 0; i < count; ++i) {
          auto [valid, pixel] = source(rows[i], depth);
          Value p = k.both(valid, inside);
          Value x =
              emitFormulaAt(k, prologue, lhs, p, pixel, rows[i].image, inC, from, 1, hyper)[0][0];
          if (prologue)
            x = k.select(p, x, k.number(0));
          next.push_back(k.fma(x, w, acc[i]));
        }
        return next;
      });
  for (int64_t i = 0; i < count; ++i)
    fragments.push_back({k.add(first, i * step), column, 0, i, i, {sums[i]}});
  return sums;
}

/// Chunks of A: this thread has one place in the depth and every `step`-th row.
StagedOperand ContractEmitter::stagePixels(GpuTile &product) {
  StagedOperand a;
  a.formula = kern::blockOf(op.getLhsPrologue());
  a.inputs = lhs, a.channels = inC, a.hyper = hyper;
  a.width = chunkWidth(groupIn, product.chunk());
  int64_t across = s.getDepth() / a.width, step = s.getThreads() / across;
  a.count = s.getRows() / step;
  Value t = k.thread(), depth = k.mul(k.rem(t, across), a.width), first = k.div(t, across);
  SmallVector<ContractRow> rows;
  for (int64_t i = 0; i < a.count; ++i)
    rows.push_back(rowAt(k.add(first, i * step)));
  Value channelOfGroup = k.mul(group, groupIn);
  a.chunk = [=, this](Value at, int64_t i) {
    ContractDepth d = depthAt(at, depth);
    auto [valid, pixel] = source(rows[i], d);
    return Chunk{valid, pixel, rows[i].image, k.add(channelOfGroup, d.channel), d.channelValid};
  };
  a.place = [=, this, &product](TypedPointer base, int64_t i) {
    return product.placeOfA(base, k.add(first, i * step), depth);
  };
  return a;
}

/// Chunks of B: one chunk of columns and every `step`-th row of weights.
StagedOperand ContractEmitter::stageWeights(GpuTile &product) {
  StagedOperand b;
  b.width = product.chunk();
  b.inputs.pointers = {weights}, b.inputs.accesses = {Access::Full};
  b.channels = tile, b.rounded = product.isMma(); // kern.pack has rounded them
  int64_t chunks = s.getColumns() / b.width;
  int64_t step = std::min(s.getThreads() / chunks, s.getDepth());
  b.count = s.getDepth() / step;
  Value t = k.thread(), column = k.mul(k.rem(t, chunks), b.width), first = k.div(t, chunks);
  b.on = step * chunks < s.getThreads() ? k.less(t, step * chunks) : Value();
  Value n = k.add(firstColumn, column), inside = tile % s.getColumns() ? k.less(n, tile) : Value();
  Value ofGroup = k.mul(group, taps * groupIn);
  b.chunk = [=, this](Value at, int64_t i) {
    ContractDepth d = depthAt(at, k.add(first, i * step));
    return Chunk{k.both(d.valid, inside), k.add(ofGroup, d.weightRow), Value(), n, Value()};
  };
  b.place = [=, this, &product](TypedPointer base, int64_t i) {
    return product.placeOfB(base, k.add(first, i * step), column);
  };
  return b;
}

/// The rows and columns of a block are those of the other chips' kernels, and so is its grid.
void ContractEmitter::emitWarpgroups() {
  k.threads = GpuWarpgroup::threads;
  k.maps.push_back({0, groupIn, inH * inW, 0, GpuWarpgroup::depth, GpuWarpgroup::rows});
  k.maps.push_back({1, tile, 0, groupIn, GpuWarpgroup::boxColumns, GpuWarpgroup::depth});
  GpuWarpgroup product(k, s.getColumns());
  Value iterations = k.c((groupIn + GpuWarpgroup::depth - 1) / GpuWarpgroup::depth);
  k.when(product.isProducer(), [&] {
    product.produce(launch.maps[0], launch.maps[1], firstRow, firstColumn, iterations);
  });
  k.when(product.isConsumer(), [&] {
    Values accumulators = product.consume(iterations);
    k.barrier(); // all stages have been read: the epilogue may use their memory
    emitEpilogue(product.fragments(accumulators), product.columnsOfThread(), product.rowGroups(),
                 product.rowGroup());
  });
}

void ContractEmitter::emit() {
  placeBlock();
  if (k.features.warpgroups && usesWarpgroups(op))
    return emitWarpgroups();
  if (direct) {
    SmallVector<Fragment> fragments;
    emitDirect(fragments);
    emitEpilogue(fragments, 1, s.getThreads() / s.getColumns(), k.div(k.thread(), s.getColumns()));
    return;
  }
  GpuTile product(k, s, /*deepRows=*/true);
  Values accumulators = runStages(k, product, s, k.c(0), k.ceilDiv(depthEnd, s.getDepth()),
                                  stagePixels(product), stageWeights(product));
  emitEpilogue(product.fragments(accumulators), product.columnsOfThread(), product.rowGroups(),
               product.rowGroup());
}

void netc::cuda::emitContract(GpuEmitter &k, kern::ContractOp op, const Launch &launch) {
  ContractEmitter(k, op, launch).emit();
}
