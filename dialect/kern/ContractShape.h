//===- ContractShape.h - what a contraction's schedule says -----*- C++ -*-===//
//
// Pure functions of a contraction's geometry and schedule: which form of an algorithm it means, the
// shapes of packed weights, the blocks of a launch. Ops, lowering and kernels use them;
// dialect/schedule/ chooses the schedules.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_KERN_CONTRACTSHAPE_H
#define NETC_DIALECT_KERN_CONTRACTSHAPE_H

#include "dialect/kern/KernDialect.h"

namespace netc::kern {

/// Whether a forward contraction of this schedule can pool what it stores: its tiles hold whole
/// windows.
bool poolsOnStore(GeometryAttr geometry, ScheduleAttr schedule, PoolingAttr pool);

/// Whether groups are so small that a vector of output channels covers whole groups, and
/// the inputs of its lanes are the same channels: depthwise convolution, ResNeXt's groups of 4.
/// Lanes then read their own inputs instead of a broadcast.
bool isLanewise(GeometryAttr geometry, int64_t lanes);

/// Whether a strided input gradient is computed by residues of its rows and columns modulo the
/// stride, each a dense convolution of its own taps, rather than over a cotangent with zeros
/// inserted.
bool isByResidue(ContractKind kind, GeometryAttr geometry, int64_t lanes);

/// How Winograd's algorithm cuts an image into tiles of m x m results. A dilated convolution works
/// on the pixels of equal residue modulo the dilation as on an image of their own; of those there
/// are `residues` squared.
struct WinogradCut {
  int64_t high, wide, residues;
  int64_t ofImage() const { return residues * residues * high * wide; }
};
WinogradCut winogradTiles(GeometryAttr geometry, int64_t rows, int64_t columns, int64_t m);

/// Input channels that an item of a filter gradient by Winograd's algorithm takes; divides them. 0:
/// there is no such number.
int64_t winogradDepthBlock(GeometryAttr geometry);

/// Whether a filter gradient takes the columns of a window and its channels as one run: where there
/// are few channels.
bool mergesWindowRow(GeometryAttr geometry);

/// Input channels that an item of a filter gradient takes; divides them.
int64_t filterGradDepthBlock(GeometryAttr geometry, ScheduleAttr schedule);

/// Whether the kernel of a contraction whose operands are bf16 multiplies pairs of channels of the
/// reduction (vdpbf16ps): weights are bf16 then, [.., depth, T] holding rows of pairs [depth / 2,
/// T, 2], and an odd depth is padded with zeros. Other kernels widen what they load, and have
/// weights of f32.
bool multipliesPairs(ContractKind kind, GeometryAttr geometry, ScheduleAttr schedule);

/// How many steps of the reduction a lane of that kernel multiplies at once where operands are
/// multiplied as `operand`: of bf16 two where multipliesPairs says so; of i8 four and of i16 two;
/// else one. Lane-wise kernels multiply in f32, which is exact for the integers that they get.
int64_t stepsPerProduct(ContractKind kind, GeometryAttr geometry, ScheduleAttr schedule,
                        mlir::Type operand);

/// Whether values so many bytes apart lie in the same few sets of the first cache: a multiple of a
/// page. Tiles of more rows than kRowsOnPages overflow those sets, so that they are packed.
inline bool lieOnPages(int64_t bytes) { return bytes % 4096 == 0; }
inline constexpr int64_t kRowsOnPages = 8;

/// Shape of packed weights; lane-wise: [1, blocks, KH, KW, I / G, lanes]; Winograd: [1, blocks, m +
/// 2, m + 2, reduction channels, T]; else: [G, blocks, KH, KW, reduction channels / G, T] with T =
/// lanes * tile_vectors.
/// `steps`: those of stepsPerProduct; the reduction's channels are made a multiple of them.
llvm::SmallVector<int64_t> packedShape(ContractKind kind, GeometryAttr geometry,
                                       ScheduleAttr schedule, int64_t steps = 1);

/// A size of at most `most` in whole blocks, or all where there are few; 0 where neither is
/// possible.
int64_t evenBlock(int64_t channels, int64_t most);

//===----------------------------------------------------------------------===//
// On a GPU
//===----------------------------------------------------------------------===//

/// Output channels of a group in this direction.
int64_t gpuColumnsOfGroup(ContractKind kind, GeometryAttr geometry);

/// Rows of a filter gradient's product: taps and input channels of a group.
int64_t gpuFilterRows(GeometryAttr geometry);

/// Blocks of threads of a launch. Where a contraction sums by channel, a block writes the row of
/// partial sums of its index, so this is the grid of those too.
Grid gpuGrid(ContractKind kind, GeometryAttr geometry, ScheduleAttr schedule, GpuScheduleAttr gpu);

/// Blocks side by side over the columns of all groups.
int64_t gpuColumnTiles(ContractKind kind, GeometryAttr geometry, GpuScheduleAttr gpu);

/// Whether a strided input gradient is computed by residues of its rows and columns: then a block's
/// rows are pixels of one image and one residue.
bool gpuByResidue(ContractKind kind, GeometryAttr geometry);

/// Rows of a residue's grid of pixels, and of how many blocks an image's residue consists.
struct ResidueTiles {
  int64_t height, width, tiles;
};
ResidueTiles gpuResidueTiles(GeometryAttr geometry, GpuScheduleAttr gpu);

} // namespace netc::kern

#endif // NETC_DIALECT_KERN_CONTRACTSHAPE_H
