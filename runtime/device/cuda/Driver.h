//===- Driver.h - the CUDA driver API as one table --------------*- C++ -*-===//
//
// The functions of libcuda.so.1 that the runtime calls, with the signatures and
// the numbers of the CUDA driver API, written here anew so that no CUDA file is
// needed to build. Two things fill the table: openCudaDriver() from the driver's
// library, and simulatedDriver() (runtime/device/sim/Simulator.h) from a simulated GPU.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_DRIVER_H
#define NETC_RUNTIME_DEVICE_CUDA_DRIVER_H

#include <cstddef>
#include <cstdint>

namespace netc::runtime::cuda {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

/// What every call returns. Errors of a running kernel arrive at a later call.
enum CUresult : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_DEINITIALIZED = 4,
  CUDA_ERROR_STUB_LIBRARY = 34,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_ILLEGAL_STATE = 401,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_ILLEGAL_INSTRUCTION = 715,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_INVALID_ADDRESS_SPACE = 717,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_PERMITTED = 800,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903,
  CUDA_ERROR_STREAM_CAPTURE_ISOLATION = 905,
  CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906,
  CUDA_ERROR_UNKNOWN = 999,
};

enum CUdevice_attribute : int {
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X = 2,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y = 3,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z = 4,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X = 5,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y = 6,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z = 7,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
  CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY = 9,
  CU_DEVICE_ATTRIBUTE_WARP_SIZE = 10,
  CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK = 12,
  CU_DEVICE_ATTRIBUTE_CLOCK_RATE = 13, // kHz
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE = 36,       // kHz
  CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH = 37, // bits
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,           // bytes
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR = 39,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
  CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR = 82,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
};

enum CUfunction_attribute : int {
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1, // static
  CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES = 2,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_PTX_VERSION = 5,
  CU_FUNC_ATTRIBUTE_BINARY_VERSION = 6,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};

enum CUjit_option : int {
  CU_JIT_MAX_REGISTERS = 0,
  CU_JIT_INFO_LOG_BUFFER = 3,
  CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES = 4,
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6,
};

enum CUstreamCaptureMode : int {
  CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
  CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2,
};

/// Of a tensor map: what its elements are, how bulk copies permute 16-byte chunks in shared memory.
enum CUtensorMapDataType : int {
  CU_TENSOR_MAP_DATA_TYPE_UINT8 = 0,
  CU_TENSOR_MAP_DATA_TYPE_UINT16 = 1,
  CU_TENSOR_MAP_DATA_TYPE_UINT32 = 2,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT16 = 6,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT32 = 7,
  CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9,
};
enum CUtensorMapInterleave : int { CU_TENSOR_MAP_INTERLEAVE_NONE = 0 };
enum CUtensorMapSwizzle : int {
  CU_TENSOR_MAP_SWIZZLE_NONE = 0,
  CU_TENSOR_MAP_SWIZZLE_32B = 1,
  CU_TENSOR_MAP_SWIZZLE_64B = 2,
  CU_TENSOR_MAP_SWIZZLE_128B = 3,
};
enum CUtensorMapL2promotion : int {
  CU_TENSOR_MAP_L2_PROMOTION_NONE = 0,
  CU_TENSOR_MAP_L2_PROMOTION_L2_128B = 2,
  CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3,
};
enum CUtensorMapFloatOOBfill : int { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 };

/// A tensor in global memory and the box of it that one bulk copy moves; a kernel's parameter.
struct alignas(64) CUtensorMap {
  uint64_t opaque[16];
};

constexpr unsigned CU_STREAM_DEFAULT = 0, CU_STREAM_NON_BLOCKING = 1;
constexpr unsigned CU_EVENT_DEFAULT = 0, CU_EVENT_DISABLE_TIMING = 2;
constexpr unsigned CU_MEMHOSTALLOC_PORTABLE = 1;

/// One member a function, named as the API names it without `cu` and without
/// the version suffix of the library's symbol (`memAlloc` is cuMemAlloc_v2).
/// Every member is set in a table that somebody gave you, but for those that say otherwise.
struct CudaDriver {
  CUresult (*init)(unsigned flags);
  CUresult (*driverGetVersion)(int *version); // 1000 * major + 10 * minor
  CUresult (*getErrorName)(CUresult, const char **name);
  CUresult (*getErrorString)(CUresult, const char **text);

  CUresult (*deviceGetCount)(int *count);
  CUresult (*deviceGet)(CUdevice *, int ordinal);
  CUresult (*deviceGetName)(char *name, int length, CUdevice);
  CUresult (*deviceGetAttribute)(int *value, CUdevice_attribute, CUdevice);
  CUresult (*deviceTotalMem)(size_t *bytes, CUdevice);
  CUresult (*devicePrimaryCtxRetain)(CUcontext *, CUdevice);
  CUresult (*devicePrimaryCtxRelease)(CUdevice);
  CUresult (*ctxSetCurrent)(CUcontext);
  CUresult (*ctxSynchronize)();

