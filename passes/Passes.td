//===- Passes.td - every pass of netc, in the order of the pipeline -------===//
//
// passes/Pipeline.cpp decides the order and says why. Each description states the pass's input, its
// output, and what must hold for it to apply.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_PASSES
#define NETC_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// the graph as the front end emits it (graph/)
//===----------------------------------------------------------------------===//

def VerifyGraph : Pass<"net-verify-graph", "mlir::ModuleOp"> {
  let summary = "stage verifier: only the batch is dynamic, @forward holds model ops whose parameters exist";
  let description = [{
    Input: the front end's module; `@forward` is its only function. Changes nothing.
    Error: a dimension other than the batch is dynamic, or there are more than four sizes beside it; `@forward` holds an op without
    the trait `ModelOp`; a parameter that is read does not exist or has another type.
  }];
}

def BuildInference : Pass<"net-build-inference", "mlir::ModuleOp"> {
  let summary = "derive @infer from @forward";
  let description = [{
    Input: `func @forward(inputs) -> (outputs, auxiliary heads…)`.
    Output: `@forward` unchanged, and `func @infer(inputs) -> outputs`, without dropout and without the ops that only auxiliary heads
    need.
  }];
  let statistics = [Statistic<"numErased", "ops-erased", "ops that inference does not need">];
}

//===----------------------------------------------------------------------===//
// training or inference alone (autodiff/, graph/)
//===----------------------------------------------------------------------===//

def BuildTraining : Pass<"net-build-training", "mlir::ModuleOp"> {
  let summary = "derive @step from @forward: targets, the losses of all outputs and heads, their weighted sum";
  let description = [{
    Runs only if the training step is compiled.
    Input: `@forward`, and the module's `net.losses`, which say which loss each output has and with which weight.
    Output: beside it `func @step(inputs, targets) -> (outputs, loss)`. A target is class indices or values of the output's type. An
    auxiliary head gets the losses of the output that it assists, with its own weight.
  }];
}

def DropAuxiliary : Pass<"net-drop-auxiliary", "mlir::ModuleOp"> {
  let summary = "in --mode infer, remove the layers and parameters of auxiliary heads";
  let description = [{
    Runs only if the training step is not compiled, in place of net-build-training.
    Input: `@infer`, which reads no parameter of an auxiliary head, and `@forward`.
    Output: `@forward` is erased. Layers marked `auxiliary` leave `net.layers`, and the layers after them are renumbered. Their parameters leave
    the module; `net.left_out` keeps their names, because a file of weights may contain them.
    ```mlir
    net.parameter @head.weight : tensor<4x4xf32> {auxiliary, trainable, init = ["constant", 0.0, 0.0], layer = 1}
    // becomes an entry of the module's attributes
    net.left_out = ["head.weight"]
    ```
  }];
  let statistics = [Statistic<"numParameters", "parameters-dropped", "parameters that inference does not have">];
}

//===----------------------------------------------------------------------===//
// batch norm (graph/)
//===----------------------------------------------------------------------===//

def FuseAttention : Pass<"net-fuse-attention", "mlir::ModuleOp"> {
  let summary = "softmax(q k^T) v becomes one op, which does not store the scores";
  let description = [{
    Input: `@infer` and `@step` before autodiff. Reshapes that keep the order of elements may lie between the products, and a number that
    multiplies the scores, which multiplies the queries then; also a bias of each image that repeats over matrices.
    Preconditions: nothing else reads scores or probabilities; no product is transposed but keys; rows of the softmax are rows of scores; for
    a GPU, a block of rows fits the shared memory of every chip.
    ```mlir
    %s = net.matmul %q, %k {transpose_rhs}   %p = net.softmax %s   %y = net.matmul %p, %v
    // becomes
    %y, %logarithms = net.attention %q, %k, %v
    ```
  }];
  let options = [Option<"gpu", "gpu", "bool", "false", "for CUDA kernels">];
  let statistics = [Statistic<"numFused", "fused", "attentions">];
}

def ComposePermutes : Pass<"net-compose-permutes", "mlir::ModuleOp"> {
  let summary = "a permutation of a reshaped permutation becomes one permutation";
  let description = [{
    Input: any function in net, before autodiff. Axes are divided so far that both permutations can be expressed. Preconditions: nothing
    else reads what lies between; the axes of the two do not overlap.
    ```mlir
    %a = net.permute %x {order = [0, 1, 3, 2, 4]}   // to windows
    %b = net.unflatten (net.flatten %a)             // a pixel's features as heads
    %y = net.permute %b {order = [0, 1, 3, 2, 4]}
    // becomes
    %b = net.unflatten (net.flatten %x)
    %y = net.permute %b {order = [0, 1, 3, 5, 2, 4, 6]}
    ```
  }];
  let statistics = [Statistic<"numComposed", "composed", "pairs of permutations">];
}

