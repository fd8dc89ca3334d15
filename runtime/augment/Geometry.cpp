//===- Geometry.cpp - crops, flips and resizes as one resampling ----------===//
#include "runtime/augment/Geometry.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace netc::runtime {

Geometry::Geometry(int sourceHeight, int sourceWidth)
    : height(sourceHeight), width(sourceWidth), clipBottom(sourceHeight), clipRight(sourceWidth) {}

void Geometry::resize(int newHeight, int newWidth) {
  if (newHeight == height && newWidth == width)
    return;
  // Filters don't look beyond a crop that came before.
  clipTop = std::max(clipTop, originY);
  clipLeft = std::max(clipLeft, originX);
  clipBottom = std::min(clipBottom, originY + height * scaleY);
  clipRight = std::min(clipRight, originX + width * scaleX);
  scaleY *= double(height) / newHeight;
  scaleX *= double(width) / newWidth;
  height = newHeight;
  width = newWidth;
}

void Geometry::resizeShorter(int side) {
  // torchvision truncates the longer side.
  if (height <= width)
    resize(side, std::max(1, int(int64_t(width) * side / height)));
  else
    resize(std::max(1, int(int64_t(height) * side / width)), side);
}

void Geometry::crop(int top, int left, int h, int w) {
  if (flipped)
    left = width - (left + w);
  if (upsideDown)
    top = height - (top + h);
  originY += top * scaleY;
  originX += left * scaleX;
  height = h;
  width = w;
}

/// Where a centred crop begins: Python's round((size - cropped) / 2); where it is larger than the
/// image, half of what is missing lies before it, rounded down.
static int centerStart(int size, int cropped) {
  int room = size - cropped;
  if (room < 0)
    return -(-room / 2);
  int half = room / 2;
  return half + (room % 2 && half % 2);
}

void Geometry::centerCrop(int h, int w) {
  crop(centerStart(height, h), centerStart(width, w), h, w);
}

int Geometry::neededEighths(double left) const {
  double finest = std::min(scaleY, scaleX);
  for (int eighths : {1, 2, 4})
    if (finest * eighths / 8 >= left)
      return eighths;
  return 8;
}

namespace {
/// Filter taps of one axis: output pixel i reads `count[i]` source pixels from `first[i]`.
struct Taps {
  std::vector<int> first, count;
  std::vector<float> weights; // `stride` to a pixel
  int stride = 0;
};
} // namespace

