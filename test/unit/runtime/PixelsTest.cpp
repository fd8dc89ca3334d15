//===- PixelsTest.cpp - transforms of 8-bit images ------------------------===//
#include "runtime/augment/Geometry.h"
#include "runtime/augment/Policy.h"

#include "gtest/gtest.h"

#include <algorithm>

using namespace netc::runtime;

/// An image that has little in common with its neighbours, of 11 rows and 13 columns.
static Image drawn() {
  Image image;
  image.resize(11, 13, 3);
  for (int y = 0; y < 11; ++y)
    for (int x = 0; x < 13; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixels[size_t((y * 13 + x) * 3 + c)] = uint8_t(
            (x * 37 + y * 59 + c * 101 + (x * y) % 23 * 7) % 256 * (200 - 20 * c) / 255 + 10);
  return image;
}

/// FNV-1a of its pixels.
static uint64_t hashOf(const Image &image) {
  uint64_t hash = 14695981039346656037u;
  for (uint8_t value : image.pixels)
    hash = (hash ^ value) * 1099511628211u;
  return hash;
}

/// The numbers are those of torchvision 0.14's `_apply_op` on the same image with Pillow 9.4.
TEST(Pixels, areThoseOfPillow) {
  static constexpr struct {
    const char *name;
    double magnitude;
    uint64_t hash;
  } cases[] = {
      {"ShearX", 0.21, 995406664898311630u},        {"ShearY", -0.13, 3989369419434783076u},
      {"TranslateX", -3.7, 16370214827984055458u},  {"TranslateY", 2.2, 11724865221652863541u},
      {"Rotate", 27.0, 3850572699692655293u},       {"Rotate", -133.5, 343679691276646531u},
      {"Brightness", 0.5, 8920299172203670373u},    {"Brightness", -0.4, 13145843777968975719u},
      {"Color", 0.7, 13962900775731485029u},        {"Color", -0.6, 209897812777799321u},
      {"Contrast", 0.6, 9817177220601320505u},      {"Contrast", -0.7, 11278896162828738906u},
      {"Sharpness", 0.8, 15880928137697008676u},    {"Sharpness", -0.5, 12646805058051210515u},
      {"Posterize", 3.0, 13669682964878169647u},    {"Solarize", 99.5, 9930648870535779680u},
      {"AutoContrast", 0.0, 18139615784727338462u}, {"Equalize", 0.0, 9720285443026954554u},
      {"Invert", 0.0, 14712280322805783255u},
  };
  for (const auto &[name, magnitude, hash] : cases) {
    Image image = drawn();
    applyOperation(name, magnitude, {image});
    EXPECT_EQ(hashOf(image), hash) << name << " " << magnitude;
  }
  Image image = drawn();
  warp(image, affineMap(17.5, {2, -3}, 1.3, {8, 0}, 6.5, 5.5));
  EXPECT_EQ(hashOf(image), 8667523116703709002u) << "affine";
}

/// A histogram whose steps are above zero: the image above, tiled.
TEST(Pixels, equalizeManyPixelsAsPillow) {
  Image small = drawn(), image;
  image.resize(11 * 9, 13 * 7, 3);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      std::copy_n(&small.pixels[size_t((y % 11 * 13 + x % 13) * 3)], 3,
                  &image.pixels[size_t((y * image.width + x) * 3)]);
  Image stretched = image;
  equalize(image);
  autoContrast(stretched);
  EXPECT_EQ(hashOf(image), 12327775696723660891u);
  EXPECT_EQ(hashOf(stretched), 14152476407162504684u);
}

/// Labels go where the image's pixels go; what comes in is outside.
TEST(Pixels, labelsMoveWithTheImage) {
  for (TransformKind kind : {TransformKind::RandomRotation, TransformKind::RandomAffine,
                             TransformKind::RandAugment, TransformKind::TrivialAugment}) {
    Transform transform;
    transform.kind = kind;
    transform.degrees = {-90, 90};
    transform.shear = {-20, 20};
    transform.translate = {0.3, 0.3};
    transform.area = {0.7, 1.4};
    transform.strength = 20;
    transform.count = 1;
    int moved = 0;
    for (uint64_t sample = 0; sample < 40; ++sample) {
      // Values of which no other transform than one that moves makes 1 of 0 or 0 of 1.
      Image image, labels;
      image.resize(9, 9, 1);
      labels.resize(9, 9, 1);
      for (size_t i = 0; i < 81; ++i)
        image.pixels[i] = (labels.pixels[i] = uint8_t(i % 7 < 3)) ? 255 : 1;
      Image before = labels;
      Philox draw(1, Stream::Augment, sample, 0);
      applyPolicy(transform, draw, {image, &labels, 77});
      bool moves = labels.pixels != before.pixels;
      moved += moves;
      for (size_t i = 0; i < 81 && moves; ++i) {
        int wanted = image.pixels[i] == 255 ? 1 : image.pixels[i] == 1 ? 0 : 77;
        EXPECT_EQ(int(labels.pixels[i]), wanted) << int(kind) << ", pixel " << i;
      }
    }
    EXPECT_GT(moved, 3) << int(kind);
  }
}

TEST(Pixels, bicubicIsPillows) {
  auto resized = [](int height, int width) {
    Geometry geometry(11, 13);
    geometry.resize(height, width);
    geometry.bicubic = true;
    Image image;
    resample(drawn(), geometry, image);
    return image;
  };
  static constexpr int smaller[] = {33, 106, 99,  77, 147, 65, 133, 125, 63,  130,
                                    91, 108, 113, 85, 86,  55, 94,  114, 111, 89};
  static constexpr int larger[] = {97, 156, 30,  139, 128, 56,  122, 82, 87,  92,
                                   41, 112, 124, 59,  88,  141, 81,  80, 103, 78};
  Image down = resized(7, 9), up = resized(17, 23);
  for (size_t i = 0; i < std::size(smaller); ++i) {
    EXPECT_NEAR(down.pixels[i], smaller[i], 1) << i; // Pillow rounds between the two directions
    EXPECT_NEAR(up.pixels[300 + i], larger[i], 1) << i;
  }
}

/// Flipped both ways and cut, an image and its labels stay together.
TEST(Pixels, labelsAreResampledByTheirCentres) {
  Geometry geometry(8, 6);
  geometry.flip();
  geometry.flipVertically();
  geometry.crop(-1, 1, 6, 6);
  Image labels, out;
  labels.resize(8, 6, 1);
  for (size_t i = 0; i < labels.pixels.size(); ++i)
    labels.pixels[i] = uint8_t(i);
  resampleLabels(labels, geometry, 255, out);
  Image copied;
  resample(labels, geometry, copied);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 6; ++x) {
      int fromY = 8 - 1 - (y - 1), fromX = 6 - 1 - (x + 1);
      bool inside = fromY >= 0 && fromY < 8 && fromX >= 0 && fromX < 6;
      int wanted = inside ? fromY * 6 + fromX : 255;
      EXPECT_EQ(int(out.pixels[size_t(y * 6 + x)]), wanted) << y << " " << x;
      EXPECT_EQ(int(copied.pixels[size_t(y * 6 + x)]), inside ? wanted : 0) << y << " " << x;
    }
  // Twice as large: each label four times; a quarter as large: those in the middle.
  Geometry enlarged(8, 6), reduced(8, 6);
  enlarged.resize(16, 12);
  reduced.resize(4, 3);
  resampleLabels(labels, enlarged, 255, out);
  EXPECT_EQ(int(out.pixels[5 * 12 + 7]), 2 * 6 + 3);
  resampleLabels(labels, reduced, 255, out);
  EXPECT_EQ(int(out.pixels[1 * 3 + 2]), 3 * 6 + 5);
}
