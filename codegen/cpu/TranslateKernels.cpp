//===- TranslateKernels.cpp - kernels to LLVM IR --------------------------===//
#include "codegen/cpu/TranslateKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using llvm::Intrinsic::ID;

namespace {
/// Translates one function after the other; values are those of the function at hand.
class Translator {
public:
  explicit Translator(llvm::Module &code) : code(code), context(code.getContext()), b(context) {}
  LogicalResult translate(ModuleOp kernels);

private:
  using Predicate = llvm::CmpInst::Predicate;

  llvm::Type *typeOf(Type type);
  llvm::Constant *constantOf(TypedAttr attr);
  llvm::Constant *elementOf(Attribute attr, llvm::Type *type);
  llvm::Value *at(Value value) { return values.lookup(value); }
  llvm::Value *operand(Operation *op, unsigned index) { return at(op->getOperand(index)); }
  SmallVector<llvm::Value *> all(ValueRange range) {
    return llvm::map_to_vector(range, [&](Value value) { return at(value); });
  }

  void declare(func::FuncOp function);
  LogicalResult define(func::FuncOp function);
  LogicalResult translate(Block &block);
  LogicalResult translate(Operation *op);
  LogicalResult translateFor(scf::ForOp loop);
  LogicalResult translateIf(scf::IfOp branch);

  /// The value of an op with one result that needs no control flow; null: not one of these.
  llvm::Value *valueOf(Operation *op);
  llvm::Value *arithmetic(Operation *op);
  llvm::Value *cast(Operation *op);
  llvm::Value *intrinsic(Operation *op);
  llvm::Value *ofVectors(Operation *op);
  /// False: not one of the ops that touch memory or call.
  bool translateMemory(Operation *op);

  llvm::Module &code;
  llvm::LLVMContext &context;
  llvm::IRBuilder<> b;
  llvm::DenseMap<Value, llvm::Value *> values;
};
} // namespace

//===----------------------------------------------------------------------===//
// Types and constants
//===----------------------------------------------------------------------===//

