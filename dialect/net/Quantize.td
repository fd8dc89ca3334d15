//===- Quantize.td - activations and weights as integers ------------------===//
#ifndef NETC_NET_QUANTIZE
#define NETC_NET_QUANTIZE

def Net_QuantizeOp : Net_Op<"quantize", [Pure, NotDifferentiable, IsStored, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "input times a factor by channel, 1 / scale; storing it rounds to nearest even and saturates";
  let description = [{
    `name` is that of the value: `NAME.activation_scale` is the parameter with its scale. Without a factor the input
    holds the value divided by its scale already.
  }];
  let arguments = (ins Net_Tensor:$input, Optional<Net_Vector>:$factor, StrAttr:$name);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$name `,` $input (`,` $factor^)? attr-dict `:` functional-type(operands, results)";
}

def Net_DequantizeOp : Net_Op<"dequantize", [Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "integers, or means of them, times a scale by channel";
  let arguments = (ins Net_Tensor:$input, Net_Vector:$scale);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_ScaleVectorsOp : Net_Op<"scale_vectors", [Pure, NotDifferentiable]> {
  let summary = "the scale of a tensor, [1], for each of its channels, and its inverse";
  let arguments = (ins Net_Vector:$scale);
  let results = (outs Net_Vector:$scales, Net_Vector:$inverses);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_QuantizeFilterOp : Net_Op<"quantize_filter", [Pure, NotDifferentiable]> {
  let summary = "weights as integers from -127 to 127, symmetric, with a scale by output channel";
  let description = [{
    scales[o] is the largest magnitude of filter[o, ...] factor[o] divided by 127. `start` is -128 times the sum of each
    output channel's integers: where a kernel multiplies activations that lie 128 above their values, sums begin there.
  }];
  let arguments = (ins Net_Parameter:$filter, Optional<Net_Vector>:$factor);
  let results = (outs RankedTensorOf<[I8]>:$quantized, Net_Vector:$scales, 1DTensorOf<[I32]>:$start);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_ProductScaleOp : Net_Op<"product_scale", [Pure, NotDifferentiable]> {
  let summary = "a tensor's scale or its inverse, [1], times a vector, [O]: of the weights' scales, what sums are multiplied by";
  let arguments = (ins Net_Vector:$activation, Net_Vector:$weights);
  let results = (outs Net_Vector:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_ObserveOp : Net_Op<"observe", [NotDifferentiable]> {
  let summary = "keeps a value for the runtime to look at, under a name";
  let arguments = (ins Net_Tensor:$input, StrAttr:$name);
  let assemblyFormat = "$name `,` $input attr-dict `:` type($input)";
}

#endif
