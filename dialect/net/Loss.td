//===- Loss.td - losses ---------------------------------------------------===//
#ifndef NETC_NET_LOSS
#define NETC_NET_LOSS

def Net_Labels : TensorOf<[I64]>;
def Net_Targets : AnyTypeOf<[Net_Labels, Net_Tensor]>;

def Net_SoftmaxCrossEntropyOp : Net_Op<"softmax_cross_entropy", [Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "loss[n] = log sum exp logits[n] - logits[n, label], label smoothing as PyTorch's";
  let description = [{
    `labels` are classes [N], or distributions over classes [N, C] (mixup, cutmix). How much they are smoothed stands in the
    hyper-parameter block, for the gradient too.
  }];
  let arguments = (ins Net_Tensor:$logits, Net_Targets:$labels);
  let results = (outs Net_Vector:$losses);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_SoftmaxCrossEntropyGradOp : Net_Op<"softmax_cross_entropy_grad", [Pure, NotDifferentiable]> {
  let summary = "weight / N (softmax(logits) - target)";
  let arguments = (ins Net_Tensor:$logits, Net_Targets:$labels, F64Attr:$weight);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_MeanLossOp : Net_Op<"mean_loss", [Pure, NotDifferentiable]> {
  let summary = "sum over heads of weight times the mean over the batch";
  let arguments = (ins Variadic<Net_Vector>:$losses, DenseF64ArrayAttr:$weights);
  let results = (outs Net_Vector:$loss);
  let assemblyFormat = "$losses attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_SoftmaxOp : Net_Op<"softmax", [ModelOp, Pure, AllTypesMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "exp x / sum exp over channels";
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Net_SoftmaxGradOp : Net_Op<"softmax_grad", [Pure, NotDifferentiable, AllTypesMatch<["cotangent", "saved", "result"]>]> {
  let summary = "y (g - sum g y)";
  let arguments = (ins Net_Tensor:$cotangent, Net_Tensor:$saved);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` type($result)";
}

#endif
