//===- GpuPointwise.cpp - formulas and channel sums on the GPU ------------===//
//
// kern.pointwise without sums: a thread works on four channels of a pixel. With sums: a
// block on one item of the op's grid, a run of pixels; threads of one column of channels
// add up pixels in order, then one adds the columns' sums in order. Moments: a thread's pivot is
// its first pixel's value, and a block's that of its first pixel. kern.reduce: a block has eight
// channels, 32 threads each take every 32nd row, then a fixed tree; in f64. Moments are joined
// about the first row's pivot, after which they are sums like any other.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/Coverage.h"
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuMoments.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

void netc::cuda::forEachItem(GpuEmitter &k, const Launch &launch, int64_t perImage, int64_t fixed,
                             llvm::function_ref<void(Value)> body) {
  k.threads = perImage ? 256 : std::min<int64_t>(256, (fixed + 31) / 32 * 32);
  k.grid = perImage ? kern::Grid{1, perImage, k.threads}
                    : kern::Grid{(fixed + k.threads - 1) / k.threads, 0, 1};
  Value item = k.add(k.mul(k.block(), k.threads), k.thread());
  Value count = perImage ? k.mul(launch.images, perImage) : k.c(fixed);
  Value inside = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ult, item, count);
  k.when(inside, [&] { body(item); });
}

static FormulaInputs inputsOf(OperandRange operands, const Launch &launch, int64_t pixels) {
  FormulaInputs inputs;
  for (auto [index, operand] : llvm::enumerate(operands)) {
    inputs.pointers.push_back(launch.buffers[index]);
    inputs.accesses.push_back(accessOf(operand, pixels));
  }
  return inputs;
}

static void emitWithoutSums(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch) {
  int64_t pixels = op.getSpace()[0] * op.getSpace()[1], channels = op.getSpace()[2],
          width = chunkWidth(channels);
  FormulaInputs inputs = inputsOf(op.getInputs(), launch, pixels);
  Value hyper = usesRandom(op.getBody()) ? launch.buffers.back().address : Value();
  forEachItem(k, launch, pixels * channels / width, 0, [&](Value item) {
    Value pixel = k.div(item, channels / width),
          channel = k.mul(k.rem(item, channels / width), width);
    Value image = k.div(pixel, pixels);
    auto lanes = emitFormulaAt(k, &op.getBody().front(), inputs, {}, pixel, image, channels,
                               channel, width, hyper);
    for (size_t s = 0; s < op.getStores(); ++s) {
      Values out;
      for (Values &lane : lanes)
        out.push_back(lane[s]);
      k.storeChunk(out, k.at(launch.buffers[op.getInputs().size() + s],
                             k.element(pixel, channels, channel)));
    }
  });
}

namespace {
/// A pointwise launch with channel sums: a block has one item of the op's grid, its threads columns
/// of `width` channels by rows of pixels.
class SummingSweep {
public:
  SummingSweep(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch);
  void emit();

private:
  void chooseThreads();
  Values evaluate(Value p);
  Values emitSums(Value count);
  Values emitMoments(Value count);
  TypedPointer slot(Value thread, int64_t array = 0) {
    return k.at(place, k.add(k.mul(thread, width), array * rows * columns * width));
  }
  void store(ValueRange values, int64_t term);
  void storeSums(ValueRange sums, Value final);
  void storeMoments(ValueRange moments, Value final);

  GpuEmitter &k;
  kern::PointwiseOp op;
  const Launch &launch;
  FormulaInputs inputs;
  int64_t pixels, channels, width, block, stores, terms, partialRows;
  int64_t all, columns = 1, rows = 1; ///< chunks of channels; threads across and down
  TypedPointer partials, place;
  Value hyper, item, t, image, base, count, column, row;
  Value channel; ///< of the columns that are being summed
};
} // namespace

