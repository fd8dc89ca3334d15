//===- Finding.h - what stops a launch --------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_FINDING_H
#define NETC_RUNTIME_DEVICE_SIM_FINDING_H

#include "runtime/device/cuda/Driver.h"

#include <string>

namespace netc::runtime::sim {

/// Thrown out of a running block, caught by its launch.
struct Finding {
  cuda::CUresult code = cuda::CUDA_ERROR_LAUNCH_FAILED;
  std::string text;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_FINDING_H
