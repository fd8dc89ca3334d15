//===- Compile.cpp - planned kern functions to code -----------------------===//
#include "codegen/link/Compile.h"
#include "codegen/cpu/KernelSet.h"
#include "codegen/cpu/LowerKernels.h"
#include "codegen/link/ModelTable.h"
#include "codegen/link/ObjectFile.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

using namespace mlir;
using namespace netc;

LogicalResult netc::compileModel(ModuleOp module, const CpuTarget &target, CodeKind kind,
                                 llvm::raw_pwrite_stream &out) {
  cpu::KernelSet kernels(*module.getContext(), target.lanes);
  ModelTable table(module, kernels, target);
  if (failed(table.collect()) || failed(cpu::lowerKernels(kernels.module())))
    return failure();
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(kernels.module(), context, "netc");
  if (!code)
    return module.emitError("kernels do not translate to LLVM IR");
  table.emit(*code);
  return writeCode(module, *code, target, kind, out);
}
