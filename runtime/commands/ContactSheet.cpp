//===- ContactSheet.cpp - what augmentation makes of the images -----------===//
#include "runtime/augment/Mix.h"
#include "runtime/base/Error.h"
#include "runtime/base/Utf8.h"
#include "runtime/commands/Commands.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/data/CorruptImages.h"
#include "runtime/data/Scaling.h"
#include "runtime/system/AtomicFile.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace netc::runtime {

static constexpr int gap = 4;        // pixels between tiles
static constexpr int leastTile = 64; // smaller images are enlarged by whole factors
static constexpr uint8_t background = 32;

namespace {
/// A grid of tiles of the model's input size.
class Sheet {
public:
  Sheet(const ModelInfo &info, const PixelScaling &scaling, int rows, int columns)
      : info(info), scaling(scaling),
        enlarge(std::max(1, (leastTile + std::max(info.height, info.width) - 1) /
                                std::max(info.height, info.width))),
        tileHeight(info.height * enlarge), tileWidth(info.width * enlarge) {
    image.resize(rows * (tileHeight + gap) + gap, columns * (tileWidth + gap) + gap, 3);
    std::fill(image.pixels.begin(), image.pixels.end(), background);
  }

  /// `planes`: [C, H, W], normalised. Models of one channel are shown grey.
  void draw(int row, int column, const float *planes) {
    for (int y = 0; y < tileHeight; ++y)
      for (int x = 0; x < tileWidth; ++x)
        for (int c = 0; c < 3; ++c) {
          int channel = info.channels < 3 ? 0 : scaling.bgr ? 2 - c : c;
          size_t top = size_t(gap + row * (tileHeight + gap) + y);
          size_t left = size_t(gap + column * (tileWidth + gap) + x);
          image.pixels[(top * size_t(image.width) + left) * 3 + size_t(c)] =
              pixel(planes, channel, y / enlarge, x / enlarge);
        }
  }

  Image image;

private:
  /// Undoes the normalisation.
  uint8_t pixel(const float *planes, int channel, int y, int x) const {
    size_t at =
        (size_t(channel) * size_t(info.height) + size_t(y)) * size_t(info.width) + size_t(x);
    double value = double(planes[at]);
    if (!scaling.mean.empty()) {
      value *= double(scaling.std[scaling.std.size() == 1 ? 0 : size_t(channel)]);
      value += double(scaling.mean[scaling.mean.size() == 1 ? 0 : size_t(channel)]);
    }
    if (!scaling.pixelMean.empty())
      value += double(scaling.pixelMean[at]);
    return uint8_t(std::lround(std::clamp(value, 0.0, 1.0) * 255));
  }

  const ModelInfo &info;
  const PixelScaling &scaling;
  int enlarge, tileHeight, tileWidth;
};
} // namespace

/// `sample`, or the next one that decodes; `corrupt` records the others.
static int64_t nextReadable(const Dataset &data, int64_t sample, CorruptImages &corrupt) {
  Image image;
  for (int64_t attempt = 0; attempt < data.size(); ++attempt) {
    int64_t candidate = (sample + attempt) % data.size();
    if (corrupt.contains(candidate))
      continue;
    try {
      data.load(candidate, {}, image);
      return candidate;
    } catch (const Error &error) {
      corrupt.add(candidate, error.what());
    }
  }
  fail("none of the {} images decodes", data.size());
}

int runContactSheet(const NetcModel &model, const ContactSheetOptions &options) {
  ModelInfo info = readModel(model);
  if (!info.takesImages())
    fail("augment shows what a recipe does to images; {} takes {}, which are used as they are",
         info.name, describeTensors(info.inputs));
  Recipe recipe = recipeWith(info, options.set, {"augment", "eval", "normalize"}, options.seed);
  auto data = openDataset(options.data, Split::Train, dataShape(info));
  if (data->isTensors())
    failUsage("--data {}: tensors are not augmented", options.data);
  std::vector<int64_t> all(static_cast<size_t>(data->size()));
  std::iota(all.begin(), all.end(), 0);
  PixelScaling scaling = scalingForTraining(recipe, info, *data, all, options.threads);
  Pipeline::SourceSize size{data->imageHeight(), data->imageWidth()};
  Pipeline plain = Pipeline::forEvaluation(recipe, info, scaling, size, 1);
  Pipeline augment = Pipeline::forTraining(recipe, info, scaling, size);
  std::vector<Transform> mixing;
  for (const Transform &transform : recipe.augment)
    if (transform.kind == TransformKind::Mixup || transform.kind == TransformKind::Cutmix)
      mixing.push_back(transform);

  // Rows are images spread over the set, the first column as evaluation sees them.
  int rows = int(std::min<int64_t>(options.rows, data->size()));
  Sheet sheet(info, scaling, rows, options.columns);
  size_t elements = size_t(info.inputElements());
  std::vector<float> batch(size_t(rows) * elements), targets(size_t(rows) * size_t(info.classes));
  std::vector<int64_t> samples, labels;
  CorruptImages corrupt;
  for (int row = 0; row < rows; ++row) {
    samples.push_back(nextReadable(*data, int64_t(__int128(row) * data->size() / rows), corrupt));
    labels.push_back(data->label(samples.back()));
  }
  AugmentWorkspace workspace;
  for (int column = 0; column < options.columns; ++column) {
    for (int row = 0; row < rows; ++row) {
      int64_t sample = samples[size_t(row)];
      auto source = [&](const ScaleChooser &choose, Image &image) {
        data->load(sample, choose, image);
      };
      // Column k is what epoch k - 1 of training would see.
      (column ? augment : plain)
          .apply(source, uint64_t(sample), uint32_t(std::max(0, column - 1)), 0, workspace,
                 batch.data() + size_t(row) * elements);
    }
    if (column && !mixing.empty()) {
      MixBatch mixed{batch.data(), labels.data(), targets.data(), rows,
                     info.classes, info.channels, info.height,    info.width};
      fillTargets(mixed);
      Philox draw(recipe.seed, Stream::Mix, 0, uint32_t(column - 1));
      mix(mixing, draw, mixed);
    }
    for (int row = 0; row < rows; ++row)
      sheet.draw(row, column, batch.data() + size_t(row) * elements);
  }
  writePng(options.out, sheet.image);
  for (int row = 0; row < rows; ++row) {
    size_t label = size_t(labels[size_t(row)]);
    const auto &names = data->classNames();
    fmt::print("row {}: {}, class {}\n", row + 1, printable(data->describe(samples[size_t(row)])),
               printable(label < names.size() ? names[label] : std::to_string(label)));
  }
  fmt::print("{}: the first column is as evaluation sees the images, the others as epochs of "
             "training do\n",
             options.out);
  return 0;
}

} // namespace netc::runtime
