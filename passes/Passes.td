//===- Passes.td - every pass of netc, in the order of the pipeline -------===//
#ifndef NETC_PASSES
#define NETC_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// graph
//===----------------------------------------------------------------------===//

def BuildInference : Pass<"net-build-inference", "mlir::ModuleOp"> {
  let summary = "derive @infer from @forward";
  let description = [{
    Input: `func @forward(image) -> (logits, auxiliary heads…)`. Output: beside it `func @infer(image) -> logits`;
    what only auxiliary heads and dropout needed is gone from it.
  }];
  let statistics = [Statistic<"numErased", "ops-erased", "ops that inference does not need">];
}

def DropAuxiliary : Pass<"net-drop-auxiliary", "mlir::ModuleOp"> {
  let summary = "in --mode infer, the layers and parameters of auxiliary heads go";
  let description = [{
    Input: @infer, and @forward, which goes. Layers that are `auxiliary` leave `net.layers`, their parameters the module;
    `net.left_out` keeps the parameters' names, since a file of weights may have them. Layers behind them get new numbers.
    ```mlir
    net.parameter @head.weight : tensor<4x4xf32> {auxiliary, trainable, init = ["constant", 0.0, 0.0], layer = 1}
    // becomes an entry of the module's attributes
    net.left_out = ["head.weight"]
    ```
  }];
  let statistics = [Statistic<"numParameters", "parameters-dropped", "parameters that inference does not have">];
}

def ExpandBatchNormInference : Pass<"net-expand-batch-norm-inference", "mlir::ModuleOp"> {
  let summary = "in @infer, batch norm becomes coefficients and a scale_shift";
  let description = [{
    ```mlir
    %y = net.batch_norm %x, %w, %b, %m, %v
    // becomes
    %s, %t = net.batch_norm_coefficients %w, %b, %m, %v
    %y = net.scale_shift %x, %s, %t
    ```
  }];
  let statistics = [Statistic<"numExpanded", "expanded", "batch norms expanded">];
}

def FoldBatchNorm : Pass<"net-fold-batch-norm", "mlir::ModuleOp"> {
  let summary = "fold scale_shift into the convolution that it alone reads";
  let description = [{
    s (x * w) + t = x * (s w) + t. Needs a convolution whose only reader is the scale_shift: a second reader
    would see rescaled values.
    ```mlir
    %z = net.conv2d %x, %w          %y = net.scale_shift %z, %s, %t
    // becomes
    %w2 = net.scale_filter %w, %s   %y = net.conv2d %x, %w2 bias(%t)
    ```
  }];
  let statistics = [Statistic<"numFolded", "folded", "batch norms folded into convolutions">];
}

def ExpandBatchNorm : Pass<"net-expand-batch-norm", "mlir::ModuleOp"> {
  let summary = "in @step, batch norm becomes sums, statistics and a normalisation";
  let statistics = [Statistic<"numExpanded", "expanded", "batch norms expanded">];
}

def FuseKernels : Pass<"net-fuse-kernels", "mlir::ModuleOp"> {
  let summary = "group ops into kernels around contractions and pointwise roots";
  let description = [{
    One interface-driven pass. Around each contraction: its pointwise readers and the channel sums of its result,
    as long as all they read exists before it (epilogue); its recomputable pointwise producers (prologue).
    What is left pointwise is grouped with the producers that only it reads. Afterwards every contraction,
    pointwise op and channel sum stands in a net.fusion. Recomputable ops are copied to each reader and never kept.
  }];
  let statistics = [Statistic<"numKernels", "kernels", "fusions built">,
                    Statistic<"numFused", "fused", "ops folded into another op's kernel">,
                    Statistic<"numRecomputed", "recomputed", "copies of ops computed again at a reader">];
}

def VerifyGraph : Pass<"net-verify-graph", "mlir::ModuleOp"> {
  let summary = "stage verifier: only the batch is dynamic, @forward holds model ops whose parameters exist";
}

