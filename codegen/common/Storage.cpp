//===- Storage.cpp - elements as memory holds them ------------------------===//
//
// bf16 is the upper half of an f32. Converted by integer operations it has the same bits on every
// instruction set and chip, whatever they do with denormals.
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

Type netc::memoryType(Type element) {
  return element.isBF16() ? Type(IntegerType::get(element.getContext(), 16)) : element;
}

Value netc::fromStorage(OpBuilder &b, Location loc, Value stored, Type element) {
  if (!element.isBF16())
    return stored;
  Type i32 = shapedLike(stored, b.getI32Type());
  Value bits = arith::ExtUIOp::create(b, loc, i32, stored);
  bits = arith::ShLIOp::create(b, loc, bits, integer(b, loc, i32, 16));
  return arith::BitcastOp::create(b, loc, shapedLike(stored, b.getF32Type()), bits);
}

Value netc::toStorage(OpBuilder &b, Location loc, Value value, Type element) {
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