  CUresult (*moduleLoadDataEx)(CUmodule *, const void *image, unsigned options, CUjit_option *,
                               void **values);
  CUresult (*moduleUnload)(CUmodule);
  CUresult (*moduleGetFunction)(CUfunction *, CUmodule, const char *name);
  CUresult (*moduleGetGlobal)(CUdeviceptr *, size_t *bytes, CUmodule, const char *name);
  CUresult (*funcGetAttribute)(int *value, CUfunction_attribute, CUfunction);
  CUresult (*funcSetAttribute)(CUfunction, CUfunction_attribute, int value);
  CUresult (*occupancyMaxActiveBlocksPerMultiprocessor)(int *blocks, CUfunction, int threads,
                                                        size_t dynamicSharedBytes);

  CUresult (*memGetInfo)(size_t *freeBytes, size_t *totalBytes);
  CUresult (*memAlloc)(CUdeviceptr *, size_t bytes);
  CUresult (*memFree)(CUdeviceptr);
  CUresult (*memHostAlloc)(void **, size_t bytes, unsigned flags);
  CUresult (*memFreeHost)(void *);
  CUresult (*memsetD8)(CUdeviceptr, unsigned char value, size_t bytes);
  CUresult (*memsetD32)(CUdeviceptr, unsigned value, size_t words);
  CUresult (*memsetD8Async)(CUdeviceptr, unsigned char value, size_t bytes, CUstream);
  CUresult (*memsetD32Async)(CUdeviceptr, unsigned value, size_t words, CUstream);
  CUresult (*memcpyHtoD)(CUdeviceptr to, const void *from, size_t bytes);
  CUresult (*memcpyDtoH)(void *to, CUdeviceptr from, size_t bytes);
  CUresult (*memcpyDtoD)(CUdeviceptr to, CUdeviceptr from, size_t bytes);
  CUresult (*memcpyHtoDAsync)(CUdeviceptr to, const void *from, size_t bytes, CUstream);
  CUresult (*memcpyDtoHAsync)(void *to, CUdeviceptr from, size_t bytes, CUstream);
  CUresult (*memcpyDtoDAsync)(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream);

  CUresult (*streamCreate)(CUstream *, unsigned flags);
  CUresult (*streamSynchronize)(CUstream);
  CUresult (*streamDestroy)(CUstream);
  CUresult (*streamWaitEvent)(CUstream, CUevent, unsigned flags);
  CUresult (*streamBeginCapture)(CUstream, CUstreamCaptureMode);
  CUresult (*streamEndCapture)(CUstream, CUgraph *);

  CUresult (*eventCreate)(CUevent *, unsigned flags);
  CUresult (*eventRecord)(CUevent, CUstream);
  CUresult (*eventQuery)(CUevent);
  CUresult (*eventSynchronize)(CUevent);
  CUresult (*eventElapsedTime)(float *milliseconds, CUevent start, CUevent end);
  CUresult (*eventDestroy)(CUevent);

  /// `parameters` holds the address of each kernel parameter; `extra` is null.
  CUresult (*launchKernel)(CUfunction, unsigned gridX, unsigned gridY, unsigned gridZ,
                           unsigned blockX, unsigned blockY, unsigned blockZ,
                           unsigned dynamicSharedBytes, CUstream, void **parameters, void **extra);

  CUresult (*graphInstantiate)(CUgraphExec *, CUgraph,
                               unsigned long long flags); // cuGraphInstantiateWithFlags
  CUresult (*graphLaunch)(CUgraphExec, CUstream);
  CUresult (*graphExecDestroy)(CUgraphExec);
  CUresult (*graphDestroy)(CUgraph);

  /// Null where the driver is older than CUDA 12.0.
  CUresult (*tensorMapEncodeTiled)(CUtensorMap *, CUtensorMapDataType, uint32_t rank, void *address,
                                   const uint64_t *dimensions, const uint64_t *strides,
                                   const uint32_t *box, const uint32_t *elementStrides,
                                   CUtensorMapInterleave, CUtensorMapSwizzle,
                                   CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

  /// What went wrong in words beyond the error's name: the simulator's finding
  /// (check, kernel, block, thread, line), or "" on hardware. Never null; valid
  /// until the next call. Not part of the driver API.
  const char *(*lastReport)();
};

/// The lowest driver that has all of the above: CUDA 11.4 (driver 470), the
/// first with cuGraphInstantiateWithFlags.
constexpr int minimumDriverVersion = 11040;

/// The table of libcuda.so.1, initialised (cuInit), with at least one device.
/// Opened once; later calls give the same table. Fails with an Error that says
/// what to do when there is no driver library, no device, or when the driver is
/// older than `minimumDriverVersion`.
const CudaDriver &openCudaDriver();

/// Fails with an Error "ACTION: text (NAME)" and the driver's report unless
/// `result` is CUDA_SUCCESS. `action` says what was tried: "copying 4096 bytes
/// to the GPU".
void checkCuda(const CudaDriver &driver, CUresult result, const char *action);

} // namespace netc::runtime::cuda

#endif // NETC_RUNTIME_DEVICE_CUDA_DRIVER_H
