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

static CpuTarget targetOf(const target::CpuLevel &level) {
  CpuTarget result;
  result.name = level.name;
  for (llvm::StringRef feature : level.features)
    result.features.push_back(feature.str());
  result.lanes = level.lanes;
  result.registers = level.registers;
  return result;
}

std::optional<CpuTarget> netc::lookupCpuTarget(llvm::StringRef name) {
  for (const target::CpuLevel &level : target::cpuLevels())
    if (name == level.name)
      return targetOf(level);
  if (name != "native")
    return std::nullopt;
  for (const target::CpuLevel &level : llvm::reverse(target::cpuLevels()))
    if (CpuTarget target = targetOf(level); hostRuns(target))
      return target;
  return targetOf(target::cpuLevels().front());
}

bool netc::hostRuns(const CpuTarget &target) {
  auto host = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(target.features,
                      [&](const std::string &feature) { return host.lookup(feature); });
}

bool netc::parseCpuTargets(llvm::StringRef names, std::vector<CpuTarget> &targets,
                           std::string &error) {
  llvm::SmallVector<llvm::StringRef> list;
  names.split(list, ',');
  for (llvm::StringRef name : list) {
    std::optional<CpuTarget> target = lookupCpuTarget(name.trim());
    if (!target) {
      error = "--cpu " + names.str() + ": '" + name.trim().str() +
              "' is no level; expected one or several of " + cpuTargetNames() +
              ", separated by commas";
      return false;
    }
    if (llvm::none_of(targets, [&](const CpuTarget &other) { return other.name == target->name; }))
      targets.push_back(*target);
  }
  llvm::sort(targets, [](const CpuTarget &a, const CpuTarget &b) { return a.name > b.name; });
  return true;
}

std::string netc::cpuTargetNames() {
  std::string names = "native";
  for (const target::CpuLevel &level : target::cpuLevels())
    names += ", " + level.name.str();
  return names;
}
