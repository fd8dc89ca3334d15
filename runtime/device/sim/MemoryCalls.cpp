//===- MemoryCalls.cpp - allocations, copies, fills -----------------------===//
#include "runtime/device/sim/Calls.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

using namespace netc::runtime::sim;

static CUresult memGetInfo(size_t *freeBytes, size_t *totalBytes) {
  NETC_SIM_ENTER;
  *totalBytes = device.memory->size();
  *freeBytes = device.memory->size() - device.memory->used();
  return CUDA_SUCCESS;
}

/// Calls that wait for everything are not allowed while a stream is captured.
static CUresult refuseCapture(Device &device) {
  bool found = false;
  for (const auto &[handle, stream] : device.streams)
    if (handle->capture && handle->captureMode != CU_STREAM_CAPTURE_MODE_RELAXED)
      handle->capture->invalid = found = true;
  return found ? device.refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                               "a call that allocates or waits, while a stream is captured")
               : CUDA_SUCCESS;
}

static CUresult memAlloc(CUdeviceptr *address, size_t bytes) {
  NETC_SIM_ENTER;
  if (!bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult state = refuseCapture(device); state != CUDA_SUCCESS)
    return state;
  *address = device.memory->allocate(bytes, device.options.checks);
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult memFree(CUdeviceptr address) {
  NETC_SIM_ENTER;
  if (CUresult state = refuseCapture(device); state != CUDA_SUCCESS)
    return state;
  CUresult result = device.finishAll();
  if (!device.memory->release(address))
    return device.refuse(CUDA_ERROR_INVALID_VALUE,
                         fmt::format("free of {:#x}, which begins no allocation", address));
  return result;
}

static CUresult memHostAlloc(void **address, size_t bytes, unsigned) {
  NETC_SIM_ENTER;
  char *got =
      static_cast<char *>(bytes ? std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) : nullptr);
  if (!got)
    return bytes ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  device.pinned[got] = bytes;
  *address = got;
  return CUDA_SUCCESS;
}

static CUresult memFreeHost(void *address) {
  NETC_SIM_ENTER;
  auto found = device.pinned.find(static_cast<char *>(address));
  if (found == device.pinned.end())
    return CUDA_ERROR_INVALID_VALUE;
  CUresult result = device.finishAll();
  std::free(address);
  device.pinned.erase(found);
  return result;
}

static CUresult requireRange(Device &device, CUdeviceptr address, size_t bytes, const char *what) {
  if (device.memory->holds(address, bytes))
    return CUDA_SUCCESS;
  return device.refuse(CUDA_ERROR_INVALID_VALUE,
                       fmt::format("{} of {} bytes at {:#x}: {}, or runs past its end", what, bytes,
                                   address, device.memory->describe(address)));
}

// Asynchronous copies of host memory that the driver has not allocated are staged:
// to the GPU they are read at once, to the host they are waited for.

static CUresult memcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult fault = requireRange(device, to, bytes, "copy to the GPU"); fault != CUDA_SUCCESS)
    return fault;
  CUstream_st &queue = device.resolve(stream);
  char *target = device.memory->host(to);
  if (device.isPinned(from) || queue.capture) {
    device.enqueue(queue, [=] { std::memcpy(target, from, bytes); });
  } else {
    const char *bytesOf = static_cast<const char *>(from);
    device.enqueue(queue, [target, staged = std::vector<char>(bytesOf, bytesOf + bytes)] {
      std::memcpy(target, staged.data(), staged.size());
    });
  }
  return CUDA_SUCCESS;
}

static CUresult memcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult fault = requireRange(device, from, bytes, "copy to the host"); fault != CUDA_SUCCESS)
    return fault;
  CUstream_st &queue = device.resolve(stream);
  const char *source = device.memory->host(from);
  device.enqueue(queue, [=] { std::memcpy(to, source, bytes); });
  return device.isPinned(to) || queue.capture ? CUDA_SUCCESS : device.finish(queue);
}

static CUresult memcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult fault = requireRange(device, to, bytes, "copy on the GPU"); fault != CUDA_SUCCESS)
    return fault;
  if (CUresult fault = requireRange(device, from, bytes, "copy on the GPU"); fault != CUDA_SUCCESS)
    return fault;
  char *target = device.memory->host(to);
  const char *source = device.memory->host(from);
  device.enqueue(device.resolve(stream), [=] { std::memmove(target, source, bytes); });
  return CUDA_SUCCESS;
}

static CUresult memsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult fault = requireRange(device, to, bytes, "fill"); fault != CUDA_SUCCESS)
    return fault;
  char *target = device.memory->host(to);
  device.enqueue(device.resolve(stream), [=] { std::memset(target, value, bytes); });
  return CUDA_SUCCESS;
}

static CUresult memsetD32Async(CUdeviceptr to, unsigned value, size_t words, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if ((to & 3) || words > SIZE_MAX / 4)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult fault = requireRange(device, to, words * 4, "fill"); fault != CUDA_SUCCESS)
    return fault;
  char *target = device.memory->host(to);
  device.enqueue(device.resolve(stream), [=] {
    for (size_t word = 0; word < words; ++word)
      std::memcpy(target + 4 * word, &value, 4);
  });
  return CUDA_SUCCESS;
}

// The others go to the default stream and wait for it.

static CUresult afterwards(CUresult asked) {
  NETC_SIM_ENTER;
  return asked == CUDA_SUCCESS ? device.finishLegacy() : asked;
}

static CUresult beforehand() {
  NETC_SIM_ENTER;
  return refuseCapture(device);
}

static CUresult memcpyHtoD(CUdeviceptr to, const void *from, size_t bytes) {
  CUresult state = beforehand();
  return state != CUDA_SUCCESS ? state : afterwards(memcpyHtoDAsync(to, from, bytes, nullptr));
}
static CUresult memcpyDtoH(void *to, CUdeviceptr from, size_t bytes) {
  CUresult state = beforehand();
  return state != CUDA_SUCCESS ? state : afterwards(memcpyDtoHAsync(to, from, bytes, nullptr));
}
static CUresult memcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  CUresult state = beforehand();
  return state != CUDA_SUCCESS ? state : memcpyDtoDAsync(to, from, bytes, nullptr);
}
static CUresult memsetD8(CUdeviceptr to, unsigned char value, size_t bytes) {
  CUresult state = beforehand();
  return state != CUDA_SUCCESS ? state : memsetD8Async(to, value, bytes, nullptr);
}
static CUresult memsetD32(CUdeviceptr to, unsigned value, size_t words) {
  CUresult state = beforehand();
  return state != CUDA_SUCCESS ? state : memsetD32Async(to, value, words, nullptr);
}

void netc::runtime::sim::addMemoryCalls(CudaDriver &table) {
  table.memGetInfo = memGetInfo;
  table.memAlloc = memAlloc;
  table.memFree = memFree;
  table.memHostAlloc = memHostAlloc;
  table.memFreeHost = memFreeHost;
  table.memsetD8 = memsetD8;
  table.memsetD32 = memsetD32;
  table.memsetD8Async = memsetD8Async;
  table.memsetD32Async = memsetD32Async;
  table.memcpyHtoD = memcpyHtoD;
  table.memcpyDtoH = memcpyDtoH;
  table.memcpyDtoD = memcpyDtoD;
  table.memcpyHtoDAsync = memcpyHtoDAsync;
  table.memcpyDtoHAsync = memcpyDtoHAsync;
  table.memcpyDtoDAsync = memcpyDtoDAsync;
}
