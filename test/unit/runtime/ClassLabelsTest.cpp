#include "runtime/data/ClassLabels.h"

#include "test/unit/runtime/Scratch.h"
#include "test/unit/runtime/TestImages.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

/// A folder with a class of one image for each name.
static std::unique_ptr<Dataset> foldersOf(const ScratchFolder &folder,
                                          const std::vector<std::string> &names) {
  std::filesystem::remove_all(folder / "data");
  for (const std::string &name : names) {
    makeFolder(folder / "data/" + name);
    writeFileAtomically(folder / "data/" + name + "/a.jpg", makeJpeg({}));
  }
  return openDataset("imagefolder:" + folder / "data", Split::Train, {3, 8, 8, 1000});
}

TEST(ClassLabels, ImagenetIsBuiltIn) {
  ClassLabels labels = readClassLabels("imagenet", 1000);
  ASSERT_EQ(labels.names.size(), 1000u);
  EXPECT_EQ(labels.names[0], "tench");
  EXPECT_EQ(labels.others[0], "n01440764");
  EXPECT_EQ(labels.names[207], "golden retriever");
  EXPECT_EQ(labels.others[207], "n02099601");
  EXPECT_EQ(labels.names[999], "toilet tissue");
  EXPECT_TRUE(std::is_sorted(labels.others.begin(), labels.others.end()));
  EXPECT_HAS(errorOf([] { readClassLabels("imagenet", 10); }),
             "imagenet: 1000 class names, the model has 10 classes");
}

TEST(ClassLabels, FoldersMayBeSomeOfTheClasses) {
  ScratchFolder folder;
  auto data = mapToClasses(foldersOf(folder, {"golden retriever", "n01440764", "hen"}),
                           readClassLabels("imagenet", 1000));
  ASSERT_EQ(data->size(), 3);
  EXPECT_EQ(data->classCount(), 1000);
  EXPECT_EQ(data->label(0), 207);
  EXPECT_EQ(data->label(1), 8);
  EXPECT_EQ(data->label(2), 0);
  EXPECT_EQ(data->classNames()[8], "hen");
  writeFileAtomically(folder / "labels", "b, the second\r\na\nc one\nc two\n\n");
  ClassLabels labels = readClassLabels(folder / "labels", 4);
  data = mapToClasses(foldersOf(folder, {"a", "b", "c one"}), labels);
  EXPECT_EQ(data->label(0), 1);
  EXPECT_EQ(data->label(1), 0);
  EXPECT_EQ(data->label(2), 2);
  EXPECT_HAS(errorOf([&] { mapToClasses(foldersOf(folder, {"a", "c", "x"}), labels); }),
             "2 of 3 folders are none of the 4 classes of " + folder / "labels");
  EXPECT_HAS(errorOf([&] { mapToClasses(foldersOf(folder, {"b", "b, the second"}), labels); }),
             "'b' and 'b, the second' are both class 0");
}

TEST(ClassLabels, CountsAreTold) {
  ScratchFolder folder;
  auto data = foldersOf(folder, {"cat", "dog\nsecond line\x1B[31m"});
  writeFileAtomically(folder / "data/cat/b.jpg", makeJpeg({}));
  data = openDataset("imagefolder:" + folder / "data", Split::Train, {3, 8, 8, 10});
  EXPECT_EQ(describeClasses(*data, {0, 1, 2}, 2),
            "2 classes: cat 2, dog\\x0asecond line\\x1b[31m 1");
  EXPECT_EQ(describeClasses(*data, {0, 1}, 10),
            "2 classes (the model has 10): cat 2, dog\\x0asecond line\\x1b[31m 0");
  std::vector<std::string> many;
  for (int i = 10; i < 40; ++i)
    many.push_back(std::to_string(i));
  data = foldersOf(folder, many);
  std::string text = describeClasses(*data, {0, 1, 2, 3}, 30);
  EXPECT_HAS(text, "30 classes of 0 to 1 images: 10 1, 11 1");
  EXPECT_LT(text.size(), 120u);
}
