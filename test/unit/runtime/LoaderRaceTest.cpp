// Several workers on small batches, for the thread sanitizer: it ends the program at a race.
#include "runtime/base/Error.h"
#include "runtime/data/Loader.h"

#include "test/unit/runtime/ImageModel.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace netc::runtime;

namespace {
/// Images of one colour, as if each were a file; some do not decode.
class Colors : public Dataset {
public:
  int64_t size() const override { return 200; }
  int64_t label(int64_t index) const override { return index % 10; }
  std::string describe(int64_t index) const override { return std::to_string(index); }
  uint64_t fingerprint() const override { return 1; }
  bool inMemory() const override { return false; }
  void load(int64_t index, const ScaleChooser &, Image &out) const override {
    if (index % 67 == 5)
      fail("{}: damaged", index);
    out.resize(8, 8, 3);
    std::fill(out.pixels.begin(), out.pixels.end(), uint8_t(index));
  }
};
} // namespace

TEST(LoaderRace, WorkersShareABatch) {
  ModelInfo info = imageModel(3, 8, 8);
  info.softLabels = true;
  info.targets = {{"targets", NETC_SPACE_TARGETS, NETC_TYPE_F32, {10}}};
  Recipe recipe;
  Pipeline pipeline = Pipeline::forEvaluation(recipe, info, {}, {8, 8}, 1);
  Colors data;
  CorruptImages corrupt;
  LoaderOptions options;
  options.batch = 24;
  options.workers = 4;
  options.training = options.softLabels = true;
  options.corrupt = &corrupt;
  Transform mixup;
  mixup.kind = TransformKind::Mixup;
  mixup.strength = 0.2;
  options.mix = {mixup};
  Loader loader(data, pipeline, info, options);
  for (uint32_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<Visit> order;
    for (int64_t i = 0; i < data.size(); ++i)
      order.push_back({i, 0});
    loader.begin(std::move(order), epoch);
    int64_t images = 0;
    while (const Batch *batch = loader.next()) {
      images += batch->n;
      loader.ahead();
    }
    EXPECT_EQ(images, data.size());
  }
  EXPECT_EQ(corrupt.count(), 3);
}
