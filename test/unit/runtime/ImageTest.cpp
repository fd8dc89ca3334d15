#include "runtime/Image.h"

#include "runtime/Error.h"
#include "runtime/data/Dataset.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <cstdio>

#include <jpeglib.h>
#include <png.h>

using namespace netc::runtime;

namespace {
struct JpegRequest {
  int height = 16, width = 24, channels = 3;
  J_COLOR_SPACE space = JCS_RGB;
  bool progressive = false;
  int orientation = 0; ///< 0: no EXIF
};
} // namespace

/// A JPEG with a dark left half and a bright right half.
static std::string makeJpeg(const JpegRequest &request) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char *buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_height = unsigned(request.height);
  info.image_width = unsigned(request.width);
  info.input_components = request.channels;
  info.in_color_space = request.space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (request.progressive)
    jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (request.orientation) {
    std::string exif("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", 32);
    exif[25] = char(request.orientation);
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET *>(exif.data()), 32);
  }
  std::vector<JSAMPLE> row(size_t(request.width * request.channels));
  for (int x = 0; x < request.width; ++x)
    for (int c = 0; c < request.channels; ++c)
      row[size_t(x * request.channels + c)] =
          c == 3 ? 255 : JSAMPLE((x < request.width / 2 ? 40 : 200) + 10 * c);
  JSAMPROW pointer = row.data();
  for (int y = 0; y < request.height; ++y)
    jpeg_write_scanlines(&info, &pointer, 1);
  jpeg_finish_compress(&info);
  std::string text(reinterpret_cast<char *>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return text;
}

static Image decode(const std::string &text, const ScaleChooser &choose = {}) {
  Image image;
  decodeImage("x.jpg", text, choose, image);
  return image;
}

static int pixel(const Image &image, int y, int x, int c) {
  return image.pixels[size_t((y * image.width + x) * image.channels + c)];
}

TEST(Jpeg, DecodesBaselineAndProgressive) {
  for (bool progressive : {false, true}) {
    JpegRequest request;
    request.progressive = progressive;
    Image image = decode(makeJpeg(request));
    ASSERT_EQ(image.height, 16);
    ASSERT_EQ(image.width, 24);
    ASSERT_EQ(image.channels, 3);
    EXPECT_NEAR(pixel(image, 8, 3, 0), 40, 3);
    EXPECT_NEAR(pixel(image, 8, 20, 2), 220, 3);
  }
}

TEST(Jpeg, DecodesGreyAndCmyk) {
  Image grey = decode(makeJpeg({16, 24, 1, JCS_GRAYSCALE}));
  EXPECT_EQ(grey.channels, 1);
  EXPECT_NEAR(pixel(grey, 8, 20, 0), 200, 3);
  Image cmyk = decode(makeJpeg({16, 24, 4, JCS_CMYK})); // inverted: 255 is no ink
  EXPECT_EQ(cmyk.channels, 3);
  EXPECT_NEAR(pixel(cmyk, 8, 3, 1), 50, 3);
}

TEST(Jpeg, AppliesTheOrientation) {
  JpegRequest request;
  auto oriented = [&](int orientation) {
    request.orientation = orientation;
    return decode(makeJpeg(request));
  };
  // 1: as stored; 2: mirrored; 3: upside down; 6: turned clockwise; 8: the other way.
  EXPECT_NEAR(pixel(oriented(1), 8, 3, 0), 40, 3);
  EXPECT_NEAR(pixel(oriented(2), 8, 3, 0), 200, 3);
  EXPECT_NEAR(pixel(oriented(3), 8, 3, 0), 200, 3);
  Image clockwise = oriented(6);
  EXPECT_EQ(clockwise.height, 24);
  EXPECT_EQ(clockwise.width, 16);
  EXPECT_NEAR(pixel(clockwise, 3, 8, 0), 40, 3); // the left half is on top
  EXPECT_NEAR(pixel(oriented(8), 3, 8, 0), 200, 3);
}

TEST(Jpeg, ScalesWhileDecoding) {
  JpegRequest request;
  request.height = 64;
  request.width = 128;
  Image image = decode(makeJpeg(request), [](int height, int width) {
    EXPECT_EQ(height, 64);
    EXPECT_EQ(width, 128);
    return 4;
  });
  EXPECT_EQ(image.height, 32);
  EXPECT_EQ(image.fullHeight, 64);
  EXPECT_NEAR(pixel(image, 8, 3, 0), 40, 3);
}

TEST(Jpeg, DamageIsAnErrorThatNamesTheFile) {
  std::string whole = makeJpeg({});
  EXPECT_HAS(errorOf([&] { decode(whole.substr(0, whole.size() / 2)); }), "x.jpg: damaged JPEG");
  EXPECT_HAS(errorOf([&] { decode(whole.substr(0, 4)); }), "x.jpg: damaged JPEG");
  EXPECT_HAS(errorOf([&] { decode("GIF89a"); }), "x.jpg: neither JPEG nor PNG");
  EXPECT_HAS(errorOf([&] { decode(""); }), "x.jpg: neither JPEG nor PNG");
}

TEST(Png, RoundTripsAndRejectsDamage) {
  ScratchFolder folder;
  Image image;
  image.resize(3, 2, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = uint8_t(i * 11);
  writePng(folder / "x.png", image);
  std::string text = readFile(folder / "x.png");
  EXPECT_EQ(decode(text).pixels, image.pixels);
  EXPECT_HAS(errorOf([&] { decode(text.substr(0, 40)); }), "damaged PNG");
}

TEST(Png, DropsAlpha) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = header.height = 1;
  header.format = PNG_FORMAT_RGBA;
  uint8_t rgba[] = {10, 20, 30, 0};
  std::string text(1000, 0);
  png_alloc_size_t size = text.size();
  ASSERT_TRUE(png_image_write_to_memory(&header, text.data(), &size, 0, rgba, 0, nullptr));
  text.resize(size);
  EXPECT_EQ(decode(text).pixels, (std::vector<uint8_t>{10, 20, 30}));
}

TEST(ImageFolder, SortsClassesAndSplits) {
  ScratchFolder folder;
  for (const char *name : {"train/dog", "train/cat", "val/cat", "val/dog"})
    makeFolder(folder / name);
  std::string jpeg = makeJpeg({});
  writeFileAtomically(folder / "train/dog/b.jpg", jpeg);
  writeFileAtomically(folder / "train/dog/a.JPEG", jpeg);
  writeFileAtomically(folder / "train/cat/z.jpg", jpeg);
  writeFileAtomically(folder / "train/cat/notes.txt", "no image");
  writeFileAtomically(folder / "val/dog/v.jpg", jpeg);
  writeFileAtomically(folder / "val/cat/v.jpg", jpeg);
  DataShape shape{3, 8, 8, 10};
  auto data = openDataset("imagefolder:" + folder.path, Split::Train, shape);
  EXPECT_EQ(data->classNames(), (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(data->size(), 3);
  EXPECT_EQ(data->label(0), 0);
  EXPECT_EQ(data->describe(1), folder / "train/dog/a.JPEG");
  EXPECT_EQ(openDataset("imagefolder:" + folder.path, Split::Test, shape)->size(), 2);
  EXPECT_EQ(openDataset("imagefolder:" + folder / "val", Split::Test, shape), nullptr);
  EXPECT_HAS(errorOf([&] {
               openDataset("imagefolder:" + folder / "val/cat", Split::Train, shape);
             }),
             "no folders in it, expected one a class");
}
