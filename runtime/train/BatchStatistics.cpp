//===- BatchStatistics.cpp - what batch norm takes of a batch -------------===//
#include "runtime/train/BatchStatistics.h"

#include "runtime/base/Error.h"
#include "runtime/train/Pattern.h"

#include <algorithm>

namespace netc::runtime {

static bool isFrozen(const LayerInfo &layer, const std::vector<std::string> &patterns) {
  return layer.frozen ||
         std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string &pattern) { return matches(pattern, layer.name); });
}

void requireBatchStatistics(const ModelInfo &info, int64_t n, const std::string &what,
                            const std::vector<std::string> &frozen) {
  if (n > 1)
    return;
  for (const LayerInfo &layer : info.layers) {
    int64_t pixels = 1; // of a channel
    for (size_t i = 1; i < layer.output.size(); ++i)
      pixels *= layer.output[i];
    if (layer.kind == "bn" && pixels == 1 && !isFrozen(layer, frozen))
      fail("{}: batch norm {} would have one value per channel, expected more than one to take "
           "their variance",
           what, layer.name);
  }
}

void freezeStatistics(const std::vector<std::string> &patterns, const Executor &executor) {
  const ModelInfo &info = executor.info();
  for (const std::string &pattern : patterns) {
    std::string example;
    bool found = false;
    for (const LayerInfo &layer : info.layers) {
      if (layer.kind != "bn")
        continue;
      example = example.empty() ? layer.name : example;
      found = found || matches(pattern, layer.name);
    }
    if (!found && example.empty())
      fail("--freeze-bn '{}': {} has no batch norm", pattern, info.name);
    if (!found)
      fail("--freeze-bn '{}' matches no batch norm of {} (such as {})", pattern, info.name,
           example);
  }
  for (size_t i = 0; i < info.parameters.size(); ++i) {
    const ParameterInfo &parameter = info.parameters[i];
    if (parameter.layer < 0 || !parameter.name.ends_with(".running_mean"))
      continue;
    const LayerInfo &layer = info.layers[size_t(parameter.layer)];
    executor.parameterHyper()[i].frozen_statistics =
        layer.kind == "bn" && isFrozen(layer, patterns) ? 1 : 0;
  }
}

} // namespace netc::runtime
