//===- Eval.cpp - accuracy of weights on a data set -----------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/base/Utf8.h"
#include "runtime/commands/Commands.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/data/ClassLabels.h"
#include "runtime/data/Loader.h"
#include "runtime/data/Scaling.h"
#include "runtime/evaluate/Evaluate.h"
#include "runtime/system/AtomicFile.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/weights/SoundWeights.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static std::string className(const WeightsMetadata &metadata, const Dataset &data, size_t index) {
  for (const auto *names : {&metadata.classes, &data.classNames()})
    if (index < names->size())
      return (*names)[index];
  return std::to_string(index);
}

/// Of a model that does not classify.
static Json describeQuality(const Accuracy &accuracy, const WeightsMetadata &metadata,
                            const Dataset &data) {
  Json json = {{"images", accuracy.images}, {"loss", accuracy.loss()}};
  if (accuracy.quality.scored)
    json["accuracy"] = accuracy.quality.accuracy();
  if (accuracy.quality.values)
    json["mean_absolute_error"] = accuracy.quality.meanAbsolute();
  if (!data.isTensors())
    json["corrupt"] = accuracy.corrupt;
  Json classes = Json::array();
  for (const Figure &figure : accuracy.measures.figures()) {
    if (!figure.name.empty())
      json[figure.name] = figure.value;
    for (size_t c = 0; c < figure.byClass.size(); ++c) {
      if (classes.size() <= c)
        classes.push_back({{"class", c}, {"label", className(metadata, data, c)}});
      classes[c][figure.each] = figure.byClass[c];
    }
  }
  if (!classes.empty())
    json["classes"] = std::move(classes);
  return json;
}

static Json describe(const Accuracy &accuracy, const WeightsMetadata &metadata,
                     const Dataset &data) {
  if (accuracy.quality.scored || accuracy.quality.values)
    return describeQuality(accuracy, metadata, data);
  Json json = {{"images", accuracy.images},
               {"top1", accuracy.top1()},
               {"top5", accuracy.top5()},
               {"loss", accuracy.loss()},
               {"corrupt", accuracy.corrupt}};
  json["classes"] = Json::array();
  for (size_t c = 0; c < accuracy.classImages.size(); ++c)
    if (accuracy.classImages[c])
      json["classes"].push_back(
          {{"class", c},
           {"label", className(metadata, data, c)},
           {"images", accuracy.classImages[c]},
           {"top1", double(accuracy.classCorrect[c]) / double(accuracy.classImages[c])}});
  return json;
}

/// What most often stands for class `label` instead; -1: nothing.
static int64_t takenFor(const Accuracy &accuracy, size_t label) {
  size_t classes = accuracy.classImages.size();
  int64_t best = -1, most = 0;
  for (size_t guess = 0; guess < classes && !accuracy.confusion.empty(); ++guess)
    if (int64_t count = accuracy.confusion[label * classes + guess]; guess != label && count > most)
      most = count, best = int64_t(guess);
  return best;
}

static void printClasses(const Accuracy &accuracy, const WeightsMetadata &metadata,
                         const Dataset &data, bool worstFirst) {
  std::vector<size_t> order;
  size_t width = 5;
  for (size_t c = 0; c < accuracy.classImages.size(); ++c)
    if (accuracy.classImages[c]) {
      order.push_back(c);
      width = std::max(width, printable(className(metadata, data, c)).size());
    }
  auto top1 = [&](size_t c) {
    return double(accuracy.classCorrect[c]) / double(accuracy.classImages[c]);
  };
  if (worstFirst)
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return std::pair(top1(a), a) < std::pair(top1(b), b); });
  fmt::print("{:<{}}  {:>7}  {:>7}  most often taken for\n", "class", width, "images", "top-1");
  for (size_t c : order) {
    int64_t other = takenFor(accuracy, c);
    fmt::print(
        "{:<{}}  {:>7}  {:>6.2f}%  {}\n", printable(className(metadata, data, c)), width,
        accuracy.classImages[c], top1(c) * 100,
        other < 0
            ? "-"
            : fmt::format("{} ({})", printable(className(metadata, data, size_t(other))),
                          accuracy.confusion[c * accuracy.classImages.size() + size_t(other)]));
  }
}

