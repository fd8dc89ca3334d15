//===- GradCheck.cpp - generated gradients against finite differences -----===//
//
// The loss as a function of one parameter, others fixed, is computed in double
// precision from the layers' definitions; its central differences along random
// directions and at single elements are what the executable's f32 gradients are
// compared with. Dropout is off, batch norm uses the batch's statistics.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/RecipeTable.h"
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/base/Progress.h"
#include "runtime/base/Threads.h"
#include "runtime/commands/Commands.h"
#include "runtime/data/Scaling.h"
#include "runtime/data/Tensors.h"
#include "runtime/reference/Reference.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/train/BatchStatistics.h"
#include "runtime/train/Initialize.h"
#include "runtime/weights/Weights.h"

#include <nlohmann/json.hpp>

#include <fnmatch.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

namespace netc::runtime {

using Json = nlohmann::ordered_json;
using reference::Reference;

static constexpr int directions = 2, elementsTried = 3;
// A difference of two losses is off by rounding, about this much relative to the loss.
static constexpr double lossNoise = 1e-14;
// Steps are as small as that allows, since every ReLU or maximum that turns within one
// spoils the difference: rounding may cost this share of the gradient.
static constexpr double directionNoise = 1e-4, elementNoise = 1e-3;
static constexpr double leastStep = 1e-10, mostStep = 1e-4;

namespace {
/// Relative errors that are allowed.
struct Bounds {
  double loss, direction, element;
  /// Gradients below this share of the largest are compared on its scale: they are noise.
  double negligible;
};

struct Finding {
  size_t parameter = 0;
  double norm = 0;                             ///< of the generated gradient
  double directionError = 0, elementError = 0; ///< relative, the largest
  bool ok = true;
};
} // namespace

/// Sets class index number `i` of a loss's target to `label`: of all images and, of maps and
/// sequences, of all their pixels.
static void setLabel(const Executor &executor, const LossInfo &loss, int64_t n, int64_t i,
                     int64_t label) {
  const ModelInfo &info = executor.info();
  const TensorInfo &target = info.targets[loss.target];
  if (info.softLabels)
    executor.at<float>(target, n)[i * classesOf(info, loss) + label] = 1;
  else
    executor.at<int64_t>(target, n)[i] = label;
}

/// Normal noise, and drawn labels.
static void fillWithNoise(const Executor &executor, const GradCheckOptions &options) {
  const ModelInfo &info = executor.info();
  Philox draw(options.seed, Stream::Bench, 1);
  auto fill = [&](const TensorInfo &tensor) {
    float *values = executor.at<float>(tensor, options.batch);
    for (int64_t i = 0; i < options.batch * tensor.elements(); ++i)
      values[i] = float(draw.normal());
  };
  for (const TensorInfo &input : info.inputs)
    fill(input);
  std::set<size_t> filled; // terms of one output share their target
  for (const LossInfo &loss : info.losses) {
    if (!filled.insert(loss.target).second)
      continue;
    if (!loss.comparesClasses() && !info.softLabels) {
      fill(info.targets[loss.target]);
      continue;
    }
    int64_t classes = classesOf(info, loss);
    int64_t labels = options.batch * info.outputs[loss.output].elements() / classes;
    for (int64_t i = 0; i < labels; ++i)
      setLabel(executor, loss, options.batch, i, draw.below(uint32_t(classes)));
  }
}

/// Copies `samples` of a file of tensors.
static void fillWithTensors(const Executor &executor, const Dataset &data,
                            const std::vector<int64_t> &samples) {
  const ModelInfo &info = executor.info();
  int64_t n = int64_t(samples.size());
  auto read = [&](const TensorInfo &tensor) {
    char *to = executor.at<char>(tensor, n);
    for (int64_t i = 0; i < n; ++i)
      data.read(samples[size_t(i)], tensor.name, to + uint64_t(i) * tensor.bytes(), tensor.bytes());
  };
  for (const TensorInfo &input : info.inputs)
    read(input);
  for (const LossInfo &loss : info.losses)
    if (!info.softLabels || data.hasTargets())
      read(info.targets[loss.target]);
    else
      for (int64_t i = 0; i < n; ++i)
        setLabel(executor, loss, n, i, data.label(samples[size_t(i)]));
}

/// Decodes images as evaluation does.
static void fillWithImages(const Executor &executor, const Dataset &data,
                           const std::vector<int64_t> &samples) {
  const ModelInfo &info = executor.info();
  int64_t n = int64_t(samples.size());
  Recipe recipe = parseRecipe(info, {});
  Pipeline pipeline =
      Pipeline::forEvaluation(recipe, info, scalingForTraining(recipe, info, data, samples, 1),
                              {data.imageHeight(), data.imageWidth()}, 1);
  AugmentWorkspace workspace;
  for (int64_t i = 0; i < n; ++i) {
    int64_t sample = samples[size_t(i)];
    const TensorInfo &target = info.targets[info.losses.front().target];
    LabelMap map{
        [&](int height, int width, Image &labels) { data.readMask(sample, height, width, labels); },
        nullptr, uint8_t(recipe::ignoredLabel)};
    if (data.hasMasks())
      map.out = executor.at<int64_t>(target, n) + i * target.elements();
    pipeline.apply(
        [&](const ScaleChooser &choose, Image &image) { data.load(sample, choose, image); },
        uint64_t(sample), 0, 0, workspace,
        executor.at<float>(info.inputs.front(), n) + i * info.inputElements(),
        map.out ? &map : nullptr);
    for (size_t number = 1; number < info.inputs.size(); ++number) {
      const TensorInfo &input = info.inputs[number];
      data.read(sample, input.name, executor.at<char>(input, n) + uint64_t(i) * input.bytes(),
                input.bytes());
    }
    if (data.hasTargets() && !data.hasMasks())
      data.read(sample, target.name,
                reinterpret_cast<char *>(executor.at<float>(target, n) + i * target.elements()),
                target.bytes());
    else if (!data.hasMasks())
      setLabel(executor, info.losses.front(), n, i, data.label(sample));
  }
}

/// Fills the spaces of inputs, labels and targets: from samples spread over the data, or drawn.
static void fillBatch(const Executor &executor, const GradCheckOptions &options) {
  if (options.data.empty())
    return fillWithNoise(executor, options);
  auto data = openDataset(options.data, Split::Train, dataShape(executor.info()));
  if (data->size() < options.batch)
    fail("{} has {} images, --batch is {}", options.data, data->size(), options.batch);
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < options.batch; ++i)
    samples.push_back(i * data->size() / options.batch);
  data->isTensors() ? fillWithTensors(executor, *data, samples)
                    : fillWithImages(executor, *data, samples);
}

