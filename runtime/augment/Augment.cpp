//===- Augment.cpp - from a decoded image to the model's input ------------===//
#include "runtime/augment/Augment.h"

#include "runtime/augment/Color.h"
#include "runtime/augment/Policy.h"
#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

// What the ImageNet papers resize to, per pixel of crop.
static constexpr double resizeMargin = 256.0 / 224.0;

// Evaluation keeps so near to a full decode that its probabilities hardly differ (they may by 0.3
// where the decoder does all of the reduction); training decodes as small as it can.
static constexpr double evaluationLeft = 2;

Pipeline::Pipeline(const Recipe &recipe, const ModelInfo &info, PixelScaling scaling)
    : scaling(std::move(scaling)), channels(info.channels), height(info.height), width(info.width),
      seed(recipe.seed) {}

static bool cropsTo(const Transform &transform) {
  return transform.kind == TransformKind::RandomCrop ||
         transform.kind == TransformKind::RandomResizedCrop ||
         transform.kind == TransformKind::CenterCrop || transform.kind == TransformKind::TenCrop;
}

static bool contains(const std::vector<Transform> &list, TransformKind kind) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Transform &transform) { return transform.kind == kind; });
}

/// The crop that decides the size stands last; its size against the input's
/// scales every size and padding.
void Pipeline::scaleSizes(const std::vector<Transform> &sizedBy) {
  double factorY = 1, factorX = 1;
  for (const Transform &transform : sizedBy)
    if (cropsTo(transform) && transform.height) {
      factorY = double(height) / transform.height;
      factorX = double(width) / transform.width;
      if (factorY != 1 || factorX != 1)
        written = {transform.height, transform.width};
    }
  auto scale = [](int size, double factor) {
    return size ? std::max(1, int(std::lround(size * factor))) : 0;
  };
  for (Transform &transform : geometry) {
    if (cropsTo(transform)) {
      transform.height = height;
      transform.width = width;
    } else {
      transform.height = scale(transform.height, factorY);
      transform.width = scale(transform.width, factorX);
    }
    transform.pad = scale(transform.pad, factorY);
  }
}

static Transform resizeTo(int height, int width) {
  Transform transform;
  transform.height = height;
  transform.width = width;
  return transform;
}

Pipeline Pipeline::forTraining(const Recipe &recipe, const ModelInfo &info, PixelScaling scaling,
                               SourceSize source) {
  Pipeline pipeline(recipe, info, std::move(scaling));
  for (const Transform &transform : recipe.augment) {
    switch (transform.kind) {
    case TransformKind::RandomCrop:
    case TransformKind::RandomResizedCrop:
    case TransformKind::HorizontalFlip:
    case TransformKind::VerticalFlip:
    case TransformKind::Resize:
    case TransformKind::CenterCrop:
      pipeline.geometry.push_back(transform);
      break;
    case TransformKind::RandomRotation:
    case TransformKind::RandomAffine:
    case TransformKind::RandAugment:
    case TransformKind::TrivialAugment:
    case TransformKind::AutoAugment:
      pipeline.policies.push_back(transform);
      break;
    case TransformKind::ColorJitter:
    case TransformKind::PcaJitter:
    case TransformKind::Grayscale:
    case TransformKind::GaussianBlur:
      pipeline.color.push_back(transform);
      break;
    case TransformKind::RandomErasing:
      pipeline.erasing.push_back(transform);
      break;
    case TransformKind::TenCrop:
      fail("recipe: augment ten_crop: it belongs to eval");
    case TransformKind::SubtractMean: // part of the scaling
    case TransformKind::Mixup:        // whole batches, Mix.cpp
    case TransformKind::Cutmix:
    case TransformKind::Repeated: // the order of an epoch, RunData.cpp
      break;
    }
  }
  pipeline.training = true;
  pipeline.scaleSizes(recipe.augment);
  bool sized = contains(pipeline.geometry, TransformKind::RandomResizedCrop) ||
               contains(pipeline.geometry, TransformKind::Resize);
  bool cropped = contains(pipeline.geometry, TransformKind::RandomCrop) ||
                 contains(pipeline.geometry, TransformKind::CenterCrop);
  bool small = source.height < info.height || source.width < info.width;
  auto front = pipeline.geometry.begin();
  if (!sized && source.height == 0)
    pipeline.geometry.insert(front, resizeTo(std::max(info.height, info.width), 0));
  else if (!sized && (small || !cropped))
    pipeline.geometry.insert(front, resizeTo(info.height, info.width));
  return pipeline;
}

