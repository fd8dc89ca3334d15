#include "runtime/data/Dataset.h"

#include "runtime/base/Error.h"
#include "runtime/image/Image.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>
#include <zlib.h>

using namespace netc::runtime;

static constexpr DataShape shape{1, 2, 3, 10};

static std::string idxImages(int count) {
  std::string text = bytes({0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3});
  for (int i = 0; i < count * 6; ++i)
    text += char(i);
  return text;
}

static std::string idxLabels(std::initializer_list<int> labels) {
  return bytes({0, 0, 8, 1, 0, 0, 0, int(labels.size())}) + bytes(labels);
}

static void writeIdx(const ScratchFolder &folder, const std::string &images,
                     const std::string &labels) {
  writeFileAtomically(folder / "train-images-idx3-ubyte", images);
  writeFileAtomically(folder / "train-labels-idx1-ubyte", labels);
}

static std::string openError(const std::string &spec) {
  return errorOf([&] { openDataset(spec, Split::Train, shape); });
}

TEST(Idx, ReadsImagesAndLabels) {
  ScratchFolder folder;
  writeIdx(folder, idxImages(2), idxLabels({7, 3}));
  auto data = openDataset("mnist:" + folder.path, Split::Train, shape);
  ASSERT_EQ(data->size(), 2);
  EXPECT_EQ(data->label(1), 3);
  Image image;
  data->load(1, {}, image);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{6, 7, 8, 9, 10, 11}));
}

TEST(Idx, ReadsGzip) {
  ScratchFolder folder;
  auto compress = [&](const std::string &name, const std::string &text) {
    gzFile file = gzopen((folder / name).c_str(), "wb");
    gzwrite(file, text.data(), unsigned(text.size()));
    gzclose(file);
  };
  compress("train-images-idx3-ubyte.gz", idxImages(2));
  compress("train-labels-idx1-ubyte.gz", idxLabels({0, 9}));
  EXPECT_EQ(openDataset("fashion-mnist:" + folder.path, Split::Train, shape)->label(1), 9);

  std::string whole = readFile(folder / "train-images-idx3-ubyte.gz");
  writeFileAtomically(folder / "train-images-idx3-ubyte.gz", whole.substr(0, whole.size() / 2));
  std::string error = openError("mnist:" + folder.path);
  EXPECT_HAS(error, "train-images-idx3-ubyte.gz");
  EXPECT_HAS(error, "truncated or damaged");
}

