//===- Shape.td - moving values: flatten, pad, subsample, concat, layout --===//
#ifndef NETC_NET_SHAPE
#define NETC_NET_SHAPE

def Net_FlattenOp : Net_InferredOp<"flatten", [ModelOp, KeepsLogicalOrder, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "[N, C, H, W] to [N, C H W], and so for any rank";
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Net_UnflattenOp : Net_Op<"unflatten", [ModelOp, Pure, KeepsLogicalOrder,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "[N, C H W] to [N, C, H, W], and so for any rank";
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_MoveOp : Net_Op<"move", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "a window of the input, strided or spread out, elsewhere zero";
  let description = [{
    result[n, c, h, w] = input[n, c + channel_offset, h', w']. On each spatial axis, output index i gives
    s = i * stride + offset and reads input index s / spread; the result is 0 if `spread` does not divide s or the
    index is outside the input. Subsample, zero padding (also of channels), slices of channels and their adjoints are
    all moves: an adjoint exchanges stride and spread and negates the offsets. A vector [N, F] is an image of one pixel.
  }];
  let arguments = (ins Net_Tensor:$input, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$spreads,
      DenseI64ArrayAttr:$offsets, I64Attr:$channel_offset);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

class Net_TokensOp<string mnemonic> : Net_Op<mnemonic, [ModelOp, Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Net_ToTokensOp : Net_TokensOp<"to_tokens"> {
  let summary = "an image [N, C, H, W] as the sequence of its pixels, [N, H W, C]";
}
def Net_FromTokensOp : Net_TokensOp<"from_tokens"> {
  let summary = "a sequence [N, H W, C] as an image [N, C, H, W]";
}

def Net_SliceOp : Net_Op<"slice", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "a run of indices of one axis; zero where it leaves the input";
  let description = [{
    result[…, i, …] = input[…, i + begin, …] on `axis`, which counts from the batch, axis 0. Its adjoint is the slice at
    -begin.
  }];
  let arguments = (ins Net_Tensor:$input, I64Attr:$axis, I64Attr:$begin);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Net_PermuteOp : Net_Op<"permute", [ModelOp, Pure, KeepsLogicalOrder, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "axis i of the result is axis order[i] of the input; the batch stays axis 0";
  let arguments = (ins Net_Tensor:$input, DenseI64ArrayAttr:$order);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Net_ShuffleChannelsOp : Net_Op<"shuffle_channels", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "channels as a matrix of `groups` rows, transposed (Zhang et al. 2018)";
  let arguments = (ins Net_Image:$input, I64Attr:$groups);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
  let hasVerifier = 1;
}

def Net_ConcatOp : Net_Op<"concat", [ModelOp, Pure, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "joins tensors along an axis, which counts from the batch, axis 0; without one, along channels or features";
  let arguments = (ins Variadic<Net_Tensor>:$inputs, OptionalAttr<I64Attr>:$axis);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_ToLayoutOp : Net_Op<"to_layout", [Pure, NotDifferentiable, KeepsLogicalOrder]> {
  let summary = "the same logical tensor in another physical order";
  let arguments = (ins Net_Image:$input);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

#endif