Pipeline Pipeline::forEvaluation(const Recipe &recipe, const ModelInfo &info, PixelScaling scaling,
                                 SourceSize source, int views) {
  Pipeline pipeline(recipe, info, std::move(scaling));
  for (const Transform &transform : recipe.eval) {
    if (transform.kind == TransformKind::Resize || transform.kind == TransformKind::CenterCrop)
      pipeline.geometry.push_back(transform);
    else if (transform.kind == TransformKind::TenCrop)
      views = views ? views : 10;
    else
      fail("recipe: eval takes resize, center_crop and ten_crop");
  }
  pipeline.viewCount = std::max(1, views);
  pipeline.leftToFilter = evaluationLeft;
  bool written = !recipe.eval.empty();
  pipeline.scaleSizes(written ? recipe.eval : recipe.augment);
  int side = std::max(info.height, info.width);
  bool margin = recipe.hasTransform(TransformKind::RandomResizedCrop);
  bool crops = recipe.hasTransform(TransformKind::RandomCrop) && source.height >= info.height &&
               source.width >= info.width;
  if (written)
    return pipeline;
  // Trained on random resized crops: torchvision's evaluation of them. Trained on
  // crops of larger images: their centre. Else the whole image.
  if (margin)
    pipeline.geometry.push_back(resizeTo(int(std::lround(side * resizeMargin)), 0));
  else if (source.height && !crops)
    pipeline.geometry.push_back(resizeTo(info.height, info.width));
  else if (!source.height)
    pipeline.geometry.push_back(resizeTo(side, 0));
  return pipeline;
}

static void randomCrop(Geometry &geometry, const Transform &crop, Philox &draw) {
  // Images smaller than the crop are enlarged rather than padded beyond `pad`.
  if (geometry.height + 2 * crop.pad < crop.height || geometry.width + 2 * crop.pad < crop.width)
    geometry.resizeShorter(std::max(crop.height, crop.width));
  int roomY = geometry.height + 2 * crop.pad - crop.height;
  int roomX = geometry.width + 2 * crop.pad - crop.width;
  int top = int(draw.below(uint32_t(roomY + 1))) - crop.pad;
  int left = int(draw.below(uint32_t(roomX + 1))) - crop.pad;
  geometry.crop(top, left, crop.height, crop.width);
}

/// As torchvision: ten attempts at an area and an aspect ratio, then the centre.
static void randomResizedCrop(Geometry &geometry, const Transform &crop, Philox &draw) {
  int h = 0, w = 0, top = 0, left = 0;
  for (int attempt = 0; attempt < 10 && h == 0; ++attempt) {
    double area =
        draw.uniform(crop.area[0], crop.area[1]) * geometry.height * double(geometry.width);
    double ratio = std::exp(draw.uniform(std::log(crop.ratio[0]), std::log(crop.ratio[1])));
    int tryW = int(std::lround(std::sqrt(area * ratio)));
    int tryH = int(std::lround(std::sqrt(area / ratio)));
    if (tryW < 1 || tryH < 1 || tryW > geometry.width || tryH > geometry.height)
      continue;
    h = tryH;
    w = tryW;
    top = int(draw.below(uint32_t(geometry.height - h + 1)));
    left = int(draw.below(uint32_t(geometry.width - w + 1)));
  }
  if (h == 0) {
    double ratio = double(geometry.width) / geometry.height;
    h = geometry.height;
    w = geometry.width;
    if (ratio < crop.ratio[0])
      h = std::clamp(int(std::lround(w / crop.ratio[0])), 1, h);
    else if (ratio > crop.ratio[1])
      w = std::clamp(int(std::lround(h * crop.ratio[1])), 1, w);
    top = (geometry.height - h) / 2;
    left = (geometry.width - w) / 2;
  }
  geometry.crop(top, left, h, w);
  geometry.resize(crop.height, crop.width);
}

/// View v of ten: corners and centre, then their mirror images.
static void cropView(Geometry &geometry, int height, int width, int view) {
  if (geometry.height <= height && geometry.width <= width)
    geometry.resizeShorter(int(std::lround(std::max(height, width) * resizeMargin)));
  int place = view % 5;
  int bottom = std::max(0, geometry.height - height), right = std::max(0, geometry.width - width);
  if (place == 4)
    geometry.centerCrop(height, width);
  else
    geometry.crop(place / 2 ? bottom : 0, place % 2 ? right : 0, height, width);
  if (view >= 5)
    geometry.flip();
}

