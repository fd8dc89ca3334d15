//===- GpuContract.cpp - convolution and linear layers on the GPU ---------===//
//
// Implicit GEMM, forward and backward-data: rows are output pixels, columns output
// channels, the depth (tap, input channel). A block of threads has one tile (GpuTile);
// operands go through shared memory: by cp.async with zero fill where x is read as it is,
// else through registers, where the prologue is applied; padding is zero after it.
//
// Backward-data reads flipped, transposed weights. Strided, a block's pixels are of one
// residue modulo the stride and meet the taps of that residue alone. Tiny groups: a thread
// an output, without shared memory.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuMoments.h"
#include "codegen/cuda/GpuTile.h"
#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
/// A row of the product: an output pixel and where its window begins in the source.
struct Row {
  Value valid, image, pixel;
  Value h, w; ///< of tap 0, may be outside; null where the source pixel is the output pixel
};

/// A place in the depth.
struct Depth {
  Value valid, tapH, tapW, channel; ///< channel of the group
  Value weightRow;                  ///< of the group's packed weights
};

class ContractEmitter {
public:
  ContractEmitter(GpuEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void placeBlock();
  Row rowAt(Value row);
  Depth depthAt(Value at);
  /// Whether source pixel of `row` at `depth` exists, and its index.
  std::pair<Value, Value> source(const Row &row, const Depth &depth);
  Values emitDirect(SmallVectorImpl<Fragment> &fragments);
  Values emitTiled(GpuTile &tile);
  void emitEpilogue(ArrayRef<Fragment> fragments, int64_t columnsOfThread, int64_t rowGroups,
                    Value rowGroup);
  void storeSums(ArrayRef<Values> sums, ArrayRef<Value> columns, int64_t rowGroups, Value rowGroup);
  void storeMoments(ArrayRef<Values> moments, ArrayRef<Value> columns, Value rowCount,
                    int64_t rowGroups, Value rowGroup);
  void storePartial(Value total, int64_t term, Value column);

  GpuEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  kern::GpuScheduleAttr s;
  bool forward, residues, pointwise, direct;
  int64_t inH, inW, inC, outH, outW, outC, groupIn, groupOut, tile, taps;
  FormulaInputs lhs, extra;
  Value weights, output, partials, hyper;
  int64_t terms = 0, partialRows = 0; ///< summed by channel; vectors in a row of partials
  // Of this block.
  Value rowTile, firstColumn, group, totalRows, depthEnd;
  Value image, residueH, residueW, firstTapH, firstTapW, tapsW; // with residues
  Value firstRow;
};
} // namespace

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

Row ContractEmitter::rowAt(Value row) {
  Row result;
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
  return result;
}

