//===- Pixels.cpp - transforms of 8-bit images, as Pillow's ---------------===//
#include "runtime/augment/Pixels.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace netc::runtime {

static double radians(double degrees) { return degrees * M_PI / 180; }

/// Pillow rounds a rotation's numbers to 15 decimals, so that quarter turns are exact.
static double rounded(double value) { return std::round(value * 1e15) / 1e15; }

AffineMap rotation(double degrees, int height, int width) {
  double angle = -radians(std::fmod(degrees, 360));
  double cosine = rounded(std::cos(angle)), sine = rounded(std::sin(angle));
  double x = width / 2.0, y = height / 2.0;
  return {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y};
}

AffineMap affineMap(double degrees, std::array<double, 2> translate, double scale,
                    std::array<double, 2> shear, double centerX, double centerY) {
  double turn = radians(degrees), sx = radians(shear[0]), sy = radians(shear[1]);
  double a = std::cos(turn - sy) / std::cos(sy);
  double b = -std::cos(turn - sy) * std::tan(sx) / std::cos(sy) - std::sin(turn);
  double c = std::sin(turn - sy) / std::cos(sy);
  double d = -std::sin(turn - sy) * std::tan(sx) / std::cos(sy) + std::cos(turn);
  AffineMap map{d / scale, -b / scale, 0, -c / scale, a / scale, 0};
  double x = -centerX - translate[0], y = -centerY - translate[1];
  map[2] = map[0] * x + map[1] * y + centerX;
  map[5] = map[3] * x + map[4] * y + centerY;
  return map;
}

/// Fixed point, 16 bits behind the point, as Pillow's.
static int64_t fixedPoint(double value) { return int64_t(std::floor(value * 65536 + 0.5)); }

void warp(Image &image, const AffineMap &map, uint8_t outside) {
  const std::vector<uint8_t> source = image.pixels;
  size_t channels = size_t(image.channels);
  int64_t a0 = fixedPoint(map[0]), a1 = fixedPoint(map[1]), a3 = fixedPoint(map[3]),
          a4 = fixedPoint(map[4]);
  int64_t rowX = fixedPoint(map[2] + map[0] * 0.5 + map[1] * 0.5);
  int64_t rowY = fixedPoint(map[5] + map[3] * 0.5 + map[4] * 0.5);
  uint8_t *to = image.pixels.data();
  for (int y = 0; y < image.height; ++y, rowX += a1, rowY += a4) {
    int64_t atX = rowX, atY = rowY;
    for (int x = 0; x < image.width; ++x, to += channels, atX += a0, atY += a3) {
      int64_t fromX = atX >> 16, fromY = atY >> 16;
      bool inside = fromX >= 0 && fromX < image.width && fromY >= 0 && fromY < image.height;
      const uint8_t *from = source.data() + size_t(fromY * image.width + fromX) * channels;
      for (size_t c = 0; c < channels; ++c)
        to[c] = inside ? from[c] : outside;
    }
  }
}

/// other + factor * (value - other), cut off rather than rounded.
static uint8_t blended(int other, int value, float factor) {
  float result = float(other) + factor * float(value - other);
  return uint8_t(std::clamp(result, 0.0f, 255.0f));
}

/// Of a pixel of three channels: ITU-R 601 in Pillow's fixed point.
static int lumaOf(const uint8_t *pixel) {
  return int((pixel[0] * 19595u + pixel[1] * 38470u + pixel[2] * 7471u + 0x8000u) >> 16);
}

void adjustBrightness(Image &image, double factor) {
  for (uint8_t &value : image.pixels)
    value = blended(0, value, float(factor));
}

void adjustColor(Image &image, double factor) {
  if (image.channels != 3)
    return;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    int grey = lumaOf(&image.pixels[i]);
    for (size_t c = 0; c < 3; ++c)
      image.pixels[i + c] = blended(grey, image.pixels[i + c], float(factor));
  }
}

void adjustContrast(Image &image, double factor) {
  size_t channels = size_t(image.channels), count = image.pixels.size() / channels;
  int64_t sum = 0;
  for (size_t i = 0; i < count; ++i)
    sum += channels == 3 ? lumaOf(&image.pixels[3 * i]) : image.pixels[i * channels];
  int mean = int(double(sum) / double(count) + 0.5);
  for (uint8_t &value : image.pixels)
    value = blended(mean, value, float(factor));
}

void adjustSharpness(Image &image, double factor) {
  int channels = image.channels, width = image.width;
  const std::vector<uint8_t> source = image.pixels;
  for (int y = 1; y + 1 < image.height; ++y)
    for (int x = 1; x + 1 < width; ++x)
      for (int c = 0; c < channels; ++c) {
        auto at = [&](int dy, int dx) {
          return float(source[(size_t(y + dy) * size_t(width) + size_t(x + dx)) * size_t(channels) +
                              size_t(c)]);
        };
        // The sum's order is Pillow's: from the row below to the one above.
        static constexpr float side = 1.0f / 13, middle = 5.0f / 13;
        float smooth = 0.5f;
        for (int dy : {1, 0, -1})
          smooth += at(dy, -1) * side + at(dy, 0) * (dy == 0 ? middle : side) + at(dy, 1) * side;
        size_t i = (size_t(y) * size_t(width) + size_t(x)) * size_t(channels) + size_t(c);
        image.pixels[i] = blended(int(std::clamp(smooth, 0.0f, 255.0f)), source[i], float(factor));
      }
}

void posterize(Image &image, int bits) {
  uint8_t mask = uint8_t(0xFF << (8 - std::clamp(bits, 0, 8)));
  for (uint8_t &value : image.pixels)
    value &= mask;
}

void solarize(Image &image, double threshold) {
  for (uint8_t &value : image.pixels)
    value = value < threshold ? value : uint8_t(255 - value);
}

/// Maps each channel through the table that `make` makes of its histogram.
template <typename Make> static void mapChannels(Image &image, Make make) {
  size_t channels = size_t(image.channels);
  for (size_t c = 0; c < channels; ++c) {
    std::array<int64_t, 256> histogram{};
    for (size_t i = c; i < image.pixels.size(); i += channels)
      ++histogram[image.pixels[i]];
    std::array<uint8_t, 256> table;
    std::iota(table.begin(), table.end(), uint8_t(0));
    make(histogram, table);
    for (size_t i = c; i < image.pixels.size(); i += channels)
      image.pixels[i] = table[image.pixels[i]];
  }
}

void autoContrast(Image &image) {
  mapChannels(image,
              [](const std::array<int64_t, 256> &histogram, std::array<uint8_t, 256> &table) {
                int low = 0, high = 255;
                while (low < 255 && !histogram[size_t(low)])
                  ++low;
                while (high > 0 && !histogram[size_t(high)])
                  --high;
                if (high <= low)
                  return;
                double scale = 255.0 / (high - low), offset = -low * scale;
                for (int i = 0; i < 256; ++i)
                  table[size_t(i)] = uint8_t(std::clamp(int(i * scale + offset), 0, 255));
              });
}

void equalize(Image &image) {
  mapChannels(image,
              [](const std::array<int64_t, 256> &histogram, std::array<uint8_t, 256> &table) {
                int64_t total = 0, last = 0, kinds = 0;
                for (int64_t count : histogram)
                  if (count)
                    total += count, last = count, ++kinds;
                int64_t step = (total - last) / 255;
                if (kinds <= 1 || step == 0)
                  return;
                int64_t sum = step / 2;
                for (size_t i = 0; i < 256; sum += histogram[i++])
                  table[i] = uint8_t(std::min<int64_t>(255, sum / step));
              });
}

} // namespace netc::runtime
