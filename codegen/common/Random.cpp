//===- Random.cpp - the random numbers of kernels -------------------------===//
#include "codegen/common/Random.h"

#include "dialect/interfaces/Hyper.h"
#include "dialect/kern/KernDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace netc;

bool netc::usesRandom(Region &region) {
  return region.walk([](kern::RandomOp) { return WalkResult::interrupt(); }).wasInterrupted();
}

namespace {
/// Integer arithmetic on an i32, or on a vector of them.
class Mixer {
public:
  Mixer(OpBuilder &b, Location loc, int64_t lanes) : b(b), loc(loc), lanes(lanes) {}

  Value constant(uint32_t v) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(static_cast<int32_t>(v)));
  }
  /// The same in all lanes.
  Value spread(Value scalar) {
    if (!lanes)
      return scalar;
    return vector::BroadcastOp::create(b, loc, VectorType::get({lanes}, scalar.getType()), scalar);
  }
  /// `v` as `x` is: a scalar or a vector.
  Value like(Value x, uint32_t v) {
    return isa<VectorType>(x.getType()) ? spread(constant(v)) : constant(v);
  }
  Value exclusiveOr(Value x, Value y) { return arith::XOrIOp::create(b, loc, x, y); }
  Value shiftRight(Value x, Value bits) { return arith::ShRUIOp::create(b, loc, x, bits); }
  Value shifted(Value x, uint32_t bits) { return exclusiveOr(x, shiftRight(x, like(x, bits))); }
  /// lowbias32.
  Value mix(Value x) {
    x = shifted(x, 16);
    x = shifted(arith::MulIOp::create(b, loc, x, like(x, 0x7feb352d)), 15);
    return shifted(arith::MulIOp::create(b, loc, x, like(x, 0x846ca68b)), 16);
  }
  /// first, first + 1, … in the lanes.
  Value countUp(Value first) {
    if (!lanes)
      return first;
    SmallVector<int32_t> iota(lanes);
    for (int64_t i = 0; i < lanes; ++i)
      iota[i] = static_cast<int32_t>(i);
    auto type = VectorType::get({lanes}, b.getI32Type());
    Value lane =
        arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(iota)));
    return arith::AddIOp::create(b, loc, spread(first), lane);
  }

private:
  OpBuilder &b;
  Location loc;
  int64_t lanes;
};
} // namespace

Value netc::emitUniform(OpBuilder &b, Location loc, kern::RandomOp draw, Value element,
                        int64_t lanes, function_ref<Value(int64_t)> wordAt) {
  Mixer m(b, loc, lanes);
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  auto word = [&](HyperWord index) -> Value {
    return LLVM::LoadOp::create(b, loc, i32, wordAt(index), 4);
  };
  auto number = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
  };
  // Elements are counted from the first image of the batch of all processes.
  auto imageElements = static_cast<int64_t>(draw.getImageElements());
  Value perImage = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(imageElements));
  Value first = arith::ExtUIOp::create(b, loc, b.getI64Type(), word(kFirstImage));
  if (draw.getPerImage()) // a vector's lanes are of one image
    element =
        arith::AddIOp::create(b, loc, first, arith::DivUIOp::create(b, loc, element, perImage));
  else
    element =
        arith::AddIOp::create(b, loc, element, arith::MulIOp::create(b, loc, first, perImage));
  auto id = static_cast<uint32_t>(draw.getId());
  Value seed = word(kSeedLow), stream = m.constant(id * 0x9e3779b9u + 1);
  Value key = m.mix(m.exclusiveOr(seed, stream));
  key = m.mix(m.exclusiveOr(key, word(kSeedHigh)));
  key = m.mix(m.exclusiveOr(key, word(kStep)));
  Value half = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(32));
  Value high = arith::TruncIOp::create(b, loc, i32, m.shiftRight(element, half));
  key = m.mix(m.exclusiveOr(key, high));
  Value low = arith::TruncIOp::create(b, loc, i32, element);
  Value mixed = m.mix(draw.getPerImage() ? m.spread(low) : m.countUp(low));
  Value bits = m.mix(m.exclusiveOr(mixed, m.spread(key)));
  bits = m.shiftRight(bits, m.spread(m.constant(8)));
  Type type = lanes ? Type(VectorType::get({lanes}, f32)) : f32;
  Value drawn = arith::UIToFPOp::create(b, loc, type, bits);
  Value uniform = arith::MulFOp::create(b, loc, drawn, m.spread(number(1.0 / (1 << 24))));
  Value dropout = LLVM::LoadOp::create(b, loc, f32, wordAt(kDropout), 4);
  Value on = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, dropout, number(0));
  return arith::SelectOp::create(b, loc, on, uniform, m.spread(number(1)));
}
