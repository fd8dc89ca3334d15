//===- Geometry.h - crops, flips and resizes as one resampling --*- C++ -*-===//
#ifndef NETC_RUNTIME_AUGMENT_GEOMETRY_H
#define NETC_RUNTIME_AUGMENT_GEOMETRY_H

#include "runtime/image/Image.h"

namespace netc::runtime {

/// A chain of resizes, crops and flips, composed into one map from output
/// pixels to the source, so that pixels are resampled once. Coordinates are
/// those of the full-size source; pixel i covers [i, i + 1).
struct Geometry {
  Geometry(int sourceHeight, int sourceWidth);

  /// To height x width; later crops may see pixels outside, earlier ones bound what is seen.
  void resize(int newHeight, int newWidth);
  /// So that the shorter side has `side` pixels (torchvision's Resize).
  void resizeShorter(int side);
  /// Keeps [top, top + h) x [left, left + w) of the current image; what lies outside is zero.
  void crop(int top, int left, int h, int w);
  /// As torchvision: halves are rounded to even; of a smaller image the padding's odd pixel lies
  /// below and to the right.
  void centerCrop(int h, int w);
  void flip() { flipped = !flipped; }
  void flipVertically() { upsideDown = !upsideDown; }

  /// Eighths of the source's size that decoding needs, so that at least `left` pixels of the
  /// decoded image lie under each output pixel, or it is decoded in full. Decoding replaces the
  /// filter for the rest: what is left of the reduction is filtered as on the full image.
  int neededEighths(double left = 1) const;

  int height, width; ///< of the output
  bool flipped = false, upsideDown = false;
  bool bicubic = false;            ///< the filter; else bilinear
  double originY = 0, originX = 0; ///< source position of the output's corner
  double scaleY = 1, scaleX = 1;   ///< source pixels per output pixel
  double clipTop = 0, clipLeft = 0, clipBottom, clipRight; ///< what filters may see
};

/// Applies `geometry` to `source` (which may have been decoded at a fraction of
/// its full size): bilinear or bicubic with antialiasing as Pillow does it, exact copies
/// where nothing is scaled. Zeros outside.
void resample(const Image &source, const Geometry &geometry, Image &out);

/// The same for an image of labels at its full size: each pixel takes the label under its centre,
/// or `outside`.
void resampleLabels(const Image &source, const Geometry &geometry, uint8_t outside, Image &out);

} // namespace netc::runtime

#endif // NETC_RUNTIME_AUGMENT_GEOMETRY_H
