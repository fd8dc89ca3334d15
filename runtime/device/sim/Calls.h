//===- Calls.h - the driver API's calls of the simulator --------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_CALLS_H
#define NETC_RUNTIME_DEVICE_SIM_CALLS_H

#include "runtime/device/sim/Device.h"

namespace netc::runtime::sim {

/// Fill the members of their families.
void addDeviceCalls(CudaDriver &table);
void addMemoryCalls(CudaDriver &table);
void addStreamCalls(CudaDriver &table);
void addTensorCalls(CudaDriver &table);

/// Holds the device for one call.
class Call {
public:
  Call() : lock(device.mutex) {}
  Device &device = Device::instance();

private:
  std::lock_guard<std::recursive_mutex> lock;
};

// A context that is not current on the calling thread is a fault of the program.
CUresult currentContext(Device &device);

#define NETC_SIM_ENTER                                                                             \
  Call call;                                                                                       \
  Device &device = call.device;                                                                    \
  if (CUresult state = currentContext(device); state != CUDA_SUCCESS)                              \
  return state

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_CALLS_H