/// Initialised, but biases of batch norms drawn from -4 or 4: where few values lie near
/// a ReLU's corner, rounding turns none, and f32 can be compared with f64 at all.
static void drawParameters(Executor &executor, const reference::Graph &graph, uint64_t seed) {
  initializeParameters(executor, seed);
  for (const reference::Node &node : graph.nodes) {
    if (node.op != "batch_norm")
      continue;
    int index = graph.node(node.inputs[2]).parameter;
    const ParameterInfo &bias = executor.info().parameters[size_t(index)];
    Philox draw(seed, Stream::Initialize, hashBytes("gradcheck " + bias.name));
    for (int64_t i = 0; i < bias.elements(); ++i)
      executor.parameter(bias)[i] = draw.below(2) ? 4.0f : -4.0f;
  }
}

/// Class indices, also where the executable makes distributions of them.
static std::vector<int64_t> labelsOf(const Executor &executor, const LossInfo &loss, int64_t n) {
  const ModelInfo &info = executor.info();
  const TensorInfo &target = info.targets[loss.target];
  int64_t classes = classesOf(info, loss);
  int64_t count = n * info.outputs[loss.output].elements() / classes;
  if (!info.softLabels)
    return {executor.at<int64_t>(target, n), executor.at<int64_t>(target, n) + count};
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const float *row = executor.at<float>(target, n) + i * classes;
    labels.push_back(std::max_element(row, row + classes) - row);
  }
  return labels;
}

/// Of the batch in the executor's spaces.
static Reference makeReference(const Executor &executor, const reference::Graph &graph, int64_t n) {
  const ModelInfo &info = executor.info();
  auto valuesOf = [&](const TensorInfo &tensor) {
    const float *values = executor.at<float>(tensor, n);
    return std::vector<double>(values, values + n * tensor.elements());
  };
  std::vector<std::vector<double>> parameters, inputs;
  for (const ParameterInfo &parameter : info.parameters)
    parameters.emplace_back(executor.parameter(parameter),
                            executor.parameter(parameter) + parameter.elements());
  for (const TensorInfo &input : info.inputs)
    inputs.push_back(valuesOf(input));
  std::vector<reference::Target> targets(info.targets.size());
  for (const LossInfo &loss : info.losses) {
    reference::Target &target = targets[loss.target];
    if (loss.comparesClasses())
      target.labels = labelsOf(executor, loss, n);
    else
      target.values = valuesOf(info.targets[loss.target]);
  }
  return Reference(graph, n, std::move(parameters), std::move(inputs), std::move(targets));
}

