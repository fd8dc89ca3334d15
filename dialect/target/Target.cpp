//===- Target.cpp - facts of the machines that code is generated for ------===//
#include "dialect/target/Target.h"

using namespace netc::target;

using Feature = llvm::StringLiteral;

static constexpr Feature featuresV2[] = {"sse4.2", "popcnt"};
static constexpr Feature featuresV3[] = {"sse4.2", "popcnt", "avx",  "avx2",
                                         "fma",    "bmi",    "bmi2", "f16c"};
static constexpr Feature featuresV4[] = {"sse4.2",  "popcnt",   "avx",      "avx2",
                                         "fma",     "bmi",      "bmi2",     "f16c",
                                         "avx512f", "avx512bw", "avx512dq", "avx512vl"};

// Caches of a core. 32 KiB and 512 KiB: AMD Zen to Zen 4 (Software Optimization Guides 17h, 19h);
// Intel's clients before Ice Lake have 256 KiB of L2, where strips of a quarter of it still fit.
// 48 KiB and 1 MiB or more: Intel's servers from Ice Lake on have 48 KiB and 1.25 to 2 MiB,
// Skylake's 32 KiB and 1 MiB (Optimization Reference Manual).
static constexpr CpuLevel levels[] = {
    {"x86-64-v2", featuresV2, 4, 16, 32 << 10, 512 << 10},
    {"x86-64-v3", featuresV3, 8, 16, 32 << 10, 512 << 10},
    {"x86-64-v4", featuresV4, 16, 32, 48 << 10, 1 << 20},
};

static constexpr Feature featuresBf16[] = {"avx512bf16"};
static constexpr Feature featuresVnni[] = {"avx512vnni"};
static constexpr Feature featuresAvxVnni[] = {"avxvnni"};
// Every CPU with AMX has the products of vectors too: what is no matter of tiles uses them.
static constexpr Feature featuresAmx[] = {"avx512bf16", "avx512vnni", "amx-tile", "amx-bf16",
                                          "amx-int8"};
static constexpr llvm::StringLiteral ofBf16[] = {"bf16"}, ofInt8[] = {"int8"},
                                     ofBoth[] = {"bf16", "int8"};
static constexpr CpuExtension extensions[] = {
    {"vnni", "x86-64-v3", featuresAvxVnni, ofInt8},
    {"bf16", "x86-64-v4", featuresBf16, ofBf16},
    {"vnni", "x86-64-v4", featuresVnni, ofInt8},
    {"amx", "x86-64-v4", featuresAmx, ofBoth},
};

static constexpr GpuChip chips[] = {
    {75, false, false}, {80, true, true},  {86, true, true},  {89, true, true},
    {90, true, true},   {100, true, true}, {120, true, true},
};

llvm::ArrayRef<CpuLevel> netc::target::cpuLevels() { return levels; }

llvm::ArrayRef<CpuExtension> netc::target::cpuExtensions() { return extensions; }

const CpuLevel &netc::target::levelOfLanes(int64_t lanes) {
  const CpuLevel *best = &levels[0];
  for (const CpuLevel &level : levels)
    if (level.lanes <= lanes)
      best = &level;
  return *best;
}

llvm::ArrayRef<GpuChip> netc::target::gpuChips() { return chips; }

GpuChip netc::target::gpuChipFrom(unsigned number) {
  GpuChip best{number, false, false};
  for (const GpuChip &chip : chips)
    if (chip.number <= number)
      best = chip;
  best.number = number;
  return best;
}
