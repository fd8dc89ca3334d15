//===- Predict.cpp - classes of image files -------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Output.h"
#include "runtime/base/Utf8.h"
#include "runtime/commands/Commands.h"
#include "runtime/commands/PredictMaps.h"
#include "runtime/commands/PredictionModel.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/data/Scaling.h"
#include "runtime/evaluate/Evaluate.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/weights/SoundWeights.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <numeric>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static constexpr int64_t mostAtOnce = 32; // images decoded and computed together

namespace {
struct Guess {
  int64_t index;
  std::string label;
  double probability;
};
} // namespace

static std::vector<Guess> bestGuesses(const ModelInfo &info, const float *logits, int64_t classes,
                                      int top, const std::vector<std::string> &names) {
  std::vector<double> probabilities(static_cast<size_t>(classes));
  classProbabilities(info, logits, classes, probabilities.data());
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    double p = probabilities[size_t(a)], q = probabilities[size_t(b)];
    return p != q ? p > q : a < b;
  });
  std::vector<Guess> guesses;
  for (int64_t i = 0; i < std::min<int64_t>(top, classes); ++i) {
    size_t c = size_t(order[size_t(i)]);
    guesses.push_back(
        {int64_t(c), c < names.size() ? names[c] : std::to_string(c), probabilities[c]});
  }
  return guesses;
}

/// One image: a class a line.
static void printGuesses(const std::string &image, const std::vector<Guess> &guesses) {
  fmt::print("{}\n", printable(image));
  for (const Guess &guess : guesses)
    fmt::print("  {:6.2f}%  {}\n", guess.probability * 100, printable(guess.label));
}

/// Many images: one row per image; all but the last column aligned.
static void printRow(const std::string &image, size_t imageWidth, size_t labelWidth,
                     const std::vector<Guess> &guesses) {
  std::string row = fmt::format("{:<{}}", printable(image), imageWidth);
  for (size_t i = 0; i < guesses.size(); ++i)
    row += fmt::format("  {:6.2f}%  {:<{}}", guesses[i].probability * 100,
                       printable(guesses[i].label), i + 1 < guesses.size() ? labelWidth : 0);
  fmt::print("{}\n", row);
}

static Json describe(const std::string &image, const std::vector<Guess> &guesses) {
  Json json = {{"image", image}, {"predictions", Json::array()}};
  for (const Guess &guess : guesses)
    json["predictions"].push_back(
        {{"class", guess.index}, {"label", guess.label}, {"probability", guess.probability}});
  return json;
}

namespace {
struct NamedImage {
  std::string path;
  bool isNamed; ///< on the command line, where it may be a pipe
};
} // namespace

/// Files as named, folders as the images below them.
static std::vector<NamedImage> listImages(const std::vector<std::string> &named) {
  std::vector<NamedImage> images;
  for (const std::string &name : named) {
    if (!std::filesystem::is_directory(name)) {
      images.push_back({name, true});
      continue;
    }
    FoundFiles found = findImageFiles(name);
    found.tellLeftOut(name);
    if (found.images.empty())
      fail("{}: no JPEG or PNG file in it or below", name);
    for (const std::string &file : found.images)
      images.push_back({file, false});
  }
  return images;
}

namespace {
/// Decodes the images of a batch, each into its place of the input.
struct DecodeJob {
  const NamedImage *images;
  const Pipeline &pipeline;
  float *input;
  int64_t elements;
  std::vector<AugmentWorkspace> workspaces; ///< a thread each
  std::vector<std::string> errors;          ///< an image each; empty: decoded

  void decode(unsigned thread, int64_t i) {
    const auto &[path, isNamed] = images[i];
    float *out = input + i * elements;
    errors[size_t(i)].clear();
    try {
      pipeline.apply(
          [&](const ScaleChooser &choose, Image &image) {
            decodeImage(path, readImageFile(path, isNamed), choose, image);
          },
          0, 0, 0, workspaces[thread], out);
    } catch (const Error &error) {
      errors[size_t(i)] = error.what();
      std::fill(out, out + elements, 0.0f);
    }
  }
};
} // namespace

