//===- Run.cpp - one batch from tensors to tensors ------------------------===//
#include "runtime/base/Error.h"
#include "runtime/commands/Commands.h"
#include "runtime/exec/Executor.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/weights/Weights.h"

#include <algorithm>
#include <cstring>

namespace netc::runtime {

static const Tensor &requireTensor(const Safetensors &file, const char *name,
                                   const std::string &expected) {
  if (const Tensor *tensor = file.find(name))
    return *tensor;
  std::vector<std::string> names;
  for (const Tensor &tensor : file.tensors())
    names.push_back(tensor.name);
  fail("{}: no tensor '{}', expected {}; the file has {}", file.path(), name, expected,
       names.empty() ? std::string("no tensors") : fmt::format("{}", fmt::join(names, ", ")));
}

/// The batch, after checking the shape [N, C, H, W].
static int64_t checkInput(const Safetensors &file, const Tensor &input, const ModelInfo &info) {
  std::vector<int64_t> image{info.channels, info.height, info.width};
  bool fits = input.shape.size() == 4 &&
              std::equal(image.begin(), image.end(), input.shape.begin() + 1) && input.shape[0] > 0;
  // A model of vectors takes [N, F] as well.
  fits |= input.shape.size() == 2 && info.height == 1 && info.width == 1 &&
          input.shape[1] == info.channels && input.shape[0] > 0;
  if (!fits)
    fail("{}: tensor 'input' has shape {}, expected [N, {}, {}, {}] with N at least 1", file.path(),
         describeShape(input.shape), info.channels, info.height, info.width);
  return input.shape[0];
}

static void readLabels(const Safetensors &file, int64_t n, int64_t classes, int64_t *out) {
  const Tensor &labels = requireTensor(file, "labels", fmt::format("labels [{}] of type I64", n));
  if (labels.dtype != "I64" && labels.dtype != "I32")
    fail("{}: tensor 'labels' has type {}, expected I64", file.path(), labels.dtype);
  if (labels.shape != std::vector<int64_t>{n})
    fail("{}: tensor 'labels' has shape {}, expected [{}]", file.path(),
         describeShape(labels.shape), n);
  for (int64_t i = 0; i < n; ++i) {
    int32_t narrow = 0;
    if (labels.dtype == "I64")
      std::memcpy(&out[i], labels.data + 8 * i, 8);
    else
      std::memcpy(&narrow, labels.data + 4 * i, 4), out[i] = narrow;
    if (out[i] < 0 || out[i] >= classes)
      fail("{}: label {} of image {}, expected 0 to {}", file.path(), out[i], i, classes - 1);
  }
}

static bool isRunningStatistic(const ParameterInfo &parameter) {
  return !parameter.trainable &&
         (parameter.name.ends_with("running_mean") || parameter.name.ends_with("running_var"));
}

int runOnce(const NetcModel &model, const RunOptions &options) {
  ModelInfo info = readModel(model);
  if (options.train && !model.step.command_count)
    fail("{} was compiled with --mode infer: it holds no training step", info.name);
  requireCpuFeatures(info.name, info.features);
  Safetensors weights = Safetensors::read(weightsPath(options.weights));
  Safetensors file = Safetensors::read(options.in);
  const Tensor &input = requireTensor(
      file, "input",
      fmt::format("input [N, {}, {}, {}] of type F32", info.channels, info.height, info.width));
  int64_t n = checkInput(file, input, info);

  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  if (options.cache)
    executor.device().fillCache(*options.cache);
  loadWeights(weights, executor, options.train);
  executor.reserve(n, options.train);
  convertToF32(input, file.path(), executor.at<float>(NETC_SPACE_INPUT));

  std::vector<Tensor> results;
  auto addOutput = [&] {
    results.push_back(
        f32Tensor("output", {n, info.classes}, executor.at<float>(NETC_SPACE_OUTPUT)));
  };
  if (!options.train) {
    executor.run(Program::Prepare, 1);
    executor.run(Program::Infer, n);
    addOutput();
    writeSafetensors(options.out, results, {});
    return 0;
  }

  int64_t *labels = executor.at<int64_t>(NETC_SPACE_LABELS);
  readLabels(file, n, info.classes, labels);
  if (float *targets = executor.at<float>(NETC_SPACE_TARGETS))
    for (int64_t i = 0; i < n; ++i)
      targets[i * info.classes + labels[i]] = 1;
  executor.hyper().dropout = 0;
  executor.run(Program::Step, n);
  addOutput();
  results.push_back(f32Tensor("loss", {1}, executor.at<float>(NETC_SPACE_LOSS)));
  for (const ParameterInfo &parameter : info.parameters) {
    if (parameter.trainable)
      results.push_back(
          f32Tensor("grad." + parameter.name, parameter.shape, executor.gradient(parameter)));
    else if (isRunningStatistic(parameter))
      results.push_back(f32Tensor(parameter.name, parameter.shape, executor.parameter(parameter)));
  }
  writeSafetensors(options.out, results, {});
  return 0;
}

} // namespace netc::runtime