def ExpandBatchNormInference : Pass<"net-expand-batch-norm-inference", "mlir::ModuleOp"> {
  let summary = "in @infer, batch norm becomes coefficients and a scale_shift";
  let description = [{
    Input: `@infer` with `net.batch_norm`. Output: none is left. Runs before net-fold-batch-norm, which matches on `net.scale_shift`.
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
  let summary = "fold a scale_shift into the convolution whose only reader it is";
  let description = [{
    Uses s (x * w) + t = x * (s w) + t. Precondition: the scale_shift is the only reader of the convolution, since any other reader
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
  let summary = "in @step, batch norm becomes channel moments, statistics and a normalisation";
  let description = [{
    Input: `@step` with `net.batch_norm`, before autodiff. Output: none is left; running statistics are written by `net.assign`. Only
    `net.batch_norm_apply` has an adjoint, which is that of the whole layer. Separate ops let net-fuse-kernels put the moments into
    the convolution before and the normalisation into the one after. A `frozen` norm takes scale and shift from
    `net.batch_norm_coefficients` of the running statistics and writes none.
    ```mlir
    %y = net.batch_norm %x, %w, %b, %m, %v
    // becomes
    %mean, %squares = net.channel_moments %x
    %mean_out, %inv_std, %scale, %shift, … = net.batch_norm_statistics %mean, %squares, …
    %y = net.batch_norm_apply %x, %scale, %shift
    ```
  }];
  let statistics = [Statistic<"numExpanded", "expanded", "batch norms expanded">];
}

//===----------------------------------------------------------------------===//
// gradients and the optimizer (autodiff/)
//===----------------------------------------------------------------------===//

def Autodiff : Pass<"net-autodiff", "mlir::ModuleOp"> {
  let summary = "append the adjoint of @step's forward pass";
  let description = [{
    One reverse sweep over DifferentiableOpInterface (Griewank and Walther, section 3.2).
    Input: `@step` that returns (outputs, loss). Output: the same with a `net.set_gradient` for each trainable parameter that the loss
    depends on. Error: an op between a parameter and the loss has neither an adjoint nor `NotDifferentiable`.
  }];
  let statistics = [Statistic<"numAdjoints", "adjoints", "ops differentiated">,
                    Statistic<"numAccumulations", "accumulations", "cotangents added">];
}

def BuildUpdate : Pass<"net-build-update", "mlir::ModuleOp"> {
  let summary = "make @update, the optimizer's step for each parameter, and @norm and @accumulate of gradients";
  let description = [{
    Input: `@step` with its gradients. Output: `@update` with one optimizer op per trainable parameter, in the order of the file, and with
    `average` one `net.average` per statistic; `@norm`, the norm of all gradients together; `@accumulate`, which adds gradients up over batches.
    They are functions of their own, so that the runtime can read, clip or accumulate gradients between `@step` and `@update`.
  }];
  let options = [Option<"optimizer", "optimizer", "std::string", "\"sgd\"", "sgd, adam, adamw or lars">,
                 Option<"nesterov", "nesterov", "bool", "false", "Nesterov's momentum, with sgd">,
                 Option<"average", "average", "bool", "false", "keep a moving average of the weights">];
}

def VerifyTraining : Pass<"net-verify-training", "mlir::ModuleOp"> {
  let summary = "stage verifier: each trainable parameter has one gradient; no batch_norm is left in @step";
  let description = [{
    Changes nothing. Error: a trainable parameter has no gradient, or more than one; `@step` still holds a `net.batch_norm`.
  }];
}

def BuildLeanSteps : Pass<"net-build-lean-steps", "mlir::ModuleOp"> {
  let summary = "copies of @step that recompute convolutions instead of keeping their results";
  let description = [{
    Input: `@step` after autodiff. Output: `@step_lean1`, `@step_lean2`, …, one per entry of `shares`: the share of the forward pass's
    multiply-adds that this copy may spend on recomputation. The runtime takes the first one that fits the memory it may use. Results
    are the same to the bit.
  }];
  let options = [ListOption<"shares", "shares", "double", "shares of the forward pass, rising">];
  let statistics = [Statistic<"numDropped", "dropped", "results that are computed again">];
}

//===----------------------------------------------------------------------===//
// storage and operand types (precision/)
//===----------------------------------------------------------------------===//

def Quantize : Pass<"net-quantize", "mlir::ModuleOp"> {
  let summary = "in @infer, operands of convolutions and linear layers become integers with scales; @observe shows their values";
  let description = [{
    Runs with --precision int8 alone. Input: `@infer` after net-fold-batch-norm. Output: each convolution and linear layer multiplies an
    activation of ui8 (where it cannot be negative) or si8 by weights of i8, unless its layer fits a pattern of `keep-f32`. A value that
    such a layer, a pool or a skip-add reads is stored once, by net.quantize, times the inverse of a scale that is a new parameter,
    `LAYER.activation_scale`; what reads it in f32 reads net.dequantize. Pools and moves keep scale and type; a concatenation has one scale. Scales of weights,
    by output channel, are computed from the weights. `@observe`, a copy of `@infer` before that, has a net.observe of each value with a scale.
    Error: a pattern of `keep-f32` that no layer fits.
    ```mlir
    %y = net.conv2d %x, %w bias(%b)
    // becomes
    %q = net.quantize "x", %x, %inverses                 %wq, %sw, %start = net.quantize_filter %w
    %sums = net.conv2d %q, %wq                           %y = net.scale_shift %sums, %product_scale, %b
    ```
  }];
  let options = [ListOption<"keepF32", "keep-f32", "std::string", "patterns of layers that stay f32, with * and ?">];
  let statistics = [Statistic<"numContractions", "contractions", "contractions of integers">,
                    Statistic<"numValues", "values", "values with a scale">];
}

def AssignPrecision : Pass<"net-assign-precision", "mlir::ModuleOp"> {
  let summary = "give every value its storage type and every contraction its operand type";
  let description = [{
    Input: functions after autodiff, so that gradients get types of their own. Output: every value has its storage type, every
    contraction its `net.operand_type`, the module `net.precision`. Layout and fusion keep them. With bf16, activations and their gradients
    are stored as bf16; parameters, statistics, losses and what they compare, the model's inputs and its outputs stay f32.
    ```mlir
    %y = net.conv2d %x, %w {…}
    // becomes, with precision=tf32
    %y = net.conv2d %x, %w {…, net.operand_type = tf32}
    ```
  }];
  let options = [Option<"precision", "precision", "std::string", "\"f32\"", "f32, tf32, bf16 or int8">,
                 Option<"bf16Products", "bf16-products", "bool", "false",
                     "the target multiplies bf16 operands; else they are widened">,
                 Option<"int8Products", "int8-products", "bool", "false",
                     "the target multiplies i8 by u8; else both are widened to i16">];
  let statistics = [Statistic<"numValues", "values", "values given a storage type">,
                    Statistic<"numContractions", "contractions", "contractions given an operand type">];
}

//===----------------------------------------------------------------------===//
// layout (layout/)
//===----------------------------------------------------------------------===//

def MaterializeLayouts : Pass<"net-materialize-layouts", "mlir::ModuleOp"> {
  let summary = "every op on images computes channels last, between conversions of its own";
  let description = [{
    Input: images in logical order (NCHW). Output: every op on images has operands and results of layout `#net.channels_last`, with a
    `net.to_layout` before and after it. Ops with the trait `KeepsLogicalOrder` (flatten, losses of values) are left alone, and so are
    vectors, sequences and parameters. Required for correctness: kernels vectorise over channels and read [N, H, W, C].
    net-elide-layouts removes the conversions that cancel.
  }];
  let statistics = [Statistic<"numConversions", "conversions", "conversions inserted">];
}

def ElideLayouts : Pass<"net-elide-layouts", "mlir::ModuleOp"> {
  let summary = "remove conversions that cancel";
  let description = [{
    Input: any function with `net.to_layout`. Output: a chain of conversions that ends in the type it began with is gone. One pass in
    program order, so the cost is linear in the length of a function.
  }];
  let statistics = [Statistic<"numElided", "elided", "conversions removed">];
}

def VerifyLayouts : Pass<"net-verify-layouts", "mlir::ModuleOp"> {
  let summary = "stage verifier: images are channels last except at flatten and the function's border";
  let description = [{
    Changes nothing. Error: an op other than those with `KeepsLogicalOrder` reads an image that is not channels last.
  }];
}

//===----------------------------------------------------------------------===//
// fusion (graph/)
//===----------------------------------------------------------------------===//

def FuseKernels : Pass<"net-fuse-kernels", "mlir::ModuleOp"> {
  let summary = "group ops into kernels around contractions and pointwise roots";
  let description = [{
    Input: channels-last ops, after net-elide-layouts, since no kernel spans a conversion. Output: every contraction, pointwise op and
    channel reduction stands in a `net.fusion`, which becomes one kernel. Three rules, by interface:
    - epilogue: a contraction takes over its only reader if that is pointwise and everything else it reads exists before the
      contraction, and the channel reductions of the value that it stores;
    - recomputation: a cheap pointwise op of one stored value is copied to each reader, and its own result is never stored;
    - roots: each remaining pointwise op takes over the producers that only it reads.
  }];
  let statistics = [Statistic<"numKernels", "kernels", "fusions built">,
                    Statistic<"numFused", "fused", "ops folded into another op's kernel">,
                    Statistic<"numRecomputed", "recomputed", "copies of ops computed again at a reader">];
}

//===----------------------------------------------------------------------===//
// net to kern (lowering/)
//===----------------------------------------------------------------------===//

def LowerToKern : Pass<"net-lower-to-kern", "mlir::ModuleOp"> {
  let summary = "net to kern on physical tensors, one op per launch";
  let description = [{
    Input: `net` with fusions. Output: `kern` ops on tensors, each with an explicit destination; parameters, gradients, inputs and outputs are
    `kern.buffer`. Each `net.parameter` gets its `offset` in bytes and its `index`; each contraction gets its schedule. `@forward` is erased.
  }];
  let options = [Option<"lanes", "lanes", "int64_t", "8", "f32 lanes of a vector register">,
                 Option<"registers", "registers", "int64_t", "16", "vector registers">,
                 Option<"gpu", "gpu", "bool", "false", "schedules for CUDA kernels">,
                 Option<"matrixTiles", "matrix-tiles", "bool", "false", "bf16 and i8 are multiplied by AMX">];
  let dependentDialects = ["::netc::kern::KernDialect", "mlir::arith::ArithDialect", "mlir::math::MathDialect"];
  let statistics = [Statistic<"numLaunches", "launches", "kern ops made">];
}

def FusePooling : Pass<"kern-fuse-pooling", "mlir::ModuleOp"> {
  let summary = "a convolution pools what it stores, a pool normalises what it reads";
  let description = [{
    CPU only. Input: kern on tensors, because dependences between launches are values there.

    On store: a max or average pool becomes an attribute of a forward contraction if it is the contraction's only reader, its windows
    neither overlap nor are padded, and the contraction's schedule allows it (`poolsOnStore`).
    ```mlir
    %y = kern.contract forward lhs(%x) … outs(%a : tensor<?x8x8x32xf32>)
    %z = kern.pool max ins(%y) outs(%b : tensor<?x4x4x32xf32>) {kh = 2, kw = 2, sh = 2, sw = 2}
    // becomes
    %z = kern.contract forward lhs(%x) … outs(%b : tensor<?x4x4x32xf32>) {pool = <kind = max, kh = 2, kw = 2>}
    ```

    On load: a formula of one image tensor and of channel vectors (batch norm and ReLU in training) becomes the prologue of its readers if all of
    them are pools (max pooling and its gradient) or sweeps (ReLU's mask) and `computesOnLoad` allows it.
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
// memory (memory/)
//===----------------------------------------------------------------------===//

def HoistPrepare : Pass<"kern-hoist-prepare", "mlir::ModuleOp"> {
  let summary = "move launches that depend on parameters alone from @infer to @prepare";
  let description = [{
    Input: `@infer` in kern on tensors. Output: `@prepare`, which the executable runs once after loading weights: folding batch norm,
    packing filters. `@infer` reads its results from the space `prepared`. Training packs again at each step.
  }];
  let statistics = [Statistic<"numHoisted", "hoisted", "launches moved to @prepare">];
}

def Bufferize : Pass<"kern-bufferize", "mlir::ModuleOp"> {
  let summary = "tensors to memrefs: every destination is explicit, so no analysis is needed";
  let description = [{
    Input: kern on tensors, where every op names its destination and every destination is fresh. Output: kern on memrefs with
    `kern.alloc`. A pointwise result, or a contraction's, takes the memory of an operand of the same size that has no later reader.
  }];
  let statistics = [Statistic<"numBuffers", "buffers", "buffers to be placed">,
                    Statistic<"numInPlace", "in-place", "results written over an operand">];
}

def PlanMemory : Pass<"kern-plan-memory", "mlir::ModuleOp"> {
  let summary = "place every kern.alloc in the arena, by lifetime";
  let description = [{
    Input: `kern.alloc`s. Output: `kern.buffer`s with offsets in the arena. Buffers proportional to the batch share one plan in bytes per
    image, fixed ones another. Each function gets `arena_bytes_per_image`, `arena_bytes_fixed` and the peaks of live bytes, which are their
    lower bounds. With `depth-first`, `@infer` gets `sections` (`kern.section`), and buffers used within one section lie in `arena_group`;
    bytes per image are then those of a batch that is one group.
  }];
  let options = [Option<"depthFirst", "depth-first", "bool", "false", "run @infer section by section, a group of images at a time">];
  let statistics = [Statistic<"arenaBytes", "arena-bytes-per-image", "bytes per image">];
}

def VerifyPlan : Pass<"kern-verify-plan", "mlir::ModuleOp"> {
  let summary = "stage verifier: no two buffers that live at once overlap";
  let description = [{
    Changes nothing. Error: a `kern.alloc` is left; two buffers of one arena overlap while both are alive; a buffer of a group's part is
    used outside its section.
  }];
}

#endif
