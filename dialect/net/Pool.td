//===- Pool.td - pooling and its gradients --------------------------------===//
#ifndef NETC_NET_POOL
#define NETC_NET_POOL

defvar Net_PoolAttrs = (ins DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads);
// Pixels between the taps of a window; without it 1.
defvar Net_PoolDilations = (ins OptionalAttr<DenseI64ArrayAttr>:$dilations);

def Net_MaxPoolOp : Net_Op<"max_pool", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "largest value of each window; padding never wins";
  let arguments = !con((ins Net_Image:$input), Net_PoolAttrs, (ins UnitAttr:$round_up), Net_PoolDilations);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_MaxPoolGradOp : Net_Op<"max_pool_grad", [Pure, NotDifferentiable]> {
  let summary = "sends each cotangent to the first largest value of its window";
  let arguments = !con((ins Net_Image:$cotangent, Net_Image:$input), Net_PoolAttrs, Net_PoolDilations);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_AvgPoolOp : Net_Op<"avg_pool", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "mean of each window, zeros of the padding counted (PyTorch's count_include_pad)";
  let arguments = !con((ins Net_Image:$input), Net_PoolAttrs, (ins UnitAttr:$round_up), Net_PoolDilations);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_AvgPoolGradOp : Net_Op<"avg_pool_grad", [Pure, NotDifferentiable]> {
  let summary = "gradient of avg_pool by its input";
  let arguments = !con((ins Net_Image:$cotangent), Net_PoolAttrs, Net_PoolDilations);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_ResampleOp : Net_Op<"resample", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "an image in another size: the nearest pixel, or bilinear between pixel centres (PyTorch's align_corners=False)";
  let arguments = (ins Net_Image:$input, UnitAttr:$bilinear);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def Net_ResampleGradOp : Net_Op<"resample_grad", [Pure, NotDifferentiable]> {
  let summary = "gradient of resample by its input";
  let arguments = (ins Net_Image:$cotangent, UnitAttr:$bilinear);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$cotangent attr-dict `:` functional-type(operands, results)";
}

def Net_AdaptiveAvgPoolOp : Net_Op<"adaptive_avg_pool", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "PyTorch's adaptive average pooling: window i covers [floor(i H / out), ceil((i + 1) H / out))";
  let arguments = (ins Net_Image:$input);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def Net_AdaptiveAvgPoolGradOp : Net_Op<"adaptive_avg_pool_grad", [Pure, NotDifferentiable]> {
  let summary = "gradient of adaptive_avg_pool by its input";
  let arguments = (ins Net_Image:$cotangent);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$cotangent attr-dict `:` functional-type(operands, results)";
}

#endif
