#include "runtime/image/Image.h"

#include "runtime/base/Error.h"
#include "runtime/data/Dataset.h"
#include "runtime/image/ImageFiles.h"
#include "test/unit/runtime/Scratch.h"
#include "test/unit/runtime/TestImages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sys/stat.h>

using namespace netc::runtime;

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

/// A marker segment with its length.
static std::string segment(int marker, const std::string &payload) {
  size_t length = payload.size() + 2;
  return bytes({0xFF, marker, int(length >> 8), int(length & 0xFF)}) + payload;
}

// Cameras and editors write several APP1 segments: XMP behind EXIF, or before it.
TEST(Jpeg, TheOrientationIsThatOfTheFirstExif) {
  JpegRequest request;
  std::string plain = makeJpeg(request);
  request.orientation = 6;
  std::string turned = makeJpeg(request);
  std::string xmp = segment(0xE1, "http://ns.adobe.com/xap/1.0/" + std::string(1, '\0') + "<x/>");
  std::string exif = turned.substr(turned.find("\xFF\xE1"), 36);
  std::string other = exif;
  other[29] = 3;             // of a second camera
  std::string asLong = exif; // the tag as a LONG, as some programs write it
  asLong[4 + 6 + 8 + 2 + 3] = 4;
  std::swap(asLong[29], asLong[31]);
  auto with = [&](const std::string &segments) {
    std::string text = plain;
    return decode(text.insert(text.find("\xFF\xDB"), segments));
  };
  Image expected = decode(turned);
  EXPECT_EQ(expected.height, 24);
  for (const std::string &segments : {exif, exif + xmp, xmp + exif, exif + other, asLong,
                                      exif + segment(0xE1, ""), segment(0xE1, "Exif") + exif})
    EXPECT_EQ(with(segments).pixels, expected.pixels);
  EXPECT_EQ(with(xmp).height, 16);
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

TEST(Jpeg, AbsurdSizesAreRefusedBeforeTheyTakeMemory) {
  std::string text = makeJpeg({});
  size_t frame = text.find("\xFF\xC0"); // length, precision, height, width
  ASSERT_NE(frame, std::string::npos);
  for (int i = 5; i < 9; ++i)
    text[frame + size_t(i)] = char(0xFE);
  EXPECT_HAS(errorOf([&] { decode(text); }),
             "x.jpg: damaged JPEG: 65278 x 65278 pixels are more than this program reads");
}

TEST(Jpeg, EndlessScansAreRefused) {
  JpegRequest request;
  request.progressive = true;
  std::string text = makeJpeg(request);
  // The last scan again and again.
  size_t scan = text.rfind("\xFF\xDA"), end = text.rfind("\xFF\xD9");
  std::string again = text.substr(scan, end - scan), many = text.substr(0, end);
  for (int i = 0; i < 400; ++i)
    many += again;
  EXPECT_HAS(errorOf([&] { decode(many + text.substr(end)); }), "x.jpg: damaged JPEG");
}

TEST(Png, DropsAlpha) {
  EXPECT_EQ(decode(makePng({1, 1, PNG_COLOR_TYPE_RGB_ALPHA, 8}, {10, 20, 30, 0})).pixels,
            (std::vector<uint8_t>{10, 20, 30}));
  Image grey = decode(makePng({1, 2, PNG_COLOR_TYPE_GRAY_ALPHA, 8}, {10, 0, 20, 255}));
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.pixels, (std::vector<uint8_t>{10, 20}));
}

// Pillow and torchvision read the stored values, and so do models that were trained with them.
TEST(Png, ColorChunksChangeNothing) {
  std::vector<uint8_t> samples{20, 60, 200, 0, 128, 255};
  for (double gamma : {1.0, 0.45455, 0.2})
    for (bool colors : {false, true}) {
      PngRequest rgb{1, 2, PNG_COLOR_TYPE_RGB, 8}, grey{1, 6, PNG_COLOR_TYPE_GRAY, 8},
          alpha{1, 1, PNG_COLOR_TYPE_RGB_ALPHA, 8}, wide{1, 3, PNG_COLOR_TYPE_GRAY, 16};
      for (PngRequest *request : {&rgb, &grey, &alpha, &wide}) {
        request->gamma = gamma;
        request->colors = colors;
      }
      EXPECT_EQ(decode(makePng(rgb, samples)).pixels, samples) << gamma;
      EXPECT_EQ(decode(makePng(grey, samples)).pixels, samples) << gamma;
      EXPECT_EQ(decode(makePng(alpha, {20, 60, 200, 128})).pixels,
                (std::vector<uint8_t>{20, 60, 200}));
      EXPECT_EQ(decode(makePng(wide, samples)).pixels, (std::vector<uint8_t>{20, 200, 128}));
      PngRequest palette{1, 2, PNG_COLOR_TYPE_PALETTE, 8};
      palette.gamma = gamma;
      palette.colors = colors;
      EXPECT_EQ(decode(makePng(palette, {10, 20})).pixels,
                (std::vector<uint8_t>{10, 20, 30, 20, 40, 60}));
    }
  PngRequest profiled{1, 2, PNG_COLOR_TYPE_RGB, 8};
  profiled.profile = "no profile at all";
  EXPECT_EQ(decode(makePng(profiled, samples)).pixels, samples);
}