Geometry Pipeline::plan(int fullHeight, int fullWidth, Philox &draw, int view) const {
  Geometry result(fullHeight, fullWidth);
  for (const Transform &transform : geometry) {
    switch (transform.kind) {
    case TransformKind::RandomCrop:
      randomCrop(result, transform, draw);
      break;
    case TransformKind::RandomResizedCrop:
      randomResizedCrop(result, transform, draw);
      break;
    case TransformKind::HorizontalFlip:
      if (draw.uniform() < transform.probability)
        result.flip();
      break;
    case TransformKind::VerticalFlip:
      if (draw.uniform() < transform.probability)
        result.flipVertically();
      break;
    case TransformKind::Resize:
      result.bicubic = transform.bicubic;
      if (transform.width)
        result.resize(transform.height, transform.width);
      else
        result.resizeShorter(transform.height);
      break;
    case TransformKind::CenterCrop:
      if (viewCount == 1)
        result.centerCrop(transform.height, transform.width);
      break;
    default:
      break;
    }
  }
  if (viewCount > 1)
    cropView(result, height, width, view);
  // Whatever was not brought to the input's size: enlarge to cover, keep the centre.
  if (result.height < height || result.width < width) {
    double enlarge = std::max(double(height) / result.height, double(width) / result.width);
    result.resize(std::max(height, int(std::lround(result.height * enlarge))),
                  std::max(width, int(std::lround(result.width * enlarge))));
  }
  if (result.height != height || result.width != width)
    result.centerCrop(height, width);
  return result;
}

void Pipeline::normalize(float *planes) const {
  int64_t plane = int64_t(height) * width;
  if (scaling.bgr && channels == 3)
    std::swap_ranges(planes, planes + plane, planes + 2 * plane);
  if (!scaling.pixelMean.empty())
    for (int64_t i = 0; i < channels * plane; ++i)
      planes[i] -= scaling.pixelMean[size_t(i)];
  if (scaling.mean.empty())
    return;
  for (int c = 0; c < channels; ++c) {
    // One value stands for all channels.
    float mean = scaling.mean[scaling.mean.size() == 1 ? 0 : size_t(c)];
    float std = scaling.std[scaling.std.size() == 1 ? 0 : size_t(c)];
    float *values = planes + c * plane;
    for (int64_t i = 0; i < plane; ++i)
      values[i] = (values[i] - mean) / std;
  }
}

void Pipeline::adjustColor(Philox &draw, float *planes) const {
  int64_t plane = int64_t(height) * width;
  for (const Transform &transform : color) {
    if (transform.kind == TransformKind::ColorJitter)
      jitterColor(transform, draw, channels, plane, planes);
    else if (transform.kind == TransformKind::Grayscale)
      toGrey(transform.probability, draw, channels, plane, planes);
    else if (transform.kind == TransformKind::GaussianBlur)
      blur(transform, draw, channels, height, width, planes);
    else if (transform.values.empty())
      jitterPca(transform.strength, scaling.pcaValues, scaling.pcaVectors, draw, channels, plane,
                planes);
    else
      jitterPca(transform.strength, transform.values, transform.vectors, draw, channels, plane,
                planes);
  }
}

/// The labels of the image that was planned as `geometry`.
static Image *moveLabels(const LabelMap &labels, const Image &decoded, const Geometry &geometry,
                         AugmentWorkspace &workspace) {
  labels.source(decoded.fullHeight, decoded.fullWidth, workspace.labels);
  resampleLabels(workspace.labels, geometry, labels.outside, workspace.moved);
  return &workspace.moved;
}

void Pipeline::apply(const ImageSource &source, uint64_t sample, uint32_t epoch, int view,
                     AugmentWorkspace &workspace, float *out, const LabelMap *labels) const {
  uint64_t visit = training ? uint64_t(view) << 48 : 0;
  Philox draw(seed, Stream::Augment, sample | visit, epoch);
  Geometry planned(1, 1);
  bool isPlanned = false;
  // The crop is drawn as soon as the decoder knows the size, so that it can
  // decode no larger than needed; sources without a choice never ask.
  auto choose = [&](int fullHeight, int fullWidth) {
    planned = plan(fullHeight, fullWidth, draw, view);
    isPlanned = true;
    return planned.neededEighths(leftToFilter);
  };
  source(choose, workspace.decoded);
  const Image &decoded = workspace.decoded;
  if (!isPlanned)
    planned = plan(decoded.fullHeight, decoded.fullWidth, draw, view);
  resample(decoded, planned, workspace.resampled);
  Image *moved = labels ? moveLabels(*labels, decoded, planned, workspace) : nullptr;
  for (const Transform &policy : policies)
    applyPolicy(policy, draw, {workspace.resampled, moved, labels ? labels->outside : uint8_t(0)});
  if (moved)
    std::copy(moved->pixels.begin(), moved->pixels.end(), labels->out);
  toPlanes(workspace.resampled, channels, out);
  adjustColor(draw, out);
  normalize(out);
  for (const Transform &transform : erasing)
    eraseRectangle(transform, draw, channels, height, width, out);
}

} // namespace netc::runtime
