//===- Loss.td - losses ---------------------------------------------------===//
#ifndef NETC_NET_LOSS
#define NETC_NET_LOSS

def Net_LossKind : I32EnumAttr<"LossKind", "which loss", [
    I32EnumAttrCase<"CrossEntropy", 0, "cross_entropy">, I32EnumAttrCase<"Mse", 1, "mse">,
    I32EnumAttrCase<"L1", 2, "l1">, I32EnumAttrCase<"Bce", 3, "bce">, I32EnumAttrCase<"Dice", 4, "dice">]> {
  let cppNamespace = "::netc::net";
  let genSpecializedAttr = 0;
}
def Net_LossKindAttr : EnumAttr<Net_Dialect, Net_LossKind, "loss_kind">;

def Net_LossAttr : AttrDef<Net_Dialect, "Loss"> {
  let mnemonic = "loss";
  let summary = "a term of the loss: its kind, the result of @forward that it compares, its weight";
  let description = [{
    The module's `net.losses` is an array of these; without it: cross entropy of result 0. `options`: of cross_entropy and
    dice `ignore`, the label that does not count; of dice `smooth`; of bce `threshold`.
  }];
  let parameters = (ins EnumParameter<Net_LossKind>:$kind, "int64_t":$output, "::mlir::FloatAttr":$weight,
      OptionalParameter<"::mlir::DictionaryAttr">:$options);
  let assemblyFormat = "`<` $kind `,` $output `,` $weight (`,` $options^)? `>`";
  let extraClassDeclaration = [{
    /// Whether it compares scores with class indices rather than with values.
    bool comparesClasses() const {
      return getKind() == LossKind::CrossEntropy || getKind() == LossKind::Dice;
    }
    /// An option of that name and type; null where it is not given.
    template <typename AttrTy> AttrTy option(::llvm::StringRef name) const {
      return getOptions() ? getOptions().template getAs<AttrTy>(name) : AttrTy();
    }
  }];
}

def Net_Labels : TensorOf<[I64]>;
def Net_Targets : AnyTypeOf<[Net_Labels, Net_Tensor]>;

