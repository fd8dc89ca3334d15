#include "runtime/data/Loader.h"

#include "runtime/base/Error.h"
#include "test/unit/runtime/ImageModel.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

using namespace netc::runtime;

namespace {
struct Fixture {
  explicit Fixture(const std::string &spec, int side = 8) {
    info.channels = 3;
    info.height = info.width = side;
    info.inputs = {{"image", NETC_SPACE_INPUT, NETC_TYPE_F32, {3, side, side}}};
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

namespace {
/// Of `count` images those in `good` decode; a pixel holds the image's number. Counts its reads.
class BrokenSet : public Dataset {
public:
  BrokenSet(int64_t count, std::set<int64_t> good) : count(count), good(std::move(good)) {
    kindName = "imagefolder";
    classes = 10;
  }
  int64_t size() const override { return count; }
  int64_t label(int64_t index) const override { return index % 10; }
  void load(int64_t index, const ScaleChooser &, Image &out) const override {
    ++reads;
    if (!good.count(index))
      throw Error("image " + std::to_string(index) + " is broken");
    out.resize(1, 1, 1);
    out.pixels[0] = uint8_t(index % 250);
  }
  std::string describe(int64_t index) const override { return std::to_string(index); }
  uint64_t fingerprint() const override { return 0; }
  bool inMemory() const override { return false; }

  mutable std::atomic<int64_t> reads{0};

private:
  int64_t count;
  std::set<int64_t> good;
};
} // namespace

/// The numbers of the images that an epoch over `samples` delivers.
static std::vector<int> delivered(const BrokenSet &data, const std::vector<int64_t> &samples,
                                  unsigned workers, uint32_t epoch, uint64_t seed = 0) {
  ModelInfo info = imageModel(1, 1, 1);
  info.recipe = "{}";
  Pipeline pipeline = Pipeline::forTraining(parseRecipe(info, {}), info, {}, {});
  LoaderOptions options;
  options.batch = 16;
  options.workers = workers;
  options.seed = seed;
  options.training = true;
  Loader loader(data, pipeline, info, options);
  std::vector<Visit> order;
  for (int64_t sample : samples)
    order.push_back({sample, 0});
  loader.begin(order, epoch);
  std::vector<int> images;
  while (const Batch *batch = loader.next())
    for (int64_t i = 0; i < batch->n; ++i) {
      images.push_back(int(std::lround(batch->input[i] * 255)));
      EXPECT_EQ(batch->labels[i], images.back() % 10);
    }
  return images;
}

static std::vector<int64_t> numbers(int64_t begin, int64_t end) {
  std::vector<int64_t> result(size_t(end - begin));
  std::iota(result.begin(), result.end(), begin);
  return result;
}

// An interrupted copy leaves a run of files that don't decode: the next one that does must not
// stand in for all of them.
TEST(Loader, StandInsAreDrawnFromTheWholeSet) {
  std::set<int64_t> good;
  for (int64_t i = 120; i < 240; ++i)
    good.insert(i);
  BrokenSet data(240, good);
  testing::internal::CaptureStderr();
  auto images = delivered(data, numbers(0, 240), 1, 3);
  EXPECT_EQ(images, delivered(data, numbers(0, 240), 3, 3));
  EXPECT_NE(images, delivered(data, numbers(0, 240), 1, 4));
  EXPECT_NE(images, delivered(data, numbers(0, 240), 1, 3, 1));
  // Of the run alone: an image outside of --limit is not drawn in.
  for (int image : delivered(data, numbers(100, 140), 2, 0))
    EXPECT_TRUE(image >= 120 && image < 140) << image;
  testing::internal::GetCapturedStderr();
  ASSERT_EQ(images.size(), 240u);
  std::map<int, int> times;
  for (int image : images)
    ++times[image];
  for (auto [image, count] : times)
    EXPECT_LE(count, 8) << image; // twice on the average; 121 times where the next one stood in
  EXPECT_EQ(times.size(), 120u);
}

TEST(Loader, BrokenFilesAreReadOnce) {
  BrokenSet data(3000, {1234});
  testing::internal::CaptureStderr();
  for (int image : delivered(data, numbers(0, 3000), 2, 0))
    EXPECT_EQ(image, 1234 % 250);
  std::string told = testing::internal::GetCapturedStderr();
  // Each once, the good one for each place; two workers may open a broken file at the same time.
  EXPECT_LE(data.reads.load(), 6100);
  EXPECT_LE(std::count(told.begin(), told.end(), '\n'), 21);
  BrokenSet none(50, {});
  testing::internal::CaptureStderr();
  EXPECT_HAS(errorOf([&] { delivered(none, numbers(0, 50), 2, 0); }),
             "none of the 50 training images can be read");
  testing::internal::GetCapturedStderr();
}

TEST(Loader, ShuffleIsAPermutation) {
  auto order = shuffledOrder(1000, 1, 0);
  EXPECT_NE(order, shuffledOrder(1000, 1, 1));
  EXPECT_NE(order, shuffledOrder(1000, 2, 0));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(order[size_t(i)], i);
}
