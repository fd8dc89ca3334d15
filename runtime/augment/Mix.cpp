//===- Mix.cpp - mixup and cutmix of a batch ------------------------------===//
#include "runtime/augment/Mix.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

void fillTargets(const MixBatch &batch) {
  std::fill(batch.targets, batch.targets + batch.n * batch.classes, 0.0f);
  for (int64_t i = 0; i < batch.n; ++i)
    batch.targets[i * batch.classes + batch.labels[i]] = 1;
}

/// Gamma(shape, 1): Marsaglia and Tsang 2000.
static double drawGamma(double shape, Philox &draw) {
  if (shape < 1)
    return drawGamma(shape + 1, draw) * std::pow(1 - draw.uniform(), 1 / shape);
  double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    double x = draw.normal(), v = 1 + c * x;
    if (v <= 0)
      continue;
    v = v * v * v;
    if (std::log(1 - draw.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v))
      return d * v;
  }
}

static double drawBeta(double alpha, Philox &draw) {
  double a = drawGamma(alpha, draw), b = drawGamma(alpha, draw);
  return a + b > 0 ? a / (a + b) : 0.5;
}

static void mixTargets(const MixBatch &batch, float own) {
  std::fill(batch.targets, batch.targets + batch.n * batch.classes, 0.0f);
  for (int64_t i = 0; i < batch.n; ++i) {
    batch.targets[i * batch.classes + batch.labels[i]] += own;
    int64_t other = i + 1 < batch.n ? batch.labels[i + 1]
                    : batch.after   ? batch.labelAfter
                                    : batch.labels[0];
    batch.targets[i * batch.classes + other] += 1 - own;
  }
}

/// Calls body(row of image i, row of its successor, values) over the rectangle.
template <typename Body>
static void forEachRow(const MixBatch &batch, int top, int left, int h, int w, Body body) {
  int64_t image = int64_t(batch.channels) * batch.height * batch.width;
  // The last image's successor, if it is the first, as it was.
  std::vector<float> first;
  if (!batch.after)
    first.assign(batch.input, batch.input + image);
  const float *after = batch.after ? batch.after : first.data();
  for (int64_t i = 0; i < batch.n; ++i) {
    float *own = batch.input + i * image;
    const float *other = i + 1 < batch.n ? own + image : after;
    for (int c = 0; c < batch.channels; ++c)
      for (int y = top; y < top + h; ++y) {
        int64_t at = (int64_t(c) * batch.height + y) * batch.width + left;
        body(own + at, other + at, w);
      }
  }
}

static void mixup(double alpha, Philox &draw, const MixBatch &batch) {
  float own = float(drawBeta(alpha, draw));
  forEachRow(batch, 0, 0, batch.height, batch.width, [&](float *a, const float *b, int w) {
    for (int x = 0; x < w; ++x)
      a[x] = own * a[x] + (1 - own) * b[x];
  });
  mixTargets(batch, own);
}

static void cutmix(double alpha, Philox &draw, const MixBatch &batch) {
  double cut = std::sqrt(1 - drawBeta(alpha, draw));
  int h = int(batch.height * cut), w = int(batch.width * cut);
  int centerY = int(draw.below(uint32_t(batch.height)));
  int centerX = int(draw.below(uint32_t(batch.width)));
  int top = std::max(0, centerY - h / 2), bottom = std::min(batch.height, centerY + h / 2);
  int left = std::max(0, centerX - w / 2), right = std::min(batch.width, centerX + w / 2);
  forEachRow(batch, top, left, bottom - top, right - left,
             [](float *a, const float *b, int count) { std::copy(b, b + count, a); });
  double area = double(bottom - top) * (right - left) / (double(batch.height) * batch.width);
  mixTargets(batch, float(1 - area));
}

void mix(const std::vector<Transform> &transforms, Philox &draw, const MixBatch &batch) {
  const Transform &transform = transforms[draw.below(uint32_t(transforms.size()))];
  if (transform.kind == TransformKind::Mixup)
    mixup(transform.strength, draw, batch);
  else
    cutmix(transform.strength, draw, batch);
}

} // namespace netc::runtime
