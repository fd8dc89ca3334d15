//===- Interfaces.td - op interfaces that the passes use ------------------===//
//
// Graph passes, autodiff and fusion name an interface and never a concrete op.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_INTERFACES
#define NETC_INTERFACES

include "mlir/IR/OpBase.td"

/// Reverse-mode differentiation (Griewank and Walther, section 3.2).
def DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::netc";
  let description = [{
    An op that builds its own adjoint. The reverse sweep passes it the cotangents of
    its results (null where a result is not used) and a sink that adds a cotangent
    to a value. An op that has no gradient carries the trait `NotDifferentiable`;
    an op on the path from a parameter to the loss with neither is an error.
  }];
  let methods = [
    InterfaceMethod<"Builds the adjoint at the builder's insertion point.",
      "::mlir::LogicalResult", "buildAdjoint",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$cotangents,
           "::llvm::function_ref<void(::mlir::Value, ::mlir::Value)>":$accumulate)>,
    InterfaceMethod<[{Whether the op reads something trainable beside its operands, a parameter: there the sweep ends.}],
      "bool", "readsTrainable", (ins "::mlir::SymbolTable &":$symbols), "", "return false;">
  ];
}

def NotDifferentiable : NativeOpTrait<"NotDifferentiable"> {
  let cppNamespace = "::netc";
}

/// May be used in @forward: the front end creates it from a layer.
def ModelOp : NativeOpTrait<"ModelOp"> {
  let cppNamespace = "::netc";
}

def IdentityInInference : NativeOpTrait<"IdentityInInference"> {
  let cppNamespace = "::netc";
}

def IsStored : NativeOpTrait<"IsStored"> {
  let cppNamespace = "::netc";
}

def KeepsLogicalOrder : NativeOpTrait<"KeepsLogicalOrder"> {
  let cppNamespace = "::netc";
}

/// Compares a prediction with a target.
def LossOpInterface : OpInterface<"LossOpInterface"> {
  let cppNamespace = "::netc";
  let description = [{
    The reverse sweep starts here: a loss has no cotangent; its constant weight is an attribute of the mean
    loss that reads it.
  }];
  let methods = [
    InterfaceMethod<"What is compared with the target; the gradient is by this value.",
      "::mlir::Value", "getPredicted", (ins)>
  ];
}

/// Computes each element from the elements at the same place.
def PointwiseOpInterface : OpInterface<"PointwiseOpInterface"> {
  let cppNamespace = "::netc";
  let description = [{
    An op whose result at [n, c, h, w] depends on its operands there only. Operands
    of lower rank are broadcast: [C] over images and pixels, [N, C, 1, 1] and [N, C] over pixels (or tokens).
    It defines its formula once, on scalars; fusion, CPU and GPU kernels reuse it.
  }];
  let methods = [
    InterfaceMethod<"Builds the formula on f32 scalars: one per operand, then the random number if it takes one.",
      "::mlir::Value", "buildScalar",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$scalars)>,
    InterfaceMethod<[{The stream of the random number that the formula takes: uniform in [0, 1), or 1 where dropout is
      switched off. Lowering draws it.}],
      "std::optional<int64_t>", "getRandomStream", (ins), "", "return std::nullopt;">,
    InterfaceMethod<"Whether all elements of an image have one random number.",
      "bool", "drawsPerImage", (ins), "", "return false;">,
    InterfaceMethod<"Cheap enough to compute again at each reader rather than to keep.",
      "bool", "isRecomputable", (ins), "", "return false;">
  ];
}

/// An optimizer's step for one parameter.
def UpdateOpInterface : OpInterface<"UpdateOpInterface"> {
  let cppNamespace = "::netc";
  let description = [{
    Says its formula once, on scalars; lowering and every target's kernels reuse it.
    State lies in slots, each as large as all parameters together.
  }];
  let methods = [
    InterfaceMethod<"The parameter or running statistic that is updated.",
      "::mlir::FlatSymbolRefAttr", "getParameterAttr", (ins)>,
    InterfaceMethod<"Slots of state that the formula reads and writes, in its order.",
      "::llvm::SmallVector<int64_t>", "getStateSlots", (ins)>,
    InterfaceMethod<"Whether it reads the norms of the parameter and of its gradient.",
      "bool", "needsNorms", (ins), "", "return false;">,
    InterfaceMethod<"Whether it writes the gradient too, for an update that follows.",
      "bool", "replacesGradient", (ins), "", "return false;">,
    InterfaceMethod<[{The next parameter and the next state, and the gradient's replacement if there is one, element by
      element.}],
      "::llvm::SmallVector<::mlir::Value>", "buildUpdate",
      (ins "::mlir::OpBuilder &":$builder, "const ::netc::UpdateScalars &":$scalars)>
  ];
}

/// Reduces an activation over images and pixels to vectors of channels.
def ChannelReductionOpInterface : OpInterface<"ChannelReductionOpInterface"> {
  let cppNamespace = "::netc";
  let description = [{
    Channel sums and moments. A kernel that computes or stores the activation adds up partial results on the way;
    all other operands must exist before that kernel. A kernel keeps partial results of one kind of op.
  }];
  let methods = [
    InterfaceMethod<"The activation that is reduced.", "::mlir::Value", "getReduced", (ins)>,
    InterfaceMethod<"What a result is.", "::netc::ChannelTerm", "getTerm", (ins "unsigned":$result)>
  ];
}

/// Contracts over channels and window taps: what fusion builds groups around.
def ContractionOpInterface : OpInterface<"ContractionOpInterface"> {
  let cppNamespace = "::netc";
  let description = [{
    A convolution, a linear layer or one of their gradients. Pointwise producers of its
    activation operands can be computed while they are loaded (prologue); pointwise readers
    and channel sums of its result can be computed while it is stored (epilogue).
  }];
  let methods = [
    InterfaceMethod<"Operand numbers of the activations.",
      "::llvm::SmallVector<unsigned>", "getActivationOperands", (ins)>,
    InterfaceMethod<"Whether readers can be folded into the store.",
      "bool", "supportsEpilogue", (ins)>,
    InterfaceMethod<"Whether moments by channel can be summed of what it stores, not sums alone.",
      "bool", "supportsMoments", (ins), "", "return true;">
  ];
}

#endif
