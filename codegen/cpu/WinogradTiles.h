//===- WinogradTiles.h - tiles of images in the transform's domain -*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_WINOGRADTILES_H
#define NETC_CODEGEN_CPU_WINOGRADTILES_H

#include "codegen/cpu/Sweep.h"
#include "codegen/cpu/WinogradTransform.h"

namespace netc::cpu {

/// One operand of a Winograd product, [N, height, width, channels], cut into size x size windows
/// `m` of its pixels apart, numbered by image, row and column; what lies outside an image is zero
/// after the prologue.
struct WinogradTiles {
  mlir::Block *prologue = nullptr;
  llvm::SmallVector<TypedPointer> sources;
  llvm::SmallVector<Access> accesses;
  int64_t height = 0, width = 0, channels = 0; ///< channels: those transformed
  int64_t sourceChannels = 0;                  ///< those of the operand
  Value firstChannel;                          ///< null: 0
  int64_t m = 0, size = 0;
  int64_t tilesHigh = 0, tilesWide = 0;
  int64_t dilation = 1; ///< pixels from one of a window to the next; tiles are then numbered by
                        ///< image, residue of the row, of the column, row and column
  int64_t padTop = 0, padLeft = 0;
  Transform transform = nullptr;
  llvm::StringRef name; ///< of the helper function
  Value hyper;
  int64_t pitch = 0, pointPitch = 0; ///< floats between tiles and between points of the result

  int64_t tilesOfImage() const { return dilation * dilation * tilesHigh * tilesWide; }
  int64_t points() const { return (m + 2) * (m + 2); }
  /// Scratch of emitTransforms: one window.
  int64_t scratchFloats() const { return size * size * channels; }
};

/// Where tile `index` of all images lies.
struct WinogradPlace {
  Value image, row, column;        ///< of the tile, among those of its residues
  Value rowResidue, columnResidue; ///< of its pixels modulo the dilation
};
WinogradPlace placeOf(KernelEmitter &k, Value index, int64_t tilesHigh, int64_t tilesWide,
                      int64_t dilation);

/// Transforms tiles [first, first + count) to `to`, [points, tiles, channels]; lanes beyond the
/// last channel become zero up to a whole vector.
void emitTransforms(KernelEmitter &k, const WinogradTiles &tiles, Value first, Value count,
                    TypedPointer to, TypedPointer scratch);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_WINOGRADTILES_H
