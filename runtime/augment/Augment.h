//===- Augment.h - from a decoded image to the model's input ----*- C++ -*-===//
#ifndef NETC_RUNTIME_AUGMENT_AUGMENT_H
#define NETC_RUNTIME_AUGMENT_AUGMENT_H

#include "runtime/augment/Geometry.h"
#include "runtime/base/Philox.h"
#include "runtime/exec/Model.h"
#include "runtime/image/Image.h"
#include "runtime/recipe/Recipe.h"

#include <functional>
#include <vector>

namespace netc::runtime {

/// How pixels in 0..1 become the model's input: (x - pixelMean - mean) / std, in the input's order
/// of channels.
struct PixelScaling {
  std::vector<float> mean, std;  ///< by channel; empty: 0 and 1
  std::vector<float> pixelMean;  ///< [C, H, W]; empty: 0
  std::vector<float> pcaValues;  ///< C standard deviations of colour, for PcaJitter
  std::vector<float> pcaVectors; ///< [C, C], one component per row, red first
  bool bgr = false;              ///< the input's channels are blue, green, red
};

/// Decodes one image on request.
using ImageSource = std::function<void(const ScaleChooser &, Image &)>;

/// Where the labels of an image's pixels come from and go to.
struct LabelMap {
  /// Class indices, one channel, of the height and width of the image's file.
  std::function<void(int, int, Image &)> source;
  int64_t *out = nullptr; ///< [H, W]
  uint8_t outside = 0;    ///< the label of what lies outside
};

/// Buffers that a thread reuses from image to image.
struct AugmentWorkspace {
  Image decoded, resampled, labels, moved;
};

/// The transforms of a recipe, made ready for one model and one set of images.
/// Resizes, crops and flips run in the order written and resample once; then rotations and
/// policies, then colour, each in the order written, normalisation, random erasing. Labels of
/// pixels move with the image; where it is interpolated they are not.
///
/// Sizes written for another input (a recipe's 224 with --set image=[3,64,64])
/// are scaled to the model's. Images that no written transform brings to the
/// input's size are resized and cropped to it.
class Pipeline {
public:
  /// Fixed size of the images, or 0.
  struct SourceSize {
    int height = 0, width = 0;
  };

  static Pipeline forTraining(const Recipe &recipe, const ModelInfo &info, PixelScaling scaling,
                              SourceSize source);
  /// `views`: 1, 10 for the four corners and the centre with their mirror images,
  /// 0 for what the recipe says (10 where its eval names ten_crop).
  static Pipeline forEvaluation(const Recipe &recipe, const ModelInfo &info, PixelScaling scaling,
                                SourceSize source, int views);

  /// For data that are tensors already: it is never applied.
  static Pipeline forTensors(const ModelInfo &info) { return Pipeline(Recipe(), info, {}); }

  /// Writes [C, H, W] to `out`. Draws depend on the recipe's seed, `sample`, `epoch` and, of images
  /// that are visited several times in an epoch, `view` alone. Fails where the source does.
  /// `labels`: of the image's pixels, written too; null: none.
  void apply(const ImageSource &source, uint64_t sample, uint32_t epoch, int view,
             AugmentWorkspace &workspace, float *out, const LabelMap *labels = nullptr) const;

  int views() const { return viewCount; }
  /// Resizes and crops, in their order.
  const std::vector<Transform> &steps() const { return geometry; }
  /// Size that the recipe was written for, where it is not the model's; else 0, 0.
  SourceSize writtenFor() const { return written; }

private:
  Pipeline(const Recipe &recipe, const ModelInfo &info, PixelScaling scaling);
  void scaleSizes(const std::vector<Transform> &sizedBy);
  Geometry plan(int fullHeight, int fullWidth, Philox &draw, int view) const;
  void normalize(float *planes) const;

  void adjustColor(Philox &draw, float *planes) const;

  std::vector<Transform> geometry, policies, color, erasing;
  PixelScaling scaling;
  int channels, height, width;
  int viewCount = 1;
  bool training = false;   // views are visits of an epoch, each augmented in its own way
  double leftToFilter = 1; // pixels of the decoded image under one of the result, see neededEighths
  uint64_t seed;
  SourceSize written;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_AUGMENT_AUGMENT_H
