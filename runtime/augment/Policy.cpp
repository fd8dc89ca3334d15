//===- Policy.cpp - random transforms of 8-bit images ---------------------===//
//
// RandAugment (Cubuk et al. 2020), TrivialAugment (Müller and Hutter 2021) and AutoAugment (Cubuk
// et al. 2019) with the spaces and magnitudes of torchvision.
//
//===----------------------------------------------------------------------===//
#include "runtime/augment/Policy.h"

#include "runtime/base/Error.h"

#include <cmath>
#include <iterator>

namespace netc::runtime {

namespace {
/// A transform of a policy's space. Of a strength from 0 to 1 it has the magnitude
/// `from` + strength * (`to` - `from`).
struct Operation {
  std::string_view name;
  double from, to;
  bool isSigned;     ///< drawn with either sign
  bool ofSize;       ///< the magnitude is a share of the width or height
  bool isWhole;      ///< bits: 8 - round(strength * (8 - to))
  bool hasMagnitude; ///< else it always does the same
};

struct Step {
  std::string_view name;
  double probability, magnitude;
};
} // namespace

static constexpr double translated = 150.0 / 331;

/// Of RandAugment; AutoAugment's is this one and Invert.
static constexpr Operation randSpace[] = {
    {"Identity", 0, 0, false, false, false, false},
    {"ShearX", 0, 0.3, true, false, false, true},
    {"ShearY", 0, 0.3, true, false, false, true},
    {"TranslateX", 0, translated, true, true, false, true},
    {"TranslateY", 0, translated, true, true, false, true},
    {"Rotate", 0, 30, true, false, false, true},
    {"Brightness", 0, 0.9, true, false, false, true},
    {"Color", 0, 0.9, true, false, false, true},
    {"Contrast", 0, 0.9, true, false, false, true},
    {"Sharpness", 0, 0.9, true, false, false, true},
    {"Posterize", 8, 4, false, false, true, true},
    {"Solarize", 255, 0, false, false, false, true},
    {"AutoContrast", 0, 0, false, false, false, false},
    {"Equalize", 0, 0, false, false, false, false},
    {"Invert", 0, 0, false, false, false, false},
};
static constexpr uint32_t randOperations = 14; ///< without Invert

static constexpr Operation trivialSpace[] = {
    {"Identity", 0, 0, false, false, false, false},
    {"ShearX", 0, 0.99, true, false, false, true},
    {"ShearY", 0, 0.99, true, false, false, true},
    {"TranslateX", 0, 32, true, false, false, true},
    {"TranslateY", 0, 32, true, false, false, true},
    {"Rotate", 0, 135, true, false, false, true},
    {"Brightness", 0, 0.99, true, false, false, true},
    {"Color", 0, 0.99, true, false, false, true},
    {"Contrast", 0, 0.99, true, false, false, true},
    {"Sharpness", 0, 0.99, true, false, false, true},
    {"Posterize", 8, 2, false, false, true, true},
    {"Solarize", 255, 0, false, false, false, true},
    {"AutoContrast", 0, 0, false, false, false, false},
    {"Equalize", 0, 0, false, false, false, false},
};

/// The policy that was found on ImageNet: pairs of steps, magnitudes in ninths.
static constexpr Step imagenetPolicy[][2] = {
    {{"Posterize", 0.4, 8}, {"Rotate", 0.6, 9}},  {{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 0}},
    {{"Equalize", 0.8, 0}, {"Equalize", 0.6, 0}}, {{"Posterize", 0.6, 7}, {"Posterize", 0.6, 6}},
    {{"Equalize", 0.4, 0}, {"Solarize", 0.2, 4}}, {{"Equalize", 0.4, 0}, {"Rotate", 0.8, 8}},
    {{"Solarize", 0.6, 3}, {"Equalize", 0.6, 0}}, {{"Posterize", 0.8, 5}, {"Equalize", 1.0, 0}},
    {{"Rotate", 0.2, 3}, {"Solarize", 0.6, 8}},   {{"Equalize", 0.6, 0}, {"Posterize", 0.4, 6}},
    {{"Rotate", 0.8, 8}, {"Color", 0.4, 0}},      {{"Rotate", 0.4, 9}, {"Equalize", 0.6, 0}},
    {{"Equalize", 0.0, 0}, {"Equalize", 0.8, 0}}, {{"Invert", 0.6, 0}, {"Equalize", 1.0, 0}},
    {{"Color", 0.6, 4}, {"Contrast", 1.0, 8}},    {{"Rotate", 0.8, 8}, {"Color", 1.0, 2}},
    {{"Color", 0.8, 8}, {"Solarize", 0.8, 7}},    {{"Sharpness", 0.4, 7}, {"Invert", 0.6, 0}},
    {{"ShearX", 0.6, 5}, {"Equalize", 1.0, 0}},   {{"Color", 0.4, 0}, {"Equalize", 0.6, 0}},
    {{"Equalize", 0.4, 0}, {"Solarize", 0.2, 4}}, {{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 0}},
    {{"Invert", 0.6, 0}, {"Equalize", 1.0, 0}},   {{"Color", 0.6, 4}, {"Contrast", 1.0, 8}},
    {{"Equalize", 0.8, 0}, {"Equalize", 0.6, 0}},
};

static void move(const AffineMap &map, const Labelled &on) {
  warp(on.image, map);
  if (on.labels)
    warp(*on.labels, map, on.outside);
}

/// The transforms that move pixels; none where `name` is another.
static std::optional<AffineMap> mapOf(std::string_view name, double magnitude, const Image &image) {
  double shear = std::atan(magnitude) * 180 / M_PI;
  if (name == "ShearX")
    return affineMap(0, {0, 0}, 1, {shear, 0}, 0, 0);
  if (name == "ShearY")
    return affineMap(0, {0, 0}, 1, {0, shear}, 0, 0);
  double x = image.width * 0.5, y = image.height * 0.5, pixels = std::trunc(magnitude);
  if (name == "TranslateX")
    return affineMap(0, {pixels, 0}, 1, {0, 0}, x, y);
  if (name == "TranslateY")
    return affineMap(0, {0, pixels}, 1, {0, 0}, x, y);
  if (name == "Rotate")
    return rotation(magnitude, image.height, image.width);
  return std::nullopt;
}

void applyOperation(std::string_view name, double magnitude, const Labelled &on) {
  if (std::optional<AffineMap> map = mapOf(name, magnitude, on.image))
    move(*map, on);
  else if (name == "Brightness")
    adjustBrightness(on.image, 1 + magnitude);
  else if (name == "Color")
    adjustColor(on.image, 1 + magnitude);
  else if (name == "Contrast")
    adjustContrast(on.image, 1 + magnitude);
  else if (name == "Sharpness")
    adjustSharpness(on.image, 1 + magnitude);
  else if (name == "Posterize")
    posterize(on.image, int(magnitude));
  else if (name == "Solarize")
    solarize(on.image, magnitude);
  else if (name == "AutoContrast")
    autoContrast(on.image);
  else if (name == "Equalize")
    equalize(on.image);
  else if (name == "Invert")
    solarize(on.image, 0);
  else if (name != "Identity")
    fail("internal error: no transform '{}'", name);
}

static void apply(const Operation &operation, double strength, Philox &draw, const Labelled &on) {
  double magnitude = operation.from + strength * (operation.to - operation.from);
  if (operation.isWhole)
    magnitude = operation.from - std::nearbyint(strength * (operation.from - operation.to));
  if (operation.ofSize)
    magnitude *= operation.name == "TranslateX" ? on.image.width : on.image.height;
  if (operation.isSigned && draw.below(2))
    magnitude = -magnitude;
  applyOperation(operation.name, magnitude, on);
}

static const Operation &operationOf(std::string_view name) {
  for (const Operation &operation : randSpace)
    if (operation.name == name)
      return operation;
  fail("internal error: no transform '{}'", name);
}

static void autoAugment(Philox &draw, const Labelled &on) {
  for (const Step &step : imagenetPolicy[draw.below(std::size(imagenetPolicy))])
    if (draw.uniform() <= step.probability)
      apply(operationOf(step.name), step.magnitude / 9, draw, on);
}

static void affine(const Transform &transform, Philox &draw, const Labelled &on) {
  double angle = draw.uniform(transform.degrees[0], transform.degrees[1]);
  double mostX = transform.translate[0] * on.image.width,
         mostY = transform.translate[1] * on.image.height;
  double x = std::nearbyint(draw.uniform(-mostX, mostX)),
         y = std::nearbyint(draw.uniform(-mostY, mostY));
  double scale = draw.uniform(transform.area[0], transform.area[1]);
  double shear = draw.uniform(transform.shear[0], transform.shear[1]);
  move(affineMap(angle, {x, y}, scale, {shear, 0}, on.image.width * 0.5, on.image.height * 0.5),
       on);
}

bool isPolicy(TransformKind kind) {
  return kind == TransformKind::RandomRotation || kind == TransformKind::RandomAffine ||
         kind == TransformKind::RandAugment || kind == TransformKind::TrivialAugment ||
         kind == TransformKind::AutoAugment;
}

void applyPolicy(const Transform &transform, Philox &draw, const Labelled &on) {
  static constexpr double bins = 30; // of strengths, beside the first
  switch (transform.kind) {
  case TransformKind::RandomRotation:
    return move(rotation(draw.uniform(transform.degrees[0], transform.degrees[1]), on.image.height,
                         on.image.width),
                on);
  case TransformKind::RandomAffine:
    return affine(transform, draw, on);
  case TransformKind::RandAugment:
    for (int i = 0; i < transform.count; ++i)
      apply(randSpace[draw.below(randOperations)], transform.strength / bins, draw, on);
    return;
  case TransformKind::TrivialAugment: {
    const Operation &operation = trivialSpace[draw.below(std::size(trivialSpace))];
    return apply(operation, draw.below(uint32_t(bins) + 1) / bins, draw, on);
  }
  default:
    return autoAugment(draw, on);
  }
}

} // namespace netc::runtime
