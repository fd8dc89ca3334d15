//===- Levels.cpp - one model for several levels of the CPU ---------------===//
#include "runtime/exec/Levels.h"

#include "runtime/base/Error.h"
#include "runtime/exec/Model.h"
#include "runtime/system/CpuFeatures.h"

#include <algorithm>
#include <cstdlib>

namespace netc::runtime {

const NetcModel &chooseModel(const NetcModel *const *models) {
  const char *wanted = std::getenv("NETC_CPU");
  if (wanted && !*wanted)
    wanted = nullptr;
  std::string levels;
  const NetcModel *last = nullptr;
  for (; *models; ++models) {
    last = *models;
    ModelInfo info = readModel(*last);
    bool runs = std::all_of(info.features.begin(), info.features.end(), hasCpuFeature);
    if (wanted ? info.cpu == wanted : runs)
      return *last;
    levels += (levels.empty() ? "" : ", ") + info.cpu;
  }
  if (wanted)
    fail("NETC_CPU is {}, but this executable was compiled for {}", wanted, levels);
  return *last;
}

} // namespace netc::runtime
