//===- Loss.td - losses ---------------------------------------------------===//
#ifndef NETC_NET_LOSS
#define NETC_NET_LOSS

def Net_LossKind : I32EnumAttr<"LossKind", "which loss", [
    I32EnumAttrCase<"CrossEntropy", 0, "cross_entropy">, I32EnumAttrCase<"Mse", 1, "mse">,
    I32EnumAttrCase<"L1", 2, "l1">]> {
  let cppNamespace = "::netc::net";
  let genSpecializedAttr = 0;
}
def Net_LossKindAttr : EnumAttr<Net_Dialect, Net_LossKind, "loss_kind">;

def Net_LossAttr : AttrDef<Net_Dialect, "Loss"> {
  let mnemonic = "loss";
  let summary = "a term of the loss: its kind, the result of @forward that it compares, its weight";
  let description = "The module's `net.losses` is an array of these; without it: cross entropy of result 0.";
  let parameters = (ins EnumParameter<Net_LossKind>:$kind, "int64_t":$output, "::mlir::FloatAttr":$weight);
  let assemblyFormat = "`<` $kind `,` $output `,` $weight `>`";
}

def Net_Labels : TensorOf<[I64]>;
def Net_Targets : AnyTypeOf<[Net_Labels, Net_Tensor]>;

def Net_SoftmaxCrossEntropyOp : Net_Op<"softmax_cross_entropy", [Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<LossOpInterface>]> {
  let summary = "loss[n] = log sum exp logits[n] - logits[n, label], label smoothing as PyTorch's";
  let description = [{
    `labels` are classes [N], or distributions over classes [N, C] (mixup, cutmix). Logits may be a map [N, C, H, W] or a
    sequence [N, T, C]: labels are then [N, H, W] or [N, T], and losses [N, pixels] or [N, tokens]. How much labels are
    smoothed stands in the hyper-parameter block, for the gradient too.
  }];
  let arguments = (ins Net_Tensor:$logits, Net_Targets:$labels);
  let results = (outs Net_Tensor:$losses);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_SoftmaxCrossEntropyGradOp : Net_Op<"softmax_cross_entropy_grad", [Pure, NotDifferentiable]> {
  let summary = "weight / (N pixels) (softmax(logits) - target)";
  let arguments = (ins Net_Tensor:$logits, Net_Targets:$labels, F64Attr:$weight);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_RegressionLossOp : Net_Op<"regression_loss", [Pure, KeepsLogicalOrder,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<LossOpInterface>]> {
  let summary = "mean squared (mse) or absolute (l1) difference of each row of the last axis";
  let description = "prediction [N, ..., W], losses [N, rows of W]: [N] of a vector.";
  let arguments = (ins Net_LossKindAttr:$kind, Net_Tensor:$prediction, Net_Tensor:$target);
  let results = (outs Net_Tensor:$losses);
  let assemblyFormat = "$kind $prediction `,` $target attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_RegressionLossGradOp : Net_Op<"regression_loss_grad", [Pure, NotDifferentiable, KeepsLogicalOrder,
    AllShapesAndLayoutsMatch<["prediction", "target", "result"]>]> {
  let summary = "weight / (N elements) times 2 (prediction - target), or times its sign";
  let arguments = (ins Net_LossKindAttr:$kind, Net_Tensor:$prediction, Net_Tensor:$target, F64Attr:$weight);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = [{
    $kind $prediction `,` $target attr-dict `:` custom<StoredTypes>(type($prediction), type($target), type($result))
  }];
}

def Net_MeanLossOp : Net_Op<"mean_loss", [Pure, NotDifferentiable]> {
  let summary = "sum over heads of weight times the mean over the batch, and over pixels where there are some";
  let arguments = (ins Variadic<Net_Tensor>:$losses, DenseF64ArrayAttr:$weights);
  let results = (outs Net_Vector:$loss);
  let assemblyFormat = "$losses attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_SoftmaxOp : Net_Op<"softmax", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "exp x / sum exp over channels";
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
}

def Net_SoftmaxGradOp : Net_Op<"softmax_grad", [Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["cotangent", "saved", "result"]>]> {
  let summary = "y (g - sum g y)";
  let arguments = (ins Net_Tensor:$cotangent, Net_Tensor:$saved);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = [{
    operands attr-dict `:` custom<StoredTypes>(type($cotangent), type($saved), type($result))
  }];
}

#endif
