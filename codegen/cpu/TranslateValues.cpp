//===- TranslateValues.cpp - ops that compute, in LLVM IR -----------------===//
//
// Types, constants, arithmetic, casts, intrinsics and vectors: one LLVM value each. Memory, calls
// and control are in TranslateKernels.cpp.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/KernelTranslator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc::cpu;
using llvm::Intrinsic::ID;

//===----------------------------------------------------------------------===//
// Types and constants
//===----------------------------------------------------------------------===//

llvm::Type *KernelTranslator::typeOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return llvm::FixedVectorType::get(typeOf(vector.getElementType()),
                                      static_cast<unsigned>(vector.getNumElements()));
  if (isa<LLVM::LLVMPointerType>(type))
    return llvm::PointerType::get(context, 0);
  if (isa<IndexType>(type))
    return llvm::Type::getInt64Ty(context);
  if (type.isF16())
    return llvm::Type::getHalfTy(context);
  if (type.isBF16())
    return llvm::Type::getBFloatTy(context);
  if (type.isF32())
    return llvm::Type::getFloatTy(context);
  if (type.isF64())
    return llvm::Type::getDoubleTy(context);
  return llvm::IntegerType::get(context, type.getIntOrFloatBitWidth());
}

llvm::Constant *KernelTranslator::elementOf(Attribute attr, llvm::Type *type) {
  if (auto number = dyn_cast<FloatAttr>(attr))
    return llvm::ConstantFP::get(type, number.getValue());
  return llvm::ConstantInt::get(
      context, llvm::cast<IntegerAttr>(attr).getValue().zextOrTrunc(type->getIntegerBitWidth()));
}

