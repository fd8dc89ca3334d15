//===- Pipeline.cpp - the order of the passes -----------------------------===//
//
// The only place that determines the order, with the reasons for it. Stage verifiers
// run in release builds too.
//
//===----------------------------------------------------------------------===//
#include "passes/Pipeline.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

/// Derives @infer and @step from @forward and completes them: loss, backward pass, update.
static void buildTrainStage(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createBuildInference());
  if (options.training)
    pm.addPass(createBuildTraining());
  else
    pm.addPass(createDropAuxiliary());
  // Before autodiff: the gradient is that of the whole.
  if (options.precision != "int8") {
    FuseAttentionOptions attention;
    attention.gpu = options.gpu;
    pm.addPass(createFuseAttention(attention));
  }
  // Before autodiff, too: the adjoint of one permutation is one.
  pm.addPass(createComposePermutes());
  // Inference first: there, coefficients are constants, so they may be folded into weights.
  pm.addPass(createExpandBatchNormInference());
  pm.addPass(createFoldBatchNorm());
  if (!options.training)
    return;
  // Expanded before autodiff: the adjoint of the parts is that of the whole, and each part can fuse
  // separately.
  pm.addPass(createExpandBatchNorm());
  pm.addPass(createAutodiff());
  BuildUpdateOptions update;
  update.optimizer = options.optimizer;
  update.nesterov = options.nesterov;
  update.average = options.average;
  pm.addPass(createBuildUpdate(update));
  pm.addPass(createVerifyTraining());
  // A tenth of the whole step is three tenths of its forward pass, a third of it; then everything.
  BuildLeanStepsOptions lean;
  lean.shares = {0.3, 1.0};
  pm.addPass(createBuildLeanSteps(lean));
}

/// Types before layout: layouts and fusions carry them.
static void buildPrecisionStage(OpPassManager &pm, const PipelineOptions &options) {
  if (options.precision == "int8") {
    QuantizeOptions quantize;
    quantize.keepF32.append(options.keepF32.begin(), options.keepF32.end());
    pm.addPass(createQuantize(quantize));
  }
  AssignPrecisionOptions precision;
  precision.precision = options.precision;
  precision.bf16Products = options.gpu || options.bf16Products;
  precision.int8Products = options.int8Products;
  pm.addPass(createAssignPrecision(precision));
}

/// Layout before fusion: a kernel cannot span a conversion, so those that cancel must be removed
/// first.
static void buildFusedStage(OpPassManager &pm) {
  pm.addPass(createMaterializeLayouts());
  pm.addPass(createElideLayouts());
  pm.addPass(createVerifyLayouts());
  pm.addPass(createFuseKernels());
}

static void buildKernStage(OpPassManager &pm, const PipelineOptions &options) {
  LowerToKernOptions lower;
  lower.lanes = options.lanes;
  lower.registers = options.registers;
  lower.gpu = options.gpu;
  lower.matrixTiles = options.matrixTiles;
  pm.addPass(createLowerToKern(lower));
  // Still on tensors, where the operands of a launch show its dependences.
  if (!options.gpu)
    pm.addPass(createFusePooling());
  pm.addPass(createHoistPrepare());
  pm.addPass(createBufferize());
  PlanMemoryOptions plan;
  plan.depthFirst = !options.gpu; // a GPU needs whole batches to fill it
  pm.addPass(createPlanMemory(plan));
  pm.addPass(createVerifyPlan());
}

void netc::buildPipeline(OpPassManager &pm, Stage stage, const PipelineOptions &options) {
  pm.addPass(createVerifyGraph());
  if (stage >= Stage::Train)
    buildTrainStage(pm, options);
  if (stage >= Stage::Fused) {
    buildPrecisionStage(pm, options);
    buildFusedStage(pm);
  }
  if (stage >= Stage::Kern)
    buildKernStage(pm, options);
}
