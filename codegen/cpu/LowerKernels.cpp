//===- LowerKernels.cpp - kernels to LLVM ---------------------------------===//
#include "codegen/cpu/LowerKernels.h"
#include "codegen/cpu/TranslateKernels.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
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
              return isa<math::ExpOp, math::LogOp, math::TanhOp, math::ErfOp, math::ExpM1Op,
                         math::SinOp, math::CosOp, math::AtanOp>(op)
                         ? WalkResult::interrupt()
                         : WalkResult::advance();
            })
            .wasInterrupted())
      (void)applyPatternsGreedily(function, frozen);
}

std::unique_ptr<llvm::Module> netc::cpu::lowerKernels(ModuleOp kernels,
                                                      llvm::LLVMContext &context) {
  expandMath(kernels);
  auto code = std::make_unique<llvm::Module>("netc", context);
  return succeeded(translateKernels(kernels, *code)) ? std::move(code) : nullptr;
}
