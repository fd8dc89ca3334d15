//===- Sweep.h - formulas over runs of pixels -------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_SWEEP_H
#define NETC_CODEGEN_CPU_SWEEP_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

/// One operand of a sweep. Full: the pointer is at pixel 0, channel 0 of the run and moves
/// by `pitch` per pixel; otherwise it is at channel 0 and does not move.
struct SweepInput {
  TypedPointer pointer;
  bool moves = true;
  int64_t pitch = 0;
};

/// A run of `pixels` pixels of `channels` channels.
struct Sweep {
  mlir::Block *formula = nullptr; ///< null: the first input itself
  llvm::SmallVector<SweepInput> inputs;
  TypedPointer output; ///< null: nothing is stored
  int64_t outputPitch = 0;
  bool pairs = false;    ///< pixels 2i and 2i + 1 lie channel by channel beside each other, as bf16
  int64_t terms = 0;     ///< channel sums that the formula yields last
  bool moments = false;  ///< of the only term: pivot, sum and sum of squares about it
  TypedPointer partials; ///< [terms or 3, sumPitch], added to nothing: overwritten
  int64_t sumPitch = 0;
  Value pixels;
  int64_t channels = 0;
  RandomSource random; ///< element: that of pixel 0, channel 0
  int64_t randomPitch = 0;
};

/// Emits the sweep: channels in blocks of four vectors, whose per-channel operands stay
/// in registers while the pixels go by.
void emitSweep(KernelEmitter &k, const Sweep &sweep);

/// Images of one operand packed into scratch with a halo of zeros, the prologue applied.
struct Strip {
  mlir::Block *prologue = nullptr;
  llvm::SmallVector<TypedPointer> sources;
  llvm::SmallVector<Access> accesses;
  int64_t height = 0, width = 0, channels = 0; ///< of the source image
  int64_t columns = 0;                         ///< of the strip
  int64_t padTop = 0, padLeft = 0;             ///< may be negative
  int64_t spread = 1; ///< zeros between source pixels: strip row r holds source row r / spread
  int64_t gather = 1; ///< source pixels skipped: strip row r holds source row r * gather
  int64_t spreadColumns = 1, gatherColumns = 1; ///< the same for columns
  int64_t firstChannel = 0, count = 0;          ///< channels taken
  int64_t pitch = 0;                            ///< elements of a strip's pixel
  bool isPadded = false;                        ///< what a pixel has behind its channels is zero
  RandomSource random;
};

/// Fills `to` [rows, columns, pitch] from image `image`; strip row 0 is virtual row `firstRow`
/// (before padding is subtracted). `channelShift` moves the channels taken, at run time.
void emitStrip(KernelEmitter &k, const Strip &strip, TypedPointer to, Value image, Value firstRow,
               Value rows, Value channelShift = {});

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_SWEEP_H
