//===- Color.cpp - pixel values of one augmented image --------------------===//
#include "runtime/augment/Color.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace netc::runtime {

void toPlanes(const Image &image, int channels, float *planes) {
  int64_t plane = int64_t(image.height) * image.width;
  const uint8_t *from = image.pixels.data();
  if (image.channels == channels) {
    for (int64_t i = 0; i < plane; ++i)
      for (int c = 0; c < channels; ++c)
        planes[c * plane + i] = float(*from++) / 255.0f;
  } else if (channels == 3 && image.channels == 1) {
    for (int64_t i = 0; i < plane; ++i)
      planes[i] = planes[plane + i] = planes[2 * plane + i] = float(from[i]) / 255.0f;
  } else if (channels == 1 && image.channels == 3) {
    // Pillow's fixed point, so that the same grey comes out.
    for (int64_t i = 0; i < plane; ++i, from += 3)
      planes[i] =
          float((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16) / 255.0f;
  } else {
    fail("images have {} channels, the model's input has {}", image.channels, channels);
  }
}

static float luma(float r, float g, float b) { return 0.299f * r + 0.587f * g + 0.114f * b; }

/// factor * value + (1 - factor) * other, clamped.
static float blend(float value, float other, float factor) {
  return std::clamp(factor * value + (1 - factor) * other, 0.0f, 1.0f);
}

static void jitterContrast(float factor, int channels, int64_t plane, float *planes) {
  double sum = 0;
  for (int64_t i = 0; i < plane; ++i)
    sum += channels == 3 ? luma(planes[i], planes[plane + i], planes[2 * plane + i]) : planes[i];
  float mean = float(sum / double(plane));
  for (int64_t i = 0; i < channels * plane; ++i)
    planes[i] = blend(planes[i], mean, factor);
}

static void jitterSaturation(float factor, int64_t plane, float *planes) {
  for (int64_t i = 0; i < plane; ++i) {
    float grey = luma(planes[i], planes[plane + i], planes[2 * plane + i]);
    for (int c = 0; c < 3; ++c)
      planes[c * plane + i] = blend(planes[c * plane + i], grey, factor);
  }
}

/// Rotates the hue by `turn` of the circle.
static void jitterHue(float turn, int64_t plane, float *planes) {
  for (int64_t i = 0; i < plane; ++i) {
    float r = planes[i], g = planes[plane + i], b = planes[2 * plane + i];
    float high = std::max({r, g, b}), low = std::min({r, g, b}), range = high - low;
    if (range == 0)
      continue;
    float hue = high == r ? (g - b) / range : high == g ? 2 + (b - r) / range : 4 + (r - g) / range;
    hue = hue / 6 + turn;
    hue = (hue - std::floor(hue)) * 6;
    float saturation = range / high;
    auto channel = [&](float n) {
      float k = std::fmod(n + hue, 6.0f);
      return high - high * saturation * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f);
    };
    planes[i] = channel(5);
    planes[plane + i] = channel(3);
    planes[2 * plane + i] = channel(1);
  }
}

void jitterColor(const Transform &transform, Philox &draw, int channels, int64_t plane,
                 float *planes) {
  std::array<int, 4> order{0, 1, 2, 3};
  for (uint32_t i = 3; i > 0; --i)
    std::swap(order[i], order[draw.below(i + 1)]);
  for (int part : order) {
    double strength = transform.color[size_t(part)];
    double drawn = draw.uniform(-1, 1) * strength;
    if (strength <= 0)
      continue;
    float factor = float(std::max(0.0, 1 + drawn));
    if (part == 0)
      for (int64_t i = 0; i < channels * plane; ++i)
        planes[i] = std::clamp(planes[i] * factor, 0.0f, 1.0f);
    else if (part == 1)
      jitterContrast(factor, channels, plane, planes);
    else if (part == 2 && channels == 3)
      jitterSaturation(factor, plane, planes);
    else if (part == 3 && channels == 3)
      jitterHue(float(drawn), plane, planes);
  }
}

