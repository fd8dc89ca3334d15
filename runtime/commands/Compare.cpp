//===- Compare.cpp - a quantised model beside itself in f32 ---------------===//
//
// Both run on the same images. A value's signal is the sum of its squares in f32, its noise that of
// the differences from the integers times their scale.
//
//===----------------------------------------------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/commands/Observation.h"
#include "runtime/quantize/Observe.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

namespace {
struct Noise {
  double signal = 0, noise = 0;
  /// Decibels; no noise at all: infinite.
  double ratio() const { return 10 * std::log10(signal / noise); }
  void add(double value, double other) {
    signal += value * value;
    noise += (value - other) * (value - other);
  }
};

/// Sums over the images.
struct Comparison {
  std::vector<Noise> values;  ///< of ModelInfo::stored
  std::vector<Noise> outputs; ///< of ModelInfo::outputs
  int64_t images = 0, agreeing = 0;
};

class Comparer {
public:
  explicit Comparer(Observation &observation)
      : observation(observation), executor(observation.executor()), info(executor.info()) {
    result.values.resize(info.stored.size());
    result.outputs.resize(info.outputs.size());
  }
  Comparison run();

private:
  void compareBatch(int64_t n);
  void compareValue(size_t index, const StoredValue &value);
  void compareOutputs(int64_t n, const std::vector<std::vector<float>> &inF32);

  Observation &observation;
  Executor &executor;
  const ModelInfo &info;
  std::map<std::string, std::vector<float>> inF32; ///< this batch's values
  Comparison result;
};
} // namespace

void Comparer::compareValue(size_t index, const StoredValue &value) {
  auto found = inF32.find(info.stored[index].name);
  const ParameterInfo *scale = scaleOf(info, info.stored[index].name);
  if (found == inF32.end() || !scale || std::ssize(found->second) != value.count)
    return;
  double step = *executor.parameter(*scale);
  int bias = value.type == NETC_TYPE_BIASED_I8 ? 128 : 0;
  const auto *bytes = static_cast<const uint8_t *>(value.memory);
  Noise sums;
  for (int64_t i = 0; i < value.count; ++i)
    sums.add(double(found->second[size_t(i)]), step * (bytes[i] - bias));
  result.values[index].signal += sums.signal;
  result.values[index].noise += sums.noise;
}

static int64_t largestOf(const float *scores, int64_t classes) {
  return std::max_element(scores, scores + classes) - scores;
}

void Comparer::compareOutputs(int64_t n, const std::vector<std::vector<float>> &outputs) {
  for (size_t o = 0; o < outputs.size(); ++o) {
    const float *own = executor.at<float>(info.outputs[o], n);
    for (size_t i = 0; i < outputs[o].size(); ++i)
      result.outputs[o].add(double(outputs[o][i]), double(own[i]));
  }
  result.images += n;
  const TensorInfo *scores = info.classScores();
  if (!scores)
    return;
  auto o = size_t(scores - info.outputs.data());
  const float *own = executor.at<float>(*scores, n);
  for (int64_t i = 0; i < n; ++i)
    result.agreeing += largestOf(own + i * info.classes, info.classes) ==
                       largestOf(outputs[o].data() + i * info.classes, info.classes);
}

void Comparer::compareBatch(int64_t n) {
  runObserved(executor, Program::Observe, n, [&](size_t index, const StoredValue &value) {
    const float *all = static_cast<const float *>(value.memory);
    inF32[info.observed[index].name].assign(all, all + value.count);
  });
  std::vector<std::vector<float>> outputs;
  for (const TensorInfo &output : info.outputs) {
    const float *all = executor.at<float>(output, n);
    outputs.emplace_back(all, all + n * output.elements());
  }
  runObserved(executor, Program::Infer, n,
              [&](size_t index, const StoredValue &value) { compareValue(index, value); });
  compareOutputs(n, outputs);
}

Comparison Comparer::run() {
  Progress progress;
  observation.overBatches([&](int64_t n, int64_t done) {
    compareBatch(n);
    progress.show("comparing", done, observation.images(), "");
  });
  progress.clear();
  return result;
}

/// Of JSON, which has no infinity: null.
static Json ratioJson(const Noise &noise) {
  return std::isfinite(noise.ratio()) ? Json(noise.ratio()) : Json();
}

static Json describe(const ModelInfo &info, const Comparison &result) {
  Json json = {{"images", result.images}};
  if (info.classScores())
    json["top1_agreement"] = double(result.agreeing) / double(result.images);
  json["layers"] = Json::array();
  for (size_t i = 0; i < result.values.size(); ++i)
    if (result.values[i].signal > 0)
      json["layers"].push_back(
          {{"name", info.stored[i].name}, {"signal_to_noise_db", ratioJson(result.values[i])}});
  json["outputs"] = Json::array();
  for (size_t o = 0; o < result.outputs.size(); ++o)
    json["outputs"].push_back(
        {{"name", info.outputs[o].name}, {"signal_to_noise_db", ratioJson(result.outputs[o])}});
  return json;
}

static void printTable(const ModelInfo &info, const Comparison &result) {
  size_t width = 5;
  for (const NamedValue &value : info.stored)
    width = std::max(width, value.name.size());
  for (const TensorInfo &output : info.outputs)
    width = std::max(width, output.name.size());
  fmt::print("{:<{}}  {:>20}\n", "value", width, "signal to noise [dB]");
  for (size_t i = 0; i < result.values.size(); ++i)
    if (result.values[i].signal > 0)
      fmt::print("{:<{}}  {:>20.1f}\n", info.stored[i].name, width, result.values[i].ratio());
  for (size_t o = 0; o < result.outputs.size(); ++o)
    fmt::print("{:<{}}  {:>20.1f}\n", info.outputs[o].name, width, result.outputs[o].ratio());
  if (info.classScores())
    fmt::print("\n{}: int8 and f32 agree on {:.2f}% of their top-1\n",
               counted(result.images, "image"),
               100 * double(result.agreeing) / double(result.images));
}

int runCompare(const NetcModel &model, const CompareOptions &options) {
  Observation observation(model, {options.data, options.weights, options.set, options.images,
                                  options.batch, options.threads, /*calibrating=*/false});
  Comparison result = Comparer(observation).run();
  const ModelInfo &info = observation.executor().info();
  if (options.json)
    fmt::print("{}\n", describe(info, result).dump(2));
  else
    printTable(info, result);
  return 0;
}

} // namespace netc::runtime
