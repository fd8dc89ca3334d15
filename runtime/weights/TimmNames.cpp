//===- TimmNames.cpp - what timm calls torchvision's tensors --------------===//
#include "runtime/weights/TimmNames.h"

#include <array>
#include <cstdio>
#include <utility>

namespace netc::runtime {

/// MobileNetV2: units of each stage (Sandler et al. 2018, table 2).
static constexpr std::array<int, 7> stages{1, 2, 3, 4, 3, 3, 1};

/// Parts of a unit: torchvision's, timm's. The first unit has no expansion.
static constexpr std::pair<const char *, const char *> firstUnit[] = {
    {"conv.0.0", "conv_dw"}, {"conv.0.1", "bn1"}, {"conv.1", "conv_pw"}, {"conv.2", "bn2"}};
static constexpr std::pair<const char *, const char *> laterUnits[] = {
    {"conv.0.0", "conv_pw"}, {"conv.0.1", "bn1"},    {"conv.1.0", "conv_dw"},
    {"conv.1.1", "bn2"},     {"conv.2", "conv_pwl"}, {"conv.3", "bn3"}};
/// Whole modules.
static constexpr std::pair<const char *, const char *> modules[] = {
    {"classifier.0", "pre_logits.fc1"},
    {"classifier.3", "pre_logits.fc2"},
    {"classifier.6", "head.fc"},
    {"features.0.0", "conv_stem"},
    {"features.0.1", "bn1"},
    {"features.18.0", "conv_head"},
    {"features.18.1", "bn2"},
    {"classifier.1", "classifier"}};

template <typename Table> static std::string lookup(const Table &table, const std::string &module) {
  for (const auto &[ours, theirs] : table)
    if (module == ours)
      return theirs;
  return {};
}

std::string timmName(const std::string &name) {
  size_t dot = name.rfind('.');
  if (dot == std::string::npos)
    return {};
  std::string module = name.substr(0, dot), leaf = name.substr(dot);
  if (std::string theirs = lookup(modules, module); !theirs.empty())
    return theirs + leaf;
  int unit = 0, length = 0;
  if (std::sscanf(module.c_str(), "features.%d.%n", &unit, &length) != 1 || length == 0 ||
      unit < 1 || unit > 17)
    return {};
  std::string part = module.substr(size_t(length));
  std::string theirs = unit == 1 ? lookup(firstUnit, part) : lookup(laterUnits, part);
  if (theirs.empty())
    return {};
  int index = unit - 1, stage = 0;
  while (index >= stages[size_t(stage)])
    index -= stages[size_t(stage++)];
  return "blocks." + std::to_string(stage) + "." + std::to_string(index) + "." + theirs + leaf;
}

} // namespace netc::runtime
