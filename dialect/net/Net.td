//===- Net.td - the net dialect: what is computed -------------------------===//
//
// Values on logical NCHW tensors. The batch is the only dynamic dimension:
// activations are tensor<?xCxHxWxf32> or tensor<?xFxf32>. One file an op family.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_NET
#define NETC_NET

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "dialect/interfaces/Interfaces.td"

def Net_Dialect : Dialect {
  let name = "net";
  let cppNamespace = "::netc::net";
  let summary = "what a network computes: layers, losses and their gradients";
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1; // see Attributes.cpp
}

def Net_LayoutAttr : AttrDef<Net_Dialect, "Layout"> {
  let mnemonic = "channels_last";
  let summary = "physical order [N, H, W, C] of a logical [N, C, H, W] tensor";
}

def Net_Role : I32EnumAttr<"Role", "what a function is to its model", [
    I32EnumAttrCase<"Forward", 0, "forward">, I32EnumAttrCase<"Infer", 1, "infer">,
    I32EnumAttrCase<"Step", 2, "step">, I32EnumAttrCase<"Update", 3, "update">,
    I32EnumAttrCase<"Norm", 4, "norm">, I32EnumAttrCase<"Accumulate", 5, "accumulate">,
    I32EnumAttrCase<"Prepare", 6, "prepare">, I32EnumAttrCase<"Observe", 7, "observe">]> {
  let cppNamespace = "::netc::net";
  let genSpecializedAttr = 0;
}
def Net_RoleAttr : EnumAttr<Net_Dialect, Net_Role, "role"> {
  let description = [{
    `net.role` of a function. The front end makes `forward`, from which the programs of an executable derive:
    inference and what it needs once (`infer`, `prepare`); of quantised models, inference in f32 that shows the values
    which inference stores as integers (`observe`); a training step, the update of the parameters, the norm of
    all gradients and their sum over batches (`step`, `update`, `norm`, `accumulate`). A module has one function of each
    role, and beside its step lean ones (`net.lean_step`).
  }];
  let assemblyFormat = "`<` $value `>`";
}

class Net_Op<string mnemonic, list<Trait> traits = []> : Op<Net_Dialect, mnemonic, traits>;

/// Storage types of activations and of their gradients; formulas are on f32 whatever they are. Activations of int8 are
/// integers times a scale: ui8 holds 0 to 255, si8 -127 to 127.
defvar Net_Storage = [F32, BF16, UI8, SI8];
def Net_Tensor : RankedTensorOf<Net_Storage>;
def Net_Image : 4DTensorOf<Net_Storage>;
// Parameters, statistics, losses and their gradients are f32.
def Net_Parameter : RankedTensorOf<[F32]>;
def Net_Vector : 1DTensorOf<[F32]>;
// Weights of contractions may be quantised: integers from -127 to 127, times a scale by output channel.
def Net_Filter : 4DTensorOf<[F32, I8]>;
def Net_Weight : RankedTensorOf<[F32, I8]>;

/// Equal shapes and layouts, whatever each of them is stored as.
class AllShapesAndLayoutsMatch<list<string> names>
    : AllMatchSameOperatorTrait<names, "::netc::net::withoutStorage($_self.getType())", "shape and layout">;

/// The storage type of a result is free: only shape and layout are inferred.
class Net_InferredOp<string mnemonic, list<Trait> traits = []>
    : Net_Op<mnemonic, !listconcat([Pure, InferTypeOpAdaptorWithIsCompatible], traits)>;

include "dialect/net/Parameter.td"
include "dialect/net/Optimizer.td"
include "dialect/net/Conv.td"
include "dialect/net/Linear.td"
include "dialect/net/Norm.td"
include "dialect/net/Activation.td"
include "dialect/net/Elementwise.td"
include "dialect/net/Pool.td"
include "dialect/net/Shape.td"
include "dialect/net/Loss.td"
include "dialect/net/Quantize.td"
include "dialect/net/Fusion.td"

#endif