static double normOf(const float *values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += double(values[i]) * double(values[i]);
  return std::sqrt(sum);
}

namespace {
struct RelativeError {
  double shown = INFINITY;  ///< |found - expected|
  double judged = INFINITY; ///< of that what lies beyond the difference's own rounding
};
} // namespace

/// Both relative to `scale`.
static RelativeError relativeError(double found, double expected, double noise, double scale) {
  double error = std::abs(found - expected);
  if (!std::isfinite(error))
    return {};
  scale = std::max(scale, 1e-300);
  return {error / scale, std::max(0.0, error - noise) / scale};
}

/// `largest`: the norm of the largest gradient of all parameters.
static Finding check(const Executor &executor, const Reference &exact, size_t index, double largest,
                     const GradCheckOptions &options, const Bounds &bounds) {
  const ParameterInfo &parameter = executor.info().parameters[index];
  const float *gradient = executor.gradient(parameter);
  const std::vector<double> &value = exact.parameter(index);
  size_t count = value.size();
  Philox draw(options.seed, Stream::Bench, hashBytes(parameter.name));
  Finding finding;
  finding.parameter = index;
  finding.norm = normOf(gradient, int64_t(count));

  std::vector<double> direction(count), moved(count);
  auto difference = [&](double step) {
    double losses[2];
    for (int side = 0; side < 2; ++side) {
      for (size_t i = 0; i < count; ++i)
        moved[i] = value[i] + (side ? -step : step) * direction[i];
      losses[side] = exact.lossWith(index, moved);
    }
    return (losses[0] - losses[1]) / (2 * step);
  };
  // `size`: what the error is relative to, unless the difference is larger. What turned
  // within the step is not met again in a much smaller one; a wrong gradient is.
  double rounding = lossNoise * std::max(1.0, std::abs(exact.loss()));
  auto compare = [&](double found, double size, double share, double tolerance) {
    double step = std::clamp(rounding / (share * size), leastStep, mostStep);
    RelativeError best;
    for (double smaller : {1.0, 0.25, 0.0625}) {
      double expected = difference(step * smaller);
      RelativeError error = relativeError(found, expected, rounding / (step * smaller),
                                          std::max(size, std::abs(expected)));
      if (error.judged < best.judged || smaller == 1.0)
        best = error;
      if (best.judged <= tolerance)
        break;
    }
    finding.ok &= best.judged <= tolerance;
    return best.shown;
  };
  for (int d = 0; d < directions; ++d) {
    double found = 0;
    for (size_t i = 0; i < count; ++i) {
      direction[i] = draw.normal();
      found += double(gradient[i]) * direction[i];
    }
    finding.directionError = std::max(
        finding.directionError, compare(found, std::max(finding.norm, bounds.negligible * largest),
                                        directionNoise, bounds.direction));
  }
  double rms = finding.norm / std::sqrt(double(count));
  for (int e = 0; e < std::min<int>(elementsTried, int(count)); ++e) {
    // The first is where the gradient is largest, the others are drawn.
    size_t at =
        e == 0
            ? size_t(std::max_element(gradient, gradient + count,
                                      [](float a, float b) { return std::abs(a) < std::abs(b); }) -
                     gradient)
            : draw.below(uint32_t(count));
    std::fill(direction.begin(), direction.end(), 0.0);
    direction[at] = 1;
    double found = double(gradient[at]);
    finding.elementError =
        std::max(finding.elementError,
                 compare(found, std::max({std::abs(found), rms, bounds.negligible * largest}),
                         elementNoise, bounds.element));
  }
  return finding;
}

/// All findings, computed by several threads, in the order of `chosen`.
static std::vector<Finding> checkAll(const Executor &executor, const Reference &exact,
                                     const std::vector<size_t> &chosen, double largest,
                                     const GradCheckOptions &options, const Bounds &bounds) {
  std::vector<Finding> findings(chosen.size());
  std::atomic<size_t> next{0}, done{0};
  std::mutex mutex;
  Progress progress;
  std::exception_ptr failure;
  auto work = [&] {
    try {
      for (size_t i; (i = next.fetch_add(1)) < chosen.size();) {
        findings[i] = check(executor, exact, chosen[i], largest, options, bounds);
        std::lock_guard lock(mutex);
        progress.show("checking gradients", int64_t(++done), int64_t(chosen.size()),
                      executor.info().parameters[chosen[i]].name);
      }
    } catch (...) {
      std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = chosen.size();
    }
  };
  std::vector<std::thread> threads =
      startThreads(std::max(1u, options.threads) - 1, [&](unsigned) { work(); });
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (failure)
    std::rethrow_exception(failure);
  return findings;
}

