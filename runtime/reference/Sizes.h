//===- Sizes.h - shapes without the batch, as layers see them ---*- C++ -*-===//
#ifndef NETC_RUNTIME_REFERENCE_SIZES_H
#define NETC_RUNTIME_REFERENCE_SIZES_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace netc::runtime::reference {

/// Channels, height and width.
struct Size {
  int64_t c, h, w;
  int64_t plane() const { return h * w; }
  int64_t image() const { return c * h * w; }
};

/// An image's sizes; of fewer axes the rest is 1.
inline Size sizeOf(const std::vector<int64_t> &shape) {
  auto dim = [&](size_t i) { return i < shape.size() ? shape[i] : 1; };
  return {dim(0), dim(1), dim(2)};
}

/// A value by its channels, which come first in images [C, H, W] and last in everything else:
/// vectors, [tokens, features], … All other axes are its pixels.
struct Channels {
  explicit Channels(const std::vector<int64_t> &shape)
      : isImage(shape.size() == 3), count(isImage ? shape.front() : shape.back()) {
    for (int64_t size : shape)
      pixels *= size;
    pixels /= count;
  }
  int64_t at(int64_t image, int64_t pixel, int64_t channel) const {
    int64_t within = isImage ? channel * pixels + pixel : pixel * count + channel;
    return image * count * pixels + within;
  }

  bool isImage;
  int64_t count, pixels = 1;
};

} // namespace netc::runtime::reference

#endif // NETC_RUNTIME_REFERENCE_SIZES_H