llvm::Constant *KernelTranslator::constantOf(TypedAttr attr) {
  llvm::Type *type = typeOf(attr.getType());
  auto elements = dyn_cast<DenseElementsAttr>(attr);
  if (!elements)
    return elementOf(attr, type);
  llvm::Type *element = type->getScalarType();
  if (elements.isSplat())
    return llvm::ConstantVector::getSplat(
        llvm::ElementCount::getFixed(static_cast<unsigned>(elements.getNumElements())),
        elementOf(elements.getSplatValue<Attribute>(), element));
  return llvm::ConstantVector::get(llvm::map_to_vector(
      elements.getValues<Attribute>(), [&](Attribute value) { return elementOf(value, element); }));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static llvm::CmpInst::Predicate predicateOf(arith::CmpIPredicate predicate) {
  using From = arith::CmpIPredicate;
  using To = llvm::CmpInst;
  switch (predicate) {
  case From::eq:
    return To::ICMP_EQ;
  case From::ne:
    return To::ICMP_NE;
  case From::slt:
    return To::ICMP_SLT;
  case From::sle:
    return To::ICMP_SLE;
  case From::sgt:
    return To::ICMP_SGT;
  case From::sge:
    return To::ICMP_SGE;
  case From::ult:
    return To::ICMP_ULT;
  case From::ule:
    return To::ICMP_ULE;
  case From::ugt:
    return To::ICMP_UGT;
  case From::uge:
    return To::ICMP_UGE;
  }
  llvm_unreachable("all predicates are above");
}

static llvm::CmpInst::Predicate predicateOf(arith::CmpFPredicate predicate) {
  using From = arith::CmpFPredicate;
  using To = llvm::CmpInst;
  switch (predicate) {
  case From::AlwaysFalse:
    return To::FCMP_FALSE;
  case From::OEQ:
    return To::FCMP_OEQ;
  case From::OGT:
    return To::FCMP_OGT;
  case From::OGE:
    return To::FCMP_OGE;
  case From::OLT:
    return To::FCMP_OLT;
  case From::OLE:
    return To::FCMP_OLE;
  case From::ONE:
    return To::FCMP_ONE;
  case From::ORD:
    return To::FCMP_ORD;
  case From::UEQ:
    return To::FCMP_UEQ;
  case From::UGT:
    return To::FCMP_UGT;
  case From::UGE:
    return To::FCMP_UGE;
  case From::ULT:
    return To::FCMP_ULT;
  case From::ULE:
    return To::FCMP_ULE;
  case From::UNE:
    return To::FCMP_UNE;
  case From::UNO:
    return To::FCMP_UNO;
  case From::AlwaysTrue:
    return To::FCMP_TRUE;
  }
  llvm_unreachable("all predicates are above");
}

llvm::Value *KernelTranslator::arithmetic(Operation *op) {
  auto x = [&] { return operand(op, 0); };
  auto y = [&] { return operand(op, 1); };
  auto flags = [&](auto binary) {
    arith::IntegerOverflowFlags set = binary.getOverflowFlags();
    return std::pair(bitEnumContainsAll(set, arith::IntegerOverflowFlags::nuw),
                     bitEnumContainsAll(set, arith::IntegerOverflowFlags::nsw));
  };
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](arith::AddIOp add) {
        auto [nuw, nsw] = flags(add);
        return b.CreateAdd(x(), y(), "", nuw, nsw);
      })
      .Case([&](arith::SubIOp sub) {
        auto [nuw, nsw] = flags(sub);
        return b.CreateSub(x(), y(), "", nuw, nsw);
      })
      .Case([&](arith::MulIOp mul) {
        auto [nuw, nsw] = flags(mul);
        return b.CreateMul(x(), y(), "", nuw, nsw);
      })
      .Case([&](arith::DivUIOp) { return b.CreateUDiv(x(), y()); })
      .Case([&](arith::RemUIOp) { return b.CreateURem(x(), y()); })
      .Case([&](arith::DivSIOp) { return b.CreateSDiv(x(), y()); })
      .Case([&](arith::RemSIOp) { return b.CreateSRem(x(), y()); })
      .Case([&](arith::AndIOp) { return b.CreateAnd(x(), y()); })
      .Case([&](arith::OrIOp) { return b.CreateOr(x(), y()); })
      .Case([&](arith::XOrIOp) { return b.CreateXor(x(), y()); })
      .Case([&](arith::ShLIOp) { return b.CreateShl(x(), y()); })
      .Case([&](arith::ShRUIOp) { return b.CreateLShr(x(), y()); })
      .Case([&](arith::ShRSIOp) { return b.CreateAShr(x(), y()); })
      .Case([&](arith::AddFOp) { return b.CreateFAdd(x(), y()); })
      .Case([&](arith::SubFOp) { return b.CreateFSub(x(), y()); })
      .Case([&](arith::MulFOp) { return b.CreateFMul(x(), y()); })
      .Case([&](arith::DivFOp) { return b.CreateFDiv(x(), y()); })
      .Case([&](arith::RemFOp) { return b.CreateFRem(x(), y()); })
      .Case([&](arith::NegFOp) { return b.CreateFNeg(x()); })
      .Case([&](arith::CmpIOp compare) {
        return b.CreateICmp(predicateOf(compare.getPredicate()), x(), y());
      })
      .Case([&](arith::CmpFOp compare) {
        return b.CreateFCmp(predicateOf(compare.getPredicate()), x(), y());
      })
      .Case([&](arith::SelectOp) { return b.CreateSelect(x(), y(), operand(op, 2)); })
      .Default([](Operation *) { return nullptr; });
}

llvm::Value *KernelTranslator::cast(Operation *op) {
  auto to = [&](llvm::Instruction::CastOps kind) {
    return b.CreateCast(kind, operand(op, 0), typeOf(op->getResult(0).getType()));
  };
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](arith::ExtFOp) { return to(llvm::Instruction::FPExt); })
      .Case([&](arith::TruncFOp) { return to(llvm::Instruction::FPTrunc); })
      .Case([&](arith::SIToFPOp) { return to(llvm::Instruction::SIToFP); })
      .Case([&](arith::UIToFPOp) { return to(llvm::Instruction::UIToFP); })
      .Case([&](arith::FPToSIOp) { return to(llvm::Instruction::FPToSI); })
      .Case([&](arith::FPToUIOp) { return to(llvm::Instruction::FPToUI); })
      .Case([&](arith::TruncIOp) { return to(llvm::Instruction::Trunc); })
      .Case([&](arith::ExtSIOp) { return to(llvm::Instruction::SExt); })
      .Case([&](arith::ExtUIOp) { return to(llvm::Instruction::ZExt); })
      .Case([&](arith::IndexCastOp) {
        return b.CreateSExtOrTrunc(operand(op, 0), typeOf(op->getResult(0).getType()));
      })
      .Case<arith::BitcastOp, vector::BitCastOp>(
          [&](Operation *) { return to(llvm::Instruction::BitCast); })
      .Default([](Operation *) { return nullptr; });
}

