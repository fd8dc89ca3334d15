//===- Pointwise.cpp - formulas and channel sums on the CPU ---------------===//
//
// kern.pointwise: an item is a run of pixels of one image. kern.reduce: an item is 64
// channels; partial sums are added in f64 in the order of their rows.
//
//===----------------------------------------------------------------------===//
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
      sweep.terms = kern::shapedType(op.getOuts().back()).getDimSize(2);
      sweep.partials =
          k.at(launch.buffers[inputs + op.getStores()], k.mul(item, sweep.terms * channels));
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

/// One vector of channels of a reduction.
static void reduceChannels(KernelEmitter &k, kern::ReduceOp op, const Launch &launch, Value channel,
                           int64_t valid) {
  auto f64Vector = VectorType::get({k.lanes}, k.b.getF64Type());
  Value zero = arith::ConstantOp::create(k.b, k.loc, DenseElementsAttr::get(f64Vector, 0.0));
  Value images = arith::SIToFPOp::create(k.b, k.loc, k.b.getF64Type(), launch.images);
  Values arguments{vector::BroadcastOp::create(k.b, k.loc, f64Vector, images)};
  size_t next = 0;
  if (op.getPartials()) {
    Value partials = launch.buffers[next++];
    auto shape = kern::shapedType(op.getPartials());
    int64_t terms = shape.getDimSize(2), channels = shape.getDimSize(3);
    Value rows = k.ceilDiv(k.mul(launch.images, static_cast<int64_t>(op.getRowsPerImage())),
                           op.getRowsPerItem());
    Values sums = k.reduce(k.c(0), rows, 1, Values(terms, zero), [&](Value row, ValueRange acc) {
      Values added;
      for (int64_t t = 0; t < terms; ++t) {
        Value at =
            k.at(partials, k.add(k.mul(row, terms * channels), k.add(channel, t * channels)));
        Value wide = arith::ExtFOp::create(k.b, k.loc, f64Vector, k.loadVector(at, valid));
        added.push_back(k.fadd(acc[t], wide));
      }
      return added;
    });
    llvm::append_range(arguments, sums);
  }
  for (size_t i = 0; i < op.getVectors().size(); ++i)
    arguments.push_back(k.loadVector(k.at(launch.buffers[next++], channel), valid));
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
