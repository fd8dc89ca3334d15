//===- LowerKernels.cpp - kernels to LLVM ---------------------------------===//
#include "codegen/cpu/LowerKernels.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

/// Polynomial forms of the few transcendental functions that kernels use.
static void expandMath(ModuleOp kernels) {
  RewritePatternSet patterns(kernels.getContext());
  MathPolynomialApproximationOptions options;
  populateMathPolynomialApproximationPatterns(patterns, options);
  FrozenRewritePatternSet frozen(std::move(patterns));
  // Only kernels that have such ops are worth a visit.
  for (auto function : kernels.getOps<func::FuncOp>())
    if (function.walk([](Operation *op) { return isa<math::ExpOp, math::LogOp, math::TanhOp>(op) ? WalkResult::interrupt() : WalkResult::advance(); }).wasInterrupted())
      (void)applyPatternsGreedily(function, frozen);
}

LogicalResult netc::cpu::lowerKernels(ModuleOp kernels) {
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
  return pm.run(kernels);
}
