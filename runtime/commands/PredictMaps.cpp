//===- PredictMaps.cpp - class maps of image files ------------------------===//
#include "runtime/commands/PredictMaps.h"

#include "runtime/base/Error.h"
#include "runtime/base/Output.h"
#include "runtime/base/Utf8.h"
#include "runtime/commands/PredictionModel.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/data/Scaling.h"
#include "runtime/evaluate/Evaluate.h"
#include "runtime/exec/Diagnosis.h"
#include "runtime/image/ClassColors.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/weights/SoundWeights.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

namespace {
/// Where a window lies in an image.
struct Window {
  int top, left;
};

/// Scores of all classes for each pixel of an image, [classes, height, width].
struct ScoreMap {
  ScoreMap(int64_t classes, int height, int width)
      : classes(classes), height(height), width(width),
        values(size_t(classes) * size_t(height) * size_t(width)) {}
  float *row(int64_t c, int y) {
    return values.data() + (size_t(c) * size_t(height) + size_t(y)) * size_t(width);
  }
  std::vector<uint8_t> best();

  int64_t classes;
  int height, width;
  std::vector<float> values;
};

class MapPredictor {
public:
  MapPredictor(const ModelInfo &info, Executor &executor, const Pipeline &pipeline,
               const std::string &weights)
      : info(info), executor(executor), pipeline(pipeline), weights(weights),
        output(info.outputs[info.mapLoss()->output]), classes(output.shape[0]) {}

  /// The class of each pixel.
  std::vector<uint8_t> whole(const Image &image, const std::string &path);
  std::vector<uint8_t> tiled(const Image &image, const std::string &path);

private:
  /// Of `image`, resized to the input: scores of the output's size.
  const float *compute(const Image &image, const std::string &path);

  const ModelInfo &info;
  Executor &executor;
  const Pipeline &pipeline;
  const std::string &weights;
  const TensorInfo &output;
  int64_t classes;
  AugmentWorkspace workspace;
};
} // namespace

std::vector<uint8_t> ScoreMap::best() {
  size_t pixels = size_t(height) * size_t(width);
  std::vector<uint8_t> result(pixels);
  for (size_t i = 0; i < pixels; ++i) {
    size_t best = 0;
    for (size_t c = 1; c < size_t(classes); ++c)
      if (values[c * pixels + i] > values[best * pixels + i])
        best = c;
    result[i] = uint8_t(best);
  }
  return result;
}

namespace {
/// Two neighbours of a place on an axis, and how much the second counts.
struct Neighbours {
  int first, second;
  float share;
};
} // namespace

/// Half-pixel centres, as PyTorch's interpolate without align_corners.
static std::vector<Neighbours> neighbours(int size, int sourceSize) {
  std::vector<Neighbours> result;
  for (int i = 0; i < size; ++i) {
    double at = std::max(0.0, (i + 0.5) * sourceSize / size - 0.5);
    int first = std::min(int(at), sourceSize - 1);
    result.push_back({first, std::min(first + 1, sourceSize - 1), float(at - first)});
  }
  return result;
}

/// Bilinear, from planes of height x width.
static void resizeScores(const float *source, int height, int width, ScoreMap &out) {
  std::vector<Neighbours> rows = neighbours(out.height, height),
                          columns = neighbours(out.width, width);
  for (int64_t c = 0; c < out.classes; ++c) {
    const float *plane = source + c * height * width;
    for (int y = 0; y < out.height; ++y) {
      const Neighbours &row = rows[size_t(y)];
      const float *upper = plane + row.first * width, *lower = plane + row.second * width;
      float *to = out.row(c, y);
      for (int x = 0; x < out.width; ++x) {
        const auto &[left, right, share] = columns[size_t(x)];
        float a = upper[left] + share * (upper[right] - upper[left]);
        float b = lower[left] + share * (lower[right] - lower[left]);
        to[x] = a + row.share * (b - a);
      }
    }
  }
}

const float *MapPredictor::compute(const Image &image, const std::string &path) {
  pipeline.apply([&](const ScaleChooser &, Image &out) { out = image; }, 0, 0, 0, workspace,
                 executor.at<float>(info.inputs.front(), 1));
  executor.run(Program::Infer, 1);
  const float *scores = executor.at<float>(output, 1);
  requireFiniteLogits(scores, output.elements(), weights, path);
  return scores;
}

std::vector<uint8_t> MapPredictor::whole(const Image &image, const std::string &path) {
  const float *scores = compute(image, path);
  ScoreMap map(classes, image.height, image.width);
  resizeScores(scores, int(output.shape[1]), int(output.shape[2]), map);
  return map.best();
}

/// Where windows of `window` pixels begin, at most half a window apart, the last at the end.
static std::vector<int> starts(int size, int window) {
  std::vector<int> result{0};
  int last = std::max(0, size - window), steps = (2 * last + window - 1) / window;
  for (int i = 1; i <= steps; ++i)
    result.push_back(int(int64_t(i) * last / steps));
  return result;
}

/// Pixels beyond the image repeat its edge.
static Image cutOut(const Image &image, Window at, int height, int width) {
  Image tile;
  tile.resize(height, width, image.channels);
  size_t channels = size_t(image.channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      int fromY = std::min(at.top + y, image.height - 1),
          fromX = std::min(at.left + x, image.width - 1);
      const uint8_t *from =
          &image.pixels[(size_t(fromY) * size_t(image.width) + size_t(fromX)) * channels];
      std::copy_n(from, channels, &tile.pixels[(size_t(y) * size_t(width) + size_t(x)) * channels]);
    }
  return tile;
}

