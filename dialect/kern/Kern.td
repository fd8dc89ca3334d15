//===- Kern.td - the kern dialect: where it is computed -------------------===//
//
// Destination-passing ops on physical tensors, and on memrefs once bufferized.
// Activations are [N, H, W, C] or [N, F], N dynamic. One op is one launch.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_KERN
#define NETC_KERN

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/ViewLikeInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Kern_Dialect : Dialect {
  let name = "kern";
  let cppNamespace = "::netc::kern";
  let summary = "kernels with destinations";
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

/// What bufferization, planning and code generation need to know of a kernel.
def KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::netc::kern";
  let methods = [
    InterfaceMethod<"The launch grid (see NetcCommand in runtime/abi/Abi.h).", "::netc::kern::Grid", "getGrid", (ins)>,
    InterfaceMethod<"Useful multiply-adds times 2 for one image.", "int64_t", "getFlopsPerImage", (ins), "", "return 0;">
  ];
}

class Kern_Op<string mnemonic, list<Trait> traits = []> : Op<Kern_Dialect, mnemonic, traits>;
def Kern_Buffer : AnyTypeOf<[AnyRankedTensor, AnyMemRef]>;

/// A kernel: reads its operands, writes `outs`; has results only while on tensors.
class Kern_KernelOp<string mnemonic, list<string> methods = []>
    : Kern_Op<mnemonic, [DestinationStyleOpInterface, AttrSizedOperandSegments,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        DeclareOpInterfaceMethods<KernelOpInterface, methods>]> {
  code declareDps = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let extraClassDeclaration = declareDps;
}

def Kern_GeometryAttr : AttrDef<Kern_Dialect, "Geometry"> {
  let mnemonic = "geometry";
  let summary = "a convolution's sizes: x [ih, iw, ic], y [oh, ow, oc], window, groups";
  let parameters = (ins "int64_t":$ih, "int64_t":$iw, "int64_t":$ic, "int64_t":$oh, "int64_t":$ow, "int64_t":$oc,
      "int64_t":$kh, "int64_t":$kw, "int64_t":$sh, "int64_t":$sw, "int64_t":$pt, "int64_t":$pl,
      "int64_t":$dh, "int64_t":$dw, "int64_t":$groups);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kern_ScheduleAttr : AttrDef<Kern_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how a contraction is tiled; chosen by dialect/schedule/cpu/Schedule.cpp";
  let description = [{
    lanes: floats per vector. A micro-kernel has tile_pixels x tile_vectors accumulators. strip_rows: output rows
    (flat: pixels) per grid item. channel_block: output channels per grid item. chunks: number of partial sums of a
    filter gradient, independent of threads. flat: the pixels of all images are one list (1x1, stride 1, no padding).
    winograd: edge m of the output tiles of F(m x m, 3x3), 0: direct. The tiles of all images are one list then,
    strip_rows counts tiles, and tile_pixels of them share a micro-kernel.
  }];
  let parameters = (ins "int64_t":$lanes, "int64_t":$tile_pixels, "int64_t":$tile_vectors, "int64_t":$strip_rows,
      "int64_t":$channel_block, "int64_t":$chunks, "bool":$flat, DefaultValuedParameter<"int64_t", "0">:$winograd);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kern_GpuAlgorithm : I32EnumAttr<"GpuAlgorithm", "how a block of threads multiplies", [
    I32EnumAttrCase<"Direct", 0, "direct">, I32EnumAttrCase<"Fma", 1, "fma">, I32EnumAttrCase<"MmaTf32", 2, "mma_tf32">,
    I32EnumAttrCase<"MmaBf16", 3, "mma_bf16">]> {
  let cppNamespace = "::netc::kern";
  let genSpecializedAttr = 0;
}

def Kern_GpuScheduleAttr : AttrDef<Kern_Dialect, "GpuSchedule"> {
  let mnemonic = "gpu_schedule";
  let summary = "how a contraction is tiled on a GPU; chosen by dialect/schedule/gpu/GpuSchedule.cpp";
  let description = [{
    A block of `threads` computes rows x columns of the product (implicit GEMM: rows are pixels, of a filter gradient
    taps and input channels; columns are output channels), `depth` of the reduction at a time. direct: one thread
    per output, for small groups; fma: f32 in registers, thread_rows rows per thread; mma_tf32, mma_bf16: tensor cores on
    operands of that type, thread_rows rows per warp. stages: of the copy pipeline, if operands are copied unchanged.
  }];
  let parameters = (ins EnumParameter<Kern_GpuAlgorithm>:$algorithm, "int64_t":$rows, "int64_t":$columns, "int64_t":$depth,
      "int64_t":$threads, "int64_t":$thread_rows, "int64_t":$stages);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    /// Whether tensor cores multiply.
    bool isMma() const {
      return getAlgorithm() == GpuAlgorithm::MmaTf32 || getAlgorithm() == GpuAlgorithm::MmaBf16;
    }
  }];
}

