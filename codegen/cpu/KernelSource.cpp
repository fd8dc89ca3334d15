//===- KernelSource.cpp - a launch by itself, as text ---------------------===//
#include "codegen/cpu/KernelSource.h"
#include "codegen/cpu/KernelSet.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace netc;

std::string netc::cpu::kernelSource(kern::KernelOpInterface launch) {
  Location loc = UnknownLoc::get(launch->getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
  // One an operand: which of them share memory is not the kernel's business.
  SmallVector<Value> operands;
  for (Value operand : launch->getOperands())
    operands.push_back(kern::AllocOp::create(b, loc, operand.getType()));
  Operation *alone = b.clone(*launch);
  alone->setOperands(operands);
  // Discardable attributes say which layers a launch computes: a layer's name is none of its code.
  alone->setDiscardableAttrs(DictionaryAttr::get(launch->getContext()));
  std::string text;
  llvm::raw_string_ostream out(text);
  module->print(out, OpPrintingFlags().printGenericOpForm());
  return text;
}

cpu::ParsedLaunch netc::cpu::parseKernelSource(StringRef source, MLIRContext &context) {
  context.loadDialect<kern::KernDialect>();
  loadKernelDialects(context);
  ParsedLaunch result{parseSourceString<ModuleOp>(source, &context), {}};
  if (result.module)
    for (auto op : result.module->getOps<kern::KernelOpInterface>())
      result.op = op;
  return result;
}
