//===- GpuTarget.cpp - the chips that CUDA code is generated for ----------===//
#include "codegen/cuda/GpuTarget.h"

#include "dialect/target/Target.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace netc;
using namespace netc::cuda;

/// "sm_75, sm_80, …"
static std::string chipNames() {
  std::string text;
  for (const target::GpuChip &chip : target::gpuChips())
    text += (text.empty() ? "sm_" : ", sm_") + std::to_string(chip.number);
  return text + ", sm_90a";
}

bool netc::cuda::parseChips(llvm::StringRef list, llvm::StringRef precision, bool simulated,
                            GpuTarget &target, std::string &error) {
  target.precision = precision.str();
  bool tensorCores = precision != "f32";
  target.simulated = simulated;
  if (list.empty()) {
    target.chips =
        tensorCores || simulated ? std::vector<unsigned>{80} : std::vector<unsigned>{75, 80};
    return true;
  }
  target.assembled = !simulated;
  llvm::SmallVector<llvm::StringRef> names;
  list.split(names, ',');
  for (llvm::StringRef name : names) {
    if (name == "sm_90a") {
      target.hopper = true;
      continue;
    }
    unsigned chip = 0;
    if (!name.consume_front("sm_") || name.getAsInteger(10, chip) ||
        llvm::none_of(target::gpuChips(),
                      [&](const target::GpuChip &known) { return known.number == chip; })) {
      error = "--chip " + list.str() + ": expected a list of " + chipNames();
      return false;
    }
    if (tensorCores && !target::gpuChipFrom(chip).tensorCores) {
      error = "--precision " + target.precision + ": sm_" + std::to_string(chip) +
              " lacks mma.sync on " + target.precision +
              ", which 'kern.contract' needs; "
              "expected sm_80 or newer, or --precision f32";
      return false;
    }
    target.chips.push_back(chip);
  }
  if (target.hopper && precision != "bf16") {
    error = "--chip sm_90a: its kernels multiply bf16; expected --precision bf16";
    return false;
  }
  llvm::sort(target.chips);
  target.chips.erase(llvm::unique(target.chips), target.chips.end());
  return true;
}