TEST(Png, TransparentColorsStayWhatTheyAre) {
  PngRequest palette{1, 2, PNG_COLOR_TYPE_PALETTE, 8}, grey{1, 2, PNG_COLOR_TYPE_GRAY, 8};
  palette.transparentFirst = grey.transparentFirst = true;
  EXPECT_EQ(decode(makePng(palette, {0, 5})).pixels, (std::vector<uint8_t>{0, 0, 0, 5, 10, 15}));
  Image image = decode(makePng(grey, {0, 5}));
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{0, 5}));
}

TEST(Png, ReducesSixteenBits) {
  // As Pillow and OpenCV: the high byte, not linear light.
  EXPECT_EQ(decode(makePng({1, 2, PNG_COLOR_TYPE_GRAY, 16}, {0x80, 0x80, 0x10, 0x10})).pixels,
            (std::vector<uint8_t>{0x80, 0x10}));
  EXPECT_EQ(decode(makePng({1, 1, PNG_COLOR_TYPE_RGB, 16}, {1, 1, 0x80, 0x80, 0xFF, 0xFF})).pixels,
            (std::vector<uint8_t>{1, 0x80, 0xFF}));
}

TEST(Png, ExpandsPalettesAndBits) {
  // Palette: 0 black, 1 (1, 2, 3), 2 (2, 4, 6), …
  Image image = decode(makePng({1, 3, PNG_COLOR_TYPE_PALETTE, 8}, {2, 0, 5}));
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{2, 4, 6, 0, 0, 0, 5, 10, 15}));
  EXPECT_EQ(decode(makePng({1, 4, PNG_COLOR_TYPE_GRAY, 2}, {0x1B})).pixels,
            (std::vector<uint8_t>{0, 85, 170, 255}));
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
  EXPECT_HAS(
      errorOf([&] { openDataset("imagefolder:" + folder / "val/cat", Split::Train, shape); }),
      "no folders in it, expected one a class");
}

// A JPEG whose JFIF header claims version 3: libjpeg warns, cameras wrote it, the pixels are sound.
TEST(Jpeg, OddHeadersAreNoDamage) {
  std::string jpeg = makeJpeg({});
  size_t jfif = jpeg.find("JFIF");
  ASSERT_NE(jfif, std::string::npos);
  Image before = decode(jpeg);
  jpeg[jfif + 5] = 3;
  EXPECT_EQ(decode(jpeg).pixels, before.pixels);
}

// libjpeg warns and goes on; so do Pillow and torchvision.
TEST(Jpeg, BytesBetweenSegmentsAreNoDamage) {
  JpegRequest request;
  request.waves = true;
  request.restart = 1;
  std::string jpeg = makeJpeg(request);
  Image before = decode(jpeg);
  // Each kind of segment, the first one included, and the end.
  for (const char *marker :
       {"\xFF\xE0", "\xFF\xDB", "\xFF\xC4", "\xFF\xC0", "\xFF\xDA", "\xFF\xD9"})
    for (size_t count : {2, 62}) {
      std::string text = jpeg;
      text.insert(text.rfind(marker), std::string(count, '\x11'));
      EXPECT_EQ(decode(text).pixels, before.pixels) << marker;
    }
  EXPECT_EQ(decode(jpeg + "trailing").pixels, before.pixels);
  EXPECT_EQ(decode(jpeg.substr(0, jpeg.size() - 2)).pixels, before.pixels); // no end marker
}