def Kern_ContractKind : I32EnumAttr<"ContractKind", "which product", [
    I32EnumAttrCase<"Forward", 0, "forward">, I32EnumAttrCase<"InputGrad", 1, "input_grad">,
    I32EnumAttrCase<"FilterGrad", 2, "filter_grad">]> {
  let cppNamespace = "::netc::kern";
  let genSpecializedAttr = 0;
}
def Kern_ContractKindAttr : EnumAttr<Kern_Dialect, Kern_ContractKind, "contract_kind">;

def Kern_ChoiceAttr : AttrDef<Kern_Dialect, "Choice"> {
  let mnemonic = "choice";
  let summary = "the schedule that was timed as the best for contractions of a kind, a batch and sizes";
  let description = [{
    A module's `kern.choices`, an array of these, takes precedence over dialect/schedule/cpu/Schedule.cpp's own rule. Batch as in
    TargetFacts: 1 in inference, more in training.
  }];
  let parameters = (ins EnumParameter<Kern_ContractKind>:$kind, "int64_t":$batch, "::netc::kern::GeometryAttr":$geometry,
      "::netc::kern::ScheduleAttr":$schedule);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kern_PoolKind : I32EnumAttr<"PoolKind", "which pooling", [
    I32EnumAttrCase<"Max", 0, "max">, I32EnumAttrCase<"MaxGrad", 1, "max_grad">,
    I32EnumAttrCase<"Average", 2, "average">, I32EnumAttrCase<"AverageGrad", 3, "average_grad">,
    I32EnumAttrCase<"Adaptive", 4, "adaptive">, I32EnumAttrCase<"AdaptiveGrad", 5, "adaptive_grad">,
    I32EnumAttrCase<"Nearest", 6, "nearest">, I32EnumAttrCase<"NearestGrad", 7, "nearest_grad">,
    I32EnumAttrCase<"Bilinear", 8, "bilinear">, I32EnumAttrCase<"BilinearGrad", 9, "bilinear_grad">]> {
  let cppNamespace = "::netc::kern";
  let genSpecializedAttr = 0;
}
def Kern_PoolKindAttr : EnumAttr<Kern_Dialect, Kern_PoolKind, "pool_kind">;

def Kern_PoolingAttr : AttrDef<Kern_Dialect, "Pooling"> {
  let mnemonic = "pooling";
  let summary = "a pool of kh x kw windows side by side, without padding; max or average";
  let description = [{
    What windows do not cover at the bottom and at the right is dropped: [H, W] becomes [H / kh, W / kw].
  }];
  let parameters = (ins EnumParameter<Kern_PoolKind>:$kind, "int64_t":$kh, "int64_t":$kw);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kern_ContractOp : Kern_KernelOp<"contract", ["getFlopsPerImage"]> {
  let summary = "convolution or linear layer, forward and backward, with prologues and an epilogue";
  let description = [{
    forward: lhs is x [N, ih, iw, ic]; outs[0] is y [N, oh, ow, oc]; weights are packed [G, blocks, KH, KW, IC/G, T].
    input_grad: lhs is y's cotangent, outs[0] x's; weights are packed transposed and flipped.
    filter_grad: lhs is x, rhs y's cotangent; outs[0] are partial gradients [chunks, packed weights].
    The prologues map the elements of lhs (rhs) to the operand, padding is zero after them. The epilogue maps
    the product and the elements of `extra` to the stored value and to terms that are summed by channel
    into outs[1] [N, strips, terms, C].
    `moments`, of forward alone: the epilogue yields one term x, and outs[1] [N, strips, 3, C] gets a pivot p, one of
    the strip's values of x, then sum (x - p) and sum (x - p)^2.
    `pool`, of forward alone: what the epilogue yields is pooled before it is stored, outs[0] is
    [N, oh / pool.kh, ow / pool.kw, oc]. See poolsOnStore in dialect/kern/ContractShape.h.
    `flat` views all pixels of all images as rows of one matrix.
    Of integers the product is the i32 sum, as f32. `start`, i32 by output channel, is what sums begin with: net.quantize_filter's.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$lhs, Variadic<Kern_Buffer>:$rhs, Optional<Kern_Buffer>:$weights,
      Optional<Kern_Buffer>:$start, Variadic<Kern_Buffer>:$extra, Variadic<Kern_Buffer>:$outs, Kern_ContractKindAttr:$kind,
      Kern_GeometryAttr:$geometry, Kern_ScheduleAttr:$schedule, OptionalAttr<Kern_GpuScheduleAttr>:$gpu,
      OptionalAttr<Kern_PoolingAttr>:$pool, UnitAttr:$moments);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region AnyRegion:$lhs_prologue, AnyRegion:$rhs_prologue, AnyRegion:$epilogue);
  let assemblyFormat = [{
    $kind `lhs` `(` $lhs `:` type($lhs) `)` (`rhs` `(` $rhs^ `:` type($rhs) `)`)?
    (`weights` `(` $weights^ `:` type($weights) `)`)? (`start` `(` $start^ `:` type($start) `)`)? (`extra` `(` $extra^ `:` type($extra) `)`)?
    `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
    `lhs_prologue` $lhs_prologue `rhs_prologue` $rhs_prologue `epilogue` $epilogue
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = declareDps # [{
    /// Which pixels of the result a row of partial sums covers; not of a filter gradient.
    ::netc::kern::CoverageAttr getCoverage();
    /// Terms that the epilogue yields to be summed by channel.
    int64_t getTerms();
  }];
}

def Kern_PointwiseOp : Kern_KernelOp<"pointwise"> {
  let summary = "a formula at each element, and channel sums of terms";
  let description = [{
    The region takes one f32 an input and yields `stores` values for outs[0 .. stores) and then terms to be
    summed by channel into the last of `outs`, [N, blocks, terms, C]. `space` is [H, W, C];
    inputs are [N, H, W, C], [N, 1, 1, C] or [C]. `moments`: one term, of which a pivot and sums about it are kept, as
    kern.contract does.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, DenseI64ArrayAttr:$space,
      I64Attr:$stores, UnitAttr:$moments, I64Attr:$lanes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`ins` `(` $inputs^ `:` type($inputs) `)`)? `outs` `(` $outs `:` type($outs) `)` attr-dict
    (`->` type($results)^)? `body` $body
  }];
  let extraClassDeclaration = declareDps # [{
    /// Pixels a grid item: about 8 KiB of the widest tensor.
    int64_t getBlockPixels();
    static int64_t blockPixels(::llvm::ArrayRef<int64_t> space);
    /// Which pixels a row of partial sums covers.
    ::netc::kern::CoverageAttr getCoverage();
    /// Terms that the region yields to be summed by channel.
    int64_t getTerms();
  }];
  let hasVerifier = 1;
}

def Kern_CoverageAttr : AttrDef<Kern_Dialect, "Coverage"> {
  let mnemonic = "coverage";
  let summary = "which pixels a row of partial sums covers";
  let description = [{
    Images of height x width pixels are cut into units of unit_height x unit_width, smaller at the bottom and right
    edges. Numbered row by row and image by image, row r of partial sums covers units [r k, (r + 1) k), where k is the
    grid's rows per item.
  }];
  let parameters = (ins "int64_t":$height, "int64_t":$width, "int64_t":$unit_height, "int64_t":$unit_width);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    int64_t unitsAcross() const { return (getWidth() + getUnitWidth() - 1) / getUnitWidth(); }
    int64_t unitsOfImage() const {
      return unitsAcross() * ((getHeight() + getUnitHeight() - 1) / getUnitHeight());
    }
  }];
}

def Kern_ReduceOp : Kern_KernelOp<"reduce"> {
  let summary = "adds partial sums in a fixed order in f64 and maps them to channel vectors";
  let description = [{
    The region takes the number of images (f64), the sums (f64) and one f32 per vector, and yields one f32 per output. A
    vector of one element holds for all channels.
    There are ceil(N rows_per_image / rows_per_item) rows of partials. No partials: only vectors are mapped.
    `moments`: rows are [pivot, sum, sum of squares about it] of the pixels that the attribute states. They are combined
    about row 0's pivot (Chan, Golub and LeVeque 1979): the region's sums are p, sum (x - p), sum (x - p)^2.
  }];
  let arguments = (ins Optional<Kern_Buffer>:$partials, Variadic<Kern_Buffer>:$vectors, Variadic<Kern_Buffer>:$outs,
      I64Attr:$rows_per_image, I64Attr:$rows_per_item, OptionalAttr<Kern_CoverageAttr>:$moments, I64Attr:$lanes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`partials` `(` $partials^ `:` type($partials) `)`)? (`vectors` `(` $vectors^ `:` type($vectors) `)`)?
    `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)? `body` $body
  }];
  let hasVerifier = 1;
}

def Kern_YieldOp : Kern_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Kern_RandomOp : Kern_Op<"random", [Pure]> {
  let summary = "uniform in [0, 1) from (seed, step, id, element); 1 where dropout is switched off";
  let description = [{
    Elements are counted in the batch of all processes: `image_elements` are those of one image, and NetcHyper::first_image
    says where this batch begins. `per_image`: the draw is of the image, not of the element.
  }];
  let arguments = (ins I64Attr:$id, I64Attr:$image_elements, UnitAttr:$per_image);
  let results = (outs F32:$value);
  let assemblyFormat = "$id `of` $image_elements attr-dict `:` type($value)";
}

/// One input, one output, a few numbers.
class Kern_UnaryKernel<string mnemonic> : Kern_KernelOp<mnemonic> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
  }];
}

