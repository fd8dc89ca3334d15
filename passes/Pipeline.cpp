//===- Pipeline.cpp - the order of the passes -----------------------------===//
//
// The only place that knows the order, and why it is this one. A stage verifier ends
// each stage, also in release builds.
//
//===----------------------------------------------------------------------===//
#include "passes/Pipeline.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

/// Derives the functions and makes them complete: forward, loss, backward, update.
static void buildTrainStage(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(createBuildInference());
  if (options.training)
    pm.addPass(createBuildTraining());
  else
    pm.addPass(createDropAuxiliary());
  // Inference first: it forgets that its coefficients come from statistics, so folding may touch
  // them.
  pm.addPass(createExpandBatchNormInference());
  pm.addPass(createFoldBatchNorm());
  if (!options.training)
    return;
  // Expanded before autodiff: the parts' adjoint is that of the whole, and each part can fuse by
  // itself.
  pm.addPass(createExpandBatchNorm());
  pm.addPass(createAutodiff());
  BuildUpdateOptions update;
  update.optimizer = options.optimizer;
  update.nesterov = options.nesterov;
  update.average = options.average;
  pm.addPass(createBuildUpdate(update));
  pm.addPass(createVerifyTraining());
  // A tenth of the whole step is three tenths of its forward third; then all there is.
  BuildLeanStepsOptions lean;
  lean.shares = {0.3, 1.0};
  pm.addPass(createBuildLeanSteps(lean));
}

/// Types before layout: layouts and fusions carry them.
static void buildPrecisionStage(OpPassManager &pm, const PipelineOptions &options) {
  AssignPrecisionOptions precision;
  precision.precision = options.precision;
  pm.addPass(createAssignPrecision(precision));
}

/// Layout before fusion: a conversion is a border that no kernel crosses, so those that cancel must
/// be gone.
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
  pm.addPass(createLowerToKern(lower));
  // Still on tensors: what a launch depends on is in plain sight.
  if (!options.gpu)
    pm.addPass(createFusePooling());
  pm.addPass(createHoistPrepare());
  pm.addPass(createBufferize());
  PlanMemoryOptions plan;
  plan.depthFirst = !options.gpu; // a GPU wants whole batches
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