Depth ContractEmitter::depthAt(Value at) {
  Depth d;
  d.valid = k.less(at, depthEnd);
  if (taps == 1) {
    d.tapH = d.tapW = k.c(0);
    d.channel = at;
  } else {
    Value tap = k.div(at, groupIn);
    d.channel = k.rem(at, groupIn);
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

std::pair<Value, Value> ContractEmitter::source(const Row &row, const Depth &depth) {
  Value valid = k.both(row.valid, depth.valid);
  if (pointwise)
    return {valid, row.pixel};
  auto along = [&](Value first, Value tap, int64_t dilation, int64_t stride, int64_t size) {
    if (residues) {
      Value at = k.sub(first, tap);
      valid = k.both(valid, k.inside(at, size));
      return at;
    }
    Value at = k.add(first, k.mul(tap, dilation));
    if (forward || stride == 1) {
      valid = k.both(valid, k.inside(at, size));
      return at;
    }
    // Dilated and strided: stride - 1 zeros lie between the cotangent's pixels.
    Value positive = k.max(at, k.c(0));
    valid = k.both(
        valid, k.both(k.inside(at, (size - 1) * stride + 1), k.equal(k.rem(positive, stride), 0)));
    return k.div(positive, stride);
  };
  Value h = along(row.h, depth.tapH, g.getDh(), g.getSh(), inH);
  Value w = along(row.w, depth.tapW, g.getDw(), g.getSw(), inW);
  return {valid, k.add(k.mul(k.add(k.mul(row.image, inH), h), inW), w)};
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
  SmallVector<Row> rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(rowAt(k.add(first, i * step)));
  Block *prologue = kern::blockOf(op.getLhsPrologue());
  Values sums =
      k.reduce(k.c(0), depthEnd, 1, Values(count, k.number(0)), [&](Value at, ValueRange acc) {
        Depth depth = depthAt(at);
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
    fragments.push_back({k.add(first, i * step), column, 0, {sums[i]}});
  return sums;
}

Values ContractEmitter::emitTiled(GpuTile &product) {
  Block *prologue = kern::blockOf(op.getLhsPrologue());
  int64_t depth = s.getDepth(), columns = s.getColumns(), threads = s.getThreads();
  int64_t width = chunkWidth(groupIn);
  bool async = !prologue && width == 4 && k.features.asyncCopy;
  bool rounds = product.isMma() && !async;
  Value t = k.thread();
  // A: this thread has one place in the depth and every `rowStep`-th row.
  int64_t across = depth / width, rowStep = threads / across, rowCount = s.getRows() / rowStep;
  Value aDepth = k.mul(k.rem(t, across), width), aRow = k.div(t, across);
  SmallVector<Row> rows;
  for (int64_t i = 0; i < rowCount; ++i)
    rows.push_back(rowAt(k.add(aRow, i * rowStep)));
  // B: one chunk of four columns and every `bStep`-th row of weights.
  int64_t chunks = columns / 4, bStep = std::min(threads / chunks, depth), bCount = depth / bStep;
  Value bColumn = k.mul(k.rem(t, chunks), 4), bRow = k.div(t, chunks);
  Value bOn = bStep * chunks < threads ? k.less(t, bStep * chunks) : Value();
  Value n = k.add(firstColumn, bColumn);
  Value bInside = tile % columns ? k.less(n, tile) : Value();
  Value ofGroup = k.mul(group, taps * groupIn), channelOfGroup = k.mul(group, groupIn);

  auto overA = [&](Value at,
                   llvm::function_ref<void(int64_t, const Row &, Value, Value, Value)> body) {
    Depth d = depthAt(k.add(at, aDepth));
    Value channel = k.add(channelOfGroup, d.channel);
    for (auto [i, row] : llvm::enumerate(rows)) {
      auto [valid, pixel] = source(row, d);
      body(static_cast<int64_t>(i), row, valid, pixel, channel);
    }
  };
  auto overB = [&](Value at, llvm::function_ref<void(int64_t, Value, Value)> body) {
    for (int64_t i = 0; i < bCount; ++i) {
      Depth d = depthAt(k.add(k.add(at, bRow), i * bStep));
      Value valid = k.both(d.valid, bInside);
      body(i, valid, k.add(k.mul(k.add(ofGroup, d.weightRow), tile), n));
    }
  };
  auto aPlace = [&](Value a, int64_t i) {
    return product.placeOfA(a, k.add(aRow, i * rowStep), aDepth);
  };
  auto bPlace = [&](Value b, int64_t i) {
    return product.placeOfB(b, k.add(bRow, i * bStep), bColumn);
  };

  auto load = [&](Value at) {
    Values loaded;
    overA(at, [&](int64_t, const Row &row, Value valid, Value pixel, Value channel) {
      for (Values &lane :
           emitFormulaAt(k, prologue, lhs, valid, pixel, row.image, inC, channel, width, hyper))
        loaded.push_back(prologue ? k.select(valid, lane[0], k.number(0)) : lane[0]);
    });
    overB(at, [&](int64_t, Value valid, Value offset) {
      loaded.append(k.loadGuarded(k.both(valid, bOn), weights, offset, 4));
    });
    if (rounds)
      for (Value &value : loaded)
        value = roundToTf32(k, value);
    return loaded;
  };
  auto store = [&](ValueRange loaded, Value a, Value b) {
    for (int64_t i = 0; i < rowCount; ++i)
      k.storeChunk(loaded.slice(i * width, width), aPlace(a, i));
    k.when(bOn, [&] {
      for (int64_t i = 0; i < bCount; ++i)
        k.storeChunk(loaded.slice(rowCount * width + 4 * i, 4), bPlace(b, i));
    });
  };
  auto copy = [&](Value at, Value a, Value b) {
    overA(at, [&](int64_t i, const Row &, Value valid, Value pixel, Value channel) {
      copyAsync(k, aPlace(a, i), lhs.pointers[0], k.element(pixel, inC, channel), valid);
    });
    k.when(bOn, [&] {
      overB(at, [&](int64_t i, Value valid, Value offset) {
        copyAsync(k, bPlace(b, i), weights, offset, valid);
      });
    });
  };
  Value iterations = k.ceilDiv(depthEnd, depth);
  return runStages(k, product, s, k.c(0), iterations, async, {load, store, copy});
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

void ContractEmitter::emitEpilogue(ArrayRef<Fragment> fragments, int64_t columnsOfThread,
                                   int64_t rowGroups, Value rowGroup) {
  Block *epilogue = kern::blockOf(op.getEpilogue());
  int64_t whole = static_cast<int64_t>(fragments[0].values.size());
  int64_t limit = direct ? outC : groupOut; // of columns
  int64_t width = groupOut % whole == 0 ? whole : 1;
  bool mayEnd = limit % s.getColumns() != 0;
  SmallVector<Values> sums(partialRows, Values(columnsOfThread * whole, k.number(0)));
  Values columns(columnsOfThread);
  Value lastRow, rowCount = k.number(0);
  Row row;
  for (const Fragment &fragment : fragments) {
    bool isFirst = !columns[fragment.columnIndex]; // of the thread's rows
    columns[fragment.columnIndex] = fragment.column;
    if (fragment.row != lastRow)
      row = rowAt(lastRow = fragment.row);
    if (op.getMoments() && fragment.columnIndex == 0)
      rowCount = k.fadd(rowCount, k.select(row.valid, k.number(1), k.number(0)));
    for (int64_t begin = 0; begin < whole; begin += width) {
      Value n = k.add(k.add(firstColumn, fragment.column), begin);
      Value p = mayEnd ? k.both(row.valid, k.less(n, limit)) : row.valid;
      Value channel = k.add(k.mul(group, groupOut), n);
      // Under a branch: the destination may be one of the operands, so what is masked must not be
      // read either.
      Values parts = k.where(p, terms * width, [&] {
        SmallVector<Values> loaded =
            loadInputs(k, extra, {}, row.pixel, row.image, outC, channel, width);
        Values stored, summed(terms * width);
        for (int64_t lane = 0; lane < width; ++lane) {
          Values arguments{fragment.values[begin + lane]};
          for (Values &values : loaded)
            arguments.push_back(values[lane]);
          RandomSource random;
          if (hyper)
            random = {hyper, k.add(k.element(row.pixel, outC, channel), lane)};
          Values results =
              epilogue ? emitFormula(k, *epilogue, arguments, random) : Values{arguments[0]};
          stored.push_back(results[0]);
          for (int64_t term = 0; term < terms; ++term)
            summed[term * width + lane] = results[1 + term];
        }
        k.storeChunk(stored, k.at(output, k.element(row.pixel, outC, channel)));
        return summed;
      });
      for (int64_t lane = 0; lane < width; ++lane) {
        int64_t index = fragment.columnIndex * whole + begin + lane;
        if (op.getMoments()) {
          Value pivot = isFirst ? parts[lane] : sums[0][index];
          Moments total =
              addValue(k, {pivot, sums[1][index], sums[2][index]}, parts[lane], row.valid);
          sums[0][index] = pivot, sums[1][index] = total.sum, sums[2][index] = total.squares;
          continue;
        }
        for (int64_t term = 0; term < terms; ++term)
          sums[term][index] = k.fadd(sums[term][index], parts[term * width + lane]);
      }
    }
  }
  if (op.getMoments())
    storeMoments(sums, columns, rowCount, rowGroups, rowGroup);
  else if (terms)
    storeSums(sums, columns, rowGroups, rowGroup);
}

/// Term `term` of this block's row of partial sums at `column` of its tile.
void ContractEmitter::storePartial(Value total, int64_t term, Value column) {
  Value channel = k.add(k.mul(group, groupOut), k.add(firstColumn, column));
  k.store(total,
          k.at(partials, k.element(k.add(k.mul(rowTile, partialRows), k.c(term)), outC, channel)));
}

/// Four rows of fragments of mma.sync, two columns wide, lie in different banks.
static int64_t sumPitch(int64_t columns, int64_t width) { return columns + (width == 2 ? 8 : 0); }

/// Joins the threads' moments in the order of their rows about the pivot of the first, which has
/// the tile's first row. `rowCount`: the thread's rows that exist.
void ContractEmitter::storeMoments(ArrayRef<Values> moments, ArrayRef<Value> columns,
                                   Value rowCount, int64_t rowGroups, Value rowGroup) {
  k.reuseShared();
  int64_t columnCount = s.getColumns(), limit = direct ? outC : groupOut;
  int64_t width = static_cast<int64_t>(moments[0].size() / columns.size());
  int64_t pitch = sumPitch(columnCount, width), part = rowGroups * pitch;
  Value place = k.shared(4 * (3 * part + rowGroups)), t = k.thread();
  auto slot = [&](Value row, Value column, int64_t of) {
    return k.at(place, k.add(k.add(k.mul(row, pitch), column), of * part));
  };
  k.barrier(); // the product's tiles have been read
  for (int64_t of = 0; of < 3; ++of)
    for (auto [index, column] : llvm::enumerate(columns))
      k.storeChunk(ValueRange(moments[of]).slice(index * width, width), slot(rowGroup, column, of));
  k.when(k.equal(columns[0], 0),
         [&] { k.store(rowCount, k.at(place, k.add(rowGroup, 3 * part))); });
  k.barrier();
  k.when(k.both(k.less(t, columnCount), k.less(k.add(firstColumn, t), limit)), [&] {
    Value pivot = k.load(slot(k.c(0), t, 0));
    Values zero(2, k.number(0));
    Values total = k.reduce(k.c(0), k.c(rowGroups), 1, zero, [&](Value r, ValueRange acc) {
      Moments own{k.load(slot(r, t, 0)), k.load(slot(r, t, 1)), k.load(slot(r, t, 2))};
      Value count = k.load(k.at(place, k.add(r, 3 * part)));
      Moments joined = joinMoments(k, {pivot, acc[0], acc[1]}, own, count);
      return Values{joined.sum, joined.squares};
    });
    storePartial(pivot, 0, t);
    storePartial(total[0], 1, t);
    storePartial(total[1], 2, t);
  });
}

/// Adds the threads' sums in the order of their rows and writes this block's row of partial sums.
void ContractEmitter::storeSums(ArrayRef<Values> sums, ArrayRef<Value> columns, int64_t rowGroups,
                                Value rowGroup) {
  k.reuseShared();
  int64_t columnCount = s.getColumns(), limit = direct ? outC : groupOut;
  int64_t width = static_cast<int64_t>(sums[0].size() / columns.size());
  int64_t pitch = sumPitch(columnCount, width);
  Value place = k.shared(4 * rowGroups * pitch), t = k.thread();
  for (int64_t term = 0; term < terms; ++term) {
    k.barrier(); // the product's tiles, or the last term, have been read
    for (auto [index, column] : llvm::enumerate(columns))
      k.storeChunk(ValueRange(sums[term]).slice(index * width, width),
                   k.at(place, k.add(k.mul(rowGroup, pitch), column)));
    k.barrier();
    k.when(k.both(k.less(t, columnCount), k.less(k.add(firstColumn, t), limit)), [&] {
      Value total = k.reduce(k.c(0), k.c(rowGroups), 1, k.number(0), [&](Value r, ValueRange acc) {
        return Values{k.fadd(acc[0], k.load(k.at(place, k.add(k.mul(r, pitch), t))))};
      })[0];
      storePartial(total, term, t);
    });
  }
}

void ContractEmitter::emit() {
  placeBlock();
  if (direct) {
    SmallVector<Fragment> fragments;
    emitDirect(fragments);
    emitEpilogue(fragments, 1, s.getThreads() / s.getColumns(), k.div(k.thread(), s.getColumns()));
    return;
  }
  bool async =
      !kern::blockOf(op.getLhsPrologue()) && chunkWidth(groupIn) == 4 && k.features.asyncCopy;
  GpuTile product(k, s, /*deepRows=*/true, /*rounds=*/async);
  Values accumulators = emitTiled(product);
  emitEpilogue(product.fragments(accumulators), product.columnsOfThread(), product.rowGroups(),
               product.rowGroup());
}

void netc::cuda::emitContract(GpuEmitter &k, kern::ContractOp op, const Launch &launch) {
  ContractEmitter(k, op, launch).emit();
}