void jitterPca(double sigma, const std::vector<float> &values, const std::vector<float> &vectors,
               Philox &draw, int channels, int64_t plane, float *planes) {
  std::vector<double> shift(size_t(channels), 0);
  for (int component = 0; component < channels; ++component) {
    double amount = draw.normal() * sigma * double(values[size_t(component)]);
    for (int c = 0; c < channels; ++c)
      shift[size_t(c)] += amount * double(vectors[size_t(component * channels + c)]);
  }
  for (int c = 0; c < channels; ++c)
    for (int64_t i = 0; i < plane; ++i)
      planes[c * plane + i] += float(shift[size_t(c)]);
}

void toGrey(double p, Philox &draw, int channels, int64_t plane, float *planes) {
  if (draw.uniform() >= p || channels != 3)
    return;
  for (int64_t i = 0; i < plane; ++i)
    planes[i] = planes[plane + i] = planes[2 * plane + i] =
        luma(planes[i], planes[plane + i], planes[2 * plane + i]);
}

/// The place of pixel `i` where the image goes on as in a mirror, without its edge twice.
static int mirrored(int i, int size) {
  if (size == 1)
    return 0;
  int period = 2 * (size - 1);
  i = std::abs(i) % period;
  return i < size ? i : period - i;
}

/// One direction: `count` lines that begin `lineStep` apart, of `size` pixels `pixelStep` apart.
static void blurLines(const std::vector<float> &kernel, int size, int64_t pixelStep, int count,
                      int64_t lineStep, float *plane) {
  int radius = int(kernel.size() / 2);
  std::vector<float> line(static_cast<size_t>(size));
  for (int n = 0; n < count; ++n) {
    float *pixels = plane + n * lineStep;
    for (int i = 0; i < size; ++i)
      line[size_t(i)] = pixels[i * pixelStep];
    for (int i = 0; i < size; ++i) {
      float sum = 0;
      for (int k = -radius; k <= radius; ++k)
        sum += kernel[size_t(k + radius)] * line[size_t(mirrored(i + k, size))];
      pixels[i * pixelStep] = sum;
    }
  }
}

void blur(const Transform &transform, Philox &draw, int channels, int height, int width,
          float *planes) {
  bool applies = draw.uniform() < transform.probability;
  double sigma = draw.uniform(transform.area[0], transform.area[1]);
  if (!applies)
    return;
  int radius = std::max(1, int(std::ceil(3 * sigma)));
  std::vector<float> kernel;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k)
    sum += std::exp(-0.5 * k * k / (sigma * sigma));
  for (int k = -radius; k <= radius; ++k)
    kernel.push_back(float(std::exp(-0.5 * k * k / (sigma * sigma)) / sum));
  for (int c = 0; c < channels; ++c) {
    float *plane = planes + int64_t(c) * height * width;
    blurLines(kernel, width, 1, height, width, plane);
    blurLines(kernel, height, width, width, 1, plane);
  }
}

void eraseRectangle(const Transform &transform, Philox &draw, int channels, int height, int width,
                    float *planes) {
  if (draw.uniform() >= transform.probability)
    return;
  for (int attempt = 0; attempt < 10; ++attempt) {
    double area = draw.uniform(transform.area[0], transform.area[1]) * height * width;
    double ratio =
        std::exp(draw.uniform(std::log(transform.ratio[0]), std::log(transform.ratio[1])));
    int h = int(std::lround(std::sqrt(area * ratio))),
        w = int(std::lround(std::sqrt(area / ratio)));
    if (h < 1 || w < 1 || h >= height || w >= width)
      continue;
    int top = int(draw.below(uint32_t(height - h + 1)));
    int left = int(draw.below(uint32_t(width - w + 1)));
    for (int c = 0; c < channels; ++c)
      for (int y = top; y < top + h; ++y) {
        float *row = planes + (int64_t(c) * height + y) * width + left;
        std::fill(row, row + w, 0.0f);
      }
    return;
  }
}

} // namespace netc::runtime