//===----------------------------------------------------------------------===//
// autodiff
//===----------------------------------------------------------------------===//

def BuildTraining : Pass<"net-build-training", "mlir::ModuleOp"> {
  let summary = "derive @step from @forward: labels, losses of all heads, their weighted mean";
}

def Autodiff : Pass<"net-autodiff", "mlir::ModuleOp"> {
  let summary = "append the adjoint of @step's forward pass";
  let description = [{
    One reverse sweep over DifferentiableOpInterface (Griewank and Walther, section 3.2). Input: @step that returns
    (logits, loss). Output: the same with a net.set_gradient for each trainable parameter that the loss depends on.
    An op on the way with neither adjoint nor `NotDifferentiable` is an error.
  }];
  let statistics = [Statistic<"numAdjoints", "adjoints", "ops differentiated">,
                    Statistic<"numAccumulations", "accumulations", "cotangents added">];
}

def BuildUpdate : Pass<"net-build-update", "mlir::ModuleOp"> {
  let summary = "make @update, the optimizer's step for each parameter, and @norm and @accumulate of gradients";
  let options = [Option<"optimizer", "optimizer", "std::string", "\"sgd\"", "sgd, adam, adamw or lars">,
                 Option<"nesterov", "nesterov", "bool", "false", "Nesterov's momentum, with sgd">,
                 Option<"average", "average", "bool", "false", "keep a moving average of the weights">];
}

def BuildLeanSteps : Pass<"net-build-lean-steps", "mlir::ModuleOp"> {
  let summary = "copies of @step that compute convolutions again instead of keeping their results";
  let description = [{
    `@step_lean1`, `@step_lean2`, …: each may spend a share of the forward pass's multiply-adds on computing again. The
    runtime takes the first that fits the memory it is given. The numbers are the same to the bit.
  }];
  let options = [ListOption<"shares", "shares", "double", "shares of the forward pass, rising">];
  let statistics = [Statistic<"numDropped", "dropped", "results that are computed again">];
}

def VerifyTraining : Pass<"net-verify-training", "mlir::ModuleOp"> {
  let summary = "stage verifier: each trainable parameter has one gradient; no batch_norm is left in @step";
}

//===----------------------------------------------------------------------===//
// precision
//===----------------------------------------------------------------------===//

def AssignPrecision : Pass<"net-assign-precision", "mlir::ModuleOp"> {
  let summary = "give every value its storage type and every contraction its operand type";
  let description = [{
    After autodiff, so that gradients have types of their own; before layout and fusion, which keep them.
    ```mlir
    %y = net.conv2d %x, %w {…}
    // becomes, with precision=tf32
    %y = net.conv2d %x, %w {…, net.operand_type = tf32}
    ```
  }];
  let options = [Option<"precision", "precision", "std::string", "\"f32\"", "f32 or tf32">];
  let statistics = [Statistic<"numValues", "values", "values given a storage type">,
                    Statistic<"numContractions", "contractions", "contractions given an operand type">];
}

//===----------------------------------------------------------------------===//
// layout
//===----------------------------------------------------------------------===//

def MaterializeLayouts : Pass<"net-materialize-layouts", "mlir::ModuleOp"> {
  let summary = "every op on images works channels last, between conversions of its own";
  let description = [{
    Needed to be right: kernels vectorise over channels and read [N, H, W, C]. Each op gets its conversions,
    whatever its neighbours do; net-elide-layouts removes those that meet.
  }];
  let statistics = [Statistic<"numConversions", "conversions", "conversions inserted">];
}

def ElideLayouts : Pass<"net-elide-layouts", "mlir::ModuleOp"> {
  let summary = "remove conversions that cancel";
  let statistics = [Statistic<"numElided", "elided", "conversions removed">];
}

def VerifyLayouts : Pass<"net-verify-layouts", "mlir::ModuleOp"> {
  let summary = "stage verifier: images are channels last except at flatten and the function's border";
}

