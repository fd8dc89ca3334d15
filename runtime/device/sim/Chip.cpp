//===- Chip.cpp - limits of the chips -------------------------------------===//
#include "runtime/device/sim/Chip.h"

#include "runtime/base/Error.h"

using namespace netc::runtime;
using namespace netc::runtime::sim;

static constexpr Chip chips[] = {
    {75, 64, 64, 1024, 40},     // T4
    {80, 163, 164, 2048, 108},  // A100
    {86, 99, 100, 1536, 84},    // A40
    {89, 99, 100, 1536, 142},   // L40
    {90, 227, 228, 2048, 132},  // H100
    {100, 227, 228, 2048, 148}, // B200
    {120, 99, 100, 1536, 188},  // RTX PRO 6000
};

const Chip &sim::findChip(unsigned number) {
  std::string known;
  for (const Chip &chip : chips) {
    if (chip.number == number)
      return chip;
    known += fmt::format("{}sm_{}", known.empty() ? "" : ", ", chip.number);
  }
  fail("no simulated chip sm_{}; there are {}", number, known);
}

bool sim::chipAttribute(const Chip &chip, cuda::CUdevice_attribute attribute, int &value) {
  using namespace cuda;
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
    value = maximumThreadsPerBlock;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
    value = 64;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
    value = INT32_MAX;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
    value = 65535;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
    value = sharedWithoutOptIn;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
    value = int(chip.sharedPerBlock * 1024);
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
    value = int(chip.sharedPerProcessor * 1024);
    return true;
  case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
    value = 65536;
    return true;
  case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
    value = 32;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
    value = 65536;
    return true;
  case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
  case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
    value = 1000000;
    return true;
  case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
    value = 64;
    return true;
  case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
    value = 4 << 20;
    return true;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    value = int(chip.processors);
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
    value = int(chip.threadsPerProcessor);
    return true;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    value = int(chip.number / 10);
    return true;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    value = int(chip.number % 10);
    return true;
  }
  return false;
}