/// The intrinsic of the operands' type that an op is; none: not_intrinsic.
static ID intrinsicOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, ID>(op)
      .Case([](arith::MinSIOp) { return llvm::Intrinsic::smin; })
      .Case([](arith::MaxSIOp) { return llvm::Intrinsic::smax; })
      .Case([](arith::MinUIOp) { return llvm::Intrinsic::umin; })
      .Case([](arith::MaxUIOp) { return llvm::Intrinsic::umax; })
      .Case([](arith::MaximumFOp) { return llvm::Intrinsic::maximum; })
      .Case([](arith::MinimumFOp) { return llvm::Intrinsic::minimum; })
      .Case([](arith::MaxNumFOp) { return llvm::Intrinsic::maxnum; })
      .Case([](arith::MinNumFOp) { return llvm::Intrinsic::minnum; })
      .Case([](vector::FMAOp) { return llvm::Intrinsic::fmuladd; })
      .Case([](math::FmaOp) { return llvm::Intrinsic::fma; })
      .Case([](math::SqrtOp) { return llvm::Intrinsic::sqrt; })
      .Case([](math::AbsFOp) { return llvm::Intrinsic::fabs; })
      .Case([](math::FloorOp) { return llvm::Intrinsic::floor; })
      .Case([](math::CeilOp) { return llvm::Intrinsic::ceil; })
      .Case([](math::RoundEvenOp) { return llvm::Intrinsic::roundeven; })
      .Case([](math::TruncOp) { return llvm::Intrinsic::trunc; })
      .Case([](math::CopySignOp) { return llvm::Intrinsic::copysign; })
      .Default([](Operation *) { return llvm::Intrinsic::not_intrinsic; });
}

llvm::Value *KernelTranslator::intrinsic(Operation *op) {
  ID id = intrinsicOf(op);
  if (id == llvm::Intrinsic::not_intrinsic)
    return nullptr;
  if (op->getNumOperands() == 2) // folds constants
    return b.CreateBinaryIntrinsic(id, operand(op, 0), operand(op, 1));
  return b.CreateIntrinsic(id, {typeOf(op->getResult(0).getType())}, all(op->getOperands()));
}

llvm::Value *KernelTranslator::ofVectors(Operation *op) {
  auto position = [&](ArrayRef<int64_t> of) -> llvm::Value * { return b.getInt64(of.front()); };
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](vector::BroadcastOp broadcast) -> llvm::Value * {
        llvm::Value *from = operand(op, 0);
        if (from->getType()->isVectorTy())
          return from->getType() == typeOf(broadcast.getType()) ? from : nullptr;
        return b.CreateVectorSplat(static_cast<unsigned>(broadcast.getType().getNumElements()),
                                   from);
      })
      .Case([&](vector::ShuffleOp shuffle) {
        SmallVector<int> mask(shuffle.getMask().begin(), shuffle.getMask().end());
        return b.CreateShuffleVector(operand(op, 0), operand(op, 1), mask);
      })
      .Case([&](vector::ExtractOp extract) -> llvm::Value * {
        if (extract.getStaticPosition().size() != 1 || extract.hasDynamicPosition())
          return nullptr;
        return b.CreateExtractElement(operand(op, 0), position(extract.getStaticPosition()));
      })
      .Case([&](vector::InsertOp insert) -> llvm::Value * {
        if (insert.getStaticPosition().size() != 1 || insert.hasDynamicPosition())
          return nullptr;
        return b.CreateInsertElement(at(insert.getDest()), at(insert.getValueToStore()),
                                     position(insert.getStaticPosition()));
      })
      .Case([&](vector::ReductionOp reduction) -> llvm::Value * {
        if (reduction.getKind() != vector::CombiningKind::ADD)
          return nullptr;
        llvm::Value *from = operand(op, 0);
        if (!from->getType()->isFPOrFPVectorTy())
          return b.CreateAddReduce(from);
        // In the order of the lanes.
        llvm::Value *start = reduction.getAcc()
                                 ? at(reduction.getAcc())
                                 : llvm::ConstantFP::get(typeOf(reduction.getType()), 0);
        return b.CreateFAddReduce(start, from);
      })
      .Default([](Operation *) { return nullptr; });
}

llvm::Value *KernelTranslator::valueOf(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return constantOf(constant.getValue());
  for (auto kind : {&KernelTranslator::arithmetic, &KernelTranslator::cast,
                    &KernelTranslator::intrinsic, &KernelTranslator::ofVectors})
    if (llvm::Value *value = (this->*kind)(op))
      return value;
  return nullptr;
}
