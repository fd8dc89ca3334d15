//===- MatrixTile.h - products by AMX's tile registers ----------*- C++ -*-===//
//
// AMX has eight registers of 16 rows of 64 bytes, whose used part a configuration states. One
// instruction multiplies rows of pixels (16 pixels x 16 steps of 4 bytes: two bf16 or four bytes
// each) by rows of steps (16 steps x 16 channels, the order of packed weights) and adds to sums (16
// pixels x 16 channels of 4 bytes). Intel SDM volume 1, chapter 18.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CPU_MATRIXTILE_H
#define NETC_CODEGEN_CPU_MATRIXTILE_H

#include "codegen/cpu/KernelEmitter.h"

#include <array>

namespace netc::cpu {

/// Where a matrix lies: its first row, and bytes between rows.
struct MatrixRows {
  TypedPointer first;
  int64_t pitch;
};

/// How the registers are used for up to 32 pixels and a run of the reduction: which have how many
/// rows and bytes. Kernels of equal configurations share one.
class MatrixTile {
public:
  /// `steps`: of 4 bytes.
  MatrixTile(int64_t pixels, int64_t steps);

  /// Whether there are registers enough for all of `pixels` at once; else each 16 of them are a
  /// tile.
  static bool fits(int64_t pixels, int64_t steps);

  /// What LDTILECFG reads, as i32.
  std::array<int32_t, 16> configuration() const;

  /// Writes the configuration to `place`, 64 bytes, and makes it the thread's, which clears all
  /// registers.
  void configure(KernelEmitter &k, Value place) const;
  /// Makes a configuration that was written to `place` the thread's again.
  static void restore(KernelEmitter &k, Value place);
  /// Back to what threads begin with: nothing of tiles is saved with their state any longer.
  static void release(KernelEmitter &k);

  /// Sums of `vectors` x 16 channels: zero, or as they lie in memory.
  void clearSums(KernelEmitter &k, int64_t vectors) const;
  void loadSums(KernelEmitter &k, int64_t vectors, MatrixRows from) const;
  void storeSums(KernelEmitter &k, int64_t vectors, MatrixRows to) const;
  /// Adds the products of a run: `pixels` from their first step on, `weights` a step per row.
  void multiply(KernelEmitter &k, int64_t vectors, MatrixRows pixels, MatrixRows weights) const;

private:
  using OfSum = llvm::function_ref<void(int64_t sum, int64_t group, int64_t vector)>;

  void overSums(int64_t vectors, OfSum body) const;
  void multiplyOnce(KernelEmitter &k, int64_t vectors, MatrixRows pixels, MatrixRows weights,
                    bool isRest) const;
  int64_t pixelsRegister(int64_t group, bool isRest) const;
  int64_t weightsRegister(int64_t vector, bool isRest) const;

  int64_t groups, lastRows;           ///< of 16 pixels each; pixels of the last one
  int64_t depth, whole = 0, rest = 0; ///< steps of a product, products of a run, steps left then
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_MATRIXTILE_H