/// 1 in the middle of a window, falling towards its edges: what a pixel there counts.
static float trust(int at, int size) {
  return (float(std::min(at, size - 1 - at)) + 0.5f) / (0.5f * float(size));
}

/// Adds a window's probabilities, times how much each pixel counts. Sums need no division: the
/// class with the largest is the same.
static void blend(ScoreMap &window, Window at, ScoreMap &sum) {
  int height = std::min(window.height, sum.height - at.top),
      width = std::min(window.width, sum.width - at.left);
  std::vector<double> logits(size_t(window.classes)), probabilities(logits.size());
  std::vector<float> own(logits.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      for (int64_t c = 0; c < window.classes; ++c)
        own[size_t(c)] = window.row(c, y)[x];
      softmax(own.data(), window.classes, probabilities.data());
      float counts = trust(y, window.height) * trust(x, window.width);
      for (int64_t c = 0; c < window.classes; ++c)
        sum.row(c, at.top + y)[at.left + x] += counts * float(probabilities[size_t(c)]);
    }
}

std::vector<uint8_t> MapPredictor::tiled(const Image &image, const std::string &path) {
  ScoreMap sum(classes, image.height, image.width), window(classes, info.height, info.width);
  for (int top : starts(image.height, info.height))
    for (int left : starts(image.width, info.width)) {
      const float *scores = compute(cutOut(image, {top, left}, info.height, info.width), path);
      resizeScores(scores, int(output.shape[1]), int(output.shape[2]), window);
      blend(window, {top, left}, sum);
    }
  return sum.best();
}

/// Whole images are resized to the input's size, whatever the recipe's evaluation crops.
static Pipeline pipelineOf(const ModelInfo &info, const PredictOptions &options,
                           const WeightsMetadata &metadata, const std::string &weights) {
  Recipe recipe = recipeWith(info, options.set, {"normalize"});
  Transform resize;
  resize.height = info.height;
  resize.width = info.width;
  recipe.eval = {resize};
  return Pipeline::forEvaluation(recipe, info,
                                 scalingForEvaluation(recipe, info, metadata, weights), {}, 1);
}

/// "DIR/photo": where the results of an image go, unlike those of all others.
static std::string placeOf(const std::string &folder, const std::string &image,
                           std::map<std::string, int> &taken) {
  std::string stem = std::filesystem::path(image).stem().string();
  int number = ++taken[stem];
  return folder + "/" + stem + (number > 1 ? fmt::format("-{}", number) : std::string());
}

static Json describe(const std::string &image, const std::string &place,
                     const std::vector<uint8_t> &classes, const std::vector<std::string> &names) {
  std::map<int64_t, int64_t> counts;
  for (uint8_t own : classes)
    ++counts[own];
  Json json = {{"image", image},
               {"mask", place + "-mask.png"},
               {"overlay", place + "-overlay.png"},
               {"classes", Json::array()}};
  for (auto [index, count] : counts)
    json["classes"].push_back(
        {{"class", index},
         {"label", size_t(index) < names.size() ? names[size_t(index)] : std::to_string(index)},
         {"share", double(count) / double(classes.size())}});
  return json;
}

static void print(const Json &json, bool asJson) {
  if (asJson) {
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  std::string shares;
  for (const Json &item : json["classes"])
    shares +=
        fmt::format("{}{} {:.1f}%", shares.empty() ? "" : ", ",
                    printable(item["label"].get<std::string>()), item["share"].get<double>() * 100);
  fmt::print("{}: {}; {}, {}\n", printable(json["image"].get<std::string>()), shares,
             printable(json["mask"].get<std::string>()),
             printable(json["overlay"].get<std::string>()));
}

int predictMaps(const NetcModel &model, const ModelInfo &info, const PredictOptions &options,
                const std::vector<std::string> &images) {
  PredictionModel opened(model, info, options, info.classes);
  Executor &executor = opened.executor;
  Pipeline pipeline = pipelineOf(info, options, opened.metadata, opened.path);
  executor.reserve(1, false);
  executor.run(Program::Prepare, 1);
  MapPredictor predictor(info, executor, pipeline, opened.path);
  std::string folder = options.out.empty() ? "." : options.out;
  std::filesystem::create_directories(folder);
  std::map<std::string, int> taken;
  int failed = 0;
  for (const std::string &name : images) {
    Image image;
    try {
      decodeImage(name, readImageFile(name, true), {}, image);
    } catch (const Error &error) {
      std::fflush(stdout);
      tell("error: {}\n", printable(error.what()));
      ++failed;
      continue;
    }
    std::vector<uint8_t> classes =
        options.tile ? predictor.tiled(image, name) : predictor.whole(image, name);
    std::string place = placeOf(folder, name, taken);
    Image mask;
    mask.resize(image.height, image.width, 1);
    mask.pixels = classes;
    writePng(place + "-mask.png", mask);
    writePng(place + "-overlay.png", overlay(image, classes));
    print(describe(name, place, classes, opened.names), options.json);
  }
  if (failed && images.size() > 1)
    note(fmt::format("{} of {} images could not be read", failed, images.size()));
  return failed ? 1 : 0;
}

} // namespace netc::runtime
