//===- Color.h - pixel values of one augmented image ------------*- C++ -*-===//
#ifndef NETC_RUNTIME_AUGMENT_COLOR_H
#define NETC_RUNTIME_AUGMENT_COLOR_H

#include "runtime/base/Philox.h"
#include "runtime/image/Image.h"
#include "runtime/recipe/Recipe.h"

namespace netc::runtime {

/// Spreads `image` to planes [channels, height, width] of values in 0..1: grey is
/// repeated for three channels, colour becomes luma (ITU-R 601) for one. Fails
/// on any other pair.
void toPlanes(const Image &image, int channels, float *planes);

/// Brightness, contrast, saturation and hue in a drawn order, as torchvision's
/// ColorJitter; saturation and hue only where there are three channels.
void jitterColor(const Transform &transform, Philox &draw, int channels, int64_t plane,
                 float *planes);

/// Adds a drawn combination of the principal components of the training set's
/// colours (Krizhevsky et al. 2012, section 4.1). `vectors`: row-major, a
/// component a row, with standard deviations `values` (of pixels in 0..1).
void jitterPca(double sigma, const std::vector<float> &values, const std::vector<float> &vectors,
               Philox &draw, int channels, int64_t plane, float *planes);

/// With probability `p` all channels become the luma (torchvision's RandomGrayscale).
void toGrey(double p, Philox &draw, int channels, int64_t plane, float *planes);

/// With the transform's probability a Gaussian of a drawn standard deviation, cut off at three of
/// them; pixels beyond the edges are mirrored (torchvision's GaussianBlur of such a kernel).
void blur(const Transform &transform, Philox &draw, int channels, int height, int width,
          float *planes);

/// Zeros a drawn rectangle (Zhong et al. 2020); after normalisation.
void eraseRectangle(const Transform &transform, Philox &draw, int channels, int height, int width,
                    float *planes);

} // namespace netc::runtime

#endif // NETC_RUNTIME_AUGMENT_COLOR_H