SummingSweep::SummingSweep(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch)
    : k(k), op(op), launch(launch) {
  pixels = op.getSpace()[0] * op.getSpace()[1], channels = op.getSpace()[2];
  width = chunkWidth(channels), block = op.getBlockPixels(), stores = op.getStores();
  terms = op.getTerms(), partialRows = kern::shapedType(op.getOuts().back()).getDimSize(2);
  inputs = inputsOf(op.getInputs(), launch, pixels);
  hyper = usesRandom(op.getBody()) ? launch.buffers.back().address : Value();
  partials = launch.buffers[op.getInputs().size() + stores];
  chooseThreads();
}

void SummingSweep::chooseThreads() {
  all = channels / width;
  while (columns < std::min<int64_t>(all, 256))
    columns *= 2;
  while (rows * 2 * columns <= 256 && rows < block)
    rows *= 2;
  while (rows * columns < 32)
    rows *= 2;
  k.threads = rows * columns;
  k.grid = op.getGrid();
}

/// Stores the values of pixel `p` of the item; returns its terms, [term][lane].
Values SummingSweep::evaluate(Value p) {
  Value pixel = k.add(base, p);
  auto lanes = emitFormulaAt(k, &op.getBody().front(), inputs, {}, pixel, image, channels, channel,
                             width, hyper);
  for (int64_t s = 0; s < stores; ++s) {
    Values out;
    for (Values &lane : lanes)
      out.push_back(lane[s]);
    k.storeChunk(
        out, k.at(launch.buffers[op.getInputs().size() + s], k.element(pixel, channels, channel)));
  }
  Values result;
  for (int64_t term = 0; term < terms; ++term)
    for (int64_t lane = 0; lane < width; ++lane)
      result.push_back(lanes[lane][stores + term]);
  return result;
}

Values SummingSweep::emitSums(Value end) {
  Values zero(terms * width, k.number(0));
  return k.reduce(row, end, rows, zero, [&](Value p, ValueRange acc) {
    Values next = evaluate(p);
    for (auto [sum, before] : llvm::zip(next, acc))
      sum = k.fadd(before, sum);
    return next;
  });
}

/// Pivots, sums and sums of squares, [3][lane].
Values SummingSweep::emitMoments(Value end) {
  return k.reduce(row, end, rows, Values(3 * width, k.number(0)), [&](Value p, ValueRange acc) {
    Values x = evaluate(p), next(3 * width);
    Value isFirst = k.equal(p, row);
    for (int64_t lane = 0; lane < width; ++lane) {
      Value pivot = k.select(isFirst, x[lane], acc[lane]);
      Moments total = addValue(k, {pivot, acc[width + lane], acc[2 * width + lane]}, x[lane], {});
      next[lane] = pivot, next[width + lane] = total.sum, next[2 * width + lane] = total.squares;
    }
    return next;
  });
}

void SummingSweep::store(ValueRange values, int64_t term) {
  Value to = k.element(k.add(k.mul(item, partialRows), k.c(term)), channels, channel);
  k.storeChunk(values, k.at(partials, to));
}

/// Adds the rows of threads in order; `final` threads write the block's row of partial sums.
void SummingSweep::storeSums(ValueRange sums, Value final) {
  for (int64_t term = 0; term < terms; ++term) {
    k.barrier(); // what was here before has been read
    k.storeChunk(sums.slice(term * width, width), slot(t));
    k.barrier();
    k.when(final, [&] {
      Values zero(width, k.number(0));
      Values total = k.reduce(k.c(0), k.c(rows), 1, zero, [&](Value r, ValueRange acc) {
        Values next = k.loadChunk(slot(k.add(k.mul(r, columns), column)), width);
        for (auto [sum, before] : llvm::zip(next, acc))
          sum = k.fadd(before, sum);
        return next;
      });
      store(total, term);
    });
  }
}

