//===- Conv.td - convolution and its gradients ----------------------------===//
#ifndef NETC_NET_CONV
#define NETC_NET_CONV

defvar Net_WindowAttrs = (ins DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                              DenseI64ArrayAttr:$dilations, I64Attr:$groups);

def Net_Conv2dOp : Net_InferredOp<"conv2d", [
    ModelOp, DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<ContractionOpInterface>]> {
  let summary = "2-D convolution (cross-correlation)";
  let description = [{
    y[n, o, i, j] = bias[o] + sum over c, u, v of filter[o, c, u, v] x[n, g(o) + c, i s + u d - p, j s + v d - p].
    input [N, C, H, W], filter [O, C / groups, KH, KW], bias [O]; pads are top, left, bottom, right.
  }];
  let arguments = !con((ins Net_Image:$input, Net_Filter:$filter, Optional<Net_Vector>:$bias), Net_WindowAttrs);
  let results = (outs Net_Image:$result);
  let assemblyFormat = [{ $input `,` $filter (`bias` $bias^)? attr-dict `:` functional-type(operands, results) }];
  let hasVerifier = 1;
}

def Net_Conv2dInputGradOp : Net_Op<"conv2d_input_grad", [ModelOp, Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<ContractionOpInterface, ["supportsMoments"]>]> {
  let summary = "gradient of a convolution by its input (backward-data), and the layer conv_transpose";
  let arguments = !con((ins Net_Image:$cotangent, Net_Filter:$filter), Net_WindowAttrs);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$cotangent `,` $filter attr-dict `:` functional-type(operands, results)";
}

def Net_Conv2dFilterGradOp : Net_Op<"conv2d_filter_grad", [Pure, NotDifferentiable,
    DeclareOpInterfaceMethods<ContractionOpInterface>]> {
  let summary = "gradient of a convolution by its filter (backward-weights)";
  let arguments = !con((ins Net_Image:$input, Net_Image:$cotangent), Net_WindowAttrs);
  let results = (outs Net_Filter:$result);
  let assemblyFormat = "$input `,` $cotangent attr-dict `:` functional-type(operands, results)";
}

#endif
