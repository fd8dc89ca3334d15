//===- ForwardPlan.h - the numbers of a direct convolution's kernel -*- C++ -*-===//
//
// What follows from shapes, schedule and storage types before anything is emitted.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CPU_FORWARDPLAN_H
#define NETC_CODEGEN_CPU_FORWARDPLAN_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

/// What a micro-kernel is specialised on.
struct TileShape {
  int64_t pixels, vectors, lastLanes;
  int64_t tapsH, tapsW;
};

/// The sizes of a forward contraction or an input gradient, in its own direction.
struct ForwardShape {
  /// `input`: the first operand; `weights`: of a narrower type where several steps are multiplied
  /// at once.
  ForwardShape(kern::ContractOp op, TypedPointer input, TypedPointer weights,
               const Instructions &target);

  /// Whether columns of the window and channels are contiguous, in the source and in the packed
  /// weights.
  bool isMerged() const {
    return g.getDw() == 1 && g.getGroups() == 1 && tapStepW == 1 && pitch == groupDepth;
  }
  /// Steps of a run of the reduction: channels, or as many of them as are multiplied at once.
  int64_t stepsOf(int64_t run) const { return run / wide; }
  /// Whether a strip's pixel has zeros behind its channels, which make their number a multiple of
  /// `wide`. A group's last step may reach into the next group's channels, where weights are zero.
  bool isPadded() const { return groupDepth > groupIn && g.getGroups() == 1; }
  /// Whether products are of integers, and sums are i32.
  bool isOfIntegers() const { return wide > 1 && isa<mlir::IntegerType>(strip); }
  int64_t pixelsOfTile() const {
    return contiguous ? s.getTilePixels() : std::min(s.getTilePixels(), outW);
  }
  TileShape wholeWindow(int64_t pixels) const { return {pixels, 0, 0, g.getKh(), g.getKw()}; }

  kern::GeometryAttr g;
  kern::ScheduleAttr s;
  bool forward, flat, lanewise;
  bool compact;    ///< a 1x1 window, which needs only every stride-th pixel
  bool contiguous; ///< 1x1: pixels lie side by side, across rows too
  bool byResidue;  ///< a strided input gradient, by outputs of equal residue
  bool packed;     ///< the input goes through scratch
  bool inMatrices; ///< AMX multiplies
  int64_t wide;    ///< channels that a lane multiplies at once
  Type strip;      ///< what strips are packed as
  int64_t inH, inW, inC, outH, outW, outC;
  int64_t groupIn, groupOut; ///< channels per group
  int64_t groupDepth;        ///< rows of packed weights per tap: groupIn, made a multiple of `wide`
  int64_t tile, tiles;       ///< channels per tile, tiles per group
  int64_t stride, strideW;   ///< between source pixels in the strip
  int64_t columns;           ///< of the strip
  int64_t pitch;             ///< elements between the source pixels of a tile's strip
  int64_t mostTapsH, mostTapsW; ///< of a residue
  int64_t outStep;              ///< between pixels of a tile
  int64_t tapStepH, tapStepW;   ///< between taps of the packed window

private:
  void packStrips(kern::ContractOp op, TypedPointer input);
};

/// A reduction cut into pieces whose weights stay in the first cache while all tiles of pixels use
/// them.
struct ReductionPieces {
  int64_t steps = 0; ///< of one piece; 0: the reduction is not cut
  int64_t count = 1;

  explicit operator bool() const { return steps != 0; }
};
ReductionPieces choosePieces(const ForwardShape &shape, TypedPointer weights);

/// Cache lines that each tile prefetches, as few as suffice for everything that the next item reads
/// to be requested by the last tile of this one.
struct TilePrefetches {
  int64_t weightLines = 0;            ///< of the next weights, per iteration of a tile
  llvm::SmallVector<unsigned> inputs; ///< operands of the next item
  int64_t inputLines = 0;             ///< of each of them, per tile
  int64_t inputSteps = 0;             ///< lines per iteration; 0: all at once
};
TilePrefetches choosePrefetches(kern::ContractOp op, const ForwardShape &shape,
                                const ReductionPieces &pieces, TypedPointer input,
                                TypedPointer weights);

/// Steps of the reduction in one iteration of a micro-kernel.
int64_t unrollOf(int64_t run);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_FORWARDPLAN_H
