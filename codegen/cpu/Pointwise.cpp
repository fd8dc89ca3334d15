//===- Pointwise.cpp - formulas and channel sums on the CPU ---------------===//
//
// kern.pointwise: an item is a run of pixels of one image. kern.reduce: an item is 64
// channels; partial sums are added in f64 in the order of their rows, moments joined about the
// first row's pivot.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/Coverage.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Sweep.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

void netc::cpu::emitPointwise(KernelEmitter &k, kern::PointwiseOp op, const Launch &launch) {
  int64_t pixels = op.getSpace()[0] * op.getSpace()[1], channels = op.getSpace()[2];
  int64_t block = op.getBlockPixels(), blocks = (pixels + block - 1) / block;
  bool sums = op.getOuts().size() > op.getStores();
  size_t inputs = op.getInputs().size();
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, blocks), first = k.mul(k.rem(item, blocks), block);
    Value pixel = k.add(k.mul(image, pixels), first);
    Value element = k.mul(pixel, channels);
    Sweep sweep;
    sweep.formula = &op.getBody().front();
    for (size_t i = 0; i < inputs; ++i) {
      Access access = accessOf(op.getInputs()[i], pixels);
      Value offset = access == Access::Full      ? element
                     : access == Access::Channel ? k.c(0)
                                                 : k.mul(image, channels);
      sweep.inputs.push_back({k.at(launch.buffers[i], offset), access == Access::Full, channels});
    }
    if (op.getStores())
      sweep.output = k.at(launch.buffers[inputs], element);
    sweep.outputPitch = channels;
    if (sums) {
      int64_t rows = kern::shapedType(op.getOuts().back()).getDimSize(2);
      sweep.terms = op.getTerms();
      sweep.moments = op.getMoments();
      sweep.partials = k.at(launch.buffers[inputs + op.getStores()], k.mul(item, rows * channels));
      sweep.sumPitch = channels;
    }
    sweep.pixels = pixels % block == 0 ? k.c(block) : k.min(k.c(block), k.sub(k.c(pixels), first));
    sweep.channels = channels;
    if (usesRandom(op.getBody()))
      sweep.random = {launch.buffers.back(), element};
    sweep.randomPitch = channels;
    emitSweep(k, sweep);
  });
}

namespace {
/// Rows of partials of one vector of channels, and their sums in f64.
class PartialRows {
public:
  PartialRows(KernelEmitter &k, kern::ReduceOp op, const Launch &launch, Value channel,
              int64_t valid);
  Values emitSums();
  Values emitMoments();

private:
  Value load(Value row, int64_t term);
  Value wide(Value number) {
    Value converted = arith::SIToFPOp::create(k.b, k.loc, k.b.getF64Type(), number);
    return vector::BroadcastOp::create(k.b, k.loc, f64Vector, converted);
  }

  KernelEmitter &k;
  kern::ReduceOp op;
  const Launch &launch;
  Value channel;
  int64_t valid, terms, channels;
  VectorType f64Vector;
  Value rows, zero;
};
} // namespace

PartialRows::PartialRows(KernelEmitter &k, kern::ReduceOp op, const Launch &launch, Value channel,
                         int64_t valid)
    : k(k), op(op), launch(launch), channel(channel), valid(valid) {
  auto shape = kern::shapedType(op.getPartials());
  terms = shape.getDimSize(2), channels = shape.getDimSize(3);
  f64Vector = VectorType::get({k.lanes}, k.b.getF64Type());
  rows = k.ceilDiv(k.mul(launch.images, static_cast<int64_t>(op.getRowsPerImage())),
                   op.getRowsPerItem());
  zero = arith::ConstantOp::create(k.b, k.loc, DenseElementsAttr::get(f64Vector, 0.0));
}

Value PartialRows::load(Value row, int64_t term) {
  TypedPointer at =
      k.at(launch.buffers[0], k.add(k.mul(row, terms * channels), k.add(channel, term * channels)));
  return arith::ExtFOp::create(k.b, k.loc, f64Vector, k.loadVector(at, valid));
}

Values PartialRows::emitSums() {
  return k.reduce(k.c(0), rows, 1, Values(terms, zero), [&](Value row, ValueRange acc) {
    Values added;
    for (int64_t t = 0; t < terms; ++t)
      added.push_back(k.fadd(acc[t], load(row, t)));
    return added;
  });
}

/// With d = own pivot - first pivot: sum += s + n d, squares += q + 2 d s + n d^2.
Values PartialRows::emitMoments() {
  Value pivot = load(k.c(0), 0);
  Values sums = k.reduce(
      k.c(0), rows, 1, Values{zero, zero, k.c(0)}, [&](Value row, ValueRange acc) -> Values {
        Value end = emitPixelsBefore(k, op, launch.images, k.add(row, 1)),
              count = wide(k.sub(end, acc[2]));
        Value distance = k.fsub(load(row, 0), pivot), sum = load(row, 1);
        Value moved = k.fadd(sum, k.fmul(count, distance)); // sum about the first pivot
        Value cross = k.fmul(distance, k.fadd(sum, moved));
        return {k.fadd(acc[0], moved), k.fadd(acc[1], k.fadd(load(row, 2), cross)), end};
      });
  return {pivot, sums[0], sums[1]};
}

/// One vector of channels of a reduction.
static void reduceChannels(KernelEmitter &k, kern::ReduceOp op, const Launch &launch, Value channel,
                           int64_t valid) {
  auto f64Vector = VectorType::get({k.lanes}, k.b.getF64Type());
  Value images = arith::SIToFPOp::create(k.b, k.loc, k.b.getF64Type(), launch.images);
  Values arguments{vector::BroadcastOp::create(k.b, k.loc, f64Vector, images)};
  size_t next = 0;
  if (op.getPartials()) {
    PartialRows partials(k, op, launch, channel, valid);
    arguments.append(op.getMoments() ? partials.emitMoments() : partials.emitSums());
    ++next;
  }
  for (Value vector : op.getVectors()) {
    TypedPointer buffer = launch.buffers[next++];
    arguments.push_back(isForAllChannels(vector) ? k.splat(k.load(buffer))
                                                 : k.loadVector(k.at(buffer, channel), valid));
  }
  for (Value result : emitFormula(k, op.getBody().front(), arguments))
    k.storeVector(result, k.at(launch.buffers[next++], channel), valid);
}

void netc::cpu::emitReduce(KernelEmitter &k, kern::ReduceOp op, const Launch &launch) {
  int64_t channels = kern::shapedType(op.getOuts()[0]).getDimSize(0),
          whole = channels / k.lanes * k.lanes;
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value low = k.mul(item, 64), high = k.min(k.add(low, 64), k.c(whole));
    k.loop(low, high, k.lanes,
           [&](Value channel) { reduceChannels(k, op, launch, channel, k.lanes); });
    if (channels > whole) {
      Value last = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, item,
                                         k.c((channels - 1) / 64));
      k.when(last, [&] { reduceChannels(k, op, launch, k.c(whole), channels - whole); });
    }
  });
}
