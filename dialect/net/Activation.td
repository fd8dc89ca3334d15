//===- Activation.td - unary nonlinearities as a table --------------------===//
#ifndef NETC_NET_ACTIVATION
#define NETC_NET_ACTIVATION

def Net_ActivationKind : I32EnumAttr<"ActivationKind", "which nonlinearity", [
    I32EnumAttrCase<"Relu", 0, "relu">, I32EnumAttrCase<"Relu6", 1, "relu6">,
    I32EnumAttrCase<"LeakyRelu", 2, "leaky_relu">, I32EnumAttrCase<"Tanh", 3, "tanh">,
    I32EnumAttrCase<"Sigmoid", 4, "sigmoid">, I32EnumAttrCase<"Silu", 5, "silu">,
    I32EnumAttrCase<"HardSwish", 6, "hardswish">, I32EnumAttrCase<"Gelu", 7, "gelu">,
    I32EnumAttrCase<"GeluTanh", 8, "gelu_tanh">, I32EnumAttrCase<"Elu", 9, "elu">,
    I32EnumAttrCase<"Mish", 10, "mish">, I32EnumAttrCase<"HardSigmoid", 11, "hardsigmoid">,
    I32EnumAttrCase<"NegativePart", 12, "negative_part">, I32EnumAttrCase<"Rsqrt", 13, "rsqrt">,
    I32EnumAttrCase<"Abs", 14, "abs">, I32EnumAttrCase<"Exp", 15, "exp">, I32EnumAttrCase<"Log", 16, "log">,
    I32EnumAttrCase<"Sqrt", 17, "sqrt">, I32EnumAttrCase<"Reciprocal", 18, "reciprocal">,
    I32EnumAttrCase<"Sin", 19, "sin">, I32EnumAttrCase<"Cos", 20, "cos">, I32EnumAttrCase<"Atan", 21, "atan">,
    I32EnumAttrCase<"Erf", 22, "erf">, I32EnumAttrCase<"Floor", 23, "floor">, I32EnumAttrCase<"Ceil", 24, "ceil">,
    I32EnumAttrCase<"Round", 25, "round">, I32EnumAttrCase<"Sign", 26, "sign">,
    I32EnumAttrCase<"Softplus", 27, "softplus">]> {
  let cppNamespace = "::netc::net";
  let genSpecializedAttr = 0;
}
def Net_ActivationKindAttr : EnumAttr<Net_Dialect, Net_ActivationKind, "activation_kind">;

def Net_ActivationOp : Net_Op<"activation", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "a unary nonlinearity; formulas and derivatives are in one table";
  let arguments = (ins Net_ActivationKindAttr:$kind, Net_Tensor:$input, DefaultValuedAttr<F64Attr, "0.0">:$slope);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
  let hasFolder = 1;
}

def Net_ActivationGradOp : Net_Op<"activation_grad", [Pure, NotDifferentiable,
    AllShapesAndLayoutsMatch<["cotangent", "saved", "result"]>,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "cotangent times the derivative, from what the table says is saved (input or output)";
  let arguments = (ins Net_ActivationKindAttr:$kind, Net_Tensor:$cotangent, Net_Tensor:$saved,
      DefaultValuedAttr<F64Attr, "0.0">:$slope);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = [{
    $kind $cotangent `,` $saved attr-dict `:` custom<StoredTypes>(type($cotangent), type($saved), type($result))
  }];
}

#endif
