//===- Parameter.td - parameters and running statistics as symbols --------===//
#ifndef NETC_NET_PARAMETER
#define NETC_NET_PARAMETER

def Net_ParameterOp : Net_Op<"parameter", [Symbol, NotDifferentiable]> {
  let summary = "a parameter or running statistic under its user-visible name";
  let description = [{
    `init` is {kind, a, b}: constant a; uniform in [a, b); normal with mean a and standard deviation b.
    ```mlir
    net.parameter @"conv1.weight" : tensor<16x3x3x3xf32> {trainable, init = ["normal", 0.0, 0.1], layer = 0}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Net_Parameter>:$type, UnitAttr:$trainable,
      UnitAttr:$decay, ArrayAttr:$init, I64Attr:$layer, UnitAttr:$auxiliary,
      OptionalAttr<StrAttr>:$sym_visibility);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
}

def Net_GetParameterOp : Net_Op<"get_parameter", [ModelOp, Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface, ["readsTrainable"]>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a parameter";
  let arguments = (ins FlatSymbolRefAttr:$parameter);
  let results = (outs Net_Parameter:$value);
  let assemblyFormat = "$parameter attr-dict `:` type($value)";
}

def Net_ReshapeParameterOp : Net_Op<"reshape_parameter", [ModelOp, Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "the elements of a parameter, in their order, in another shape; no batch on either side";
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Net_AddParametersOp : Net_Op<"add_parameters", [Pure, NotDifferentiable, SameOperandsAndResultType]> {
  let summary = "the sum of two vectors without a batch: gradients of a learned value that is read twice";
  let arguments = (ins Net_Vector:$lhs, Net_Vector:$rhs);
  let results = (outs Net_Vector:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def Net_SetGradientOp : Net_Op<"set_gradient", [NotDifferentiable,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "stores the gradient of the loss by a parameter";
  let arguments = (ins FlatSymbolRefAttr:$parameter, Net_Parameter:$value);
  let assemblyFormat = "$parameter `,` $value attr-dict `:` type($value)";
}

def Net_AssignOp : Net_Op<"assign", [NotDifferentiable,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "gives a running statistic its next value";
  let arguments = (ins FlatSymbolRefAttr:$parameter, Net_Parameter:$value);
  let assemblyFormat = "$parameter `,` $value attr-dict `:` type($value)";
}

#endif
