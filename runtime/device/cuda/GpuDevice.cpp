//===- GpuDevice.cpp - runs a model's programs on a GPU -------------------===//
#include "runtime/device/cuda/GpuDevice.h"

#include "runtime/abi/UpdateBlock.h"
#include "runtime/base/Error.h"
#include "runtime/comm/Launch.h"
#include "runtime/device/MirroredDevice.h"
#include "runtime/device/cuda/GpuState.h"
#include "runtime/device/cuda/GpuSums.h"
#include "runtime/system/Memory.h"

#include <climits>
#include <utility>

using namespace netc::runtime;
using namespace netc::runtime::cuda;

static constexpr uint64_t alignment = 256;

// The oldest chip that netc compiles for.
static constexpr int oldestCompiled = 75;

/// Kernels count rows, blocks and items in 31 bits, and a little beyond the last one.
static constexpr int64_t mostItems = INT_MAX - 65536;

namespace {
/// Events in the order of their recording.
class Marks {
public:
  Marks(const CudaDriver &driver, size_t count) : driver(driver), events(count) {
    for (CUevent &event : events)
      checkCuda(driver, driver.eventCreate(&event, CU_EVENT_DEFAULT), "creating an event");
  }
  ~Marks() {
    for (CUevent event : events)
      if (event)
        driver.eventDestroy(event);
  }
  Marks(const Marks &) = delete;
  Marks &operator=(const Marks &) = delete;
  void record(size_t index, CUstream stream) {
    checkCuda(driver, driver.eventRecord(events[index], stream), "recording an event");
  }
  double secondsBefore(size_t index) const {
    float milliseconds = 0;
    checkCuda(driver, driver.eventElapsedTime(&milliseconds, events[index - 1], events[index]),
              "reading an event");
    return double(milliseconds) * 1e-3;
  }

private:
  const CudaDriver &driver;
  std::vector<CUevent> events;
};
} // namespace

GpuDevice::GpuDevice(const CudaDriver &driver) : driver(driver) {
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

GpuDevice::~GpuDevice() { close(); }

/// Of the processes on this machine each takes a GPU of its own, unless the launcher shows it one
/// alone.
int GpuDevice::ordinal() const {
  int count = 0;
  check(driver.deviceGetCount(&count), "counting the GPUs");
  int64_t local = localRank();
  if (local >= count && count > 1)
    fail(
        "process {} of this machine finds {} GPUs: start at most one process per GPU, or show each "
        "its own in CUDA_VISIBLE_DEVICES",
        local, count);
  return count > 1 ? int(local) : 0;
}

void GpuDevice::open() {
  check(driver.init(0), "starting the NVIDIA driver");
  check(driver.deviceGet(&device, ordinal()), "choosing the GPU");
  char text[256] = {};
  check(driver.deviceGetName(text, sizeof text - 1, device), "asking for the GPU's name");
  name = text;
  int major = 0, minor = 0;
  check(driver.deviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
        "asking for the GPU's kind");
  check(driver.deviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device),
        "asking for the GPU's kind");
  chip = 10 * major + minor;
  check(driver.devicePrimaryCtxRetain(&context, device), "opening the GPU");
  check(driver.ctxSetCurrent(context), "opening the GPU");
  check(driver.streamCreate(&stream, CU_STREAM_NON_BLOCKING), "opening a stream on the GPU");
  check(driver.streamCreate(&copies, CU_STREAM_NON_BLOCKING), "opening a stream on the GPU");
}

void GpuDevice::close() noexcept {
  // Errors have no reader any more.
  for (auto &[key, graph] : graphs)
    driver.graphExecDestroy(graph);
  for (Memory &memory : spaces)
    if (memory.base)
      driver.memFree(memory.base);
  for (Ahead &next : ahead) {
    if (next.memory.base)
      driver.memFree(next.memory.base);
    for (CUevent event : {next.arrived, next.used})
      if (event)
        driver.eventDestroy(event);
  }
  if (copies)
    driver.streamDestroy(copies);
  if (code)
    driver.moduleUnload(code);
  if (stream)
    driver.streamDestroy(stream);
  if (context)
    driver.devicePrimaryCtxRelease(device);
}

/// PTX with the instructions of one chip alone says so.
static bool isExact(const NetcGpuImage &image) {
  std::string_view head(static_cast<const char *>(image.bytes),
                        std::min<size_t>(image.size, image.is_assembled ? 0 : 1000));
  return head.find(".target sm_90a") != std::string_view::npos;
}

