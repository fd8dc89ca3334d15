//===- Target.cpp - what code is generated for ----------------------------===//
#include "codegen/common/Target.h"

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

static CpuTarget level(int number) {
  CpuTarget target;
  target.name = "x86-64-v" + std::to_string(number);
  target.features = {"sse4.2", "popcnt"};
  if (number >= 3) {
    llvm::append_range(target.features,
                       std::vector<std::string>{"avx", "avx2", "fma", "bmi", "bmi2", "f16c"});
    target.lanes = 8;
  }
  if (number >= 4) {
    llvm::append_range(target.features,
                       std::vector<std::string>{"avx512f", "avx512bw", "avx512dq", "avx512vl"});
    target.lanes = 16;
    target.registers = 32;
  }
  return target;
}

std::optional<CpuTarget> netc::lookupCpuTarget(llvm::StringRef name) {
  if (name == "x86-64-v2")
    return level(2);
  if (name == "x86-64-v3")
    return level(3);
  if (name == "x86-64-v4")
    return level(4);
  if (name != "native")
    return std::nullopt;
  for (int number : {4, 3})
    if (CpuTarget target = level(number); hostRuns(target))
      return target;
  return level(2);
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
              "' is no level; expected one or several of " + cpuTargetNames().str() +
              ", separated by commas";
      return false;
    }
    if (llvm::none_of(targets, [&](const CpuTarget &other) { return other.name == target->name; }))
      targets.push_back(*target);
  }
  llvm::sort(targets, [](const CpuTarget &a, const CpuTarget &b) { return a.name > b.name; });
  return true;
}

llvm::StringRef netc::cpuTargetNames() { return "native, x86-64-v2, x86-64-v3, x86-64-v4"; }
