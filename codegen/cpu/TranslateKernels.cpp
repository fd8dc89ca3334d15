//===- TranslateKernels.cpp - kernels to LLVM IR --------------------------===//
#include "codegen/cpu/TranslateKernels.h"

#include "codegen/cpu/KernelEmitter.h"
#include "codegen/cpu/KernelTranslator.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc::cpu;
using llvm::Intrinsic::ID;

//===----------------------------------------------------------------------===//
// Memory and calls
//===----------------------------------------------------------------------===//

/// What LLVM assumes where an op names no alignment.
static llvm::Align alignOf(std::optional<uint64_t> bytes) { return llvm::Align(bytes.value_or(1)); }

bool KernelTranslator::translateMemory(Operation *op) {
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
      .Default([](Operation *) { return false; });
}

bool KernelTranslator::translateCall(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](LLVM::CallIntrinsicOp call) {
        ID id = llvm::Intrinsic::lookupIntrinsicID(call.getIntrin());
        if (id == llvm::Intrinsic::not_intrinsic || llvm::Intrinsic::isOverloaded(id) ||
            call->getNumResults() > 1)
          return false;
        llvm::Value *result = b.CreateIntrinsic(id, {}, all(call.getArgs()));
        if (call->getNumResults())
          values[call.getResult(0)] = result;
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

/// A loop that is known to run once, or never: without its control.
LogicalResult KernelTranslator::translateAtMostOnce(scf::ForOp loop, bool runs) {
  values[loop.getInductionVar()] = at(loop.getLowerBound());
  SmallVector<llvm::Value *> results = all(loop.getInitArgs());
  for (auto [argument, start] : llvm::zip(loop.getRegionIterArgs(), results))
    values[argument] = start;
  if (runs) {
    if (failed(translate(*loop.getBody())))
      return failure();
    results = all(loop.getBody()->getTerminator()->getOperands());
  }
  for (auto [result, value] : llvm::zip(loop.getResults(), results))
    values[result] = value;
  return success();
}

LogicalResult KernelTranslator::translateFor(scf::ForOp loop) {
  Block &body = *loop.getBody();
  llvm::Value *low = at(loop.getLowerBound()), *high = at(loop.getUpperBound()),
              *step = at(loop.getStep());
  auto yielded = [&] { return all(body.getTerminator()->getOperands()); };
  std::optional<int64_t> first = constantIn(low), last = constantIn(high), by = constantIn(step);
  if (first && last && by && *last <= *first + *by)
    return translateAtMostOnce(loop, *first < *last);
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

LogicalResult KernelTranslator::translateIf(scf::IfOp branch) {
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

LogicalResult KernelTranslator::translate(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return translateFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return translateIf(branch);
  if (translateMemory(op) || translateCall(op))
    return success();
  llvm::Value *value = op->getNumResults() == 1 ? valueOf(op) : nullptr;
  if (!value)
    return op->emitError() << "'" << op->getName() << "' has no LLVM form in kernels for the CPU";
  values[op->getResult(0)] = value;
  return success();
}

LogicalResult KernelTranslator::translate(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(translate(&op)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

void KernelTranslator::declare(func::FuncOp function) {
  SmallVector<llvm::Type *> types =
      llvm::map_to_vector(function.getArgumentTypes(), [&](Type type) { return typeOf(type); });
  auto linkage = function.isPrivate() ? llvm::GlobalValue::InternalLinkage
                                      : llvm::GlobalValue::ExternalLinkage;
  auto *made = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), types, false), linkage,
                                      function.getName(), code);
  if (auto attributes = function->getAttrOfType<ArrayAttr>("passthrough"))
    for (auto name : attributes.getAsRange<StringAttr>())
      made->addFnAttr(llvm::Attribute::getAttrKindFromName(name));
  if (function->hasAttr(kPartAttr))
    made->addFnAttr(kPartAttr);
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (function.getArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName()))
      made->addParamAttr(i, llvm::Attribute::NoAlias);
}

LogicalResult KernelTranslator::define(func::FuncOp function) {
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

LogicalResult KernelTranslator::translate(ModuleOp kernels) {
  for (auto function : kernels.getOps<func::FuncOp>())
    declare(function);
  for (auto function : kernels.getOps<func::FuncOp>())
    if (failed(define(function)))
      return failure();
  return success();
}

LogicalResult netc::cpu::translateKernels(ModuleOp kernels, llvm::Module &code) {
  return KernelTranslator(code).translate(kernels);
}