def Kern_PackOp : Kern_UnaryKernel<"pack"> {
  let summary = "weights [O, I/G, KH, KW] to tiles [G, blocks, KH, KW, I/G, T]; transposed: [G, blocks, KH, KW, O/G, T] over I, flipped";
  let description = "A second input, if there is one, scales by output channel. `lanewise`: blocks run over the channels of all groups. Lanes beyond the channels are zero. Integers (i8) become i8 of which four steps of the reduction lie lane by lane beside each other, i16 of which two do, or f32. `winograd` m: each 3x3 filter becomes G g G^T, [1, blocks, m + 2, m + 2, depth, T]. `tf32`: elements are rounded to tf32, on GPUs.";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$groups, UnitAttr:$transposed,
      UnitAttr:$lanewise, DefaultValuedAttr<I64Attr, "0">:$winograd, I64Attr:$lanes, UnitAttr:$tf32);
}

def Kern_QuantizeFilterOp : Kern_UnaryKernel<"quantize_filter"> {
  let summary = "net.quantize_filter: weights, maybe factors by output channel, to integers, scales and starts of sums";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs);
}

def Kern_UnpackOp : Kern_UnaryKernel<"unpack"> {
  let summary = "adds the chunks of a packed filter gradient in order and stores it as [O, I/G, KH, KW]";
  let description = "`winograd` m: the packed gradient is that by the transformed filter, [chunks, 1, blocks, m + 2, m + 2, I, T].";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$groups,
      DefaultValuedAttr<I64Attr, "0">:$winograd, I64Attr:$lanes);
}