//===----------------------------------------------------------------------===//
// lowering
//===----------------------------------------------------------------------===//

def LowerToKern : Pass<"net-lower-to-kern", "mlir::ModuleOp"> {
  let summary = "net to kern on physical tensors, one op a launch";
  let options = [Option<"lanes", "lanes", "int64_t", "8", "f32 lanes of a vector register">,
                 Option<"registers", "registers", "int64_t", "16", "vector registers">,
                 Option<"gpu", "gpu", "bool", "false", "schedules for CUDA kernels">];
  let dependentDialects = ["::netc::kern::KernDialect", "mlir::arith::ArithDialect", "mlir::math::MathDialect"];
  let statistics = [Statistic<"numLaunches", "launches", "kern ops made">];
}

def FusePooling : Pass<"kern-fuse-pooling", "mlir::ModuleOp"> {
  let summary = "a convolution pools what it stores, a pool normalises what it reads";
  let description = [{
    Input: kern on tensors. On store: a max or average pool whose windows lie side by side without padding, and which alone reads a
    forward contraction, becomes an attribute of it where `poolsOnStore` of its schedule allows.
    ```mlir
    %y = kern.contract forward lhs(%x) … outs(%a : tensor<?x8x8x32xf32>)
    %z = kern.pool max ins(%y) outs(%b : tensor<?x4x4x32xf32>) {kh = 2, kw = 2, sh = 2, sw = 2}
    // becomes
    %z = kern.contract forward lhs(%x) … outs(%b : tensor<?x4x4x32xf32>) {pool = <kind = max, kh = 2, kw = 2>}
    ```
    On load: a formula of one image tensor and of channel vectors whose only readers are pools (max pooling and its gradient)
    and sweeps (ReLU's mask) becomes their prologue where `computesOnLoad` allows: batch norm and ReLU in training.
    ```mlir
    %x = kern.pointwise ins(%y, %scale, %shift) … body { ^bb0(…): … }
    %z = kern.pool max ins(%x) …
    // becomes
    %z = kern.pool max ins(%y, %scale, %shift) … prologue { ^bb0(…): … }
    ```
  }];
  let statistics = [Statistic<"numOnStore", "on-store", "pools that became part of a convolution">,
                    Statistic<"numOnLoad", "on-load", "pointwise launches that became prologues of pools">];
}

//===----------------------------------------------------------------------===//
// memory
//===----------------------------------------------------------------------===//

def HoistPrepare : Pass<"kern-hoist-prepare", "mlir::ModuleOp"> {
  let summary = "move what depends on parameters alone from @infer to @prepare";
  let statistics = [Statistic<"numHoisted", "hoisted", "launches moved to @prepare">];
}

def Bufferize : Pass<"kern-bufferize", "mlir::ModuleOp"> {
  let summary = "tensors to memrefs: every destination is explicit, so no analysis is needed";
  let statistics = [Statistic<"numBuffers", "buffers", "buffers to be placed">,
                    Statistic<"numInPlace", "in-place", "results written over an operand">];
}

def PlanMemory : Pass<"kern-plan-memory", "mlir::ModuleOp"> {
  let summary = "place every kern.alloc in the arena, by lifetime";
  let description = [{
    Batch-proportional buffers share one plan in bytes an image, fixed ones another. Sets on each function
    `arena_bytes_per_image`, `arena_bytes_fixed` and the peaks of live bytes that bound them from below. With
    `depth-first`, @infer gets `sections` (kern.section) and what lives within one lies in `arena_group`; its bytes
    an image are then those of a batch that is one group.
  }];
  let options = [Option<"depthFirst", "depth-first", "bool", "false", "let groups of images pass @infer section by section">];
  let statistics = [Statistic<"arenaBytes", "arena-bytes-per-image", "bytes an image">];
}

def VerifyPlan : Pass<"kern-verify-plan", "mlir::ModuleOp"> {
  let summary = "stage verifier: no two buffers that live at once overlap";
}

#endif
