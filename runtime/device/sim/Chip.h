//===- Chip.h - limits of the chips -----------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_CHIP_H
#define NETC_RUNTIME_DEVICE_SIM_CHIP_H

#include "runtime/device/cuda/Driver.h"

namespace netc::runtime::sim {

/// Source: NVIDIA, CUDA C++ Programming Guide 13.0, Technical Specifications per
/// Compute Capability.
struct Chip {
  unsigned number = 80;              // 10 * major + minor
  unsigned sharedPerBlock = 163;     // KiB, when a kernel opts in; else 48
  unsigned sharedPerProcessor = 164; // KiB
  unsigned threadsPerProcessor = 2048;
  unsigned processors = 108;
};

/// Fails with an Error that lists the chips there are.
const Chip &findChip(unsigned number);

/// The result of cuDeviceGetAttribute; false if the simulator does not implement the attribute.
bool chipAttribute(const Chip &chip, cuda::CUdevice_attribute attribute, int &value);

constexpr unsigned sharedWithoutOptIn = 48 * 1024, maximumThreadsPerBlock = 1024;

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_CHIP_H