/// A table of what each class, or value, of a model that does not classify is judged by.
static void printFigures(const Accuracy &accuracy, const WeightsMetadata &metadata,
                         const Dataset &data) {
  std::vector<Figure> figures = accuracy.measures.figures();
  std::erase_if(figures, [](const Figure &figure) { return figure.each.empty(); });
  if (figures.empty())
    return;
  size_t width = 5, rows = figures[0].byClass.size();
  for (size_t c = 0; c < rows; ++c)
    width = std::max(width, printable(className(metadata, data, c)).size());
  std::string line = fmt::format("{:<{}}", "class", width);
  for (const Figure &figure : figures)
    line += fmt::format("  {:>10}", figure.each);
  for (size_t c = 0; c < rows; ++c) {
    line += fmt::format("\n{:<{}}", printable(className(metadata, data, c)), width);
    for (const Figure &figure : figures) {
      double value = figure.byClass[c];
      std::string text = std::isnan(value) ? "-"
                         : figure.isShare  ? fmt::format("{:.2f}%", value * 100)
                                           : fmt::format("{:.4g}", value);
      line += fmt::format("  {:>{}}", text, std::max<size_t>(10, figure.each.size()));
    }
  }
  fmt::print("{}\n", line);
}

/// A field of CSV (RFC 4180).
static std::string csvField(const std::string &text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (char c : text)
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

static void writeConfusion(const std::string &path, const Accuracy &accuracy,
                           const WeightsMetadata &metadata, const Dataset &data) {
  size_t classes = accuracy.classImages.size();
  if (accuracy.confusion.empty())
    fail("{}: no confusion matrix beyond {} classes, the model has {}", path,
         Accuracy::mostConfusionClasses, classes);
  std::string text = "label";
  for (size_t c = 0; c < classes; ++c)
    text += "," + csvField(className(metadata, data, c));
  text += "\n";
  for (size_t label = 0; label < classes; ++label) {
    text += csvField(className(metadata, data, label));
    for (size_t guess = 0; guess < classes; ++guess)
      text += fmt::format(",{}", accuracy.confusion[label * classes + guess]);
    text += "\n";
  }
  writeFileAtomically(path, text);
}

/// The images with labels in the model's order of classes; `metadata` comes to name them.
static std::unique_ptr<Dataset> openLabelled(const EvalOptions &options, const ModelInfo &info,
                                             const std::string &weights,
                                             WeightsMetadata &metadata) {
  DataShape shape = dataShape(info);
  bool ofFolders =
      (metadata.data == "imagefolder" || metadata.data == "csv") && options.labels.empty();
  auto data = openEvaluation(options.data, true, shape,
                             ofFolders ? metadata.classes : std::vector<std::string>());
  ClassLabels labels{weights, metadata.classes, {}};
  if (!options.labels.empty())
    labels = readClassLabels(options.labels, info.classes);
  metadata.classes = labels.names;
  if (data->kind() != "imagefolder" || (ofFolders && !labels.names.empty()))
    return data;
  if (!labels.names.empty())
    return mapToClasses(std::move(data), labels);
  // Positions among the sorted folders: sound where there is one for each class.
  if (data->classCount() != info.classes)
    fail("{} has {} folders, but {} has {} classes, and {} names none: which is which? --labels "
         "FILE (a class a line, in the model's order) or --labels imagenet tells",
         options.data, data->classCount(), info.name, info.classes, weights);
  return data;
}

/// The same model with each further file of weights.
static std::vector<std::unique_ptr<Executor>> openOthers(const NetcModel &model,
                                                         const ModelInfo &info,
                                                         const EvalOptions &options, int64_t batch,
                                                         ThreadPool &pool) {
  std::vector<std::unique_ptr<Executor>> others;
  for (size_t i = 1; i < options.weights.size(); ++i) {
    std::string path = weightsPath(options.weights[i]);
    others.push_back(std::make_unique<Executor>(model, info, pool));
    loadWeights(Safetensors::read(path), *others.back(), false);
    requireSoundWeights(*others.back(), path);
    others.back()->reserve(batch, false, Loader::copies + 1);
  }
  return others;
}

int runEval(const NetcModel &model, const EvalOptions &options, Communicator &communicator) {
  ModelInfo info = readModel(model);
  requireCpuFeatures(info.name, info.features);
  requireSeveralClasses(info, "evaluate");
  Recipe recipe = recipeWith(info, options.set, {"eval", "normalize"});
  std::string path = weightsPath(options.weights.front());
  Safetensors file = Safetensors::read(path);
  WeightsMetadata metadata = WeightsMetadata::decode(file);
  auto data = openLabelled(options, info, path, metadata);
  if (info.scoresEachClass() && data->hasTargets())
    info.compareWithTargets();

  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  if (options.cache)
    executor.device().fillCache(*options.cache);
  loadWeights(file, executor, false);
  bool byClass = info.mapLoss() || info.scoresEachClass();
  if (!info.classifies() &&
      (!options.confusion.empty() || ((options.perClass || options.worstFirst) && !byClass)))
    failUsage("{} gives {}: there are no classes to count", info.name,
              describeTensors(info.outputs));
  requireSoundWeights(executor, path);
  Pipeline pipeline = data->isTensors()
                          ? Pipeline::forTensors(info)
                          : Pipeline::forEvaluation(
                                recipe, info, scalingForEvaluation(recipe, info, metadata, path),
                                {data->imageHeight(), data->imageWidth()}, options.crops);
  int64_t batch = options.batch.value_or(recipe.batch);
  executor.reserve(batch, false, Loader::copies + 1);

  unsigned workers = options.workers ? options.workers : defaultWorkers(*data, info);
  Progress progress;
  std::vector<std::unique_ptr<Executor>> others = openOthers(model, info, options, batch, pool);
  std::vector<Executor *> averaged;
  for (const auto &other : others)
    averaged.push_back(other.get());
  Accuracy accuracy = evaluate(
      executor, communicator, *data, spreadSamples(data->size(), 0), pipeline, batch, workers,
      [&](int64_t done) {
        if (communicator.isRoot())
          progress.show("evaluating", done, data->size(), "");
        return true;
      },
      nullptr, averaged);
  progress.clear();
  if (accuracy.images == 0)
    fail("{}: none of the {} images can be read", options.data, data->size());
  if (accuracy.notFinite)
    fail("{}: the scores of {} of {} images are not finite: values overflow in the network with "
         "these weights",
         path, std::min(accuracy.notFinite, accuracy.images), accuracy.images);
  if (!communicator.isRoot())
    return 0;
  if (!options.confusion.empty())
    writeConfusion(options.confusion, accuracy, metadata, *data);
  if (options.json) {
    fmt::print("{}\n", describe(accuracy, metadata, *data).dump(2));
    return 0;
  }
  if (!info.classifies()) {
    if (options.perClass || options.worstFirst)
      printFigures(accuracy, metadata, *data);
    fmt::print("{} images: loss {:.4f}, {}\n", accuracy.images, accuracy.loss(), accuracy.text());
    if (accuracy.corrupt)
      fmt::print("{} images could not be read and are not counted\n", accuracy.corrupt);
    return 0;
  }
  if (options.perClass || options.worstFirst)
    printClasses(accuracy, metadata, *data, options.worstFirst);
  fmt::print("{} images: top-1 {:.2f}%, top-5 {:.2f}%, loss {:.4f}\n", accuracy.images,
             accuracy.top1() * 100, accuracy.top5() * 100, accuracy.loss());
  if (accuracy.corrupt)
    fmt::print("{} images could not be read and are not counted\n", accuracy.corrupt);
  return 0;
}

} // namespace netc::runtime