/// A gradient of bf16 may turn by the angle whose cosine is 0.98, 0.2 of its length.
static Bounds boundsOf(const ModelInfo &info, const GradCheckOptions &options) {
  Bounds bounds =
      info.precision == "bf16" ? Bounds{1e-2, 0.2, 0.5, 1e-3} : Bounds{1e-3, 1e-3, 1e-2, 1e-5};
  if (options.tolerance)
    bounds.loss = bounds.direction = *options.tolerance;
  bounds.element = options.elementTolerance.value_or(bounds.element);
  return bounds;
}

static std::vector<size_t> choose(const ModelInfo &info, const std::string &pattern) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < info.parameters.size(); ++i)
    if (info.parameters[i].trainable &&
        fnmatch(pattern.c_str(), info.parameters[i].name.c_str(), 0) == 0)
      chosen.push_back(i);
  if (chosen.empty())
    failUsage("--only '{}' matches no parameter; see info", pattern);
  return chosen;
}

static void printTable(const ModelInfo &info, const std::vector<Finding> &findings) {
  size_t width = 9;
  for (const Finding &finding : findings)
    width = std::max(width, info.parameters[finding.parameter].name.size());
  fmt::print("{:<{}}  {:>10}  {:>10}  {:>10}  {:>10}\n", "parameter", width, "elements",
             "|gradient|", "direction", "element");
  for (const Finding &finding : findings) {
    const ParameterInfo &parameter = info.parameters[finding.parameter];
    fmt::print("{:<{}}  {:>10}  {:>10.3g}  {:>10.2g}  {:>10.2g}  {}\n", parameter.name, width,
               parameter.elements(), finding.norm, finding.directionError, finding.elementError,
               finding.ok ? "ok" : "FAILED");
  }
}

int runGradCheck(const NetcModel &model, const GradCheckOptions &options) {
  ModelInfo info = readModel(model);
  if (!model.step.command_count)
    fail("{} was compiled with --mode infer: it holds no training step", info.name);
  requireCpuFeatures(info.name, info.features);
  requireBatchStatistics(info, options.batch, fmt::format("--batch {}", options.batch));
  reference::Graph graph = reference::readGraph(info);
  std::vector<size_t> chosen = choose(info, options.only);
  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  executor.reserve(options.batch, true);
  drawParameters(executor, graph, options.seed);
  if (!options.weights.empty())
    loadWeights(Safetensors::read(weightsPath(options.weights)), executor, true);
  fillBatch(executor, options);
  Reference exact = makeReference(executor, graph, options.batch);
  executor.hyper().dropout = 0;
  executor.run(Program::Step, options.batch);
  double loss = double(*executor.at<float>(NETC_SPACE_LOSS)), largest = 0;
  for (const ParameterInfo &parameter : info.parameters)
    if (parameter.trainable)
      largest = std::max(largest, normOf(executor.gradient(parameter), parameter.elements()));
  Bounds bounds = boundsOf(info, options);
  std::vector<Finding> findings = checkAll(executor, exact, chosen, largest, options, bounds);

  double lossError = std::abs(loss - exact.loss()) / std::max(1e-3, std::abs(exact.loss()));
  bool lossOk = lossError <= bounds.loss;
  int64_t failed =
      std::count_if(findings.begin(), findings.end(), [](const Finding &f) { return !f.ok; });
  if (options.json) {
    Json json = {{"batch", options.batch},
                 {"loss", loss},
                 {"reference_loss", exact.loss()},
                 {"ok", failed == 0 && lossOk}};
    json["parameters"] = Json::array();
    for (const Finding &finding : findings)
      json["parameters"].push_back({{"name", info.parameters[finding.parameter].name},
                                    {"norm", finding.norm},
                                    {"direction_error", finding.directionError},
                                    {"element_error", finding.elementError},
                                    {"ok", finding.ok}});
    fmt::print("{}\n", json.dump(2));
    return failed || !lossOk;
  }
  printTable(info, findings);
  fmt::print("loss {:.7g}, in double precision {:.7g}: {}\n", loss, exact.loss(),
             lossOk ? "ok" : "FAILED");
  fmt::print("{} of {} parameters ok (relative errors up to {:g} by direction, {:g} by element)\n",
             int64_t(findings.size()) - failed, findings.size(), bounds.direction, bounds.element);
  return failed || !lossOk;
}

} // namespace netc::runtime
