//===- Storage.cpp - elements as memory holds them ------------------------===//
//
// bf16 is the upper half of an f32. Converted by integer operations it has the same bits on every
// instruction set and chip, whatever they do with denormals.
//
// Integers are rounded by adding 1.5 * 2^23, which leaves them in the lowest bits of an f32's
// mantissa: exact, and the same on every instruction set.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/Storage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace netc;

/// `type`, or a vector of it as long as `like` is.
static Type shapedLike(Value like, Type type) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(VectorType::get(vector.getShape(), type)) : type;
}

/// The integer `value` in every lane of `type`.
static Value integer(OpBuilder &b, Location loc, Type type, int64_t value) {
  TypedAttr attr = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, attr);
  return arith::ConstantOp::create(b, loc, attr);
}

static bool isSmallInteger(Type element) {
  return isa<IntegerType>(element) && element.getIntOrFloatBitWidth() < 32;
}

/// What is added to an integer before it is stored.
static int64_t biasOf(Type element) { return element.isSignedInteger(8) ? 128 : 0; }

int8_t netc::zeroByte(Type element) { return static_cast<int8_t>(biasOf(element)); }

Type netc::memoryType(Type element) {
  if (!element.isBF16() && !isSmallInteger(element))
    return element;
  return IntegerType::get(element.getContext(), element.getIntOrFloatBitWidth());
}

static Value integersFromStorage(OpBuilder &b, Location loc, Value stored, Type element) {
  Type i32 = shapedLike(stored, b.getI32Type());
  Value wide = element.isSignlessInteger() ? Value(arith::ExtSIOp::create(b, loc, i32, stored))
                                           : Value(arith::ExtUIOp::create(b, loc, i32, stored));
  if (int64_t bias = biasOf(element))
    wide = arith::SubIOp::create(b, loc, wide, integer(b, loc, i32, bias));
  return arith::SIToFPOp::create(b, loc, shapedLike(stored, b.getF32Type()), wide);
}

/// `number` in every lane of `type`.
static Value floating(OpBuilder &b, Location loc, Type type, double number) {
  TypedAttr attr = b.getF32FloatAttr(static_cast<float>(number));
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, attr);
  return arith::ConstantOp::create(b, loc, attr);
}

static Value integersToStorage(OpBuilder &b, Location loc, Value value, Type element) {
  Type type = value.getType();
  unsigned bits = element.getIntOrFloatBitWidth();
  double most = element.isUnsignedInteger() ? 255 : (1 << (bits - 1)) - 1;
  double least = element.isUnsignedInteger() ? 0 : -most;
  auto clamped = [&](arith::CmpFPredicate keeps, double bound) {
    Value limit = floating(b, loc, type, bound);
    Value inside = arith::CmpFOp::create(b, loc, keeps, value, limit);
    value = arith::SelectOp::create(b, loc, inside, value, limit);
  };
  clamped(arith::CmpFPredicate::OGT, least);
  clamped(arith::CmpFPredicate::OLT, most);
  Value magic = floating(b, loc, type, 1.5 * (1 << 23) + static_cast<double>(biasOf(element)));
  Value sum = arith::AddFOp::create(b, loc, value, magic);
  Value all = arith::BitcastOp::create(b, loc, shapedLike(value, b.getI32Type()), sum);
  return arith::TruncIOp::create(b, loc, shapedLike(value, memoryType(element)), all);
}

Value netc::fromStorage(OpBuilder &b, Location loc, Value stored, Type element) {
  if (isSmallInteger(element))
    return integersFromStorage(b, loc, stored, element);
  if (!element.isBF16())
    return stored;
  Type i32 = shapedLike(stored, b.getI32Type());
  Value bits = arith::ExtUIOp::create(b, loc, i32, stored);
  bits = arith::ShLIOp::create(b, loc, bits, integer(b, loc, i32, 16));
  return arith::BitcastOp::create(b, loc, shapedLike(stored, b.getF32Type()), bits);
}

Value netc::toStorage(OpBuilder &b, Location loc, Value value, Type element) {
  if (isSmallInteger(element))
    return integersToStorage(b, loc, value, element);
  if (!element.isBF16())
    return value;
  Type i32 = shapedLike(value, b.getI32Type());
  auto number = [&](int64_t n) { return integer(b, loc, i32, n); };
  Value bits = arith::BitcastOp::create(b, loc, i32, value);
  // Half of the last place that stays, less one where that place is even.
  Value odd =
      arith::AndIOp::create(b, loc, arith::ShRUIOp::create(b, loc, bits, number(16)), number(1));
  Value rounded =
      arith::AddIOp::create(b, loc, bits, arith::AddIOp::create(b, loc, odd, number(0x7fff)));
  // A NaN's payload may lie in the half that goes, or carry over: the quiet bit keeps it a NaN.
  Value quiet = arith::OrIOp::create(b, loc, bits, number(0x400000));
  Value isNan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, value, value);
  Value kept = arith::SelectOp::create(b, loc, isNan, quiet, rounded);
  kept = arith::ShRUIOp::create(b, loc, kept, number(16));
  return arith::TruncIOp::create(b, loc, shapedLike(value, b.getI16Type()), kept);
}

Value netc::loadElement(OpBuilder &b, Location loc, TypedPointer pointer) {
  Value stored = LLVM::LoadOp::create(b, loc, memoryType(pointer.element), pointer.address,
                                      static_cast<unsigned>(pointer.bytes()));
  return fromStorage(b, loc, stored, pointer.element);
}

void netc::storeElement(OpBuilder &b, Location loc, Value value, TypedPointer pointer) {
  LLVM::StoreOp::create(b, loc, toStorage(b, loc, value, pointer.element), pointer.address,
                        static_cast<unsigned>(pointer.bytes()));
}
