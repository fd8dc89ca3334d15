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
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuMoments.h"
#include "codegen/cuda/GpuStaging.h"
#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
/// A row of the product: an output pixel and where its window begins in the source.
struct Row {
  Value valid, image, pixel;
  Value h, w;   ///< of tap 0, may be outside; null where the source pixel is the output pixel
  Value source; ///< pixel of tap 0, may be outside
};

/// A place in the depth.
struct Depth {
  Value valid, tapH, tapW, channel; ///< channel of the group
  Value channelValid;               ///< null: always
  Value weightRow;                  ///< of the group's packed weights
};

class ContractEmitter {
public:
  ContractEmitter(GpuEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void placeBlock();
  Row rowAt(Value row);
  /// `offset` behind the stage that begins at `begin`.
  Depth depthAt(Value begin, Value offset);
  Value sourceAt(Value image, Value h, Value w);
  /// Whether source pixel of `row` at `depth` exists, and its index.
  std::pair<Value, Value> source(const Row &row, const Depth &depth);
  Values emitDirect(SmallVectorImpl<Fragment> &fragments);
  StagedOperand stagePixels(GpuTile &product);
  StagedOperand stageWeights(GpuTile &product);
  void emitEpilogue(ArrayRef<Fragment> fragments, int64_t columnsOfThread, int64_t rowGroups,
                    Value rowGroup);
  /// Neighbours of a fragment that are stored together.
  struct Part {
    const Fragment *fragment;
    int64_t first, width;
  };
  /// What a thread has added of its rows.
  struct Sums {
    SmallVector<Values> values; ///< [term][column]
    Values columns;             ///< of fragments, by their columnIndex
    Value rowCount;             ///< of rows that exist
    bool isFirst = true;        ///< the fragment at hand is the first of its columns
  };
  Value columnOf(const Part &part);
  Values storeParts(ArrayRef<Part> parts, const Row &row, Value p);
  void addParts(ArrayRef<Part> parts, ValueRange values, const Row &row, Sums &sums);
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
  TypedPointer weights, output, partials;
  Value hyper;
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

Depth ContractEmitter::depthAt(Value begin, Value offset) {
  Depth d;
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

std::pair<Value, Value> ContractEmitter::source(const Row &row, const Depth &depth) {
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
  SmallVector<Row> rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(rowAt(k.add(first, i * step)));
  Block *prologue = kern::blockOf(op.getLhsPrologue());
  Values sums =
      k.reduce(k.c(0), depthEnd, 1, Values(count, k.number(0)), [&](Value at, ValueRange acc) {
        Depth depth = depthAt(at, k.c(0));
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

/// Chunks of A: this thread has one place in the depth and every `step`-th row.
StagedOperand ContractEmitter::stagePixels(GpuTile &product) {
  StagedOperand a;
  a.formula = kern::blockOf(op.getLhsPrologue());
  a.inputs = lhs, a.channels = inC, a.hyper = hyper;
  a.width = chunkWidth(groupIn);
  int64_t across = s.getDepth() / a.width, step = s.getThreads() / across;
  a.count = s.getRows() / step;
  Value t = k.thread(), depth = k.mul(k.rem(t, across), a.width), first = k.div(t, across);
  SmallVector<Row> rows;
  for (int64_t i = 0; i < a.count; ++i)
    rows.push_back(rowAt(k.add(first, i * step)));
  Value channelOfGroup = k.mul(group, groupIn);
  a.chunk = [=, this](Value at, int64_t i) {
    Depth d = depthAt(at, depth);
    auto [valid, pixel] = source(rows[i], d);
    return Chunk{valid, pixel, rows[i].image, k.add(channelOfGroup, d.channel), d.channelValid};
  };
  a.place = [=, this, &product](TypedPointer base, int64_t i) {
    return product.placeOfA(base, k.add(first, i * step), depth);
  };
  return a;
}

/// Chunks of B: one chunk of four columns and every `step`-th row of weights.
StagedOperand ContractEmitter::stageWeights(GpuTile &product) {
  StagedOperand b;
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
    Depth d = depthAt(at, k.add(first, i * step));
    return Chunk{k.both(d.valid, inside), k.add(ofGroup, d.weightRow), Value(), n, Value()};
  };
  b.place = [=, this, &product](TypedPointer base, int64_t i) {
    return product.placeOfB(base, k.add(first, i * step), column);
  };
  return b;
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

/// Values of full operands that an epilogue has in registers at once, beside the sums.
static constexpr int64_t kEpilogueLoads = 16;

void ContractEmitter::emitEpilogue(ArrayRef<Fragment> fragments, int64_t columnsOfThread,
                                   int64_t rowGroups, Value rowGroup) {
  int64_t whole = static_cast<int64_t>(fragments[0].values.size());
  int64_t limit = direct ? outC : groupOut; // of columns
  int64_t width = groupOut % whole == 0 ? whole : 1;
  bool mayEnd = limit % s.getColumns() != 0;
  Sums sums{SmallVector<Values>(partialRows, Values(columnsOfThread * whole, k.number(0))),
            Values(columnsOfThread), k.number(0)};
  // Fragments of one row together, so that their loads are under way at the same time; as many as
  // registers have room for. Where columns end, each has a condition of its own.
  int64_t loads = std::max<int64_t>(1, llvm::count(extra.accesses, Access::Full) * width);
  size_t together = mayEnd ? 1 : std::max<int64_t>(1, kEpilogueLoads / loads);
  for (size_t begin = 0; begin < fragments.size();) {
    size_t end = begin + 1;
    while (end < fragments.size() && fragments[end].row == fragments[begin].row)
      ++end;
    Row row = rowAt(fragments[begin].row);
    SmallVector<Part> parts;
    for (const Fragment &fragment : fragments.slice(begin, end - begin))
      for (int64_t first = 0; first < whole; first += width)
        parts.push_back({&fragment, first, width});
    for (ArrayRef<Part> rest = parts; !rest.empty();) {
      ArrayRef<Part> now = rest.take_front(std::min(rest.size(), together));
      Value p = row.valid;
      if (mayEnd)
        p = k.both(p, k.less(columnOf(now[0]), limit));
      addParts(now, storeParts(now, row, p), row, sums);
      rest = rest.drop_front(now.size());
    }
    begin = end;
  }
  if (op.getMoments())
    storeMoments(sums.values, sums.columns, sums.rowCount, rowGroups, rowGroup);
  else if (terms)
    storeSums(sums.values, sums.columns, rowGroups, rowGroup);
}

Value ContractEmitter::columnOf(const Part &part) {
  return k.add(k.add(firstColumn, part.fragment->column), part.first);
}

/// Stores the epilogue's result of `parts` of `row` where `p`. Returns the terms,
/// [part][term][lane]. Under a branch: the destination may be one of the operands, so what is
/// masked must not be read either. All loads come before the first store: no part reads what
/// another writes.
Values ContractEmitter::storeParts(ArrayRef<Part> parts, const Row &row, Value p) {
  Block *epilogue = kern::blockOf(op.getEpilogue());
  int64_t width = parts[0].width;
  return k.where(p, terms * width * static_cast<int64_t>(parts.size()), [&] {
    SmallVector<SmallVector<Values>> loaded;
    Values channels, stored, summed;
    for (const Part &part : parts) {
      channels.push_back(k.add(k.mul(group, groupOut), columnOf(part)));
      loaded.push_back(
          loadInputs(k, extra, {}, row.pixel, row.image, outC, channels.back(), width));
    }
    for (auto [part, inputs, channel] : llvm::zip(parts, loaded, channels)) {
      Values terms(this->terms * width);
      for (int64_t lane = 0; lane < width; ++lane) {
        Values arguments{part.fragment->values[part.first + lane]};
        for (Values &values : inputs)
          arguments.push_back(values[lane]);
        RandomSource random;
        if (hyper)
          random = {hyper, k.add(k.element(row.pixel, outC, channel), lane)};
        Values results =
            epilogue ? emitFormula(k, *epilogue, arguments, random) : Values{arguments[0]};
        stored.push_back(results[0]);
        for (int64_t term = 0; term < this->terms; ++term)
          terms[term * width + lane] = results[1 + term];
      }
      summed.append(terms);
    }
    for (auto [index, channel] : llvm::enumerate(channels))
      k.storeChunk(ValueRange(stored).slice(index * width, width),
                   k.at(output, k.element(row.pixel, outC, channel)));
    return summed;
  });
}

/// Adds the terms of `parts`, which storeParts gave, to the thread's sums.
void ContractEmitter::addParts(ArrayRef<Part> parts, ValueRange values, const Row &row,
                               Sums &sums) {
  for (const Part &part : parts) {
    const Fragment &fragment = *part.fragment;
    Value &column = sums.columns[fragment.columnIndex];
    if (part.first == 0) {
      sums.isFirst = !column;
      column = fragment.column;
      if (op.getMoments() && fragment.columnIndex == 0)
        sums.rowCount = k.fadd(sums.rowCount, k.select(row.valid, k.number(1), k.number(0)));
    }
    for (int64_t lane = 0; lane < part.width; ++lane) {
      int64_t index =
          fragment.columnIndex * static_cast<int64_t>(fragment.values.size()) + part.first + lane;
      if (op.getMoments()) {
        Value pivot = sums.isFirst ? values[lane] : sums.values[0][index];
        Moments total = addValue(k, {pivot, sums.values[1][index], sums.values[2][index]},
                                 values[lane], row.valid);
        sums.values[0][index] = pivot, sums.values[1][index] = total.sum,
        sums.values[2][index] = total.squares;
        continue;
      }
      for (int64_t term = 0; term < terms; ++term)
        sums.values[term][index] =
            k.fadd(sums.values[term][index], values[term * part.width + lane]);
    }
    values = values.drop_front(terms * part.width);
  }
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
  TypedPointer place = k.shared(3 * part + rowGroups);
  Value t = k.thread();
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
  TypedPointer place = k.shared(rowGroups * pitch);
  Value t = k.thread();
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
  GpuTile product(k, s, /*deepRows=*/true);
  Values accumulators = runStages(k, product, s, k.c(0), k.ceilDiv(depthEnd, s.getDepth()),
                                  stagePixels(product), stageWeights(product));
  emitEpilogue(product.fragments(accumulators), product.columnsOfThread(), product.rowGroups(),
               product.rowGroup());
}

void netc::cuda::emitContract(GpuEmitter &k, kern::ContractOp op, const Launch &launch) {
  ContractEmitter(k, op, launch).emit();
}
