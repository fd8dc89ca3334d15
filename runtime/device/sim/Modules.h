//===- Modules.h - PTX modules and their kernels ----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_MODULES_H
#define NETC_RUNTIME_DEVICE_SIM_MODULES_H

#include "runtime/device/sim/Device.h"

namespace netc::runtime::sim {

/// `image` is PTX text that ends in a zero byte. Every entry is decoded at once: an
/// instruction that is not simulated fails here.
CUresult loadModule(Device &device, CUmodule *to, const char *image);
void unloadModule(Device &device, CUmodule module);
CUfunction findFunction(CUmodule module, const char *name);
bool isFunction(const Device &device, CUfunction function);

/// Checks the configuration against the chip and the kernel, copies the parameters
/// and adds the launch to the stream.
CUresult launch(Device &device, CUfunction function, std::array<uint32_t, 3> grid,
                std::array<uint32_t, 3> block, unsigned dynamicShared, CUstream_st &stream,
                void **parameters);

/// Blocks on a multiprocessor, by threads and shared memory: registers are ptxas's.
int occupancy(const Device &device, const CUfunc_st &function, unsigned threads,
              size_t dynamicShared);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_MODULES_H
