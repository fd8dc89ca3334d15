//===- Simulator.cpp - the table, device, context and module calls --------===//
#include "runtime/device/sim/Simulator.h"

#include "runtime/device/sim/Calls.h"
#include "runtime/device/sim/Modules.h"

#include <cstring>
#include <utility>

using namespace netc::runtime;
using namespace netc::runtime::sim;

static thread_local CUcontext current = nullptr;

CUresult sim::currentContext(Device &device) {
  if (CUresult state = device.usable(); state != CUDA_SUCCESS)
    return state;
  return current ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult init(unsigned flags) {
  Call call;
  call.device.initialised = true;
  return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult driverGetVersion(int *version) {
  *version = 13000;
  return CUDA_SUCCESS;
}

namespace {
struct ErrorText {
  CUresult code;
  const char *name, *text;
};
} // namespace

static constexpr ErrorText errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE",
     "the operation cannot be performed in the present state"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT",
     "the launch timed out and was terminated"},
    {CUDA_ERROR_ILLEGAL_INSTRUCTION, "CUDA_ERROR_ILLEGAL_INSTRUCTION",
     "an illegal instruction was encountered"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
     "capture was not ended in the same stream as it began"},
};

static const ErrorText *findError(CUresult code) {
  for (const ErrorText &error : errors)
    if (error.code == code)
      return &error;
  return nullptr;
}

static CUresult getErrorName(CUresult code, const char **name) {
  const ErrorText *error = findError(code);
  *name = error ? error->name : nullptr;
  return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult getErrorString(CUresult code, const char **text) {
  const ErrorText *error = findError(code);
  *text = error ? error->text : nullptr;
  return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult started() {
  return Device::instance().initialised ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

static CUresult deviceGetCount(int *count) {
  *count = 1;
  return started();
}

static CUresult deviceGet(CUdevice *device, int ordinal) {
  *device = 0;
  return ordinal ? CUDA_ERROR_INVALID_DEVICE : started();
}

static CUresult deviceGetName(char *name, int length, CUdevice device) {
  if (device || length < 1)
    return CUDA_ERROR_INVALID_VALUE;
  Call call;
  std::string text = "simulated GPU sm_" + std::to_string(call.device.options.chip);
  name[text.copy(name, size_t(length) - 1)] = '\0';
  return started();
}

static CUresult deviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  Call call;
  if (device)
    return CUDA_ERROR_INVALID_DEVICE;
  const Chip &chip = findChip(call.device.options.chip);
  return chipAttribute(chip, attribute, *value) ? started() : CUDA_ERROR_INVALID_VALUE;
}

static CUresult deviceTotalMem(size_t *bytes, CUdevice device) {
  Call call;
  *bytes = call.device.options.memoryBytes;
  return device ? CUDA_ERROR_INVALID_DEVICE : started();
}

static CUresult devicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  Call call;
  if (device || started() != CUDA_SUCCESS)
    return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_NOT_INITIALIZED;
  *context = &call.device.context;
  try {
    return call.device.retain();
  } catch (const std::exception &error) {
    --call.device.retained;
    return call.device.refuse(CUDA_ERROR_OUT_OF_MEMORY, error.what());
  }
}

static CUresult devicePrimaryCtxRelease(CUdevice device) {
  Call call;
  return device ? CUDA_ERROR_INVALID_DEVICE : call.device.release();
}

static CUresult ctxSetCurrent(CUcontext context) {
  Call call;
  if (context && context != &call.device.context)
    return CUDA_ERROR_INVALID_CONTEXT;
  current = context;
  return started();
}

static CUresult ctxSynchronize() {
  NETC_SIM_ENTER;
  return device.capturing() ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : device.finishAll();
}

/// The report goes to the caller's log, as a compilation by the driver would.
static void fillLog(const std::string &report, unsigned count, CUjit_option *options,
                    void **values) {
  char *log = nullptr;
  size_t room = 0;
  for (unsigned index = 0; index < count; ++index) {
    if (options[index] == CU_JIT_ERROR_LOG_BUFFER)
      log = static_cast<char *>(values[index]);
    if (options[index] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
      room = size_t(reinterpret_cast<uintptr_t>(values[index]));
  }
  if (log && room)
    log[report.copy(log, room - 1)] = '\0';
}

static CUresult moduleLoadDataEx(CUmodule *module, const void *image, unsigned count,
                                 CUjit_option *options, void **values) {
  NETC_SIM_ENTER;
  if (!module || !image)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult result = loadModule(device, module, static_cast<const char *>(image));
  fillLog(result == CUDA_SUCCESS ? "" : device.report, count, options, values);
  return result;
}

static CUresult moduleUnload(CUmodule module) {
  NETC_SIM_ENTER;
  if (!device.modules.has(module))
    return CUDA_ERROR_INVALID_HANDLE;
  CUresult result = device.finishAll();
  unloadModule(device, module);
  return result;
}

static CUresult moduleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  NETC_SIM_ENTER;
  if (!device.modules.has(module))
    return CUDA_ERROR_INVALID_HANDLE;
  *function = findFunction(module, name);
  return *function
             ? CUDA_SUCCESS
             : device.refuse(CUDA_ERROR_NOT_FOUND, std::string("the module has no kernel ") + name);
}

static CUresult moduleGetGlobal(CUdeviceptr *address, size_t *bytes, CUmodule module,
                                const char *name) {
  NETC_SIM_ENTER;
  if (!device.modules.has(module))
    return CUDA_ERROR_INVALID_HANDLE;
  auto found = module->variables.find(name);
  if (found == module->variables.end())
    return device.refuse(CUDA_ERROR_NOT_FOUND, std::string("the module has no variable ") + name);
  if (address)
    *address = found->second.first;
  if (bytes)
    *bytes = found->second.second;
  return CUDA_SUCCESS;
}

static CUresult funcGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  NETC_SIM_ENTER;
  if (!isFunction(device, function))
    return CUDA_ERROR_INVALID_HANDLE;
  const Program &program = function->program;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: {
    uint64_t most =
        uint64_t(program.maximumThreads[0]) * program.maximumThreads[1] * program.maximumThreads[2];
    *value = int(most ? most : maximumThreadsPerBlock);
    return CUDA_SUCCESS;
  }
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    *value = int(program.staticSharedBytes);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    *value = 0;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    *value = int(program.localBytes);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_NUM_REGS:
    *value = 0;
    return CUDA_SUCCESS; // ptxas's to say
  case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    *value = int(program.module->chip);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
    *value = int(device.chip.number);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    *value = int(function->dynamicLimit);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

static CUresult funcSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  NETC_SIM_ENTER;
  if (!isFunction(device, function))
    return CUDA_ERROR_INVALID_HANDLE;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    return CUDA_ERROR_INVALID_VALUE;
  uint64_t room =
      uint64_t(device.chip.sharedPerBlock) * 1024 -
      std::min<uint64_t>(function->program.staticSharedBytes, device.chip.sharedPerBlock * 1024);
  if (value < 0 || uint64_t(value) > room)
    return device.refuse(CUDA_ERROR_INVALID_VALUE, "kernel " + function->program.name + ": " +
                                                       std::to_string(value) +
                                                       " bytes of dynamic shared memory; sm_" +
                                                       std::to_string(device.chip.number) +
                                                       " leaves it " + std::to_string(room));
  function->dynamicLimit = uint32_t(value);
  return CUDA_SUCCESS;
}

