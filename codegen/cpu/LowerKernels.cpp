//===- LowerKernels.cpp - kernels to LLVM ---------------------------------===//
#include "codegen/cpu/LowerKernels.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

/// Polynomial forms of the few transcendental functions that kernels use.
static void expandMath(ModuleOp kernels) {
  RewritePatternSet patterns(kernels.getContext());
  MathPolynomialApproximationOptions options;
  populateMathPolynomialApproximationPatterns(patterns, options);
  FrozenRewritePatternSet frozen(std::move(patterns));
  // Only kernels that have such ops are worth a visit.
  for (auto function : kernels.getOps<func::FuncOp>())
    if (function
            .walk([](Operation *op) {
              return isa<math::ExpOp, math::LogOp, math::TanhOp>(op) ? WalkResult::interrupt()
                                                                     : WalkResult::advance();
            })
            .wasInterrupted())
      (void)applyPatternsGreedily(function, frozen);
}

std::unique_ptr<llvm::Module> netc::cpu::lowerKernels(ModuleOp kernels,
                                                      llvm::LLVMContext &context) {
  expandMath(kernels);
  PassManager pm(kernels.getContext());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(pm.run(kernels)))
    return nullptr;
  registerBuiltinDialectTranslation(*kernels.getContext());
  registerLLVMDialectTranslation(*kernels.getContext());
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(kernels, context, "netc");
  if (!code)
    kernels.emitError("kernels do not translate to LLVM IR");
  return code;
}
