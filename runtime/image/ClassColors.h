//===- ClassColors.h - class maps as pictures -------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_IMAGE_CLASSCOLORS_H
#define NETC_RUNTIME_IMAGE_CLASSCOLORS_H

#include "runtime/image/Image.h"

#include <array>

namespace netc::runtime {

/// Pascal VOC's colour of a class: 0 is black.
std::array<uint8_t, 3> classColor(int64_t index);

/// `image` with the colours of `classes`, [height, width] as the image, laid over it; class 0
/// leaves it as it is.
Image overlay(const Image &image, const std::vector<uint8_t> &classes);

} // namespace netc::runtime

#endif // NETC_RUNTIME_IMAGE_CLASSCOLORS_H