static CUresult occupancyMaxActive(int *blocks, CUfunction function, int threads,
                                   size_t dynamicShared) {
  NETC_SIM_ENTER;
  if (!isFunction(device, function) || threads < 1)
    return CUDA_ERROR_INVALID_VALUE;
  *blocks = occupancy(device, *function, unsigned(threads), dynamicShared);
  return CUDA_SUCCESS;
}

static CUresult launchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ,
                             unsigned blockX, unsigned blockY, unsigned blockZ,
                             unsigned dynamicShared, CUstream stream, void **parameters,
                             void **extra) {
  NETC_SIM_ENTER;
  if (!isFunction(device, function) || !device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (extra)
    return device.refuse(CUDA_ERROR_NOT_SUPPORTED, "parameters as one buffer are not simulated");
  return launch(device, function, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, dynamicShared,
                device.resolve(stream), parameters);
}

static const char *lastReport() {
  Call call;
  static thread_local std::string kept;
  kept = call.device.report;
  return kept.c_str();
}

void sim::addDeviceCalls(CudaDriver &table) {
  table.init = init;
  table.driverGetVersion = driverGetVersion;
  table.getErrorName = getErrorName;
  table.getErrorString = getErrorString;
  table.deviceGetCount = deviceGetCount;
  table.deviceGet = deviceGet;
  table.deviceGetName = deviceGetName;
  table.deviceGetAttribute = deviceGetAttribute;
  table.deviceTotalMem = deviceTotalMem;
  table.devicePrimaryCtxRetain = devicePrimaryCtxRetain;
  table.devicePrimaryCtxRelease = devicePrimaryCtxRelease;
  table.ctxSetCurrent = ctxSetCurrent;
  table.ctxSynchronize = ctxSynchronize;
  table.moduleLoadDataEx = moduleLoadDataEx;
  table.moduleUnload = moduleUnload;
  table.moduleGetFunction = moduleGetFunction;
  table.moduleGetGlobal = moduleGetGlobal;
  table.funcGetAttribute = funcGetAttribute;
  table.funcSetAttribute = funcSetAttribute;
  table.occupancyMaxActiveBlocksPerMultiprocessor = occupancyMaxActive;
  table.launchKernel = launchKernel;
  table.lastReport = lastReport;
}

static CudaDriver makeTable() {
  CudaDriver table = {};
  addDeviceCalls(table);
  addMemoryCalls(table);
  addStreamCalls(table);
  addTensorCalls(table);
  return table;
}

const CudaDriver &sim::simulatedDriver(const SimulatorOptions &options) {
  static const CudaDriver table = makeTable();
  Call call;
  call.device.configure(options);
  return table;
}

std::vector<KernelProfile> sim::takeProfile() {
  Call call;
  std::vector<KernelProfile> result;
  for (auto &[name, kernel] : call.device.profile)
    result.push_back(std::move(kernel));
  call.device.profile.clear();
  return result;
}

uint64_t sim::takeInstructionCount() {
  Call call;
  return std::exchange(call.device.instructions, 0);
}
