//===- Pixels.h - transforms of 8-bit images, as Pillow's -------*- C++ -*-===//
//
// Each gives the bits of the Pillow function that torchvision's transforms of that name call.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_AUGMENT_PIXELS_H
#define NETC_RUNTIME_AUGMENT_PIXELS_H

#include "runtime/image/Image.h"

#include <array>

namespace netc::runtime {

/// From a pixel of the output to that of the input: x' = m[0] x + m[1] y + m[2], y' likewise.
using AffineMap = std::array<double, 6>;

/// Rotates counter-clockwise about the centre.
AffineMap rotation(double degrees, int height, int width);

/// torchvision's `affine`: rotation by `degrees` (clockwise), translation in pixels, scale and
/// shear in degrees, about (`centerX`, `centerY`).
AffineMap affineMap(double degrees, std::array<double, 2> translate, double scale,
                    std::array<double, 2> shear, double centerX, double centerY);

/// Replaces each pixel by the one that `map` leads to, or by `outside`.
void warp(Image &image, const AffineMap &map, uint8_t outside = 0);

/// factor * image + (1 - factor) * black, grey (by pixel, or the mean), or a smoothed image.
void adjustBrightness(Image &image, double factor);
void adjustColor(Image &image, double factor);
void adjustContrast(Image &image, double factor);
void adjustSharpness(Image &image, double factor);

/// Keeps the `bits` high bits of each value.
void posterize(Image &image, int bits);
/// Inverts values from `threshold` on; 0 inverts all.
void solarize(Image &image, double threshold);
/// Stretches each channel to 0..255.
void autoContrast(Image &image);
/// Spreads the histogram of each channel.
void equalize(Image &image);

} // namespace netc::runtime

#endif // NETC_RUNTIME_AUGMENT_PIXELS_H
