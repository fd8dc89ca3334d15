//===- Elementwise.td - skip-add, gates, dropout --------------------------===//
#ifndef NETC_NET_ELEMENTWISE
#define NETC_NET_ELEMENTWISE

def Net_AddOp : Net_Op<"add", [ModelOp, Pure, AllShapesAndLayoutsMatch<["lhs", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "the skip-add (He et al. 2016): equal shapes, or rhs has a value per channel";
  let description = [{
    A value per channel: [N, C, 1, 1] or [N, C] beside an image, [N, F] beside a sequence; or [C], the same for all
    images.
  }];
  let arguments = (ins Net_Tensor:$lhs, Net_Tensor:$rhs);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_MulOp : Net_Op<"mul", [ModelOp, Pure, AllShapesAndLayoutsMatch<["lhs", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "a gate: equal shapes, or rhs has a value per channel, as net.add's";
  let arguments = (ins Net_Tensor:$lhs, Net_Tensor:$rhs);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_BinaryKind : I32EnumAttr<"BinaryKind", "which function of two numbers", [
    I32EnumAttrCase<"Divide", 0, "divide">, I32EnumAttrCase<"Power", 1, "power">,
    I32EnumAttrCase<"Maximum", 2, "maximum">, I32EnumAttrCase<"Minimum", 3, "minimum">,
    I32EnumAttrCase<"Less", 4, "less">, I32EnumAttrCase<"Equal", 5, "equal">, I32EnumAttrCase<"Mask", 6, "mask">]> {
  let cppNamespace = "::netc::net";
  let genSpecializedAttr = 0;
}
def Net_BinaryKindAttr : EnumAttr<Net_Dialect, Net_BinaryKind, "binary_kind">;

def Net_BinaryOp : Net_Op<"binary", [ModelOp, Pure, AllShapesAndLayoutsMatch<["lhs", "rhs", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "a function of two numbers at each element";
  let description = [{
    Comparisons give 1 or 0 and have no gradient. `mask` is lhs where rhs is not 0, else 0. Where both are equal, a
    maximum or minimum passes its gradient to lhs.
  }];
  let arguments = (ins Net_BinaryKindAttr:$kind, Net_Tensor:$lhs, Net_Tensor:$rhs);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$kind operands attr-dict `:` functional-type(operands, results)";
}

def Net_AffineOp : Net_Op<"affine", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "scale x + shift, both numbers of the model file";
  let arguments = (ins Net_Tensor:$input, F64Attr:$scale, F64Attr:$shift);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
  let hasFolder = 1;
}

def Net_SpreadOp : Net_Op<"spread", [Pure, NotDifferentiable,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "input [N, C, 1, 1] times a constant at every pixel (gradient of global average pooling)";
  let arguments = (ins Net_Image:$input, F64Attr:$factor);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def Net_RepeatOp : Net_Op<"repeat", [ModelOp, Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "a vector [C], the same for all images: [N, C]";
  let arguments = (ins Net_Vector:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_DropoutOp : Net_Op<"dropout", [ModelOp, Pure, IdentityInInference, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["getRandomStream", "drawsPerImage"]>]> {
  let summary = "zeroes with probability p, scales the rest by 1 / (1 - p), in training";
  let description = [{
    The mask is a function of (seed, step, id, element), so forward and backward compute the same one
    and it does not depend on threads. `per_image`: one draw for all elements of an image (Huang et al. 2016).
  }];
  let arguments = (ins Net_Tensor:$input, F64Attr:$p, I64Attr:$id, UnitAttr:$per_image);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
  let hasFolder = 1;
}

#endif
