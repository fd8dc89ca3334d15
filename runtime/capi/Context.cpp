//===- Context.cpp - what a C library's context does ----------------------===//
#include "runtime/capi/Context.h"

#include "runtime/data/Scaling.h"
#include "runtime/data/Tensors.h"
#include "runtime/exec/Diagnosis.h"
#include "runtime/image/Image.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/system/ControlGroup.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/train/BatchStatistics.h"
#include "runtime/train/Initialize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace netc::runtime {

static constexpr unsigned mostThreads = 1024;
static constexpr int64_t mostImages = int64_t(1) << 31;

static ModelInfo readRunnable(const NetcModel &model, unsigned threads) {
  if (threads > mostThreads)
    failWith(netc_model_error_argument, "{} threads, expected at most {}", threads, mostThreads);
  return withStatus(netc_model_error_unsupported, [&] {
    ModelInfo info = readModel(model);
    requireCpuFeatures(info.name, info.features);
    return info;
  });
}

/// Batches are the caller's to accumulate.
static Recipe readRecipe(const ModelInfo &info) {
  Recipe recipe = parseRecipe(info, {});
  recipe.accumulate = 1;
  return recipe;
}

Context::Context(const NetcModel &model, unsigned threads)
    : description(readRunnable(model, threads)), recipe(readRecipe(description)),
      pool(threads ? threads : availableCores()), executor(model, description, pool) {
  if (executor.has(Program::Step))
    optimizer.emplace(recipe, executor);
  for (size_t i = 0; i < description.parameters.size(); ++i)
    parameterIndex.emplace(description.parameters[i].name, i);
  metadata.model = description.name;
}

void Context::draw(uint64_t number) {
  seed = number;
  initializeParameters(executor, seed);
}