def Kern_TransposeOp : Kern_UnaryKernel<"transpose"> {
  let summary = "[N, R, S] to [N, S, R]: between NCHW and NHWC";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$rows, I64Attr:$columns);
}

def Kern_PermuteOp : Kern_UnaryKernel<"permute"> {
  let summary = "axis i of an image's result is axis order[i] of its input, which has `sizes`";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, DenseI64ArrayAttr:$sizes,
      DenseI64ArrayAttr:$order, I64Attr:$lanes);
}

def Kern_MatmulOp : Kern_KernelOp<"matmul", ["getFlopsPerImage"]> {
  let summary = "`matrices` products [rows, depth] x [depth, columns] of each image";
  let description = [{
    inputs[0] holds [rows, depth], or [depth, rows] with `transpose_lhs`; inputs[1] [depth, columns], or [columns, depth] with
    `transpose_rhs`. `gpu`: the tile of a block of threads.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$matrices, I64Attr:$rows,
      I64Attr:$columns, I64Attr:$depth, UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs, I64Attr:$lanes,
      OptionalAttr<Kern_GpuScheduleAttr>:$gpu);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = declareDps # [{
    static constexpr int64_t kRows = 128; ///< a grid item has at most
    /// Grid items of a matrix.
    int64_t getRowBlocks() { return (static_cast<int64_t>(getRows()) + kRows - 1) / kRows; }
  }];
}