/// The same for moments, about the pivot of the first row of threads, which has the first pixel.
void SummingSweep::storeMoments(ValueRange moments, Value final) {
  k.barrier(); // what was here before has been read
  for (int64_t part = 0; part < 3; ++part)
    k.storeChunk(moments.slice(part * width, width), slot(t, part));
  k.barrier();
  k.when(final, [&] {
    Values pivots = k.loadChunk(slot(column), width), zero(2 * width, k.number(0));
    Values total = k.reduce(k.c(0), k.c(rows), 1, zero, [&](Value r, ValueRange acc) {
      SmallVector<Values, 3> own;
      for (int64_t part = 0; part < 3; ++part)
        own.push_back(k.loadChunk(slot(k.add(k.mul(r, columns), column), part), width));
      Value left = k.max(k.sub(count, r), k.c(0));
      Value pixelsOfRow = k.toF32(k.ceilDiv(left, rows));
      Values next(2 * width);
      for (int64_t lane = 0; lane < width; ++lane) {
        Moments joined = joinMoments(k, {pivots[lane], acc[lane], acc[width + lane]},
                                     {own[0][lane], own[1][lane], own[2][lane]}, pixelsOfRow);
        next[lane] = joined.sum, next[width + lane] = joined.squares;
      }
      return next;
    });
    store(pivots, 0);
    store(ValueRange(total).take_front(width), 1);
    store(ValueRange(total).drop_front(width), 2);
  });
}

void SummingSweep::emit() {
  int64_t blocks = (pixels + block - 1) / block;
  item = k.block(), t = k.thread();
  image = k.div(item, blocks);
  Value first = k.mul(k.rem(item, blocks), block);
  count = k.min(k.c(block), k.sub(k.c(pixels), first));
  base = k.add(k.mul(image, pixels), first);
  column = k.rem(t, columns), row = k.div(t, columns);
  place = k.shared(rows * columns * width * (op.getMoments() ? 3 : 1));
  k.loop(k.c(0), k.c(all), columns, [&](Value firstColumn) {
    Value chunk = k.add(firstColumn, column);
    channel = k.mul(chunk, width);
    Value mine = all % columns ? k.less(chunk, all) : Value();
    Value end = mine ? k.select(mine, count, k.c(0)) : count;
    Value final = k.both(k.less(t, columns), mine);
    if (op.getMoments())
      storeMoments(emitMoments(end), final);
    else
      storeSums(emitSums(end), final);
  });
}

void netc::cuda::emitPointwise(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch) {
  op.getTerms() ? SummingSweep(k, op, launch).emit() : emitWithoutSums(k, op, launch);
}

/// Of a block that adds up partial sums: threads per row of the block, and its rows.
static constexpr int64_t kReduceColumns = 8, kReduceRows = 32;

namespace {
/// A thread of kern.reduce: the channel that is its column's.
struct ReduceThread {
  Value index, column, row, channel;
  Value mine; ///< whether there is such a channel; null: there always is
};

/// Adds up the partial sums of kern.reduce: a row of threads takes every kReduceRows-th row of
/// them, then the rows are added in a tree.
class PartialSums {
public:
  PartialSums(GpuEmitter &k, kern::ReduceOp op, const Launch &launch, const ReduceThread &thread)
      : k(k), op(op), launch(launch), thread(thread), partials(launch.buffers[0]),
        channels(kern::shapedType(op.getOuts()[0]).getDimSize(0)),
        terms(kern::shapedType(op.getPartials()).getDimSize(2)) {}
  /// One per term, for all threads of a channel; of moments, the first is the pivot.
  Values emit();

private:
  Value load(Value row, int64_t term) {
    return k.extend(k.load(
        k.at(partials, k.element(k.add(k.mul(row, terms), term), channels, thread.channel))));
  }
  Values addRow(Value row, ValueRange sums);
  Values addThreads(ValueRange sums);

  GpuEmitter &k;
  kern::ReduceOp op;
  const Launch &launch;
  const ReduceThread &thread;
  TypedPointer partials;
  int64_t channels, terms;
  Value pivot; ///< of moments: the first row's
};
} // namespace