TEST(Jpeg, LostPixelsAreDamage) {
  JpegRequest request;
  request.waves = true;
  request.height = request.width = 64;
  auto damaged = [&](const std::string &text) {
    return errorOf([&] { decode(text); }).find("x.jpg: damaged JPEG") == 0;
  };
  for (bool progressive : {false, true}) {
    request.progressive = progressive;
    std::string jpeg = makeJpeg(request);
    for (size_t cut : {20, 100, 400})
      EXPECT_TRUE(damaged(jpeg.substr(0, jpeg.size() - cut))) << progressive << " " << cut;
  }
  // Cut between two scans: what is there is whole, but not all.
  std::string jpeg = makeJpeg(request);
  EXPECT_TRUE(damaged(jpeg.substr(0, jpeg.rfind("\xFF\xDA"))));
  request.progressive = false;
  request.restart = 1;
  jpeg = makeJpeg(request);
  size_t second = jpeg.find("\xFF\xD1"), third = jpeg.find("\xFF\xD2");
  EXPECT_TRUE(damaged(jpeg.substr(0, second) + jpeg.substr(third))); // a row of blocks is lost
}

TEST(ImageFolder, NothingIsDroppedInSilence) {
  ScratchFolder folder;
  makeFolder(folder / "cat/deep.jpg");
  makeFolder(folder / "dog");
  std::string jpeg = makeJpeg({});
  writeFileAtomically(folder / "cat/a.jpg", jpeg);
  writeFileAtomically(folder / "cat/deep.jpg/b.jpg", jpeg);
  writeFileAtomically(folder / "cat/c.bmp", jpeg);
  writeFileAtomically(folder / "cat/.hidden", jpeg);
  writeFileAtomically(folder / "stray.png", jpeg);
  std::filesystem::create_symlink("a.jpg", folder / "cat/link.jpg");
  std::filesystem::create_symlink("nowhere.jpg", folder / "cat/dangling.jpg");
  std::filesystem::create_symlink("..", folder / "cat/loop");
  std::filesystem::create_symlink("self", folder / "self");
  ASSERT_EQ(mkfifo((folder / "cat/pipe.jpg").c_str(), 0600), 0);
  testing::internal::CaptureStderr();
  auto data = openDataset("imagefolder:" + folder.path, Split::Train, {3, 8, 8, 10});
  std::string told = testing::internal::GetCapturedStderr();
  ASSERT_EQ(data->size(), 4);
  EXPECT_EQ(data->describe(1), folder / "cat/dangling.jpg");
  Image image;
  EXPECT_HAS(errorOf([&] { data->load(1, {}, image); }),
             "cannot read " + folder / "cat/dangling.jpg");
  EXPECT_HAS(told, folder / "cat/loop: leads back to a folder above it");
  EXPECT_HAS(told, folder / "cat/pipe.jpg: no regular file");
  EXPECT_HAS(told, folder / "dog holds no JPEG or PNG file");
  EXPECT_HAS(told, "1 file named neither .jpg, .jpeg nor .png (" + folder / "cat/c.bmp)");
  EXPECT_HAS(told, "1 image in no class's folder (stray.png)");
}

// A notebook's checkpoints and the shadows that a copy from a Mac leaves.
TEST(ImageFolder, HiddenNamesAreSkippedEverywhere) {
  ScratchFolder folder;
  for (const char *name : {"cat/.ipynb_checkpoints", "cat/deep/.cache", ".git", "dog"})
    makeFolder(folder / name);
  std::string jpeg = makeJpeg({});
  for (const char *name : {"cat/0.jpg", "cat/.ipynb_checkpoints/0.jpg", "cat/._0.jpg",
                           "cat/deep/1.jpg", "cat/deep/.cache/2.jpg", "dog/0.jpg", ".stray.jpg"})
    writeFileAtomically(folder / name, jpeg);
  testing::internal::CaptureStderr();
  auto data = openDataset("imagefolder:" + folder.path, Split::Train, {3, 8, 8, 10});
  std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(data->size(), 3);
  EXPECT_EQ(told, "note: " + folder.path + ": left out: 5 hidden files or folders (" +
                      folder / ".git)\n");
  EXPECT_EQ(findImageFiles(folder / "cat").images.size(), 2u);
}