def Kern_AttentionOp : Kern_KernelOp<"attention", ["getFlopsPerImage"]> {
  let summary = "net.attention of `matrices` matrices per image, an item per block of rows";
  let description = [{
    ins: queries [queries, depth], keys [keys, depth], values [keys, width], and of each image `biases` matrices
    [queries, keys], 0: none. outs: [queries, width], the logarithm of each row's sum. `gpu`: the tile of scores of a block
    of threads.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$matrices, I64Attr:$queries,
      I64Attr:$keys, I64Attr:$depth, I64Attr:$width, I64Attr:$biases, I64Attr:$lanes,
      OptionalAttr<Kern_GpuScheduleAttr>:$gpu);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = declareDps # [{
    static constexpr int64_t kRows = 72; ///< a grid item has at most
    /// Grid items of a matrix.
    int64_t getRowBlocks() { return (static_cast<int64_t>(getQueries()) + kRows - 1) / kRows; }
  }];
}

def Kern_AttentionGradOp : Kern_KernelOp<"attention_grad", ["getFlopsPerImage"]> {
  let summary = "net.attention_grad: of queries, an item per block of queries; `of_keys`: of keys and values, per block of keys";
  let description = [{
    ins: queries, keys, values, result, logarithms, cotangent, and the bias if there are `biases`. outs: the gradient of the
    queries and, with biases, that of the bias, which an item then sums over all matrices that share its bias; `of_keys`: the
    gradients of keys and of values.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$matrices, I64Attr:$queries,
      I64Attr:$keys, I64Attr:$depth, I64Attr:$width, I64Attr:$biases, UnitAttr:$of_keys, I64Attr:$lanes,
      OptionalAttr<Kern_GpuScheduleAttr>:$gpu);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = declareDps # [{
    static constexpr int64_t kRows = 72; ///< a grid item has at most
    /// Grid items of a matrix.
    int64_t getRowBlocks() {
      auto rows = static_cast<int64_t>(getOfKeys() ? getKeys() : getQueries());
      return (rows + kRows - 1) / kRows;
    }
    /// Matrices of an image that one item computes, one after the other.
    int64_t getMatricesOfItem() {
      bool sums = getBiases() && !getOfKeys();
      return sums ? static_cast<int64_t>(getMatrices() / getBiases()) : 1;
    }
  }];
}

def Kern_MoveOp : Kern_UnaryKernel<"move"> {
  let summary = "net.move; writes channels [out_channel, out_channel + channels) of its destination only";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, DenseI64ArrayAttr:$strides,
      DenseI64ArrayAttr:$spreads, DenseI64ArrayAttr:$offsets, I64Attr:$channel_offset, I64Attr:$out_channel,
      I64Attr:$channels, I64Attr:$lanes);
}

