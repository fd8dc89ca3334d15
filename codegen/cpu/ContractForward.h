//===- ContractForward.h - state of a direct convolution's kernel -*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_CONTRACTFORWARD_H
#define NETC_CODEGEN_CPU_CONTRACTFORWARD_H

#include "codegen/cpu/Epilogue.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Sweep.h"

namespace netc::cpu {

/// What a micro-kernel is specialised on.
struct TileShape {
  int64_t pixels, vectors, lastLanes;
  int64_t tapsH, tapsW;
};

/// One axis of a strided input gradient at one residue: output i + pad = S q + residue is
/// multiplied with taps k = residue + S t, t < taps, and cotangent q - t.
struct Residue {
  int64_t taps, firstTap; ///< firstTap: of the flipped window, where t = taps - 1
};

/// Outputs `first` and, one after the other, the next of an axis.
struct ResidueRun {
  Residue residue; ///< of the first
  int64_t first, count;
};

/// Emits a forward contraction or an input gradient by the direct algorithm: ContractForward.cpp
/// the loops around the micro-kernels, ForwardTile.cpp the micro-kernels.
class ForwardEmitter {
public:
  ForwardEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void emitItem(Value item, Value rowsOfGrid);
  void emitStripItem(Value row, Value block);
  void emitFlatItem(Value row, Value block);
  void overChannelTiles(Value block,
                        llvm::function_ref<void(Value group, Value tile, int64_t valid)> body);
  void emitRun(TypedPointer source, Value first, Value count, int64_t whole, int64_t last,
               Value block);
  void emitRow(TypedPointer source, Value pixel, Value group, Value tile, int64_t valid,
               Value index);
  /// Whether columns of the window and channels are contiguous, in the source and in the packed
  /// weights.
  bool isMerged() const {
    return g.getDw() == 1 && g.getGroups() == 1 && tapStepW == 1 && pitch == inC;
  }
  int64_t pixelsOfTile() const {
    return isRun ? s.getTilePixels() : std::min(s.getTilePixels(), outW);
  }
  void choosePieces();
  void overPieces(llvm::function_ref<void()> body);
  void emitResidueRows(Value image, Value first, Value count, Value group, Value tile,
                       int64_t valid);
  llvm::SmallVector<ResidueRun> residueRuns(int64_t count, int64_t pad, int64_t step,
                                            int64_t kernel,
                                            llvm::function_ref<bool(int64_t, int64_t)> joins) const;
  Residue residueOf(int64_t output, int64_t pad, int64_t step, int64_t kernel) const;
  /// `index`: of the tile's first pixel in the item; null with residues.
  void callTile(TileShape shape, TypedPointer source, Value pixel, Value group, Value tile,
                int64_t valid, Value index, Value weightOffset = {});
  TileShape wholeWindow(int64_t pixels) const { return {pixels, 0, 0, g.getKh(), g.getKw()}; }
  mlir::func::FuncOp tileFunction(TileShape shape);
  void emitTile(KernelEmitter &t, TileShape shape, ValueRange arguments);
  void emitLanewiseTile(KernelEmitter &t, TileShape shape, ValueRange arguments);
  /// A micro-kernel's first two arguments: pixels, of scratch or of the input itself, and weights.
  TypedPointer sourceOf(ValueRange arguments) const {
    return {arguments[0], packed ? launch.scratch.element : lhs[0].element};
  }
  TypedPointer weightOf(ValueRange arguments) const { return {arguments[1], weights.element}; }
  void emitEpilogue(KernelEmitter &t, TileShape shape, llvm::ArrayRef<Value> accumulators,
                    ValueRange arguments);
  ValueRange epilogueArguments(ValueRange arguments) const;
  void choosePrefetches();
  void prefetchInput(KernelEmitter &t, ValueRange arguments, Value iteration);
  llvm::SmallVector<int64_t> pixelOffsets(TileShape shape) const;
  Strip strip();

  KernelEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  kern::ScheduleAttr s;
  bool forward, flat, packed, lanewise; ///< packed: the input goes through scratch
  bool isRun;                           ///< 1x1: pixels are contiguous, across rows too
  int64_t prefetches = 0; ///< cache lines of the next weights, per iteration of a tile
  llvm::SmallVector<unsigned>
      streams; ///< operands of the next item that the tiles of this one prefetch
  int64_t streamLines = 0,
          streamSteps =
              0; ///< cache lines of each per tile; iterations that prefetch, 0: all at once
  Value nextInput, firstTile; ///< first element of the next item, first channel tile of this one
  TypedPointer weights;
  Value hyper;
  llvm::SmallVector<TypedPointer> lhs;
  Epilogue epilogue;
  int64_t inH, inW, inC, outH, outW, outC; ///< of this direction
  int64_t groupIn, groupOut, tile,
      tiles;               ///< channels per group, channels per tile, tiles per group
  int64_t stride, strideW; ///< between source pixels in the strip
  int64_t columns;
  int64_t pitch; ///< elements between the source pixels of a tile's strip
  bool byResidue;
  int64_t mostH, mostW; ///< most taps of a residue
  int64_t outStep, tapStepH,
      tapStepW; ///< between pixels of a tile; between taps of the packed window
  int64_t piece = 0,
          pieces = 1;    ///< steps of the reduction that go together, 0: all; how many pieces
  TypedPointer partials; ///< accumulators between pieces, [pixels of the item, tile], in scratch
  struct {
    Value index, source, weight; ///< number; offsets in elements
  } current;                     ///< piece
};

/// Steps of the reduction in one iteration of a micro-kernel.
int64_t unrollOf(int64_t run);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_CONTRACTFORWARD_H