void Context::load(const Safetensors &file) {
  withStatus(netc_model_error_weights, [&] {
    initializeParameters(executor, seed, Initialized::Auxiliary);
    loadWeights(file, executor, false);
    metadata = WeightsMetadata::decode(file);
    metadata.model = description.name;
    weightsFile = file.path();
  });
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

void Context::makeRoom(int64_t n, bool training) {
  if (n < 1 || n > mostImages)
    failWith(netc_model_error_argument, "a batch of {}, expected 1 to {}", n, mostImages);
  if (n <= room && (trains || !training))
    return;
  withStatus(netc_model_error_memory, [&] {
    int64_t images = std::max(n, room);
    bool all = trains || training;
    int64_t gradients = std::exchange(gradientsOf, 0);
    room = 0; // until it is there
    isPrepared = false;
    if (all)
      executor.fitStep(images, 1, executor.stepMemory());
    executor.reserve(images, all);
    room = images;
    gradientsOf = gradients; // they outlast it
    trains = all;
  });
}

void Context::copyInputs(int64_t n, const float *const *inputs) {
  for (size_t i = 0; i < description.inputs.size(); ++i) {
    const TensorInfo &input = description.inputs[i];
    if (!inputs || !inputs[i])
      failWith(netc_model_error_argument, "input {} ({}) is null", i, input.name);
    std::memcpy(executor.at<char>(input, n), inputs[i], size_t(n) * input.bytes());
  }
}

/// Class indices are checked: kernels read scores by them.
void Context::copyTargets(int64_t n, const void *const *targets) {
  std::vector<int64_t> classes(description.targets.size(), 0); // 0: values
  std::vector<std::optional<int64_t>> ignored(classes.size());
  for (const LossInfo &loss : description.losses)
    if (loss.comparesClasses()) {
      classes[loss.target] = classesOf(description, loss);
      ignored[loss.target] = loss.ignore;
    }
  for (size_t i = 0; i < description.targets.size(); ++i) {
    const TensorInfo &target = description.targets[i];
    if (!targets || !targets[i])
      failWith(netc_model_error_argument, "target {} ({}) is null", i, target.name);
    size_t bytes = size_t(n) * target.bytes();
    char *to = executor.at<char>(target, n);
    std::memcpy(to, targets[i], bytes);
    if (target.type != NETC_TYPE_I64)
      continue;
    const int64_t *labels = reinterpret_cast<const int64_t *>(to);
    for (int64_t k = 0; k < n * target.elements(); ++k)
      if ((labels[k] < 0 || labels[k] >= classes[i]) && labels[k] != ignored[i])
        failWith(netc_model_error_argument, "{}: element {} is class {}, expected 0 to {}",
                 target.name, k, labels[k], classes[i] - 1);
  }
}

void Context::infer(int64_t n, const float *const *inputs, float *const *outputs) {
  if (!outputs)
    failWith(netc_model_error_argument, "outputs is null");
  makeRoom(n, false);
  copyInputs(n, inputs);
  if (!isPrepared)
    executor.run(Program::Prepare, 1);
  isPrepared = true;
  executor.run(Program::Infer, n);
  for (size_t i = 0; i < description.outputs.size(); ++i)
    if (outputs[i])
      std::memcpy(outputs[i], executor.at<char>(description.outputs[i], n),
                  size_t(n) * description.outputs[i].bytes());
}

float Context::step(int64_t n, const float *const *inputs, const void *const *targets) {
  if (!executor.has(Program::Step))
    failWith(netc_model_error_unsupported,
             "{} was compiled with --mode infer: it has no training step", description.name);
  withStatus(netc_model_error_argument,
             [&] { requireBatchStatistics(description, n, "a step of one image"); });
  makeRoom(n, true);
  copyInputs(n, inputs);
  copyTargets(n, targets);
  gradientsOf = 0;
  isPrepared = false; // running statistics change
  NetcHyper &hyper = executor.hyper();
  hyper.dropout = 1;
  hyper.label_smoothing = float(recipe.labelSmoothing);
  hyper.seed_lo = uint32_t(seed);
  hyper.seed_hi = uint32_t(seed >> 32);
  hyper.step = uint32_t(steps++);
  hyper.first_image = 0;
  executor.run(Program::Step, n);
  float loss = *executor.at<float>(NETC_SPACE_LOSS);
  if (!std::isfinite(loss) || !gradientsFinite(executor))
    failWith(netc_model_error_numbers, "the loss of step {} is {}{}: {}", steps, loss,
             std::isfinite(loss) ? ", but a gradient is not finite" : "", locateFault(executor, n));
  gradientsOf = n;
  return loss;
}

void Context::update(double rate) {
  if (!gradientsOf)
    failWith(netc_model_error_argument, "there are no gradients: expected a step before update");
  if (std::isnan(rate) || std::isinf(rate))
    failWith(netc_model_error_argument, "the learning rate is {}", rate);
  if (!hasAverage)
    optimizer->startAverage();
  hasAverage = true;
  isPrepared = false;
  optimizer->update(updates++, rate < 0 ? recipe.lr : rate, gradientsOf);
  gradientsOf = 0; // clipping may have scaled them
}

void Context::save(const std::string &path) const {
  withStatus(netc_model_error_file, [&] { saveWeights(path, executor, metadata); });
}

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

const Pipeline &Context::preprocessing() {
  if (pipeline)
    return *pipeline;
  if (!description.takesImages())
    failWith(netc_model_error_unsupported, "{} takes {}, not one image", description.name,
             describeTensors(description.inputs));
  pipeline = withStatus(netc_model_error_unsupported, [&] {
    requireImageChannels(description.channels, "an image file");
    return Pipeline::forEvaluation(recipe, description,
                                   scalingForEvaluation(recipe, description, metadata, weightsFile),
                                   {}, 1);
  });
  return *pipeline;
}

void Context::decode(const std::string &path, std::string_view bytes, float *input) {
  if (!input)
    failWith(netc_model_error_argument, "input is null");
  const Pipeline &steps = preprocessing();
  withStatus(netc_model_error_file, [&] {
    steps.apply(
        [&](const ScaleChooser &choose, Image &image) { decodeImage(path, bytes, choose, image); },
        0, 0, 0, workspace, input);
  });
}

const char *Context::className(size_t index) const {
  return index < metadata.classes.size() ? metadata.classes[index].c_str() : nullptr;
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

const ParameterInfo &Context::findParameter(const std::string &name, size_t elements) const {
  auto found = parameterIndex.find(name);
  if (found == parameterIndex.end())
    failWith(netc_model_error_argument, "{} has no parameter '{}'", description.name, name);
  const ParameterInfo &parameter = description.parameters[found->second];
  if (size_t(parameter.elements()) != elements)
    failWith(netc_model_error_argument, "{} has {} elements {}, not {}", name, parameter.elements(),
             describeShape(parameter.shape), elements);
  return parameter;
}

void Context::getParameter(const std::string &name, float *values, size_t elements) const {
  const ParameterInfo &parameter = findParameter(name, elements);
  std::memcpy(values, executor.parameter(parameter), parameter.bytes());
}

void Context::setParameter(const std::string &name, const float *values, size_t elements) {
  const ParameterInfo &parameter = findParameter(name, elements);
  std::memcpy(executor.parameter(parameter), values, parameter.bytes());
  isPrepared = false;
}

void Context::getGradient(const std::string &name, float *values, size_t elements) const {
  const ParameterInfo &parameter = findParameter(name, elements);
  if (!parameter.trainable)
    failWith(netc_model_error_argument, "{} is a running statistic: it has no gradient", name);
  if (!gradientsOf)
    failWith(netc_model_error_argument, "there are no gradients: expected a step before");
  std::memcpy(values, executor.gradient(parameter), parameter.bytes());
}

} // namespace netc::runtime
