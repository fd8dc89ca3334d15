//===- Optimizer.cpp - the numbers that an update reads -------------------===//
#include "runtime/train/Optimizer.h"

#include "runtime/base/Error.h"
#include "runtime/train/BatchStatistics.h"
#include "runtime/train/Pattern.h"
#include "runtime/train/StateShard.h"

#include <cmath>
#include <cstring>

namespace netc::runtime {

static void requirePrograms(const Recipe &recipe, const Executor &executor) {
  const char *wants = recipe.clipNorm > 0 && !executor.has(Program::Norm)           ? "clip_norm"
                      : recipe.accumulate > 1 && !executor.has(Program::Accumulate) ? "accumulate"
                                                                                    : nullptr;
  if (wants)
    fail("{} was compiled without what {} needs: compile it again", executor.info().name, wants);
}

Optimizer::Optimizer(const Recipe &recipe, Executor &executor)
    : recipe(recipe), executor(executor) {
  requirePrograms(recipe, executor);
  setFactors();
}

static bool isNormalization(const std::string &kind) {
  return kind == "bn" || kind == "layer_norm" || kind == "group_norm";
}

/// The weight decay that `decay(norm=…, bias=…)` gives a parameter; none: that of all.
static std::optional<double> ownDecay(const Recipe &recipe, const ModelInfo &info,
                                      const ParameterInfo &parameter) {
  bool known = parameter.layer >= 0 && size_t(parameter.layer) < info.layers.size();
  bool norm = known && isNormalization(info.layers[size_t(parameter.layer)].kind);
  bool bias = !norm && parameter.shape.size() == 1 && parameter.name.ends_with("bias");
  std::optional<double> own = norm ? recipe.normDecay : bias ? recipe.biasDecay : std::nullopt;
  if (own && *own > 0 && recipe.weightDecay == 0)
    fail(
        "recipe: the weight decay {} of {} is kept as a multiple of weight_decay, which is 0: give "
        "it a value, or leave decay(…) out",
        *own, norm ? "normalisations" : "biases");
  return own;
}

void Optimizer::setFactors() {
  const std::vector<ParameterInfo> &parameters = executor.info().parameters;
  auto forMatches = [&](const std::string &pattern, const char *option, auto &&apply) {
    bool found = false;
    for (size_t i = 0; i < parameters.size(); ++i)
      if (parameters[i].trainable && matches(pattern, parameters[i].name)) {
        apply(i);
        found = true;
      }
    if (!found)
      fail("{} '{}' matches no parameter of {} (such as {})", option, pattern, executor.info().name,
           parameters.empty() ? "none" : parameters.front().name);
  };
  NetcParameterHyper *hyper = executor.parameterHyper();
  for (size_t i = 0; i < parameters.size(); ++i) {
    bool weights = parameters[i].shape.size() > 1;
    hyper[i] = {1, 1, 1, 0};
    if (std::optional<double> own = ownDecay(recipe, executor.info(), parameters[i])) {
      hyper[i].decay_scale = *own > 0 ? float(*own / recipe.weightDecay) : 0;
      hyper[i].adapts = *own > 0;
    } else if (recipe.decayWeightsOnly && !weights) {
      hyper[i].decay_scale = hyper[i].adapts = 0;
    }
  }
  if (!recipe.ownRates.empty() && recipe.lr == 0)
    fail("--lr-for scales with the learning rate, which is 0");
  for (const auto &[pattern, rate] : recipe.ownRates)
    forMatches(pattern, "--lr-for",
               [&](size_t i) { hyper[i].rate_scale = float(rate / recipe.lr); });
  for (const std::string &pattern : recipe.freeze)
    forMatches(pattern, "--freeze", [&](size_t i) { hyper[i].rate_scale = 0; });
  freezeStatistics(recipe.freezeBatchNorm, executor);
  for (size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].trainable && hyper[i].rate_scale == 0)
      frozenNames.push_back(parameters[i].name);
}

static uint64_t averageOffset(const Executor &executor) {
  const NetcModel &model = executor.model();
  return model.state_bytes - model.parameter_bytes; // the last slot
}

void Optimizer::startAverage() {
  if (recipe.average > 0)
    std::memcpy(executor.at<char>(NETC_SPACE_STATE) + averageOffset(executor),
                executor.at<char>(NETC_SPACE_PARAMETERS), executor.model().parameter_bytes);
}

Optimizer::Averaged::Averaged(const Optimizer &optimizer)
    : executor(optimizer.executor), weights(executor.at<char>(NETC_SPACE_PARAMETERS)) {
  if (optimizer.recipe.average > 0)
    executor.bind(NETC_SPACE_PARAMETERS,
                  executor.at<char>(NETC_SPACE_STATE) + averageOffset(executor));
}

Optimizer::Averaged::~Averaged() { executor.bind(NETC_SPACE_PARAMETERS, weights); }

void Optimizer::accumulate(double weight, bool first, bool last) {
  if (recipe.accumulate == 1)
    return;
  executor.reserveAccumulation();
  if (first)
    executor.device().clear(NETC_SPACE_ACCUMULATED, 0, executor.model().parameter_bytes);
  executor.hyper().batch_weight = float(weight);
  executor.run(Program::Accumulate, 1);
  if (last)
    executor.swapAccumulated();
}

/// As PyTorch's clip_grad_norm_; frozen parameters don't count.
void Optimizer::clip(int64_t n) {
  if (recipe.clipNorm == 0)
    return;
  const std::vector<ParameterInfo> &parameters = executor.info().parameters;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].trainable && executor.parameterHyper()[i].rate_scale == 0)
      executor.device().clear(NETC_SPACE_GRADIENTS, parameters[i].offset, parameters[i].bytes());
  executor.run(Program::Norm, n);
  double norm = executor.hyper().gradient_norm;
  executor.hyper().gradient_scale = float(std::min(1.0, recipe.clipNorm / (norm + 1e-6)));
}

void Optimizer::update(int64_t step, double rate, int64_t n) {
  NetcHyper &hyper = executor.hyper();
  hyper.lr = float(rate);
  hyper.momentum = float(recipe.momentum);
  hyper.weight_decay = float(recipe.weightDecay);
  hyper.beta2 = float(recipe.optimizer == "lars" ? recipe.trust : recipe.beta2);
  hyper.one_minus_beta2 = float(1 - recipe.beta2);
  hyper.epsilon = float(recipe.epsilon);
  hyper.correction1 = float(1 - std::pow(recipe.momentum, double(step + 1)));
  hyper.correction2 = float(std::sqrt(1 - std::pow(recipe.beta2, double(step + 1))));
  hyper.gradient_scale = 1;
  // A young average follows the weights faster, as TensorFlow's
  // ExponentialMovingAverage(num_updates).
  hyper.average_decay = float(std::min(recipe.average, double(step + 1) / double(step + 10)));
  clip(n);
  if (shard)
    shard->update(n);
  else
    executor.run(Program::Update, n);
  if (recipe.accumulate > 1)
    executor.swapAccumulated();
}

} // namespace netc::runtime
