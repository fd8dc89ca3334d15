//===- DriverSymbols.cpp - calls that other libraries make ----------------===//
//
// A library that orders its work on the program's streams, as NCCL does, finds these functions of
// the driver in executables of `--target sim --comm nccl`, which export them.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/Calls.h"

using namespace netc::runtime::sim;

extern "C" {

/// `function` runs in the stream's order and must not call the driver.
CUresult cuLaunchHostFunc(CUstream stream, void (*function)(void *), void *data) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream) || !function)
    return CUDA_ERROR_INVALID_HANDLE;
  device.enqueue(device.resolve(stream), [=] { function(data); });
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
  return simulatedDriver(Device::instance().options).memHostAlloc(address, bytes, flags);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return simulatedDriver(Device::instance().options).memcpyHtoDAsync(to, from, bytes, stream);
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return simulatedDriver(Device::instance().options).memcpyDtoHAsync(to, from, bytes, stream);
}
}
