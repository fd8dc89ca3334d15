//===- Policy.h - random transforms of 8-bit images -------------*- C++ -*-===//
#ifndef NETC_RUNTIME_AUGMENT_POLICY_H
#define NETC_RUNTIME_AUGMENT_POLICY_H

#include "runtime/augment/Pixels.h"
#include "runtime/base/Philox.h"
#include "runtime/recipe/Recipe.h"

#include <string_view>

namespace netc::runtime {

/// An image, and its labels, which follow where pixels move; `outside` is the label of what a
/// transform moves in.
struct Labelled {
  Image &image;
  Image *labels = nullptr;
  uint8_t outside = 0;
};

/// One transform of the policies by its name in torchvision ("ShearX", "Posterize", …) with its
/// magnitude.
void applyOperation(std::string_view name, double magnitude, const Labelled &on);

/// Whether `applyPolicy` knows this kind: RandomRotation, RandomAffine, RandAugment,
/// TrivialAugment, AutoAugment.
bool isPolicy(TransformKind kind);

/// Draws and applies what `transform` says, as torchvision's transform of that name, without
/// interpolation.
void applyPolicy(const Transform &transform, Philox &draw, const Labelled &on);

} // namespace netc::runtime

#endif // NETC_RUNTIME_AUGMENT_POLICY_H