llvm::Type *Translator::typeOf(Type type) {
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

llvm::Constant *Translator::elementOf(Attribute attr, llvm::Type *type) {
  if (auto number = dyn_cast<FloatAttr>(attr))
    return llvm::ConstantFP::get(type, number.getValue());
  return llvm::ConstantInt::get(
      context, llvm::cast<IntegerAttr>(attr).getValue().zextOrTrunc(type->getIntegerBitWidth()));
}

llvm::Constant *Translator::constantOf(TypedAttr attr) {
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

llvm::Value *Translator::arithmetic(Operation *op) {
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

llvm::Value *Translator::cast(Operation *op) {
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

llvm::Value *Translator::intrinsic(Operation *op) {
  ID id = intrinsicOf(op);
  if (id == llvm::Intrinsic::not_intrinsic)
    return nullptr;
  if (op->getNumOperands() == 2) // folds constants
    return b.CreateBinaryIntrinsic(id, operand(op, 0), operand(op, 1));
  return b.CreateIntrinsic(id, {typeOf(op->getResult(0).getType())}, all(op->getOperands()));
}

llvm::Value *Translator::ofVectors(Operation *op) {
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

llvm::Value *Translator::valueOf(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return constantOf(constant.getValue());
  for (auto kind :
       {&Translator::arithmetic, &Translator::cast, &Translator::intrinsic, &Translator::ofVectors})
    if (llvm::Value *value = (this->*kind)(op))
      return value;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Memory and calls
//===----------------------------------------------------------------------===//

/// What LLVM assumes where an op names no alignment.
static llvm::Align alignOf(std::optional<uint64_t> bytes) { return llvm::Align(bytes.value_or(1)); }

bool Translator::translateMemory(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](LLVM::GEPOp gep) {
        SmallVector<llvm::Value *> indices;
        for (auto index : gep.getIndices()) {
          if (auto constant = llvm::dyn_cast<IntegerAttr>(index))
            indices.push_back(b.getInt64(constant.getInt()));
          else
            indices.push_back(at(llvm::cast<Value>(index)));
        }
        bool isInbounds =
            bitEnumContainsAll(gep.getNoWrapFlags(), LLVM::GEPNoWrapFlags::inboundsFlag);
        values[gep] = b.CreateGEP(typeOf(gep.getElemType()), at(gep.getBase()), indices, "",
                                  isInbounds ? llvm::GEPNoWrapFlags::inBounds()
                                             : llvm::GEPNoWrapFlags::none());
        return true;
      })
      .Case([&](LLVM::LoadOp load) {
        values[load] = b.CreateAlignedLoad(typeOf(load.getType()), at(load.getAddr()),
                                           alignOf(load.getAlignment()));
        return true;
      })
      .Case([&](LLVM::StoreOp store) {
        llvm::StoreInst *made = b.CreateAlignedStore(at(store.getValue()), at(store.getAddr()),
                                                     alignOf(store.getAlignment()));
        if (store.getNontemporal())
          made->setMetadata(
              llvm::LLVMContext::MD_nontemporal,
              llvm::MDNode::get(context, llvm::ConstantAsMetadata::get(b.getInt32(1))));
        return true;
      })
      .Case([&](LLVM::MaskedLoadOp load) {
        values[load] = b.CreateMaskedLoad(typeOf(load.getType()), at(load.getData()),
                                          llvm::Align(load.getAlignment()), at(load.getMask()),
                                          at(load.getPassThru()));
        return true;
      })
      .Case([&](LLVM::MaskedStoreOp store) {
        b.CreateMaskedStore(at(store.getValue()), at(store.getData()),
                            llvm::Align(store.getAlignment()), at(store.getMask()));
        return true;
      })
      .Case([&](LLVM::MemsetOp set) {
        b.CreateMemSet(at(set.getDst()), at(set.getVal()), at(set.getLen()), llvm::MaybeAlign());
        return true;
      })
      .Case([&](LLVM::MemcpyOp copy) {
        b.CreateMemCpy(at(copy.getDst()), llvm::MaybeAlign(), at(copy.getSrc()), llvm::MaybeAlign(),
                       at(copy.getLen()));
        return true;
      })
      .Case([&](LLVM::Prefetch ask) {
        b.CreateIntrinsic(llvm::Intrinsic::prefetch, {b.getPtrTy()},
                          {at(ask.getAddr()), b.getInt32(ask.getRw()), b.getInt32(ask.getHint()),
                           b.getInt32(ask.getCache())});
        return true;
      })
      .Case([&](LLVM::CallIntrinsicOp call) {
        ID id = llvm::Intrinsic::lookupIntrinsicID(call.getIntrin());
        if (id == llvm::Intrinsic::not_intrinsic || llvm::Intrinsic::isOverloaded(id) ||
            call->getNumResults())
          return false;
        b.CreateIntrinsic(id, {}, all(call.getArgs()));
        return true;
      })
      .Case([&](func::CallOp call) {
        llvm::Function *callee = code.getFunction(call.getCallee());
        if (!callee || call->getNumResults())
          return false;
        b.CreateCall(callee, all(call.getOperands()));
        return true;
      })
      .Default([](Operation *) { return false; });
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

static std::optional<int64_t> constantIn(llvm::Value *value) {
  auto *constant = llvm::dyn_cast<llvm::ConstantInt>(value);
  return constant ? std::optional(constant->getSExtValue()) : std::nullopt;
}

LogicalResult Translator::translateFor(scf::ForOp loop) {
  Block &body = *loop.getBody();
  llvm::Value *low = at(loop.getLowerBound()), *high = at(loop.getUpperBound()),
              *step = at(loop.getStep());
  auto yielded = [&] { return all(body.getTerminator()->getOperands()); };
  std::optional<int64_t> first = constantIn(low), last = constantIn(high), by = constantIn(step);
  if (first && last && by && *last <= *first + *by) { // never, or once
    values[loop.getInductionVar()] = low;
    for (auto [argument, start] : llvm::zip(loop.getRegionIterArgs(), loop.getInitArgs()))
      values[argument] = at(start);
    SmallVector<llvm::Value *> results = all(loop.getInitArgs());
    if (*first < *last) {
      if (failed(translate(body)))
        return failure();
      results = yielded();
    }
    for (auto [result, value] : llvm::zip(loop.getResults(), results))
      values[result] = value;
    return success();
  }
  llvm::Function *function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock *before = b.GetInsertBlock(),
                   *header = llvm::BasicBlock::Create(context, "", function),
                   *inside = llvm::BasicBlock::Create(context, "", function);
  b.CreateBr(header);
  b.SetInsertPoint(header);
  SmallVector<llvm::PHINode *> phis{b.CreatePHI(low->getType(), 2)};
  phis[0]->addIncoming(low, before);
  values[loop.getInductionVar()] = phis[0];
  for (auto [argument, start] : llvm::zip(loop.getRegionIterArgs(), loop.getInitArgs())) {
    phis.push_back(b.CreatePHI(typeOf(argument.getType()), 2));
    phis.back()->addIncoming(at(start), before);
    values[argument] = phis.back();
  }
  llvm::Value *goesOn = b.CreateICmpSLT(phis[0], high);
  b.SetInsertPoint(inside);
  if (failed(translate(body)))
    return failure();
  phis[0]->addIncoming(b.CreateAdd(phis[0], step), b.GetInsertBlock());
  for (auto [phi, next] : llvm::zip(llvm::drop_begin(phis), yielded()))
    phi->addIncoming(next, b.GetInsertBlock());
  b.CreateBr(header);
  auto *after = llvm::BasicBlock::Create(context, "", function);
  b.SetInsertPoint(header);
  b.CreateCondBr(goesOn, inside, after);
  b.SetInsertPoint(after);
  for (auto [result, phi] : llvm::zip(loop.getResults(), llvm::drop_begin(phis)))
    values[result] = phi;
  return success();
}

LogicalResult Translator::translateIf(scf::IfOp branch) {
  llvm::Value *condition = at(branch.getCondition());
  auto setResults = [&](Region &region) {
    for (auto [result, value] :
         llvm::zip(branch.getResults(), region.front().getTerminator()->getOperands()))
      values[result] = at(value);
  };
  if (std::optional<int64_t> known = constantIn(condition)) {
    Region &taken = *known ? branch.getThenRegion() : branch.getElseRegion();
    if (taken.empty())
      return success();
    if (failed(translate(taken.front())))
      return failure();
    setResults(taken);
    return success();
  }
  llvm::Function *function = b.GetInsertBlock()->getParent();
  auto *yes = llvm::BasicBlock::Create(context, "", function);
  auto *no =
      branch.getElseRegion().empty() ? nullptr : llvm::BasicBlock::Create(context, "", function);
  auto *after = llvm::BasicBlock::Create(context, "", function);
  b.CreateCondBr(condition, yes, no ? no : after);
  SmallVector<std::pair<llvm::BasicBlock *, SmallVector<llvm::Value *>>> ends;
  for (auto [block, region] :
       {std::pair(yes, &branch.getThenRegion()), {no, &branch.getElseRegion()}}) {
    if (!block)
      continue;
    b.SetInsertPoint(block);
    if (failed(translate(region->front())))
      return failure();
    ends.emplace_back(b.GetInsertBlock(), all(region->front().getTerminator()->getOperands()));
    b.CreateBr(after);
  }
  after->moveAfter(ends.back().first);
  b.SetInsertPoint(after);
  for (auto [index, result] : llvm::enumerate(branch.getResults())) {
    llvm::PHINode *phi = b.CreatePHI(typeOf(result.getType()), 2);
    for (auto &[block, results] : ends)
      phi->addIncoming(results[index], block);
    values[result] = phi;
  }
  return success();
}

LogicalResult Translator::translate(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return translateFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return translateIf(branch);
  if (translateMemory(op))
    return success();
  llvm::Value *value = op->getNumResults() == 1 ? valueOf(op) : nullptr;
  if (!value)
    return op->emitError() << "'" << op->getName() << "' has no LLVM form in kernels for the CPU";
  values[op->getResult(0)] = value;
  return success();
}

LogicalResult Translator::translate(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(translate(&op)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

void Translator::declare(func::FuncOp function) {
  SmallVector<llvm::Type *> types =
      llvm::map_to_vector(function.getArgumentTypes(), [&](Type type) { return typeOf(type); });
  auto linkage = function.isPrivate() ? llvm::GlobalValue::InternalLinkage
                                      : llvm::GlobalValue::ExternalLinkage;
  auto *made = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), types, false), linkage,
                                      function.getName(), code);
  if (auto attributes = function->getAttrOfType<ArrayAttr>("passthrough"))
    for (auto name : attributes.getAsRange<StringAttr>())
      made->addFnAttr(llvm::Attribute::getAttrKindFromName(name));
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (function.getArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName()))
      made->addParamAttr(i, llvm::Attribute::NoAlias);
}

LogicalResult Translator::define(func::FuncOp function) {
  values.clear();
  llvm::Function *made = code.getFunction(function.getName());
  b.SetInsertPoint(llvm::BasicBlock::Create(context, "", made));
  for (auto [argument, value] : llvm::zip(function.getArguments(), made->args()))
    values[argument] = &value;
  if (failed(translate(function.front())))
    return failure();
  b.CreateRetVoid();
  return success();
}

LogicalResult Translator::translate(ModuleOp kernels) {
  for (auto function : kernels.getOps<func::FuncOp>())
    declare(function);
  for (auto function : kernels.getOps<func::FuncOp>())
    if (failed(define(function)))
      return failure();
  return success();
}

LogicalResult netc::cpu::translateKernels(ModuleOp kernels, llvm::Module &code) {
  return Translator(code).translate(kernels);
}
