//===- Optimizer.td - optimizers, a parameter at a time -------------------===//
//
// Rates and factors are words of the hyper-parameter block (dialect/interfaces/Hyper.h), so that
// they can change from step to step. `averaged`: an exponential moving average of the parameter
// is kept in one more slot of state.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_NET_OPTIMIZER
#define NETC_NET_OPTIMIZER

class Net_UpdateOp<string mnemonic, list<string> methods = []> : Net_Op<mnemonic, [NotDifferentiable,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<UpdateOpInterface, !listconcat(["getStateSlots", "buildUpdate"], methods)>]> {
  let assemblyFormat = "$parameter attr-dict";
}

def Net_SgdUpdateOp : Net_UpdateOp<"sgd_update"> {
  let summary = "g += decay w; v = momentum v + g; w -= lr v, or with Nesterov lr (g + momentum v): as PyTorch's SGD";
  let arguments = (ins FlatSymbolRefAttr:$parameter, UnitAttr:$nesterov, UnitAttr:$averaged);
}

def Net_AdamUpdateOp : Net_UpdateOp<"adam_update"> {
  let summary = "Adam (Kingma and Ba 2015); decoupled: AdamW (Loshchilov and Hutter 2019)";
  let arguments = (ins FlatSymbolRefAttr:$parameter, UnitAttr:$decoupled, UnitAttr:$averaged);
}

def Net_LarsUpdateOp : Net_UpdateOp<"lars_update", ["needsNorms"]> {
  let summary = "v = momentum v + lr trust |w| / (|g| + decay |w|) (g + decay w); w -= v (You et al. 2017, algorithm 1)";
  let arguments = (ins FlatSymbolRefAttr:$parameter, UnitAttr:$averaged);
}

def Net_RmspropUpdateOp : Net_UpdateOp<"rmsprop_update"> {
  let summary = "s = alpha s + (1 - alpha) g^2; v = momentum v + g / (sqrt s + eps); w -= lr v: as PyTorch's RMSprop";
  let arguments = (ins FlatSymbolRefAttr:$parameter, UnitAttr:$averaged);
}

def Net_LambDirectionOp : Net_UpdateOp<"lamb_direction", ["replacesGradient"]> {
  let summary = "Adam's moments; the gradient becomes m' / (sqrt v' + eps) + decay w (You et al. 2020, algorithm 2)";
  let arguments = (ins FlatSymbolRefAttr:$parameter);
}

def Net_LambUpdateOp : Net_UpdateOp<"lamb_update", ["needsNorms"]> {
  let summary = "w -= lr |w| / |g| g, where g is the direction of net.lamb_direction";
  let arguments = (ins FlatSymbolRefAttr:$parameter, UnitAttr:$averaged);
}

def Net_AverageOp : Net_UpdateOp<"average"> {
  let summary = "the moving average of a running statistic, which the step itself has updated";
  let arguments = (ins FlatSymbolRefAttr:$parameter, I64Attr:$slot);
}

def Net_GradientNormOp : Net_Op<"gradient_norm", [NotDifferentiable]> {
  let summary = "writes the norm of all gradients together to the hyper-parameter block";
  let assemblyFormat = "attr-dict";
}

def Net_AccumulateGradientsOp : Net_Op<"accumulate_gradients", [NotDifferentiable]> {
  let summary = "adds all gradients, times a weight, to those of the batches before";
  let assemblyFormat = "attr-dict";
}

#endif