std::string GpuDevice::describe() const {
  return fmt::format("{} (sm_{}{})", name, chip, hasMaps ? "; kernels of sm_90a" : "");
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// Machine code runs on its own chip and on later minor versions of it; PTX on its chip and all
/// later ones, with instructions of one chip alone only there.
const NetcGpuImage *GpuDevice::chooseImage(const NetcModel &model, bool assembled) const {
  const NetcGpuImage *best = nullptr;
  for (uint64_t i = 0; i < model.gpu->image_count; ++i) {
    const NetcGpuImage &candidate = model.gpu->images[i];
    bool runs =
        int(candidate.chip) <= chip && (!assembled || int(candidate.chip / 10) == chip / 10);
    if (isExact(candidate))
      runs = int(candidate.chip) == chip;
    if (bool(candidate.is_assembled) == assembled && runs && (!best || candidate.chip > best->chip))
      best = &candidate;
  }
  return best;
}

bool GpuDevice::tryLoad(const NetcGpuImage &candidate, bool mayFail) {
  std::vector<char> log(8192);
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log.data(), reinterpret_cast<void *>(uintptr_t(log.size() - 1))};
  CUresult result = driver.moduleLoadDataEx(&code, candidate.bytes, 2, options, values);
  if (result == CUDA_SUCCESS) {
    image = &candidate;
    return true;
  }
  code = nullptr;
  if (mayFail)
    return false;
  std::string action = fmt::format("loading the kernels for sm_{} on {}{}{}", candidate.chip,
                                   describe(), log[0] ? ": " : "", log.data());
  check(result, action.c_str());
  return false;
}

void GpuDevice::load(const NetcModel &tables) {
  model = &tables;
  const NetcGpuImage *machineCode = chooseImage(tables, true), *ptx = chooseImage(tables, false);
  if (!machineCode && !ptx) {
    uint32_t oldest = UINT32_MAX;
    for (uint64_t i = 0; i < tables.gpu->image_count; ++i)
      oldest = std::min(oldest, tables.gpu->images[i].chip);
    fail("{} is too old: the kernels of this executable need sm_{} or newer; compile with {}",
         describe(), oldest,
         chip >= oldestCompiled ? fmt::format("--chip sm_{} and --precision f32", oldestCompiled)
                                : "--target cpu");
  }
  if (!(machineCode && tryLoad(*machineCode, ptx != nullptr)))
    tryLoad(*ptx, false);
  for (uint64_t i = 0; i < tables.kernel_count; ++i) {
    CUfunction function = nullptr;
    std::string action = fmt::format("looking up kernel {}", tables.kernels[i].name);
    check(driver.moduleGetFunction(&function, code, tables.kernels[i].name), action.c_str());
    if (uint32_t bytes = image->kernels[i].shared_bytes) {
      action = fmt::format("reserving {} bytes of shared memory for kernel {}", bytes,
                           tables.kernels[i].name);
      check(driver.funcSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                    int(bytes)),
            action.c_str());
    }
    functions.push_back(function);
    maps.push_back(readMaps(tables.kernels[i].name));
    hasMaps |= !maps.back().empty();
  }
}

