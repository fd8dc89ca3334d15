//===- PackIntegers.cpp - quantised weights on the CPU --------------------===//
//
// A filter as integers with a scale by output channel, and its tiles: [G, blocks, KH, KW, depth,
// T], where `wide` steps of the reduction lie lane by lane beside each other, [depth / wide, T,
// wide].
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
/// One output channel of a filter.
class QuantizedChannel {
public:
  QuantizedChannel(KernelEmitter &k, kern::QuantizeFilterOp op, const Launch &launch, Value channel)
      : k(k), elements(kern::shapedType(op.getOuts()[0]).getNumElements() /
                       kern::shapedType(op.getOuts()[0]).getDimSize(0)),
        source(k.at(launch.buffers[0], k.mul(channel, elements))) {
    if (op.getInputs().size() > 1)
      factor = k.load(k.at(launch.buffers[1], channel));
    size_t first = op.getInputs().size();
    quantized = k.at(launch.buffers[first], k.mul(channel, elements));
    scale = k.at(launch.buffers[first + 1], channel);
    start = k.at(launch.buffers[first + 2], channel);
  }
  void emit();

private:
  Value weightAt(Value i) {
    Value weight = k.load(k.at(source, i));
    return factor ? k.fmul(weight, factor) : weight;
  }
  Value largest();

  KernelEmitter &k;
  int64_t elements;
  TypedPointer source, quantized, scale, start;
  Value factor; ///< null: 1
};
} // namespace

Value QuantizedChannel::largest() {
  return k.reduce(k.c(0), k.c(elements), 1, k.number(0), [&](Value i, ValueRange most) {
    Value weight = weightAt(i), minus = arith::NegFOp::create(k.b, k.loc, weight);
    auto larger = [&](Value x, Value y) {
      Value greater = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, x, y);
      return k.select(greater, x, y);
    };
    return Values{larger(larger(weight, minus), most[0])};
  })[0];
}

void QuantizedChannel::emit() {
  Value most = largest();
  Value isZero = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, most, k.number(0));
  Value inverse = k.select(isZero, k.number(0), k.fdiv(k.number(127), most));
  k.store(k.fdiv(most, k.number(127)), scale);
  Type i32 = k.b.getI32Type();
  Value zero = arith::ConstantOp::create(k.b, k.loc, k.b.getI32IntegerAttr(0));
  Value sum = k.reduce(k.c(0), k.c(elements), 1, zero, [&](Value i, ValueRange sums) {
    Value integer = toStorage(k.b, k.loc, k.fmul(weightAt(i), inverse), quantized.element);
    LLVM::StoreOp::create(k.b, k.loc, integer, k.at(quantized, i).address, 1);
    Value wide = arith::ExtSIOp::create(k.b, k.loc, i32, integer);
    return Values{arith::AddIOp::create(k.b, k.loc, sums[0], wide)};
  })[0];
  Value factorOfStart = arith::ConstantOp::create(k.b, k.loc, k.b.getI32IntegerAttr(-128));
  k.store(arith::MulIOp::create(k.b, k.loc, sum, factorOfStart), start);
}

void netc::cpu::emitQuantizeFilter(KernelEmitter &k, kern::QuantizeFilterOp op,
                                   const Launch &launch) {
  k.loop(launch.begin, launch.end, 1,
         [&](Value channel) { QuantizedChannel(k, op, launch, channel).emit(); });
}

/// Item: (group, block, piece of the reduction's channels).
void netc::cpu::emitPackIntegers(KernelEmitter &k, kern::PackOp op, const Launch &launch) {
  assert(!op.getTransposed() && op.getInputs().size() == 1);
  TypedPointer source = launch.buffers[0], out = launch.buffers[1];
  ArrayRef<int64_t> shape = kern::shapedType(op.getOuts()[0]).getShape();
  auto filter = kern::shapedType(op.getInputs()[0]);
  int64_t blocks = shape[1], window = shape[2] * shape[3], depth = shape[4], tile = shape[5],
          wide = 4 / out.bytes();
  int64_t groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups()),
          groupIn = filter.getDimSize(1);
  int64_t pieces = (depth + kern::kPackedDepth - 1) / kern::kPackedDepth;
  auto element = [&](TypedPointer pointer) { return memoryType(pointer.element); };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value low = k.mul(k.rem(item, pieces), kern::kPackedDepth),
          high = k.min(k.add(low, kern::kPackedDepth), k.c(depth));
    Value block = k.div(item, pieces), first = k.mul(k.rem(block, blocks), tile);
    Value outputs = k.min(k.c(tile), k.sub(k.c(groupOut), first));
    Value channel = k.add(k.mul(k.div(block, blocks), groupOut), first);
    k.loop(0, window, 1, [&](Value tap) {
      TypedPointer to = k.at(out, k.mul(k.add(k.mul(block, window), tap), depth * tile));
      k.fillZero(k.at(to, k.mul(low, tile)), k.mul(k.sub(high, low), tile));
      k.loop(k.c(0), outputs, 1, [&](Value t) {
        Value row = k.mul(k.add(channel, t), groupIn);
        k.loop(low, k.min(high, k.c(groupIn)), 1, [&](Value d) {
          Value from = k.add(k.mul(k.add(row, d), window), tap);
          Value weight =
              LLVM::LoadOp::create(k.b, k.loc, element(source), k.at(source, from).address, 1);
          if (element(out) != element(source))
            weight = arith::ExtSIOp::create(k.b, k.loc, element(out), weight);
          Value place = k.add(k.mul(k.add(k.mul(k.div(d, wide), tile), t), wide), k.rem(d, wide));
          LLVM::StoreOp::create(k.b, k.loc, weight, k.at(to, place).address,
                                static_cast<unsigned>(out.bytes()));
        });
      });
    });
  });
}
