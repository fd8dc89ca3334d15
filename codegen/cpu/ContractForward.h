//===- ContractForward.h - the loops of a direct convolution ----*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_CONTRACTFORWARD_H
#define NETC_CODEGEN_CPU_CONTRACTFORWARD_H

#include "codegen/cpu/ForwardTile.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Sweep.h"

namespace netc::cpu {

/// Emits a forward contraction or an input gradient by the direct algorithm: ContractForward.cpp
/// the loops around the micro-kernels, ForwardResidue.cpp those of strided input gradients.
class ForwardEmitter {
public:
  ForwardEmitter(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  using OfChannelTile = llvm::function_ref<void(Value group, Value tile, int64_t valid)>;

  void emitItem(Value item, Value rowsOfGrid);
  void emitStripItem(Value row, Value block);
  void emitFlatItem(Value row, Value block);
  Strip strip();
  void overChannelTiles(Value block, OfChannelTile body);
  void overPieces(llvm::function_ref<void()> body);
  void emitContiguous(TypedPointer source, Value first, Value count, int64_t whole, int64_t last,
                      Value block);
  void emitRow(TypedPointer source, Value pixel, Value group, Value tile, int64_t valid,
               Value index);
  void emitResidueRows(Value image, Value first, Value count, Value group, Value tile,
                       int64_t valid);
  /// `index`: of the tile's first pixel in the item; null with residues.
  void callTile(TileShape tile, TypedPointer source, Value pixel, Value group, Value channelTile,
                int64_t valid, Value index, Value weightOffset = {});
  TypedPointer nextWeightsOf(TypedPointer weight, Value index);
  llvm::SmallVector<TypedPointer> nextInputsOf(Value channelTile, Value index);

  KernelEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  const kern::GeometryAttr g;
  const kern::ScheduleAttr s;
  llvm::SmallVector<TypedPointer> lhs;
  TypedPointer weights;
  const ForwardShape shape;
  const ReductionPieces pieces;
  const TilePrefetches prefetches;
  Epilogue epilogue;
  const TypedPointer strips; ///< of the input, in scratch
  ForwardTile tileKernels;
  Value hyper;
  TypedPointer start;    ///< of sums, by channel; null: zero
  TypedPointer partials; ///< accumulators between pieces, [pixels of the item, tile], in scratch
  Value nextInput, firstTile; ///< first element of the next item, first channel tile of this one
  /// The piece at hand: its number, and offsets in elements.
  struct {
    Value index, source, weight;
  } current;
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_CONTRACTFORWARD_H