TEST(Idx, ErrorsNameFileAndExpectation) {
  ScratchFolder folder;
  EXPECT_HAS(openError("mnist:" + folder / "nowhere"), "nowhere does not exist");
  EXPECT_HAS(openError("mnist:" + folder.path), "has no train-images-idx3-ubyte");
  writeIdx(folder, idxImages(2).substr(0, 20), idxLabels({0, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path), "4 bytes of images, expected 12 (2 x 2 x 3)");
  writeIdx(folder, idxImages(2).substr(0, 7), idxLabels({0, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path), "truncated: 7 bytes");
  writeIdx(folder, idxLabels({1, 2, 3, 4, 5, 6, 7, 8}), idxLabels({0, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path), "magic number 0x00000801, expected 0x00000803");
  writeIdx(folder, idxImages(2), idxLabels({0, 1, 2}));
  EXPECT_HAS(openError("mnist:" + folder.path), "has 2 images but");
  writeIdx(folder, idxImages(2), idxLabels({0, 10}));
  EXPECT_HAS(openError("mnist:" + folder.path), "label 10 of image 1, expected 0 to 9");
}

// A gzip bomb: a kilobyte in the file for each megabyte that comes out.
TEST(Idx, NoMoreIsReadThanTheHeaderSays) {
  ScratchFolder folder;
  gzFile file = gzopen((folder / "train-images-idx3-ubyte.gz").c_str(), "wb9");
  std::string start = idxImages(2), zeros(1 << 20, '\0');
  gzwrite(file, start.data(), unsigned(start.size()));
  for (int i = 0; i < 64; ++i)
    gzwrite(file, zeros.data(), unsigned(zeros.size()));
  gzclose(file);
  writeFileAtomically(folder / "train-labels-idx1-ubyte", idxLabels({0, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path),
             "train-images-idx3-ubyte.gz: the file is too long: its header says 28 bytes");
  std::filesystem::remove(folder / "train-images-idx3-ubyte.gz");
  writeFileAtomically(folder / "train-images-idx3-ubyte",
                      bytes({0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 2, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path), "bytes by its header, more than the");
  // A header that promises a gigabyte takes no memory for it.
  writeFileAtomically(folder / "train-images-idx3-ubyte",
                      bytes({0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 127, 255, 0, 0, 64, 0, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path), "1 bytes of images, expected 1073709056");
  writeIdx(folder, idxImages(2) + "x", idxLabels({0, 1}));
  EXPECT_HAS(openError("mnist:" + folder.path), "the file is too long");
}

TEST(Dataset, LabelsBeyondTheModelsClassesAreAnError) {
  ScratchFolder folder;
  writeIdx(folder, idxImages(2), idxLabels({0, 7}));
  DataShape five{1, 2, 3, 5};
  EXPECT_HAS(errorOf([&] { openDataset("mnist:" + folder.path, Split::Train, five); }),
             "label 7, but the model has 5 classes");
  writeIdx(folder, idxImages(2), idxLabels({0, 4}));
  EXPECT_EQ(openDataset("mnist:" + folder.path, Split::Train, five)->size(), 2);
}

TEST(Dataset, MoreFoldersThanClassesAreCounted) {
  ScratchFolder folder;
  Image image;
  image.resize(4, 4, 3);
  for (const char *name : {"bird", "cat", "dog"}) {
    makeFolder(folder / name);
    writePng(folder / (std::string(name) + "/0.png"), image);
  }
  std::string spec = "imagefolder:" + folder.path;
  EXPECT_HAS(errorOf([&] { openDataset(spec, Split::Train, {3, 4, 4, 2}); }),
             spec + " has 3 folders of classes, but the model has 2 classes: ");
}

TEST(Dataset, UnknownKindsAreUsageErrors) {
  EXPECT_THROW(openDataset("imagenet:x", Split::Train, shape), UsageError);
  EXPECT_THROW(openDataset("synthetic:many", Split::Train, shape), UsageError);
  EXPECT_THROW(openDataset("synthetic:0", Split::Train, shape), UsageError);
  EXPECT_THROW(openDataset("imagefolder", Split::Train, shape), UsageError);
}

static std::string cifarRecord(std::initializer_list<int> labels, int red, int green, int blue) {
  return bytes(labels) + std::string(1024, char(red)) + std::string(1024, char(green)) +
         std::string(1024, char(blue));
}

TEST(Cifar, ReadsTenAndHundred) {
  ScratchFolder folder;
  for (int i = 1; i <= 5; ++i)
    writeFileAtomically(folder / ("data_batch_" + std::to_string(i) + ".bin"),
                        cifarRecord({i}, i, 20, 30) + cifarRecord({0}, 1, 2, 3));
  writeFileAtomically(folder / "train.bin", cifarRecord({19, 99}, 1, 2, 3));
  auto ten = openDataset("cifar10:" + folder.path, Split::Train, shape);
  ASSERT_EQ(ten->size(), 10);
  EXPECT_EQ(ten->label(4), 3);
  EXPECT_EQ(ten->classNames()[9], "truck");
  Image image;
  ten->load(4, {}, image);
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels[0], 3);
  EXPECT_EQ(image.pixels[1], 20);
  EXPECT_EQ(image.pixels[3071], 30);
  DataShape hundred{3, 32, 32, 100};
  EXPECT_EQ(openDataset("cifar100:" + folder.path, Split::Train, hundred)->label(0), 99);
}

TEST(Cifar, RejectsTruncatedAndMislabelledFiles) {
  ScratchFolder folder;
  writeFileAtomically(folder / "test_batch.bin", cifarRecord({1}, 0, 0, 0).substr(0, 3000));
  auto error = [&] {
    return errorOf([&] { openDataset("cifar10:" + folder.path, Split::Test, shape); });
  };
  EXPECT_HAS(error(), "test_batch.bin: 3000 bytes are no multiple of the 3073");
  writeFileAtomically(folder / "test_batch.bin", cifarRecord({12}, 0, 0, 0));
  EXPECT_HAS(error(), "label 12 of image 0, expected 0 to 9");
}

TEST(Synthetic, IsDeterministicAndSplit) {
  DataShape rgb{3, 8, 8, 4};
  auto a = openDataset("synthetic:50", Split::Train, rgb);
  auto b = openDataset("synthetic:50", Split::Train, rgb);
  auto test = openDataset("synthetic:50", Split::Test, rgb);
  EXPECT_EQ(a->size(), 50);
  Image x, y, z;
  bool classes[4] = {};
  for (int64_t i = 0; i < 50; ++i) {
    a->load(i, {}, x);
    b->load(i, {}, y);
    test->load(i, {}, z);
    EXPECT_EQ(x.pixels, y.pixels);
    EXPECT_NE(x.pixels, z.pixels);
    ASSERT_LT(a->label(i), 4);
    classes[a->label(i)] = true;
  }
  for (bool seen : classes)
    EXPECT_TRUE(seen);
}
