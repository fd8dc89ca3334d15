// Whatever is done to an image file, decoding it ends with an image or with an Error that names it.
// The program runtime_sanitized holds these tests again with the decoders under the address and
// undefined-behaviour sanitizers.
#include "runtime/augment/Augment.h"
#include "runtime/base/Error.h"

#include "test/unit/runtime/TestImages.h"

#include <gtest/gtest.h>

#include <random>

using namespace netc::runtime;

static std::vector<std::string> seeds() {
  std::vector<std::string> files;
  for (bool progressive : {false, true})
    for (J_COLOR_SPACE space : {JCS_RGB, JCS_GRAYSCALE, JCS_CMYK}) {
      JpegRequest request;
      request.progressive = progressive;
      request.space = space;
      request.channels = space == JCS_RGB ? 3 : space == JCS_GRAYSCALE ? 1 : 4;
      request.orientation = progressive ? 6 : 3;
      files.push_back(makeJpeg(request));
    }
  std::vector<uint8_t> samples(9 * 9 * 8);
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] = uint8_t(i * 37 % 61);
  for (int type : {PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_PALETTE,
                   PNG_COLOR_TYPE_RGB_ALPHA, PNG_COLOR_TYPE_GRAY_ALPHA})
    for (int bits : {8, 16})
      if (type != PNG_COLOR_TYPE_PALETTE || bits == 8)
        files.push_back(makePng({9, 9, type, bits, bits == 8}, samples));
  return files;
}

static std::string mutate(std::string text, std::mt19937 &random) {
  auto below = [&](size_t bound) { return size_t(random() % bound); };
  for (size_t times = 1 + below(6); times > 0 && text.size() > 8; --times) {
    size_t place = 2 + below(text.size() - 2); // the magic stays, or nothing would be decoded
    switch (below(6)) {
    case 0:
      text.resize(place);
      break;
    case 1:
      text.erase(place, 1 + below(16));
      break;
    case 2:
      text[place] = char(random());
      break;
    case 3:
      text[place] = char(0xFF);
      break;
    case 4:
      text.insert(place, text.substr(below(text.size()), below(64)));
      break;
    default:
      text[place] = char(text[place] ^ (1 << below(8)));
      break;
    }
  }
  return text;
}

/// Decodes at a drawn scale and resamples to 8 x 8, as training does.
static bool feed(const std::string &text, int eighths) {
  Image image, resampled;
  try {
    decodeImage("x", text, [&](int, int) { return eighths; }, image);
  } catch (const Error &error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 2), "x:");
    return false;
  }
  EXPECT_EQ(image.pixels.size(),
            size_t(image.height) * size_t(image.width) * size_t(image.channels));
  if (image.height == 0 || image.width == 0)
    return true;
  Geometry geometry(image.fullHeight, image.fullWidth);
  geometry.resize(8, 8);
  resample(image, geometry, resampled);
  EXPECT_EQ(resampled.pixels.size(), size_t(64 * image.channels));
  return true;
}

TEST(DecoderFuzz, WholeFilesDecode) {
  for (const std::string &seed : seeds())
    for (int eighths : {1, 2, 4, 8})
      EXPECT_TRUE(feed(seed, eighths));
}

TEST(DecoderFuzz, MutatedFilesNeverCrash) {
  std::mt19937 random(11);
  int decoded = 0, refused = 0;
  auto files = seeds();
  for (int i = 0; i < 40000; ++i) {
    std::string text = mutate(files[random() % files.size()], random);
    ++(feed(text, 1 << random() % 4) ? decoded : refused);
  }
  // Both ways are taken: the mutations are neither harmless nor fatal as a rule.
  EXPECT_GT(decoded, 200);
  EXPECT_GT(refused, 2000);
}

TEST(DecoderFuzz, EveryTruncationIsRefusedOrWhole) {
  for (const std::string &seed : seeds())
    for (size_t size = 0; size < seed.size(); size += 1 + seed.size() / 200)
      feed(seed.substr(0, size), 8);
}