/// The tensor maps that a kernel has as parameters: the variable NAME_maps of its module, six
/// numbers each (codegen/cuda/GpuKernelSet.cpp). Most kernels have none.
std::vector<GpuDevice::MatrixMap> GpuDevice::readMaps(const std::string &kernel) const {
  CUdeviceptr address = 0;
  size_t bytes = 0;
  CUresult found = driver.moduleGetGlobal(&address, &bytes, code, (kernel + "_maps").c_str());
  if (found == CUDA_ERROR_NOT_FOUND || (found == CUDA_SUCCESS && bytes == 0))
    return {};
  check(found, "looking up a kernel's tensor maps");
  if (!driver.tensorMapEncodeTiled)
    fail("the NVIDIA driver is too old for kernels of sm_90a: it has no cuTensorMapEncodeTiled; "
         "install a driver of CUDA 12.0 or newer, or compile without --chip sm_90a");
  std::vector<MatrixMap> result(bytes / sizeof(MatrixMap));
  check(driver.memcpyDtoH(result.data(), address, result.size() * sizeof(MatrixMap)),
        "reading a kernel's tensor maps");
  return result;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

uint64_t GpuDevice::availableBytes() const {
  size_t available = 0, total = 0;
  check(driver.memGetInfo(&available, &total), "asking for the GPU's memory");
  return available;
}

uint64_t GpuDevice::heldBytes() const {
  uint64_t sum = 0;
  for (const Memory &memory : spaces)
    sum += memory.bytes;
  for (const Ahead &next : ahead)
    sum += next.memory.bytes;
  return sum;
}

void GpuDevice::release(NetcSpace space) {
  Memory &memory = spaces[space];
  if (!memory.base)
    return;
  dropGraphs();
  CUdeviceptr base = memory.base;
  memory = Memory();
  check(driver.memFree(base), "freeing the GPU's memory");
}

void GpuDevice::allocate(NetcSpace space, uint64_t bytes) {
  bytes = (std::max<uint64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  if (spaces[space].bytes == bytes)
    return;
  release(space);
  CUdeviceptr base = 0;
  std::string action = fmt::format("allocating {} on {}", describeBytes(bytes), describe());
  check(driver.memAlloc(&base, bytes), action.c_str());
  spaces[space] = {base, bytes};
  zero(space, 0, bytes);
}

void GpuDevice::zero(NetcSpace space, uint64_t offset, uint64_t bytes) {
  if (offset > spaces[space].bytes || bytes > spaces[space].bytes - offset)
    fail("internal error: {} bytes from {} cleared in a space of {}", bytes, offset,
         spaces[space].bytes);
  if (bytes)
    check(driver.memsetD8Async(spaces[space].base + offset, 0, bytes, stream),
          "clearing the GPU's memory");
}

void GpuDevice::exchange(NetcSpace one, NetcSpace other) {
  if (spaces[one].bytes != spaces[other].bytes)
    fail("internal error: spaces of {} and {} bytes cannot change places", spaces[one].bytes,
         spaces[other].bytes);
  std::swap(spaces[one], spaces[other]);
}

void *GpuDevice::pin(uint64_t bytes) {
  void *memory = nullptr;
  CUresult result = driver.memHostAlloc(&memory, bytes, 0);
  if (result == CUDA_ERROR_OUT_OF_MEMORY)
    return nullptr;
  check(result, "allocating page-locked memory");
  return memory;
}

void GpuDevice::unpin(void *memory) {
  // Errors are ignored: a fault may have ended the context, and it was reported then.
  driver.streamSynchronize(copies);
  driver.streamSynchronize(stream);
  driver.memFreeHost(memory);
}

void GpuDevice::upload(NetcSpace space, const void *from, uint64_t bytes) {
  if (bytes > spaces[space].bytes)
    fail("internal error: {} bytes copied to a space of {}", bytes, spaces[space].bytes);
  // From pageable memory the call returns once the bytes are staged: the host may change them.
  // Pinned memory is read later.
  check(driver.memcpyHtoDAsync(spaces[space].base, from, bytes, stream), "copying to the GPU");
}

void GpuDevice::download(NetcSpace space, void *to, uint64_t bytes) {
  if (bytes > spaces[space].bytes)
    fail("internal error: {} bytes copied from a space of {}", bytes, spaces[space].bytes);
  check(driver.memcpyDtoHAsync(to, spaces[space].base, bytes, stream), "copying from the GPU");
  wait();
}

void GpuDevice::uploadAhead(NetcSpace space, const void *from, uint64_t bytes) {
  Ahead &next = ahead[space];
  if (!next.arrived) {
    check(driver.eventCreate(&next.arrived, CU_EVENT_DISABLE_TIMING), "creating an event");
    check(driver.eventCreate(&next.used, CU_EVENT_DISABLE_TIMING), "creating an event");
  }
  if (next.memory.bytes != spaces[space].bytes) {
    wait();
    if (next.memory.base)
      check(driver.memFree(next.memory.base), "freeing the GPU's memory");
    next.memory = Memory();
    CUdeviceptr base = 0;
    std::string action =
        fmt::format("allocating {} on {}", describeBytes(spaces[space].bytes), describe());
    check(driver.memAlloc(&base, spaces[space].bytes), action.c_str());
    next.memory = {base, spaces[space].bytes};
  }
  // What lay there before has been taken out first.
  check(driver.streamWaitEvent(copies, next.used, 0), "ordering copies");
  check(driver.memcpyHtoDAsync(next.memory.base, from, bytes, copies), "copying to the GPU");
  check(driver.eventRecord(next.arrived, copies), "recording an event");
}

void GpuDevice::useAhead(NetcSpace space, uint64_t bytes) {
  Ahead &next = ahead[space];
  check(driver.streamWaitEvent(stream, next.arrived, 0), "ordering copies");
  check(driver.memcpyDtoDAsync(spaces[space].base, next.memory.base, bytes, stream),
        "copying within the GPU");
  check(driver.eventRecord(next.used, stream), "recording an event");
}

void GpuDevice::read(const NetcProgram &program, const NetcBuffer &buffer, int64_t n, void *to) {
  uint64_t bytes = uint64_t(n) * buffer.bytes_per_image + buffer.bytes_fixed;
  check(driver.memcpyDtoHAsync(to, address(program, buffer, n), bytes, stream),
        "copying from the GPU");
  wait();
}

void GpuDevice::wait() { check(driver.streamSynchronize(stream), "running kernels on the GPU"); }

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

CUdeviceptr GpuDevice::address(const NetcProgram &program, const NetcBuffer &buffer,
                               int64_t n) const {
  // The fixed part of the arena lies behind the part that grows with the batch.
  if (buffer.space == NETC_SPACE_ARENA_IMAGE)
    return spaces[NETC_SPACE_ARENA_IMAGE].base + uint64_t(n) * buffer.offset;
  if (buffer.space == NETC_SPACE_ARENA_FIXED)
    return spaces[NETC_SPACE_ARENA_IMAGE].base + uint64_t(n) * program.arena_bytes_per_image +
           buffer.offset;
  return spaces[buffer.space].base + (isPerImage(buffer.space) ? uint64_t(n) : 1) * buffer.offset;
}

/// The matrix that `map` describes in memory from `address` on, for a batch of n.
CUtensorMap GpuDevice::encode(const MatrixMap &map, CUdeviceptr address, int64_t n) const {
  constexpr uint64_t elementBytes = 2; // bf16
  CUtensorMap result = {};
  uint64_t columns = uint64_t(map.columns);
  uint64_t sizes[] = {columns, uint64_t(n * map.rowsPerImage + map.rows)};
  uint64_t rowBytes[] = {columns * elementBytes};
  uint32_t box[] = {uint32_t(map.boxColumns), uint32_t(map.boxRows)}, steps[] = {1, 1};
  check(driver.tensorMapEncodeTiled(
            &result, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, reinterpret_cast<void *>(address), sizes,
            rowBytes, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
            CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
        "describing a matrix for bulk copies");
  return result;
}

void GpuDevice::launch(const NetcProgram &program, const NetcCommand &command, int64_t n) {
  int64_t blocks = gridItems(command, n);
  if (blocks > mostItems || n > mostItems / std::max<int64_t>(command.rows_per_image, 1))
    fail("batch {} is too large for kernel {}: {} items an image must stay below 2^31 in all", n,
         model->kernels[command.kernel].name, command.rows_per_image);
  std::vector<CUdeviceptr> operands(command.buffer_count);
  for (uint32_t i = 0; i < command.buffer_count; ++i)
    operands[i] = address(program, model->buffers[command.first_buffer + i], n);
  launch(command, blocks, operands, n);
}

void GpuDevice::launch(const NetcCommand &command, int64_t blocks,
                       std::vector<CUdeviceptr> &operands, int64_t n) {
  std::vector<void *> parameters;
  for (CUdeviceptr &operand : operands)
    parameters.push_back(&operand);
  int32_t images = int32_t(n);
  parameters.push_back(&images);
  const NetcGpuKernel &kernel = image->kernels[command.kernel];
  const std::vector<MatrixMap> &matrices = maps[command.kernel];
  std::vector<CUtensorMap> encoded;
  encoded.reserve(matrices.size());
  for (const MatrixMap &matrix : matrices) {
    encoded.push_back(encode(matrix, operands[size_t(matrix.buffer)], n));
    parameters.push_back(&encoded.back());
  }
  CUresult result =
      driver.launchKernel(functions[command.kernel], unsigned(blocks), 1, 1, kernel.threads, 1, 1,
                          kernel.shared_bytes, stream, parameters.data(), nullptr);
  if (result != CUDA_SUCCESS) {
    std::string action = fmt::format("launching {} ({} blocks of {} threads)",
                                     model->kernels[command.kernel].name, blocks, kernel.threads);
    check(result, action.c_str());
  }
}

void GpuDevice::dropGraphs() {
  if (graphs.empty())
    return;
  wait();
  for (auto &[key, graph] : graphs)
    check(driver.graphExecDestroy(graph), "dropping a CUDA graph");
  graphs.clear();
}

/// `after`, where given, is called with each command when it is launched; false stops.
void GpuDevice::launchAll(const NetcProgram &program, int64_t n,
                          const std::function<bool(uint64_t)> &after) {
  for (uint64_t i = 0; i < program.command_count; ++i) {
    launch(program, program.commands[i], n);
    if (after && !after(i))
      return;
  }
}

/// Commands with the pieces of sums that they finish.
void GpuDevice::launchBeside(const NetcProgram &program, int64_t n, GpuSums &sums) {
  sums.beginBeside();
  launchAll(program, n, [&](uint64_t command) {
    sums.commandLaunched(command);
    return true;
  });
  sums.endBeside();
}

CUgraphExec GpuDevice::capture(const NetcProgram &program, int64_t n, GpuSums *sums) {
  check(driver.streamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "capturing a CUDA graph");
  CUgraph graph = nullptr;
  try {
    sums ? launchBeside(program, n, *sums) : launchAll(program, n, nullptr);
  } catch (...) {
    if (driver.streamEndCapture(stream, &graph) == CUDA_SUCCESS)
      driver.graphDestroy(graph);
    throw;
  }
  check(driver.streamEndCapture(stream, &graph), "capturing a CUDA graph");
  CUgraphExec result = nullptr;
  CUresult made = driver.graphInstantiate(&result, graph, 0);
  driver.graphDestroy(graph);
  check(made, "instantiating a CUDA graph");
  return result;
}

/// Commands one by one instead of a graph, with events between them where their time is wanted.
void GpuDevice::runWatched(const NetcProgram &program, int64_t n, const Watch &watch) {
  Marks marks(driver, watch.seconds ? program.command_count + 1 : 0);
  if (watch.seconds)
    marks.record(0, stream);
  uint64_t launched = 0;
  launchAll(program, n, [&](uint64_t command) {
    launched = command + 1;
    if (watch.seconds)
      marks.record(launched, stream);
    if (!watch.after)
      return true;
    wait();
    return watch.after(command);
  });
  wait();
  for (uint64_t i = 0; watch.seconds && i < launched; ++i)
    (*watch.seconds)[i] += marks.secondsBefore(i + 1);
}

void GpuDevice::run(const NetcProgram &program, int64_t n, const Watch *watch) {
  GpuSums *sums = std::exchange(beside, nullptr);
  if (program.command_count == 0)
    return;
  if (watch) {
    runWatched(program, n, *watch);
    if (sums)
      sums->beginBeside(), sums->endBeside();
    return;
  }
  if (sums && !sums->canBeCaptured())
    return launchBeside(program, n, *sums);
  auto [found, isNew] = graphs.try_emplace(
      {&program, n, spaces[NETC_SPACE_GRADIENTS].base, sums ? sums->identity() : 0}, nullptr);
  if (isNew) {
    try {
      found->second = capture(program, n, sums);
    } catch (...) {
      graphs.erase(found);
      throw;
    }
  }
  check(driver.graphLaunch(found->second, stream), "launching a CUDA graph");
}

//===----------------------------------------------------------------------===//
// Sums over shards
//===----------------------------------------------------------------------===//

// Of executables that were linked with `--comm nccl`.
extern "C" __attribute__((weak)) const char netc_links_nccl;

bool GpuDevice::makesSums(const Communicator &communicator) const {
  return communicator.size() == 1 || &netc_links_nccl != nullptr;
}

std::unique_ptr<DeviceSums> GpuDevice::sums(const SumLayout &layout, Communicator &communicator) {
  return std::make_unique<GpuSums>(*this, layout,
                                   communicator.size() > 1 ? join(communicator) : nullptr);
}

std::shared_ptr<NcclGroup> GpuDevice::join(Communicator &communicator) {
  std::shared_ptr<NcclGroup> joined = group.lock();
  if (!joined) {
    joined = std::make_shared<NcclGroup>(communicator, driver);
    group = joined;
  }
  return joined;
}

std::unique_ptr<DeviceState> GpuDevice::divideState(const StateLayout &layout,
                                                    Communicator &communicator) {
  return std::make_unique<GpuState>(*this, *model, layout, communicator);
}

/// A thread has NETC_GPU_UPDATE_WIDTH values where the array divides into so many, else one.
int64_t GpuDevice::updateBlock(const NetcCommand &command, int64_t size) const {
  int64_t width = size % NETC_GPU_UPDATE_WIDTH == 0 ? NETC_GPU_UPDATE_WIDTH : 1;
  int64_t block = int64_t(image->kernels[command.kernel].threads) * width;
  if ((size + block - 1) / block != gridItems(command, 1))
    fail("executable is damaged: {} has {} blocks for {} values",
         model->kernels[command.kernel].name, gridItems(command, 1), size);
  return block;
}

void GpuDevice::forgetGraphs() noexcept {
  driver.streamSynchronize(stream);
  for (auto &[key, graph] : graphs)
    driver.graphExecDestroy(graph);
  graphs.clear();
}

void *netc_open_cuda(void) {
  return static_cast<Device *>(new MirroredDevice(std::make_unique<GpuDevice>(openCudaDriver())));
}
