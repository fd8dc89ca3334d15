//===- Fusion.td - groups of ops that become one kernel -------------------===//
#ifndef NETC_NET_FUSION
#define NETC_NET_FUSION

def Net_FusionOp : Net_Op<"fusion", [Pure, NotDifferentiable, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "one kernel: at most one contraction, with pointwise ops before and after and channel reductions";
  let arguments = (ins Variadic<AnyTensor>:$inputs);
  let results = (outs Variadic<AnyTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Net_YieldOp : Net_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["FusionOp"]>]> {
  let arguments = (ins Variadic<AnyTensor>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
  let builders = [OpBuilder<(ins), "">];
}

#endif
