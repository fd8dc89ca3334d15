//===- GpuPointwise.cpp - formulas and channel sums on the GPU ------------===//
//
// kern.pointwise without sums: a thread works on four channels of a pixel. With sums: a
// block on one item of the op's grid, a run of pixels; threads of one column of channels
// add up pixels in order, then one adds the columns' sums in order. kern.reduce: a block
// has eight channels, 32 threads each take every 32nd row, then a fixed tree; in f64.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"

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
  Value hyper = usesRandom(op.getBody()) ? launch.buffers.back() : Value();
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

static void emitWithSums(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch) {
  int64_t pixels = op.getSpace()[0] * op.getSpace()[1], channels = op.getSpace()[2],
          width = chunkWidth(channels);
  int64_t block = op.getBlockPixels(), blocks = (pixels + block - 1) / block;
  int64_t stores = op.getStores(), terms = kern::shapedType(op.getOuts().back()).getDimSize(2);
  // Threads: columns of `width` channels by rows of pixels.
  int64_t all = channels / width, columns = 1;
  while (columns < std::min<int64_t>(all, 256))
    columns *= 2;
  int64_t rows = 1;
  while (rows * 2 * columns <= 256 && rows < block)
    rows *= 2;
  while (rows * columns < 32)
    rows *= 2;
  k.threads = rows * columns;
  k.grid = op.getGrid();
  FormulaInputs inputs = inputsOf(op.getInputs(), launch, pixels);
  Value hyper = usesRandom(op.getBody()) ? launch.buffers.back() : Value();
  Value partials = launch.buffers[op.getInputs().size() + stores];
  Value item = k.block(), t = k.thread();
  Value image = k.div(item, blocks), first = k.mul(k.rem(item, blocks), block);
  Value count = k.min(k.c(block), k.sub(k.c(pixels), first));
  Value base = k.add(k.mul(image, pixels), first);
  Value column = k.rem(t, columns), row = k.div(t, columns);
  Value place = k.shared(4 * rows * columns * width);
  k.loop(k.c(0), k.c(all), columns, [&](Value firstColumn) {
    Value chunk = k.add(firstColumn, column), channel = k.mul(chunk, width);
    Value mine = all % columns ? k.less(chunk, all) : Value();
    Values sums =
        k.reduce(row, mine ? k.select(mine, count, k.c(0)) : count, rows,
                 Values(terms * width, k.number(0)), [&](Value p, ValueRange acc) {
                   Value pixel = k.add(base, p);
                   auto lanes = emitFormulaAt(k, &op.getBody().front(), inputs, {}, pixel, image,
                                              channels, channel, width, hyper);
                   for (int64_t s = 0; s < stores; ++s) {
                     Values out;
                     for (Values &lane : lanes)
                       out.push_back(lane[s]);
                     k.storeChunk(out, k.at(launch.buffers[op.getInputs().size() + s],
                                            k.element(pixel, channels, channel)));
                   }
                   Values next;
                   for (int64_t term = 0; term < terms; ++term)
                     for (int64_t lane = 0; lane < width; ++lane)
                       next.push_back(k.fadd(acc[term * width + lane], lanes[lane][stores + term]));
                   return next;
                 });
    for (int64_t term = 0; term < terms; ++term) {
      k.barrier(); // what was here before has been read
      k.storeChunk(ValueRange(sums).slice(term * width, width), k.at(place, k.mul(t, width)));
      k.barrier();
      Value final = k.both(k.less(t, columns), mine);
      k.when(final, [&] {
        Values total = k.reduce(
            k.c(0), k.c(rows), 1, Values(width, k.number(0)), [&](Value r, ValueRange acc) {
              Values part = k.loadChunk(k.at(place, k.mul(k.add(k.mul(r, columns), column), width)),
                                        width),
                     next;
              for (int64_t lane = 0; lane < width; ++lane)
                next.push_back(k.fadd(acc[lane], part[lane]));
              return next;
            });
        Value to = k.element(k.add(k.mul(item, terms), k.c(term)), channels, channel);
        k.storeChunk(total, k.at(partials, to));
      });
    }
  });
}

void netc::cuda::emitPointwise(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch) {
  op.getOuts().size() > op.getStores() ? emitWithSums(k, op, launch)
                                       : emitWithoutSums(k, op, launch);
}

void netc::cuda::emitReduce(GpuEmitter &k, kern::ReduceOp op, const Launch &launch) {
  constexpr int64_t kColumns = 8, kRows = 32;
  int64_t channels = kern::shapedType(op.getOuts()[0]).getDimSize(0);
  k.threads = op.getPartials() ? kColumns * kRows : 32;
  int64_t own = op.getPartials() ? kColumns : 32;
  k.grid = {(channels + own - 1) / own, 0, 1};
  Value t = k.thread();
  Value column = k.rem(t, own), row = k.div(t, own);
  Value channel = k.add(k.mul(k.block(), own), column);
  Value mine = channels % own ? k.less(channel, channels) : Value();
  Values arguments{k.toF64(launch.images)};
  size_t next = 0;
  if (op.getPartials()) {
    Value partials = launch.buffers[next++];
    int64_t terms = kern::shapedType(op.getPartials()).getDimSize(2);
    Value rows = k.ceilDiv(k.mul(launch.images, static_cast<int64_t>(op.getRowsPerImage())),
                           op.getRowsPerItem());
    Value count = mine ? k.select(mine, rows, k.c(0)) : rows;
    Values sums =
        k.reduce(row, count, kRows, Values(terms, k.number64(0)), [&](Value r, ValueRange acc) {
          Values added;
          for (int64_t term = 0; term < terms; ++term) {
            Value at = k.element(k.add(k.mul(r, terms), term), channels, channel);
            added.push_back(k.fadd(acc[term], k.extend(k.load(k.at(partials, at)))));
          }
          return added;
        });
    Value place = k.shared(8 * kColumns * kRows * terms);
    auto slot = [&](Value thread, int64_t term) -> Value {
      Value index = k.add(thread, term * kColumns * kRows);
      return LLVM::GEPOp::create(k.b, k.loc, place.getType(), k.f64(), place,
                                 ArrayRef<LLVM::GEPArg>{index});
    };
    auto get = [&](Value thread, int64_t term) -> Value {
      return LLVM::LoadOp::create(k.b, k.loc, k.f64(), slot(thread, term), 8);
    };
    for (int64_t term = 0; term < terms; ++term)
      LLVM::StoreOp::create(k.b, k.loc, sums[term], slot(t, term), 8);
    for (int64_t half = kRows / 2; half; half /= 2) {
      k.barrier();
      k.when(k.less(row, half), [&] {
        for (int64_t term = 0; term < terms; ++term) {
          Value sum = k.fadd(get(t, term), get(k.add(t, half * kColumns), term));
          LLVM::StoreOp::create(k.b, k.loc, sum, slot(t, term), 8);
        }
      });
    }
    k.barrier();
    for (int64_t term = 0; term < terms; ++term)
      arguments.push_back(get(column, term));
    mine = k.both(mine, k.equal(row, 0));
  }
  k.when(mine, [&] {
    for (size_t i = 0; i < op.getVectors().size(); ++i)
      arguments.push_back(k.load(k.at(launch.buffers[next++], channel)));
    for (Value result : emitFormula(k, op.getBody().front(), arguments))
      k.store(result, k.at(launch.buffers[next++], channel));
  });
}
