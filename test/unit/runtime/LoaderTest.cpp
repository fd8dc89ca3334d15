#include "runtime/data/Loader.h"

#include "runtime/base/Error.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace netc::runtime;

namespace {
struct Fixture {
  explicit Fixture(const std::string &spec, int side = 8) {
    info.channels = 3;
    info.height = info.width = side;
    info.classes = 10;
    info.recipe = R"({"augment":[{"name":"random_crop","args":[],"named":{"pad":2}},)"
                  R"({"name":"hflip","args":[],"named":{}}]})";
    data = openDataset(spec, Split::Train, {3, side, side, 10});
    pipeline.emplace(Pipeline::forTraining(parseRecipe(info, {}), info, {},
                                           {data->imageHeight(), data->imageWidth()}));
  }

  /// All pixels and labels that an epoch delivers, from batch `first`.
  std::vector<float> epoch(unsigned workers, uint32_t number, int64_t first = 0,
                           bool training = true) {
    LoaderOptions options;
    options.batch = 32;
    options.workers = workers;
    options.training = training;
    Loader loader(*data, *pipeline, info, options);
    std::vector<Visit> order;
    for (int64_t i : shuffledOrder(data->size(), 3, number))
      order.push_back({i, 0});
    loader.begin(order, number, first);
    std::vector<float> all;
    int64_t index = first;
    while (const Batch *batch = loader.next()) {
      EXPECT_EQ(batch->index, index++);
      all.insert(all.end(), batch->input, batch->input + batch->n * info.inputElements());
      for (int64_t i = 0; i < batch->n; ++i)
        all.push_back(float(batch->labels[i]));
    }
    corrupt = loader.corruptImages();
    return all;
  }

  ModelInfo info;
  std::unique_ptr<Dataset> data;
  std::optional<Pipeline> pipeline;
  int64_t corrupt = 0;
};
} // namespace

TEST(Loader, SameBitsWithAnyNumberOfWorkers) {
  Fixture fixture("synthetic:150");
  auto one = fixture.epoch(1, 4);
  EXPECT_EQ(one.size(), 150 * (3 * 64 + 1)); // the ragged batch included
  EXPECT_EQ(one, fixture.epoch(2, 4));
  EXPECT_EQ(one, fixture.epoch(5, 4));
  EXPECT_NE(one, fixture.epoch(1, 5));
}

TEST(Loader, BeginsInTheMiddle) {
  Fixture fixture("synthetic:150");
  auto whole = fixture.epoch(2, 0), tail = fixture.epoch(2, 0, 3);
  ASSERT_LT(tail.size(), whole.size());
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), whole.end() - int64_t(tail.size())));
  EXPECT_TRUE(fixture.epoch(2, 0, 5).empty());
}

TEST(Loader, CorruptImagesAreCountedAndReplaced) {
  ScratchFolder folder;
  makeFolder(folder / "a");
  Image image;
  image.resize(8, 8, 3);
  for (int i = 0; i < 3; ++i)
    writePng(folder / ("a/" + std::to_string(i) + ".png"), image);
  writeFileAtomically(folder / "a/1.png", "broken");
  Fixture fixture("imagefolder:" + folder.path);
  testing::internal::CaptureStderr();
  auto all = fixture.epoch(2, 0);
  EXPECT_HAS(testing::internal::GetCapturedStderr(), "a/1.png: neither JPEG nor PNG");
  EXPECT_EQ(fixture.corrupt, 1);
  EXPECT_EQ(all.size(), 3 * (3 * 64 + 1));
  EXPECT_EQ(std::count(all.begin(), all.end(), -1.0f), 0);
  testing::internal::CaptureStderr();
  auto evaluated = fixture.epoch(2, 0, 0, false);
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(evaluated.begin(), evaluated.end(), -1.0f), 1);
}

TEST(Loader, ShuffleIsAPermutation) {
  auto order = shuffledOrder(1000, 1, 0);
  EXPECT_NE(order, shuffledOrder(1000, 1, 1));
  EXPECT_NE(order, shuffledOrder(1000, 2, 0));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(order[size_t(i)], i);
}
