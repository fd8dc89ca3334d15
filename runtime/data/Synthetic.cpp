//===- Synthetic.cpp - images that need no files --------------------------===//
#include "runtime/base/Philox.h"
#include "runtime/data/Dataset.h"

#include <algorithm>

namespace netc::runtime {

// A coarse grid of grey values is drawn for each class; pixels add noise.
static constexpr int gridSide = 4;
static constexpr uint64_t patternSeed = 0x5EED;

namespace {
class SyntheticDataset : public Dataset {
public:
  SyntheticDataset(int64_t count, Split split, const DataShape &shape)
      : count(count), channels(shape.channels), split(split) {
    kindName = "synthetic";
    classes = shape.classes;
    height = shape.height;
    width = shape.width;
  }

  int64_t size() const override { return count; }
  int64_t label(int64_t index) const override {
    return Philox(patternSeed, Stream::Synthetic, uint64_t(index), uint32_t(split) * 2)
        .below(uint32_t(classes));
  }
  void load(int64_t index, const ScaleChooser &, Image &out) const override {
    out.resize(height, width, channels);
    uint8_t pattern[gridSide * gridSide * 3];
    Philox drawPattern(patternSeed, Stream::Synthetic, uint64_t(label(index)), 8);
    for (uint8_t &value : pattern)
      value = uint8_t(48 + drawPattern.below(96));
    Philox noise(patternSeed, Stream::Synthetic, uint64_t(index), uint32_t(split) * 2 + 1);
    uint8_t *next = out.pixels.data();
    uint32_t bits = 0;
    int left = 0;
    std::vector<uint8_t> columns(static_cast<size_t>(width)); // cell of each column
    for (int x = 0; x < width; ++x)
      columns[size_t(x)] = uint8_t(3 * (x * gridSide / width));
    for (int y = 0; y < height; ++y) {
      const uint8_t *row = pattern + 3 * gridSide * (y * gridSide / height);
      for (int x = 0; x < width; ++x) {
        const uint8_t *cell = row + columns[size_t(x)];
        for (int c = 0; c < channels; ++c, bits >>= 8, --left) {
          if (left == 0) {
            bits = noise.next();
            left = 4;
          }
          *next++ = uint8_t(cell[c % 3] + (bits & 0x6F));
        }
      }
    }
  }
  std::string describe(int64_t index) const override {
    return "synthetic image " + std::to_string(index);
  }
  uint64_t fingerprint() const override {
    return mixBits(uint64_t(count)) ^ mixBits(uint64_t(classes) << 32 ^ uint64_t(height) << 16 ^
                                              uint64_t(width) << 2 ^ uint64_t(channels));
  }

private:
  int64_t count;
  int channels;
  Split split;
};
} // namespace

std::unique_ptr<Dataset> makeSynthetic(int64_t count, Split split, const DataShape &shape) {
  return std::make_unique<SyntheticDataset>(count, split, shape);
}

} // namespace netc::runtime
