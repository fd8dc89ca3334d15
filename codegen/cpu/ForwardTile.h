//===- ForwardTile.h - micro-kernels of direct convolution ------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_FORWARDTILE_H
#define NETC_CODEGEN_CPU_FORWARDTILE_H

#include "codegen/cpu/Epilogue.h"
#include "codegen/cpu/ForwardPlan.h"
#include "codegen/cpu/MatrixTile.h"

namespace netc::cpu {

/// What a micro-kernel is called with, in the order of its arguments.
struct TileArguments {
  TypedPointer source, weights;
  TypedPointer start;                     ///< what sums begin with, i32; null: zero
  TypedPointer nextWeights;               ///< what to prefetch of them; null: nothing
  TypedPointer partials;                  ///< accumulators in memory; null: none are
  Value piece;                            ///< index of the piece; null: no pieces
  llvm::SmallVector<TypedPointer> inputs; ///< what to prefetch of the next item's
  Value configurations;                   ///< of AMX, kConfigFloats; null: vectors multiply
  Values epilogue;                        ///< as Epilogue::argumentsAt

  Values all() const;
};

/// The micro-kernels of one kernel: tiles of P pixels x U vectors of output channels.
class ForwardTile {
public:
  /// Element types are those of `input` (each operand), `source` (what tiles read) and `weights`.
  /// `hasStart`: whether tiles get TileArguments::start.
  ForwardTile(const ForwardShape &shape, const ReductionPieces &pieces,
              const TilePrefetches &prefetches, llvm::ArrayRef<TypedPointer> input,
              TypedPointer source, TypedPointer weights, bool hasStart, Epilogue &epilogue);

  /// Calls the micro-kernel of `tile`, which is emitted where it is new.
  void call(KernelEmitter &k, TileShape tile, const TileArguments &arguments);

  /// In scratch: the configuration that tiles find, and one of a tile's own.
  static constexpr int64_t kConfigFloats = 32;
  /// Before and after all tiles where AMX multiplies. `place`: kConfigFloats.
  void beginMatrices(KernelEmitter &k, Value place);
  void endMatrices(KernelEmitter &k);

private:
  mlir::func::FuncOp functionOf(KernelEmitter &k, TileShape tile);
  TileArguments named(KernelEmitter &t, ValueRange arguments) const;
  void emit(KernelEmitter &t, TileShape tile, const TileArguments &arguments);
  void emitLanewise(KernelEmitter &t, TileShape tile, const TileArguments &arguments);
  void emitEpilogue(KernelEmitter &t, TileShape tile, llvm::ArrayRef<Value> accumulators,
                    const TileArguments &arguments);
  void prefetchInput(KernelEmitter &t, const TileArguments &arguments, Value iteration);
  void prefetchEpilogue(KernelEmitter &t, TileShape tile, int64_t cycles,
                        const TileArguments &arguments);
  void emitInMatrices(KernelEmitter &t, TileShape tile, const TileArguments &arguments);
  void multiplyMatrices(KernelEmitter &t, TileShape tile, int64_t first, const MatrixTile &matrix,
                        const TileArguments &arguments);
  void emitMatrixEpilogue(KernelEmitter &t, TileShape tile, const TileArguments &arguments);
  MatrixTile usualMatrix() const;
  /// What of the reduction lies side by side, and how often in a row of the window.
  struct Run {
    int64_t elements, count, rows;
  };
  Run runOf(TileShape tile) const;
  /// Calls body(source, weights, accumulators) for each run of the window.
  Values overRuns(KernelEmitter &t, Run run, const TileArguments &arguments, ValueRange init,
                  llvm::function_ref<Values(TypedPointer, TypedPointer, ValueRange)> body) const;
  /// One run of the reduction on accumulators[p][u].
  Values products(KernelEmitter &t, TileShape tile, int64_t run, TypedPointer source,
                  TypedPointer weights, ValueRange accumulators, const TileArguments &arguments);
  TypedPointer waiting(KernelEmitter &t, TileShape tile, size_t accumulator,
                       const TileArguments &arguments) const;
  llvm::SmallVector<int64_t> pixelOffsets(TileShape tile) const;
  /// Sums of integers as the epilogue takes them.
  static Value inF32(KernelEmitter &t, Value sums);
  Values beginSums(KernelEmitter &t, TileShape tile, const TileArguments &arguments) const;

  const ForwardShape &shape;
  const ReductionPieces &pieces;
  const TilePrefetches &prefetches;
  llvm::SmallVector<Type> inputElements;
  Type sourceElement, weightElement;
  bool hasStart;
  Epilogue &epilogue;
  Value configurations; ///< in scratch; null: vectors multiply
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_FORWARDTILE_H
