//===- Norm.td - batch normalisation and its parts ------------------------===//
//
// Ioffe and Szegedy, 2015. `batch_norm` is what a user wrote. Inference expands it
// to coefficients of running statistics and a scale_shift; training to channel sums,
// statistics and a normalisation whose adjoint is that of the whole.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_NET_NORM
#define NETC_NET_NORM

def Net_BatchNormOp : Net_Op<"batch_norm", [ModelOp, Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["input", "result"]>]> {
  let summary = "batch normalisation as the model file has it";
  let description = [{
    Expanded before autodiff by net-expand-batch-norm or net-expand-batch-norm-inference. `frozen`: training normalises
    with the running statistics too, and leaves them.
  }];
  let arguments = (ins Net_Tensor:$input, Net_Vector:$weight, Net_Vector:$bias, Net_Vector:$running_mean,
      Net_Vector:$running_var, F64Attr:$eps, F64Attr:$momentum,
      FlatSymbolRefAttr:$running_mean_symbol, FlatSymbolRefAttr:$running_var_symbol, UnitAttr:$frozen);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_ChannelSumsOp : Net_Op<"channel_sums", [Pure, NotDifferentiable, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<ChannelReductionOpInterface>]> {
  let summary = "sums over images and pixels: sum a, and sum a (b - center) where b is given";
  let description = [{
    `center` is a value per channel near b's mean. Without it sum a b would be the small difference of large numbers
    where b's mean is large beside its deviation.
  }];
  let arguments = (ins Net_Tensor:$a, Optional<Net_Tensor>:$b, Optional<Net_Vector>:$center);
  let results = (outs Variadic<Net_Vector>:$sums);
  let assemblyFormat = "$a (`,` $b^ `about` $center)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_ChannelMomentsOp : Net_Op<"channel_moments", [Pure, NotDifferentiable,
    DeclareOpInterfaceMethods<ChannelReductionOpInterface>]> {
  let summary = "mean over images and pixels, and the sum of squared deviations from it";
  let description = [{
    Kernels sum each strip about a pivot, one of its own values, and strips are joined by the formula of Chan, Golub
    and LeVeque (1979) in f64: accurate for any mean.
  }];
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Vector:$mean, Net_Vector:$sum_squares);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_BatchNormCoefficientsOp : Net_Op<"batch_norm_coefficients", [Pure, NotDifferentiable]> {
  let summary = "scale = weight / sqrt(var + eps), shift = bias - mean scale, from running statistics";
  let arguments = (ins Net_Vector:$weight, Net_Vector:$bias, Net_Vector:$mean, Net_Vector:$var, F64Attr:$eps);
  let results = (outs Net_Vector:$scale, Net_Vector:$shift);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_BatchNormStatisticsOp : Net_Op<"batch_norm_statistics", [Pure, NotDifferentiable]> {
  let summary = "mean, 1/std, scale and shift of the batch, and the next running statistics";
  let description = [{
    From the mean and the sum of squared deviations over N images of `pixels` pixels: the biased variance normalises,
    the unbiased one enters running_var (PyTorch). The shift is that of the scale as it is rounded to f32. The adjoint
    is accounted for by `batch_norm_apply`.
  }];
  let arguments = (ins Net_Vector:$batch_mean, Net_Vector:$sum_squares, Net_Vector:$weight, Net_Vector:$bias,
      Net_Vector:$running_mean, Net_Vector:$running_var, F64Attr:$eps, F64Attr:$momentum, I64Attr:$pixels);
  let results = (outs Net_Vector:$mean, Net_Vector:$inv_std, Net_Vector:$scale, Net_Vector:$shift,
      Net_Vector:$next_mean, Net_Vector:$next_var);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_BatchNormApplyOp : Net_Op<"batch_norm_apply", [Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "scale x + shift in training; its adjoint is that of the whole batch norm";
  let description = [{
    Both are statistics of x, from batch_norm_statistics, or of a frozen batch norm functions of parameters alone, from
    batch_norm_coefficients.
  }];
  let arguments = (ins Net_Tensor:$input, Net_Vector:$scale, Net_Vector:$shift);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_BatchNormGradStatisticsOp : Net_Op<"batch_norm_grad_statistics", [Pure, NotDifferentiable]> {
  let summary = "gradients of weight and bias, and a, b, c of dx = a g + b x + c";
  let description = [{
    With M values per channel: dbias = sum g; dweight = inv_std sum g (x - mean);
    a = scale; b = -scale inv_std dweight / M; c = -scale dbias / M - b mean.
  }];
  let arguments = (ins Net_Vector:$sum_g, Net_Vector:$sum_gd, Net_Vector:$mean, Net_Vector:$inv_std,
      Net_Vector:$scale, I64Attr:$pixels);
  let results = (outs Net_Vector:$weight_grad, Net_Vector:$bias_grad, Net_Vector:$a, Net_Vector:$b, Net_Vector:$c);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_BatchNormInputGradOp : Net_Op<"batch_norm_input_grad", [Pure, NotDifferentiable,
    AllShapesAndLayoutsMatch<["cotangent", "result"]>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "dx = a g + b x + c";
  let arguments = (ins Net_Tensor:$cotangent, Net_Tensor:$input, Net_Vector:$a, Net_Vector:$b, Net_Vector:$c);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_FrozenNormGradsOp : Net_Op<"frozen_norm_grads", [Pure, NotDifferentiable]> {
  let summary = "of a frozen batch norm: dbias = sum g, dweight = sum g (x - mean) / sqrt(var + eps)";
  let arguments = (ins Net_Vector:$sum_g, Net_Vector:$sum_gd, Net_Vector:$var, F64Attr:$eps);
  let results = (outs Net_Vector:$weight_grad, Net_Vector:$bias_grad);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_FrozenNormInputGradOp : Net_Op<"frozen_norm_input_grad", [Pure, NotDifferentiable,
    AllShapesAndLayoutsMatch<["cotangent", "result"]>,
    DeclareOpInterfaceMethods<PointwiseOpInterface, ["isRecomputable"]>]> {
  let summary = "of a frozen batch norm: dx = scale g";
  let arguments = (ins Net_Tensor:$cotangent, Net_Vector:$scale);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_ScaleShiftOp : Net_Op<"scale_shift", [Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<PointwiseOpInterface>]> {
  let summary = "scale x + shift by channel (batch norm in inference)";
  let arguments = (ins Net_Tensor:$input, Net_Vector:$scale, Net_Vector:$shift);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_ScaleFilterOp : Net_Op<"scale_filter", [Pure, NotDifferentiable, AllTypesMatch<["filter", "result"]>]> {
  let summary = "filter[o, ...] scale[o]: batch norm folded into weights";
  let arguments = (ins Net_Parameter:$filter, Net_Vector:$scale);
  let results = (outs Net_Parameter:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_FoldBiasOp : Net_Op<"fold_bias", [Pure, NotDifferentiable]> {
  let summary = "bias scale + shift by channel";
  let arguments = (ins Net_Vector:$bias, Net_Vector:$scale, Net_Vector:$shift);
  let results = (outs Net_Vector:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_RowNormOp : Net_Op<"row_norm", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "(x - mean) / sqrt(variance + eps), both of a row: the channels of a pixel or token (Ba et al. 2016)";
  let description = "Of a tensor without a batch, a row is what follows its first axis: a filter's (Qiao et al. 2019).";
  let arguments = (ins Net_Tensor:$input, F64Attr:$eps);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
}

def Net_RowNormGradOp : Net_Op<"row_norm_grad", [Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["cotangent", "input", "result"]>]> {
  let summary = "gradient of row_norm by its input";
  let arguments = (ins Net_Tensor:$cotangent, Net_Tensor:$input, F64Attr:$eps);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_GroupMeanOp : Net_Op<"group_mean", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "each channel becomes the mean of its group of channels; its own adjoint";
  let arguments = (ins Net_Tensor:$input, I64Attr:$groups);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
}

def Net_LrnOp : Net_Op<"lrn", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "x / (k + alpha sum of squares over `size` channels)^beta (AlexNet, section 3.3)";
  let arguments = (ins Net_Image:$input, I64Attr:$size, F64Attr:$alpha, F64Attr:$beta, F64Attr:$k);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_LrnGradOp : Net_Op<"lrn_grad", [Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["input", "cotangent", "result"]>]> {
  let summary = "gradient of lrn by its input";
  let arguments = (ins Net_Image:$cotangent, Net_Image:$input, I64Attr:$size, F64Attr:$alpha, F64Attr:$beta, F64Attr:$k);
  let results = (outs Net_Image:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

#endif
