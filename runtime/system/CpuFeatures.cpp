//===- CpuFeatures.cpp - can this processor run the kernels ---------------===//
#include "runtime/system/CpuFeatures.h"

#include "runtime/base/Error.h"

#include <cpuid.h>
#include <cstdint>
#include <sys/syscall.h>
#include <unistd.h>

namespace netc::runtime {

namespace {
enum Register { EAX, EBX, ECX, EDX };
// What the operating system must save, as bits of XCR0.
enum State : uint64_t { None = 0, Ymm = 0x6, Zmm = 0xE6, Tile = 0x60000 };

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register where;
  int bit;
  uint64_t state;
};
} // namespace

// Intel SDM, volume 2, CPUID; AMD APM volume 3 for the 0x80000001 leaf.
static constexpr Feature features[] = {
    {"sse3", 1, 0, ECX, 0, None},          {"ssse3", 1, 0, ECX, 9, None},
    {"sse4.1", 1, 0, ECX, 19, None},       {"sse4.2", 1, 0, ECX, 20, None},
    {"movbe", 1, 0, ECX, 22, None},        {"popcnt", 1, 0, ECX, 23, None},
    {"avx", 1, 0, ECX, 28, Ymm},           {"f16c", 1, 0, ECX, 29, Ymm},
    {"fma", 1, 0, ECX, 12, Ymm},           {"lzcnt", 0x80000001, 0, ECX, 5, None},
    {"fma4", 0x80000001, 0, ECX, 16, Ymm}, {"bmi", 7, 0, EBX, 3, None},
    {"avx2", 7, 0, EBX, 5, Ymm},           {"bmi2", 7, 0, EBX, 8, None},
    {"avx512f", 7, 0, EBX, 16, Zmm},       {"avx512dq", 7, 0, EBX, 17, Zmm},
    {"avx512ifma", 7, 0, EBX, 21, Zmm},    {"avx512cd", 7, 0, EBX, 28, Zmm},
    {"avx512bw", 7, 0, EBX, 30, Zmm},      {"avx512vl", 7, 0, EBX, 31, Zmm},
    {"avx512vbmi", 7, 0, ECX, 1, Zmm},     {"avx512vbmi2", 7, 0, ECX, 6, Zmm},
    {"gfni", 7, 0, ECX, 8, None},          {"vaes", 7, 0, ECX, 9, Ymm},
    {"vpclmulqdq", 7, 0, ECX, 10, Ymm},    {"avx512vnni", 7, 0, ECX, 11, Zmm},
    {"avx512bitalg", 7, 0, ECX, 12, Zmm},  {"avx512vpopcntdq", 7, 0, ECX, 14, Zmm},
    {"avx512fp16", 7, 0, EDX, 23, Zmm},    {"amx-bf16", 7, 0, EDX, 22, Tile},
    {"amx-tile", 7, 0, EDX, 24, Tile},     {"amx-int8", 7, 0, EDX, 25, Tile},
    {"avxvnni", 7, 1, EAX, 4, Ymm},        {"avx512bf16", 7, 1, EAX, 5, Zmm},
    {"amx-fp16", 7, 1, EAX, 21, Tile},
};

static uint64_t savedState() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) // OSXSAVE
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

/// Linux saves AMX's registers for processes that ask (since 5.16; arch_prctl(2)): until then the
/// first tile instruction of any thread is SIGILL. Once granted, all threads have it.
static bool tilesArePermitted() {
  static constexpr int requestPermission = 0x1023, tileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
}

/// Whether the processor has it; the operating system may not.
static bool processorHas(const Feature &feature) {
  uint32_t registers[4];
  return __get_cpuid_count(feature.leaf, feature.subleaf, &registers[EAX], &registers[EBX],
                           &registers[ECX], &registers[EDX]) &&
         (registers[feature.where] >> feature.bit & 1);
}

bool hasCpuFeature(const std::string &name) {
  for (const Feature &feature : features) {
    if (name != feature.name)
      continue;
    return processorHas(feature) && (savedState() & feature.state) == feature.state &&
           (feature.state != Tile || tilesArePermitted());
  }
  return true;
}

void requireCpuFeatures(const std::string &model, const std::vector<std::string> &wanted) {
  std::string missing;
  for (const std::string &name : wanted)
    if (!hasCpuFeature(name))
      missing += (missing.empty() ? "" : ", ") + name;
  if (!missing.empty())
    fail("{} was compiled for a processor with {}, which this one lacks: compile it here, or with "
         "another --cpu{}",
         model, missing,
         missing.find("amx") == std::string::npos ? "" : " (or Linux does not let it use AMX)");
}

} // namespace netc::runtime
