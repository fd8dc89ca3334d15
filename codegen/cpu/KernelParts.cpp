//===- KernelParts.cpp - functions that kernels share ---------------------===//
#include "codegen/cpu/KernelParts.h"
#include "codegen/cpu/KernelEmitter.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace netc;
using llvm::StringRef;

/// What a part's function is called in its text.
static constexpr StringRef kName = "part";

/// Moves the body of `function` to a module of its own and prints that.
static std::string moveToText(llvm::Function &function) {
  llvm::Module alone("netc", function.getContext());
  auto *moved = llvm::Function::Create(function.getFunctionType(),
                                       llvm::GlobalValue::ExternalLinkage, kName, alone);
  moved->setAttributes(function.getAttributes());
  moved->splice(moved->begin(), &function);
  for (auto [from, to] : llvm::zip_equal(function.args(), moved->args()))
    from.replaceAllUsesWith(&to);
  for (llvm::Instruction &instruction : llvm::instructions(*moved))
    if (auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
      if (llvm::Function *callee = call->getCalledFunction())
        call->setCalledFunction(alone.getOrInsertFunction(
            callee->getName(), callee->getFunctionType(), callee->getAttributes()));
  std::string text;
  llvm::raw_string_ostream out(text);
  alone.print(out, nullptr);
  return text;
}

std::vector<cpu::KernelPart> cpu::takeParts(llvm::Module &code,
                                            llvm::function_ref<std::string(StringRef)> symbolOf) {
  std::vector<KernelPart> parts;
  auto take = [&](auto &&self, llvm::Function &function) -> void {
    if (!function.hasFnAttribute(kPartAttr) || !function.hasInternalLinkage())
      return;
    // Its text names those that it calls.
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
        if (llvm::Function *callee = call->getCalledFunction())
          self(self, *callee);
    std::string text = moveToText(function);
    std::string symbol = symbolOf(text);
    function.setLinkage(llvm::GlobalValue::ExternalLinkage);
    if (llvm::Function *same = code.getFunction(symbol)) {
      function.replaceAllUsesWith(same); // its name now serves no one
      return;
    }
    function.setName(symbol);
    function.setVisibility(llvm::GlobalValue::HiddenVisibility);
    parts.push_back({std::move(symbol), std::move(text)});
  };
  for (llvm::Function &function : code)
    take(take, function);
  return parts;
}

std::unique_ptr<llvm::Module> cpu::parsePart(StringRef text, StringRef symbol,
                                             llvm::LLVMContext &context) {
  llvm::SMDiagnostic ignored;
  std::unique_ptr<llvm::Module> code = llvm::parseAssemblyString(text, ignored, context);
  llvm::Function *function = code ? code->getFunction(kName) : nullptr;
  if (!function)
    return nullptr;
  function->setName(symbol);
  for (llvm::Function &each : *code)
    if (!each.isIntrinsic())
      each.setVisibility(llvm::GlobalValue::HiddenVisibility);
  return code;
}
