//===- Driver.cpp - open libcuda.so.1 -------------------------------------===//
#include "runtime/device/cuda/Driver.h"

#include "runtime/base/Error.h"
#include "runtime/device/cuda/LibrarySymbols.h"

#include <dlfcn.h>

#include <string>

using namespace netc::runtime;
using namespace netc::runtime::cuda;

static const char *noReport() { return ""; }

/// Ends every message about a machine that cannot run CUDA.
static constexpr const char *elsewhere =
    "run this executable on a machine with an NVIDIA GPU, or compile the model with --target cpu";

/// The table is half filled where the driver is too old to have a symbol; the
/// name of that symbol is returned, or null.
static const char *fillTable(void *library, CudaDriver &table) {
  LibrarySymbols load{library};
  load(table.init, "cuInit");
  load(table.driverGetVersion, "cuDriverGetVersion");
  load(table.getErrorName, "cuGetErrorName");
  load(table.getErrorString, "cuGetErrorString");
  load(table.deviceGetCount, "cuDeviceGetCount");
  load(table.deviceGet, "cuDeviceGet");
  load(table.deviceGetName, "cuDeviceGetName");
  load(table.deviceGetAttribute, "cuDeviceGetAttribute");
  load(table.deviceTotalMem, "cuDeviceTotalMem_v2");
  load(table.devicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  load(table.devicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  load(table.ctxSetCurrent, "cuCtxSetCurrent");
  load(table.ctxSynchronize, "cuCtxSynchronize");
  load(table.moduleLoadDataEx, "cuModuleLoadDataEx");
  load(table.moduleUnload, "cuModuleUnload");
  load(table.moduleGetFunction, "cuModuleGetFunction");
  load(table.moduleGetGlobal, "cuModuleGetGlobal_v2");
  load(table.funcGetAttribute, "cuFuncGetAttribute");
  load(table.funcSetAttribute, "cuFuncSetAttribute");
  load(table.occupancyMaxActiveBlocksPerMultiprocessor,
       "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  load(table.memGetInfo, "cuMemGetInfo_v2");
  load(table.memAlloc, "cuMemAlloc_v2");
  load(table.memFree, "cuMemFree_v2");
  load(table.memHostAlloc, "cuMemHostAlloc");
  load(table.memFreeHost, "cuMemFreeHost");
  load(table.memsetD8, "cuMemsetD8_v2");
  load(table.memsetD32, "cuMemsetD32_v2");
  load(table.memsetD8Async, "cuMemsetD8Async");
  load(table.memsetD32Async, "cuMemsetD32Async");
  load(table.memcpyHtoD, "cuMemcpyHtoD_v2");
  load(table.memcpyDtoH, "cuMemcpyDtoH_v2");
  load(table.memcpyDtoD, "cuMemcpyDtoD_v2");
  load(table.memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
  load(table.memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
  load(table.memcpyDtoDAsync, "cuMemcpyDtoDAsync_v2");
  load(table.streamCreate, "cuStreamCreate");
  load(table.streamSynchronize, "cuStreamSynchronize");
  load(table.streamDestroy, "cuStreamDestroy_v2");
  load(table.streamWaitEvent, "cuStreamWaitEvent");
  load(table.streamBeginCapture, "cuStreamBeginCapture_v2");
  load(table.streamEndCapture, "cuStreamEndCapture");
  load(table.eventCreate, "cuEventCreate");
  load(table.eventRecord, "cuEventRecord");
  load(table.eventQuery, "cuEventQuery");
  load(table.eventSynchronize, "cuEventSynchronize");
  load(table.eventElapsedTime, "cuEventElapsedTime");
  load(table.eventDestroy, "cuEventDestroy_v2");
  load(table.launchKernel, "cuLaunchKernel");
  load(table.graphInstantiate, "cuGraphInstantiateWithFlags");
  load(table.graphLaunch, "cuGraphLaunch");
  load(table.graphExecDestroy, "cuGraphExecDestroy");
  load(table.graphDestroy, "cuGraphDestroy");
  load.optional(table.tensorMapEncodeTiled, "cuTensorMapEncodeTiled");
  table.lastReport = noReport;
  return load.missing;
}

static std::string describeVersion(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

static void requireDevice(const CudaDriver &table, CUresult started) {
  int devices = 0;
  if (started == CUDA_SUCCESS)
    started = table.deviceGetCount(&devices);
  if (started == CUDA_SUCCESS && devices > 0)
    return;
  if (started == CUDA_SUCCESS || started == CUDA_ERROR_NO_DEVICE)
    fail("no NVIDIA GPU: the driver is installed but sees no device; check `nvidia-smi` and "
         "CUDA_VISIBLE_DEVICES, or {}",
         elsewhere);
  if (started == CUDA_ERROR_STUB_LIBRARY)
    fail("libcuda.so.1 is the stub of the CUDA toolkit, not a driver; take its folder out of "
         "LD_LIBRARY_PATH, or {}",
         elsewhere);
  if (started == CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
    fail("libcuda.so.1 and the NVIDIA kernel module are of different versions; restart the machine "
         "or install the driver anew");
  checkCuda(table, started, "starting the NVIDIA driver");
}

static CudaDriver open() {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail("no NVIDIA driver: {}; install the driver (470 or newer), or {}", dlerror(), elsewhere);
  CudaDriver table = {};
  const char *missing = fillTable(library, table);
  int version = 0;
  if (table.driverGetVersion && table.driverGetVersion(&version) == CUDA_SUCCESS &&
      version < minimumDriverVersion)
    fail("the NVIDIA driver is too old: it supports CUDA {}, this executable needs CUDA {} (driver "
         "470) or newer",
         describeVersion(version), describeVersion(minimumDriverVersion));
  if (missing)
    fail("libcuda.so.1 has no function {}; install an NVIDIA driver of CUDA {} or newer", missing,
         describeVersion(minimumDriverVersion));
  requireDevice(table, table.init(0));
  return table;
}

const CudaDriver &cuda::openCudaDriver() {
  static const CudaDriver table = open();
  return table;
}

void cuda::checkCuda(const CudaDriver &driver, CUresult result, const char *action) {
  if (result == CUDA_SUCCESS)
    return;
  const char *name = nullptr, *text = nullptr;
  if (driver.getErrorName(result, &name) != CUDA_SUCCESS || !name)
    name = "unknown error";
  if (driver.getErrorString(result, &text) != CUDA_SUCCESS || !text)
    text = "no description";
  std::string report; // each of its lines below the message, indented
  for (const char *c = driver.lastReport(); *c; ++c)
    report += report.empty() ? fmt::format("\n  {}", *c) : *c == '\n' ? "\n  " : std::string(1, *c);
  fail("{}: {} ({} {}){}", action, text, name, int(result), report);
}
