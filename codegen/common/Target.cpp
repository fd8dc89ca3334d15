//===- Target.cpp - what code is generated for ----------------------------===//
#include "codegen/common/Target.h"

#include "dialect/target/Target.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace netc;

std::string CpuTarget::featureString() const {
  std::vector<std::string> on;
  for (const std::string &feature : features)
    on.push_back("+" + feature);
  return llvm::join(on, ",");
}

bool CpuTarget::has(llvm::StringRef feature) const { return llvm::is_contained(features, feature); }

static CpuTarget targetOf(const target::CpuLevel &level) {
  CpuTarget result;
  result.name = level.name;
  for (llvm::StringRef feature : level.features)
    result.features.push_back(feature.str());
  result.lanes = level.lanes;
  result.registers = level.registers;
  return result;
}

/// `target` with those of its extensions that `isWanted`, in the order of the table.
static CpuTarget extended(CpuTarget target,
                          llvm::function_ref<bool(const target::CpuExtension &)> isWanted) {
  std::string level = target.name;
  for (const target::CpuExtension &extension : target::cpuExtensions()) {
    if (extension.level != level || !isWanted(extension))
      continue;
    target.name += "+" + extension.name.str();
    for (llvm::StringRef feature : extension.features)
      if (!target.has(feature))
        target.features.push_back(feature.str());
  }
  return target;
}

/// The best level that this machine runs, with what kernels of `precision` use beside it.
static CpuTarget nativeTarget(llvm::StringRef precision) {
  for (const target::CpuLevel &level : llvm::reverse(target::cpuLevels()))
    if (CpuTarget target = targetOf(level); hostRuns(target))
      return extended(target, [&](const target::CpuExtension &extension) {
        CpuTarget one = target;
        one.features.assign(extension.features.begin(), extension.features.end());
        return llvm::is_contained(extension.precisions, precision) && hostRuns(one);
      });
  return targetOf(target::cpuLevels().front());
}

std::optional<CpuTarget> netc::lookupCpuTarget(llvm::StringRef name, llvm::StringRef precision) {
  if (name == "native")
    return nativeTarget(precision);
  llvm::SmallVector<llvm::StringRef> words;
  name.split(words, '+');
  for (const target::CpuLevel &level : target::cpuLevels()) {
    if (words.front() != level.name)
      continue;
    auto isKnown = [&](llvm::StringRef word) {
      return llvm::any_of(target::cpuExtensions(), [&](const target::CpuExtension &extension) {
        return extension.name == word && extension.level == level.name;
      });
    };
    if (!llvm::all_of(llvm::drop_begin(words), isKnown))
      return std::nullopt;
    return extended(targetOf(level), [&](const target::CpuExtension &extension) {
      return llvm::is_contained(llvm::drop_begin(words), extension.name);
    });
  }
  return std::nullopt;
}

bool netc::hostRuns(const CpuTarget &target) {
  auto host = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(target.features,
                      [&](const std::string &feature) { return host.lookup(feature); });
}

bool netc::parseCpuTargets(llvm::StringRef names, llvm::StringRef precision,
                           std::vector<CpuTarget> &targets, std::string &error) {
  llvm::SmallVector<llvm::StringRef> list;
  names.split(list, ',');
  for (llvm::StringRef name : list) {
    std::optional<CpuTarget> target = lookupCpuTarget(name.trim(), precision);
    if (!target) {
      error = "--cpu " + names.str() + ": '" + name.trim().str() +
              "' is no level; expected one or several of " + cpuTargetNames() +
              ", separated by commas";
      return false;
    }
    if (llvm::none_of(targets, [&](const CpuTarget &other) { return other.name == target->name; }))
      targets.push_back(*target);
  }
  // A level has the features of those below it, an extension those of its level.
  llvm::sort(targets, [](const CpuTarget &a, const CpuTarget &b) {
    return std::pair(a.features.size(), a.name) > std::pair(b.features.size(), b.name);
  });
  return true;
}

std::string netc::cpuTargetNames() {
  std::string names = "native";
  for (const target::CpuLevel &level : target::cpuLevels())
    names += ", " + level.name.str();
  for (const target::CpuExtension &extension : target::cpuExtensions())
    names += ", " + extension.level.str() + "+" + extension.name.str();
  return names;
}
