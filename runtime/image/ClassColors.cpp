//===- ClassColors.cpp - class maps as pictures ---------------------------===//
#include "runtime/image/ClassColors.h"

namespace netc::runtime {

std::array<uint8_t, 3> classColor(int64_t index) {
  std::array<uint8_t, 3> color{};
  for (int bit = 7; index; index >>= 3, --bit)
    for (size_t c = 0; c < 3; ++c)
      color[c] = uint8_t(color[c] | ((index >> c) & 1) << bit);
  return color;
}

Image overlay(const Image &image, const std::vector<uint8_t> &classes) {
  Image result;
  result.resize(image.height, image.width, 3);
  for (size_t i = 0; i < classes.size(); ++i) {
    std::array<uint8_t, 3> color = classColor(classes[i]);
    for (size_t c = 0; c < 3; ++c) {
      uint8_t own = image.pixels[i * size_t(image.channels) + (image.channels == 3 ? c : 0)];
      result.pixels[i * 3 + c] = classes[i] ? uint8_t((own + color[c]) / 2) : own;
    }
  }
  return result;
}

} // namespace netc::runtime