def Kern_PoolOp : Kern_KernelOp<"pool"> {
  let summary = "sliding-window reduction and its gradient";
  let description = [{
    max, average, adaptive: ins x [N, ih, iw, C]. max_grad: ins dy, x. average_grad, adaptive_grad: ins dy.
    `end_pads`: bottom and right padding as written, for the divisor of partial windows.
    With a prologue x stands for several operands, [N, ih, iw, C], [N, 1, 1, C] or [C], whose elements it maps to x's.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, Kern_PoolKindAttr:$kind,
      Kern_GeometryAttr:$geometry, DenseI64ArrayAttr:$end_pads, I64Attr:$lanes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region AnyRegion:$prologue);
  let assemblyFormat = [{
    $kind `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
    (`prologue` $prologue^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = declareDps # [{
    /// Whether the operands include x: all but the gradients of averages.
    bool readsInput();
    /// Those that are x, or that the prologue makes it of.
    ::mlir::OperandRange getSources();
  }];
}

def Kern_RowKind : I32EnumAttr<"RowKind", "which function of a row", [
    I32EnumAttrCase<"CrossEntropy", 0, "cross_entropy">, I32EnumAttrCase<"CrossEntropyGrad", 1, "cross_entropy_grad">,
    I32EnumAttrCase<"Softmax", 2, "softmax">, I32EnumAttrCase<"SoftmaxGrad", 3, "softmax_grad">,
    I32EnumAttrCase<"Lrn", 4, "lrn">, I32EnumAttrCase<"LrnGrad", 5, "lrn_grad">,
    I32EnumAttrCase<"Squared", 6, "squared">, I32EnumAttrCase<"SquaredGrad", 7, "squared_grad">,
    I32EnumAttrCase<"Absolute", 8, "absolute">, I32EnumAttrCase<"AbsoluteGrad", 9, "absolute_grad">,
    I32EnumAttrCase<"Norm", 10, "norm">, I32EnumAttrCase<"NormGrad", 11, "norm_grad">,
    I32EnumAttrCase<"GroupMean", 12, "group_mean">,
    I32EnumAttrCase<"Bce", 13, "bce">, I32EnumAttrCase<"BceGrad", 14, "bce_grad">,
    I32EnumAttrCase<"DiceSums", 15, "dice_sums">, I32EnumAttrCase<"Dice", 16, "dice">,
    I32EnumAttrCase<"DiceGrad", 17, "dice_grad">]> {
  let cppNamespace = "::netc::kern";
  let genSpecializedAttr = 0;
}
def Kern_RowKindAttr : EnumAttr<Kern_Dialect, Kern_RowKind, "row_kind">;

def Kern_RowOp : Kern_KernelOp<"row"> {
  let summary = "a function of all channels of one pixel: softmax, losses, LRN, and gradients";
  let description = [{
    `numbers`: gradients of losses {weight, over the batch yet to be divided by}; lrn {size, alpha, beta, k}. The last
    input of cross_entropy, bce and their gradients is the label smoothing, [1]. squared and absolute: the mean difference of
    two rows. norm and norm_grad {eps}; group_mean {groups}. Rows of tensors without a batch are `pixels` in all.
    bce appends {classes} and, if there is one, {threshold}. A label that is ignored is the last number; cross
    entropy then reads kern.label_share's factor between labels and smoothing.
    dice_sums: a row is one class of an image, `pixels` counts classes and `channels` pixels, which are that many classes
    apart. dice {smooth} reads its sums, dice_grad {weight, smooth} the probabilities, the labels and the sums.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, Kern_RowKindAttr:$kind,
      DenseF64ArrayAttr:$numbers, I64Attr:$pixels, I64Attr:$channels, I64Attr:$lanes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kind `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
  }];
}

def Kern_MeanLossOp : Kern_UnaryKernel<"mean_loss"> {
  let summary = "sum over heads of weight times the mean of all losses, added in f64 in order";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, DenseF64ArrayAttr:$weights);
}

def Kern_LabelShareOp : Kern_UnaryKernel<"label_share"> {
  let summary = "net.label_share of `labels` labels an image, in one item";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$ignore, I64Attr:$labels);
}

def Kern_CopyOp : Kern_UnaryKernel<"copy"> {
  let summary = "copies elements, converted where the storage types differ; `size` per image, or in total if the type is static";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$size, UnitAttr:$per_image);
}

def Kern_UpdateOp : Kern_KernelOp<"update"> {
  let summary = "a formula at each element of a parameter and its state, in place";
  let description = [{
    `scalars` are short f32 vectors that are read once. The region takes each of their numbers, one f32 an input and
    one f32 an out, and yields the next value of each out. Inputs and outs have `size` elements.
  }];
  let arguments = (ins Variadic<Kern_Buffer>:$scalars, Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs,
      I64Attr:$size, I64Attr:$lanes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `scalars` `(` $scalars `:` type($scalars) `)` (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)? `body` $body
  }];
  let extraClassDeclaration = declareDps # [{
    static constexpr int64_t kBlock = 4096; ///< elements a grid item
  }];
}