/// The scores that predictions are made of. Files of images name one input, and classes are what
/// there is to say about them: for everything else there is `run`.
static const TensorInfo &requirePredictable(const ModelInfo &info) {
  const char *instead = "run reads and writes tensors instead: run --weights W --in X.safetensors "
                        "--out Y.safetensors";
  if (!info.takesImages())
    fail("predict gives a model one image; {} takes {}; {}", info.name,
         describeTensors(info.inputs), instead);
  const TensorInfo *scores = info.classScores();
  if (!scores)
    fail("predict names classes; no output of {} is a vector of class scores ({}); {}", info.name,
         describeTensors(info.outputs), instead);
  if (scores->elements() == 1 && !info.scoresEachClass())
    requireSeveralClasses(info, "predict");
  return *scores;
}

/// A model of maps writes pictures; all others print classes.
static bool givesMaps(const ModelInfo &info) {
  return info.takesImages() && !info.classScores() && info.mapLoss() &&
         info.outputs[info.mapLoss()->output].shape[0] <= 256;
}

int runPredict(const NetcModel &model, const PredictOptions &options) {
  ModelInfo info = readModel(model);
  requireCpuFeatures(info.name, info.features);
  if (givesMaps(info)) {
    std::vector<std::string> paths;
    for (const NamedImage &image : listImages(options.images))
      paths.push_back(image.path);
    requireImageChannels(info.channels, paths.front());
    return predictMaps(model, info, options, paths);
  }
  if (options.tile || !options.out.empty())
    failUsage("--tile and --out are for models that give a map of classes; {} gives {}", info.name,
              describeTensors(info.outputs));
  const TensorInfo &scores = requirePredictable(info);
  int64_t classes = scores.elements();
  Recipe recipe = recipeWith(info, options.set, {"eval", "normalize"});
  std::vector<NamedImage> images = listImages(options.images);
  requireImageChannels(info.channels, images.front().path);
  PredictionModel opened(model, info, options, classes);
  Executor &executor = opened.executor;
  Pipeline pipeline = Pipeline::forEvaluation(
      recipe, info, scalingForEvaluation(recipe, info, opened.metadata, opened.path), {}, 1);
  int64_t batch = std::min<int64_t>(mostAtOnce, int64_t(images.size()));
  executor.reserve(batch, false);
  executor.run(Program::Prepare, 1);

  bool table = images.size() > 1;
  int top = options.top.value_or(table && !options.json ? 1 : 5);
  size_t imageWidth = 0, labelWidth = 0;
  for (const NamedImage &image : images)
    imageWidth = std::max(imageWidth, printable(image.path).size());
  for (const std::string &name : opened.names)
    labelWidth = std::max(labelWidth, std::min<size_t>(printable(name).size(), 24));
  DecodeJob job{nullptr,
                pipeline,
                executor.at<float>(NETC_SPACE_INPUT),
                info.inputElements(),
                std::vector<AugmentWorkspace>(opened.pool.size()),
                std::vector<std::string>(size_t(batch))};
  int64_t failed = 0;
  for (size_t first = 0; first < images.size(); first += size_t(batch)) {
    int64_t n = std::min<int64_t>(batch, int64_t(images.size() - first));
    job.images = &images[first];
    job.input = executor.at<float>(NETC_SPACE_INPUT);
    opened.pool.run(
        n,
        [](void *context, unsigned thread, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            static_cast<DecodeJob *>(context)->decode(thread, i);
        },
        &job);
    executor.run(Program::Infer, n);
    for (int64_t i = 0; i < n; ++i) {
      const std::string &image = images[first + size_t(i)].path;
      if (!job.errors[size_t(i)].empty()) {
        std::fflush(stdout);
        tell("error: {}\n", printable(job.errors[size_t(i)]));
        ++failed;
        continue;
      }
      const float *logits = executor.at<float>(scores, n) + i * classes;
      requireFiniteLogits(logits, classes, opened.path, image);
      auto guesses = bestGuesses(info, logits, classes, top, opened.names);
      if (options.json)
        fmt::print("{}\n",
                   describe(image, guesses).dump(-1, ' ', false, Json::error_handler_t::replace));
      else if (table)
        printRow(image, imageWidth, labelWidth, guesses);
      else
        printGuesses(image, guesses);
    }
  }
  if (failed && images.size() > 1)
    note(fmt::format("{} of {} images could not be read", failed, images.size()));
  return failed ? 1 : 0;
}

} // namespace netc::runtime