def Net_SoftmaxCrossEntropyOp : Net_Op<"softmax_cross_entropy", [Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<LossOpInterface>]> {
  let summary = "loss[n] = log sum exp logits[n] - logits[n, label], label smoothing as PyTorch's";
  let description = [{
    `labels` are classes [N], or distributions over classes [N, C] (mixup, cutmix). Logits may be a map [N, C, H, W] or a
    sequence [N, T, C]: labels are then [N, H, W] or [N, T], and losses [N, pixels] or [N, tokens]. How much labels are
    smoothed stands in the hyper-parameter block, for the gradient too.
    Labels equal to `ignore` cost nothing, and all other losses are multiplied by `share`, the factor of net.label_share.
  }];
  let arguments = (ins Net_Tensor:$logits, Net_Targets:$labels, Optional<Net_Vector>:$share,
      OptionalAttr<I64Attr>:$ignore);
  let results = (outs Net_Tensor:$losses);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_SoftmaxCrossEntropyGradOp : Net_Op<"softmax_cross_entropy_grad", [Pure, NotDifferentiable]> {
  let summary = "weight / (N pixels) (softmax(logits) - target)";
  let arguments = (ins Net_Tensor:$logits, Net_Targets:$labels, Optional<Net_Vector>:$share, F64Attr:$weight,
      OptionalAttr<I64Attr>:$ignore);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_LabelShareOp : Net_Op<"label_share", [Pure, NotDifferentiable]> {
  let summary = "all labels of the batch over those that are not `ignore`: turns a mean over all into one over these";
  let arguments = (ins Net_Labels:$labels, I64Attr:$ignore);
  let results = (outs Net_Vector:$share);
  let assemblyFormat = "$labels `ignore` $ignore attr-dict `:` functional-type(operands, results)";
}

def Net_DiceSumsOp : Net_Op<"dice_sums", [Pure, NotDifferentiable]> {
  let summary = "for each image and class: sum p t, and sum p + t, over its pixels; t is 1 where the label is the class";
  let description = [{
    probabilities [N, C, H, W] or [N, T, C], sums [N, 2 C]. Pixels whose label is `ignore` count in neither sum.
  }];
  let arguments = (ins Net_Tensor:$probabilities, Net_Labels:$labels, OptionalAttr<I64Attr>:$ignore);
  let results = (outs Net_Tensor:$sums);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_DiceLossOp : Net_Op<"dice_loss", [Pure,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<LossOpInterface>]> {
  let summary = "loss[n] = 1 - mean over classes of (2 sum p t + smooth) / (sum p + sum t + smooth) (Milletari et al. 2016)";
  let description = "`sums` are those of net.dice_sums.";
  let arguments = (ins Net_Tensor:$probabilities, Net_Labels:$labels, Net_Tensor:$sums, F64Attr:$smooth,
      OptionalAttr<I64Attr>:$ignore);
  let results = (outs Net_Tensor:$losses);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_DiceLossGradOp : Net_Op<"dice_loss_grad", [Pure, NotDifferentiable,
    AllShapesAndLayoutsMatch<["probabilities", "result"]>]> {
  let summary = "weight / N times the gradient of net.dice_loss by the probabilities";
  let arguments = (ins Net_Tensor:$probabilities, Net_Labels:$labels, Net_Tensor:$sums, F64Attr:$weight, F64Attr:$smooth,
      OptionalAttr<I64Attr>:$ignore);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Net_RegressionLossOp : Net_Op<"regression_loss", [Pure, KeepsLogicalOrder,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<LossOpInterface>]> {
  let summary = "mean squared (mse) or absolute (l1) difference, or binary cross entropy (bce), of each row of the last axis";
  let description = [{
    prediction [N, ..., W], losses [N, rows of W]: [N] of a vector. Predictions of bce are logits, its targets probabilities,
    which are smoothed as classes are, t (1 - s) + s / C; then those above `threshold` become 1 and all others 0.
  }];
  let arguments = (ins Net_LossKindAttr:$kind, Net_Tensor:$prediction, Net_Tensor:$target,
      OptionalAttr<F64Attr>:$threshold);
  let results = (outs Net_Tensor:$losses);
  let assemblyFormat = "$kind $prediction `,` $target attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_RegressionLossGradOp : Net_Op<"regression_loss_grad", [Pure, NotDifferentiable, KeepsLogicalOrder,
    AllShapesAndLayoutsMatch<["prediction", "target", "result"]>]> {
  let summary = "weight / (N elements) times 2 (prediction - target), its sign, or sigmoid(prediction) - target";
  let arguments = (ins Net_LossKindAttr:$kind, Net_Tensor:$prediction, Net_Tensor:$target, F64Attr:$weight,
      OptionalAttr<F64Attr>:$threshold);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = [{
    $kind $prediction `,` $target attr-dict `:` custom<StoredTypes>(type($prediction), type($target), type($result))
  }];
}

def Net_MeanLossOp : Net_Op<"mean_loss", [Pure, NotDifferentiable]> {
  let summary = "sum over heads of weight times the mean over the batch, and over pixels where there are some";
  let arguments = (ins Variadic<Net_Tensor>:$losses, DenseF64ArrayAttr:$weights);
  let results = (outs Net_Vector:$loss);
  let assemblyFormat = "$losses attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_SoftmaxOp : Net_Op<"softmax", [ModelOp, Pure, AllShapesAndLayoutsMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "exp x / sum exp over channels";
  let arguments = (ins Net_Tensor:$input);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<StoredTypes>(type($input), type($result))";
}

def Net_SoftmaxGradOp : Net_Op<"softmax_grad", [Pure, NotDifferentiable, AllShapesAndLayoutsMatch<["cotangent", "saved", "result"]>]> {
  let summary = "y (g - sum g y)";
  let arguments = (ins Net_Tensor:$cotangent, Net_Tensor:$saved);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = [{
    operands attr-dict `:` custom<StoredTypes>(type($cotangent), type($saved), type($result))
  }];
}

#endif