TEST(ImageFolder, LinksToWhatHasNoEndAreLeftOut) {
  ScratchFolder folder;
  makeFolder(folder / "cat");
  writeFileAtomically(folder / "cat/a.jpg", makeJpeg({}));
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::ofstream(folder / "giant").close();
  std::filesystem::resize_file(folder / "giant", uint64_t(200) << 30); // sparse
  std::filesystem::create_symlink("../pipe", folder / "cat/b.jpg");
  std::filesystem::create_symlink("/dev/zero", folder / "cat/c.jpg");
  std::filesystem::create_symlink("../giant", folder / "cat/d.jpg");
  testing::internal::CaptureStderr();
  auto data = openDataset("imagefolder:" + folder.path, Split::Train, {3, 8, 8, 10});
  std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(data->size(), 1);
  EXPECT_HAS(told, folder / "cat/b.jpg: no regular file, left out (and 1 more)");
  EXPECT_HAS(told, folder / "cat/d.jpg: longer than 1073741824 bytes, left out");
  // What has come in their place since.
  EXPECT_HAS(errorOf([&] { readImageFile(folder / "pipe"); }), "pipe: no regular file");
  EXPECT_HAS(errorOf([&] { readImageFile("/dev/zero"); }), "/dev/zero: no regular file");
  EXPECT_HAS(errorOf([&] { readImageFile("/dev/zero", true); }), "neither JPEG nor PNG");
  EXPECT_HAS(errorOf([&] { readImageFile(folder / "giant"); }), "neither JPEG nor PNG");
  EXPECT_HAS(errorOf([&] { readImageFile(folder.path); }), "Is a directory");
}

TEST(ImageFolder, ManyEmptyClassesAreOneLine) {
  ScratchFolder folder;
  for (int i = 100; i < 180; ++i)
    makeFolder(folder / ("c" + std::to_string(i)));
  writeFileAtomically(folder / "c150/a.jpg", makeJpeg({}));
  testing::internal::CaptureStderr();
  openDataset("imagefolder:" + folder.path, Split::Train, {3, 8, 8, 100});
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: " + folder.path +
                ": 79 of 80 folders hold no JPEG or PNG file: c100, c101, "
                "c102, c103, c104 and 74 more\n");
}

TEST(ImageFolder, ValAloneIsForEvaluation) {
  ScratchFolder folder;
  for (const char *name : {"val/cat", "val/dog"}) {
    makeFolder(folder / name);
    writeFileAtomically(folder / (std::string(name) + "/a.jpg"), makeJpeg({}));
  }
  DataShape shape{3, 8, 8, 10};
  auto data = openEvaluation("imagefolder:" + folder.path, true, shape, {});
  EXPECT_EQ(data->classNames(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_HAS(errorOf([&] { openDataset("imagefolder:" + folder.path, Split::Train, shape); }),
             "has val/ but no train/");
}

// A layout that is taken for classes is said to be.
TEST(ImageFolder, SplitsThatBecomeClassesAreTold) {
  ScratchFolder folder;
  for (const char *name : {"Train/cat", "Valid/cat"}) {
    makeFolder(folder / name);
    writeFileAtomically(folder / (std::string(name) + "/a.jpg"), makeJpeg({}));
  }
  testing::internal::CaptureStderr();
  openDataset("imagefolder:" + folder.path, Split::Train, {3, 8, 8, 10});
  EXPECT_HAS(testing::internal::GetCapturedStderr(),
             "its folders (Train, Valid) are taken for classes");
}

TEST(ImageFolder, FourChannelsAreRefusedOnceAndByName) {
  ScratchFolder folder;
  makeFolder(folder / "cat");
  writeFileAtomically(folder / "cat/a.png",
                      makePng({1, 1, PNG_COLOR_TYPE_RGB_ALPHA, 8}, {10, 20, 30, 0}));
  EXPECT_EQ(
      errorOf([&] { openDataset("imagefolder:" + folder.path, Split::Train, {4, 8, 8, 10}); }),
      folder / "cat/a.png: images are read as grey or RGB (alpha is dropped), but the "
               "model's input has 4 channels");
}

TEST(ImageFolder, NamesMayBeAnyBytes) {
  ScratchFolder folder;
  for (const char *name : {"caf\xE9", "\xC3\xA9t\xC3\xA9", "two\nlines"}) {
    makeFolder(folder / name);
    writeFileAtomically(folder / (std::string(name) + "/\xFF.jpg"), makeJpeg({}));
  }
  auto data = openDataset("imagefolder:" + folder.path, Split::Train, {3, 8, 8, 10});
  EXPECT_EQ(data->classNames(),
            (std::vector<std::string>{"caf\\xe9", "two\nlines", "\xC3\xA9t\xC3\xA9"}));
  Image image;
  data->load(0, {}, image);
}