Values PartialSums::addRow(Value row, ValueRange sums) {
  if (op.getMoments()) {
    Value before = emitPixelsBefore(k, op, launch.images, row);
    Value end = emitPixelsBefore(k, op, launch.images, k.add(row, 1));
    Moments joined =
        joinMoments(k, {pivot, sums[1], sums[2]}, {load(row, 0), load(row, 1), load(row, 2)},
                    k.toF64(k.sub(end, before)));
    return Values{sums[0], joined.sum, joined.squares};
  }
  Values added;
  for (int64_t term = 0; term < terms; ++term)
    added.push_back(k.fadd(sums[term], load(row, term)));
  return added;
}

/// The sums of all threads of a channel, in a fixed order.
Values PartialSums::addThreads(ValueRange sums) {
  TypedPointer place = k.shared(kReduceColumns * kReduceRows * terms, k.f64());
  auto slot = [&](Value of, int64_t term) {
    return k.at(place, k.add(of, term * kReduceColumns * kReduceRows));
  };
  auto get = [&](Value of, int64_t term) { return k.load(slot(of, term)); };
  for (int64_t term = 0; term < terms; ++term)
    k.store(sums[term], slot(thread.index, term));
  for (int64_t half = kReduceRows / 2; half; half /= 2) {
    k.barrier();
    k.when(k.less(thread.row, half), [&] {
      for (int64_t term = 0; term < terms; ++term) {
        Value sum =
            k.fadd(get(thread.index, term), get(k.add(thread.index, half * kReduceColumns), term));
        k.store(sum, slot(thread.index, term));
      }
    });
  }
  k.barrier();
  Values totals;
  for (int64_t term = 0; term < terms; ++term)
    totals.push_back(pivot && term == 0 ? pivot : get(thread.column, term));
  return totals;
}

Values PartialSums::emit() {
  Value rows = k.ceilDiv(k.mul(launch.images, static_cast<int64_t>(op.getRowsPerImage())),
                         op.getRowsPerItem());
  Value count = thread.mine ? k.select(thread.mine, rows, k.c(0)) : rows;
  if (op.getMoments())
    pivot = k.extend(
        k.loadGuarded(thread.mine, partials, k.element(k.c(0), channels, thread.channel), 1)[0]);
  return addThreads(k.reduce(thread.row, count, kReduceRows, Values(terms, k.number64(0)),
                             [&](Value row, ValueRange sums) { return addRow(row, sums); }));
}

void netc::cuda::emitReduce(GpuEmitter &k, kern::ReduceOp op, const Launch &launch) {
  int64_t channels = kern::shapedType(op.getOuts()[0]).getDimSize(0);
  k.threads = op.getPartials() ? kReduceColumns * kReduceRows : 32;
  if (op.getPartials())
    k.blocksPerProcessor = 4; // up to 64 registers: where ptxas chooses by itself it spills
  int64_t own = op.getPartials() ? kReduceColumns : 32;
  k.grid = {(channels + own - 1) / own, 0, 1};
  ReduceThread thread;
  thread.index = k.thread();
  thread.column = k.rem(thread.index, own), thread.row = k.div(thread.index, own);
  thread.channel = k.add(k.mul(k.block(), own), thread.column);
  thread.mine = channels % own ? k.less(thread.channel, channels) : Value();
  Values arguments{k.toF64(launch.images)};
  size_t next = 0;
  Value writes = thread.mine;
  if (op.getPartials()) {
    arguments.append(PartialSums(k, op, launch, thread).emit());
    writes = k.both(thread.mine, k.equal(thread.row, 0));
    ++next;
  }
  k.when(writes, [&] {
    for (Value vector : op.getVectors()) {
      TypedPointer buffer = launch.buffers[next++];
      arguments.push_back(k.load(isForAllChannels(vector) ? buffer : k.at(buffer, thread.channel)));
    }
    for (Value result : emitFormula(k, op.getBody().front(), arguments))
      k.store(result, k.at(launch.buffers[next++], thread.channel));
  });
}