def Kern_SumSquaresOp : Kern_UnaryKernel<"sum_squares"> {
  let summary = "sums of the squares of each block of 4096 elements";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$size, I64Attr:$lanes);
}

def Kern_NormOp : Kern_UnaryKernel<"norm"> {
  let summary = "the square root of the sum of `size` partial sums, added in order in f64";
  let arguments = (ins Variadic<Kern_Buffer>:$inputs, Variadic<Kern_Buffer>:$outs, I64Attr:$size);
}

def Kern_ReshapeOp : Kern_Op<"reshape", [Pure, DeclareOpInterfaceMethods<ViewLikeOpInterface>]> {
  let summary = "the same bytes under another shape";
  let arguments = (ins Kern_Buffer:$source);
  let results = (outs Kern_Buffer:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Kern_SectionAttr : AttrDef<Kern_Dialect, "Section"> {
  let mnemonic = "section";
  let summary = "launches that run for a group of images before the next group";
  let description = [{
    A function's `sections`, an array of these, covers its launches in order. The section uses batch_bytes of the arena
    per image of the batch (arena_image), and then group_bytes per image of the group (arena_group). live_bytes: most bytes
    per image that are alive at one of the launches. weight_bytes: weights that each group reads again. See NetcSection of
    runtime/abi/Abi.h.
  }];
  let parameters = (ins "int64_t":$launches, "int64_t":$batch_bytes, "int64_t":$group_bytes, "int64_t":$live_bytes,
      "int64_t":$weight_bytes);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kern_Space : I32EnumAttr<"Space", "NetcSpace of runtime/abi/Abi.h", [
    I32EnumAttrCase<"ArenaImage", 0, "arena_image">, I32EnumAttrCase<"ArenaFixed", 1, "arena_fixed">,
    I32EnumAttrCase<"Parameters", 2, "parameters">, I32EnumAttrCase<"Gradients", 3, "gradients">,
    I32EnumAttrCase<"State", 4, "state">, I32EnumAttrCase<"Prepared", 5, "prepared">,
    I32EnumAttrCase<"Input", 6, "input">, I32EnumAttrCase<"Labels", 7, "labels">,
    I32EnumAttrCase<"Output", 8, "output">, I32EnumAttrCase<"Loss", 9, "loss">,
    I32EnumAttrCase<"Hyper", 10, "hyper">, I32EnumAttrCase<"Targets", 11, "targets">,
    I32EnumAttrCase<"Accumulated", 12, "accumulated">,
    I32EnumAttrCase<"ArenaGroup", 13, "arena_group">]> {
  let cppNamespace = "::netc::kern";
  let genSpecializedAttr = 0;
}
def Kern_SpaceAttr : EnumAttr<Kern_Dialect, Kern_Space, "space">;

def Kern_PortAttr : AttrDef<Kern_Dialect, "Port"> {
  let mnemonic = "port";
  let summary = "a named input, output or target of the model: where it lies and what it is";
  let description = [{
    The module's `net.ports`, an array of these, is what the executable's table of tensors is made of. `type` is logical.
    `output`: of labels and targets, the output that they are compared with, else -1.
  }];
  let parameters = (ins "::mlir::StringAttr":$name, EnumParameter<Kern_Space>:$space, "int64_t":$offset,
      "::mlir::Type":$type, "int64_t":$output);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kern_BufferOp : Kern_Op<"buffer", [Pure]> {
  let summary = "a buffer at a byte offset of a space; in a space with data of each image, the offset is per image";
  let arguments = (ins Kern_SpaceAttr:$space, I64Attr:$offset);
  let results = (outs Kern_Buffer:$result);
  let assemblyFormat = "$space $offset attr-dict `:` type($result)";
}

def Kern_AllocOp : Kern_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "a buffer yet to be placed; the planner turns it into kern.buffer";
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Kern_EmptyOp : Kern_Op<"empty", [Pure]> {
  let summary = "a destination without contents";
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

#endif