/// Catmull and Rom's cubic, with Pillow's a = -0.5; its support is 2.
static double cubic(double x) {
  x = std::abs(x);
  if (x < 1)
    return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/// `low` and `high` bound what the filters may see of the `sourceSize` pixels; a pixel that lies
/// partly within counts by that part.
static Taps makeTaps(int size, int sourceSize, double origin, double scale, double low, double high,
                     bool flipped, bool bicubic) {
  Taps taps;
  double stretch = std::max(scale, 1.0), support = stretch * (bicubic ? 2 : 1);
  taps.stride = int(std::ceil(support)) * 2 + 1;
  taps.first.resize(size_t(size));
  taps.count.resize(size_t(size));
  taps.weights.assign(size_t(size) * size_t(taps.stride), 0);
  int lowest = std::max(0, int(std::floor(low)));
  int highest = std::min(sourceSize, int(std::ceil(high)));
  auto part = [&](int x) { return std::min(x + 1.0, high) - std::max(double(x), low); };
  for (int i = 0; i < size; ++i) {
    double center = origin + ((flipped ? size - 1 - i : i) + 0.5) * scale;
    if (center < low || center >= high)
      continue; // outside: no taps, zero
    int begin = std::max(lowest, int(std::floor(center - support + 0.5)));
    int end = std::min(highest, int(std::floor(center + support + 0.5)));
    end = std::min(end, begin + taps.stride);
    float *weights = taps.weights.data() + size_t(i) * size_t(taps.stride);
    double sum = 0;
    auto weight = [&](int x) {
      double distance = (x + 0.5 - center) / stretch;
      return (bicubic ? cubic(distance) : std::max(0.0, 1 - std::abs(distance))) * part(x);
    };
    for (int x = begin; x < end; ++x)
      sum += weight(x);
    if (sum <= 0)
      continue;
    for (int x = begin; x < end; ++x)
      weights[x - begin] = float(weight(x) / sum);
    taps.first[size_t(i)] = begin;
    taps.count[size_t(i)] = end - begin;
  }
  return taps;
}

/// No scaling, whole pixels: rows are copied.
static void copyRows(const Image &source, const Geometry &geometry, int top, int left, Image &out) {
  size_t channels = size_t(source.channels);
  int begin = std::max(0, -left), end = std::min(geometry.width, source.width - left);
  std::memset(out.pixels.data(), 0, out.pixels.size());
  for (int y = 0; y < geometry.height && begin < end; ++y) {
    if (y + top < 0 || y + top >= source.height)
      continue;
    const uint8_t *from =
        source.pixels.data() +
        (size_t(y + top) * size_t(source.width) + size_t(begin + left)) * channels;
    int to = geometry.upsideDown ? geometry.height - 1 - y : y;
    uint8_t *row = out.pixels.data() + size_t(to) * size_t(out.width) * channels;
    if (!geometry.flipped) {
      std::memcpy(row + size_t(begin) * channels, from, size_t(end - begin) * channels);
      continue;
    }
    for (int x = begin; x < end; ++x, from += channels)
      std::memcpy(row + size_t(geometry.width - 1 - x) * channels, from, channels);
  }
}

static void filterRow(const uint8_t *row, int channels, const Taps &taps, int width, float *out) {
  for (int x = 0; x < width; ++x) {
    const float *weights = taps.weights.data() + size_t(x) * size_t(taps.stride);
    const uint8_t *from = row + size_t(taps.first[size_t(x)]) * size_t(channels);
    int count = taps.count[size_t(x)];
    if (channels == 3) {
      float r = 0, g = 0, b = 0;
      for (int i = 0; i < count; ++i, from += 3) {
        r += weights[i] * float(from[0]);
        g += weights[i] * float(from[1]);
        b += weights[i] * float(from[2]);
      }
      out[0] = r;
      out[1] = g;
      out[2] = b;
      out += 3;
      continue;
    }
    for (int c = 0; c < channels; ++c) {
      float sum = 0;
      for (int i = 0; i < count; ++i)
        sum += weights[i] * float(from[i * channels + c]);
      *out++ = sum;
    }
  }
}

/// In pixels of `source` where that was decoded at a fraction of its size; on the full image
/// filters see whole pixels.
static Geometry onPixelsOf(const Image &source, Geometry geometry) {
  for (double *clip :
       {&geometry.clipTop, &geometry.clipBottom, &geometry.clipLeft, &geometry.clipRight})
    if (source.eighths == 8)
      *clip = std::round(*clip);
  if (source.eighths == 8)
    return geometry;
  double factor = source.eighths / 8.0;
  for (double *y : {&geometry.originY, &geometry.clipTop, &geometry.clipBottom})
    *y = (*y + source.outsideTop) * factor;
  for (double *x : {&geometry.originX, &geometry.clipLeft, &geometry.clipRight})
    *x = (*x + source.outsideLeft) * factor;
  geometry.scaleY *= factor;
  geometry.scaleX *= factor;
  return geometry;
}

void resample(const Image &source, const Geometry &full, Image &out) {
  Geometry geometry = onPixelsOf(source, full);
  out.resize(geometry.height, geometry.width, source.channels);
  if (geometry.scaleY == 1 && geometry.scaleX == 1 &&
      geometry.originY == std::floor(geometry.originY) &&
      geometry.originX == std::floor(geometry.originX))
    return copyRows(source, geometry, int(geometry.originY), int(geometry.originX), out);

  Taps rows =
      makeTaps(out.height, source.height, geometry.originY, geometry.scaleY, geometry.clipTop,
               geometry.clipBottom, geometry.upsideDown, geometry.bicubic);
  Taps columns =
      makeTaps(out.width, source.width, geometry.originX, geometry.scaleX, geometry.clipLeft,
               geometry.clipRight, geometry.flipped, geometry.bicubic);
  int top = source.height, bottom = 0;
  for (int y = 0; y < out.height; ++y)
    if (rows.count[size_t(y)]) {
      top = std::min(top, rows.first[size_t(y)]);
      bottom = std::max(bottom, rows.first[size_t(y)] + rows.count[size_t(y)]);
    }
  size_t rowValues = size_t(out.width) * size_t(out.channels);
  std::vector<float> filtered(size_t(std::max(0, bottom - top)) * rowValues);
  for (int y = top; y < bottom; ++y)
    filterRow(source.pixels.data() + size_t(y) * size_t(source.width) * size_t(source.channels),
              source.channels, columns, out.width, filtered.data() + size_t(y - top) * rowValues);
  std::vector<float> sum(rowValues);
  for (int y = 0; y < out.height; ++y) {
    std::fill(sum.begin(), sum.end(), 0.5f); // rounds
    for (int i = 0; i < rows.count[size_t(y)]; ++i) {
      float weight = rows.weights[size_t(y) * size_t(rows.stride) + size_t(i)];
      const float *row = filtered.data() + size_t(rows.first[size_t(y)] + i - top) * rowValues;
      for (size_t x = 0; x < rowValues; ++x)
        sum[x] += weight * row[x];
    }
    uint8_t *to = out.pixels.data() + size_t(y) * rowValues;
    for (size_t x = 0; x < rowValues; ++x)
      to[x] = uint8_t(std::clamp(sum[x], 0.0f, 255.0f));
  }
}

/// For each pixel of one axis the source pixel under its centre; -1: it lies outside.
static std::vector<int> nearestPixels(int size, int sourceSize, double origin, double scale,
                                      double low, double high, bool flipped) {
  std::vector<int> pixels(size_t(size), -1);
  for (int i = 0; i < size; ++i) {
    double center = origin + ((flipped ? size - 1 - i : i) + 0.5) * scale;
    if (center >= std::max(low, 0.0) && center < std::min(high, double(sourceSize)))
      pixels[size_t(i)] = int(center);
  }
  return pixels;
}

void resampleLabels(const Image &source, const Geometry &geometry, uint8_t outside, Image &out) {
  out.resize(geometry.height, geometry.width, 1);
  std::vector<int> rows =
      nearestPixels(geometry.height, source.height, geometry.originY, geometry.scaleY,
                    geometry.clipTop, geometry.clipBottom, geometry.upsideDown);
  std::vector<int> columns =
      nearestPixels(geometry.width, source.width, geometry.originX, geometry.scaleX,
                    geometry.clipLeft, geometry.clipRight, geometry.flipped);
  uint8_t *to = out.pixels.data();
  for (int y : rows)
    for (int x : columns)
      *to++ =
          y < 0 || x < 0 ? outside : source.pixels[size_t(y) * size_t(source.width) + size_t(x)];
}

} // namespace netc::runtime
