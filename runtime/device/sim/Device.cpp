//===- Device.cpp - streams run, contexts come and go ---------------------===//
#include "runtime/device/sim/Device.h"

#include "runtime/base/Error.h"
#include "runtime/system/ControlGroup.h"

using namespace netc::runtime::sim;

Device &Device::instance() {
  // Never destroyed: handles may be closed while the process ends.
  static Device *device = new Device;
  return *device;
}

void Device::configure(const SimulatorOptions &wanted) {
  SimulatorOptions before = options;
  options = wanted;
  if (retained) {
    options.chip = before.chip;
    options.memoryBytes = before.memoryBytes;
    if (options.checks && !shadow)
      shadow = std::make_unique<GlobalShadow>(memory->size());
    if (options.threads != before.threads)
      grid.reset();
  } else {
    chip = findChip(wanted.chip);
  }
  randomState = options.seed * 0x9E3779B97F4A7C15 | 1;
}

CUresult Device::retain() {
  if (retained++)
    return CUDA_SUCCESS;
  chip = findChip(options.chip);
  memory = std::make_unique<DeviceMemory>(options.memoryBytes);
  if (options.checks)
    shadow = std::make_unique<GlobalShadow>(memory->size());
  sticky = CUDA_SUCCESS;
  report.clear();
  launches = sequence = 0; // the same seed gives the same orders in every context
  return CUDA_SUCCESS;
}

CUresult Device::release() {
  if (!retained)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (--retained)
    return CUDA_SUCCESS;
  if (sticky == CUDA_SUCCESS)
    finishAll();
  modules.clear();
  streams.clear();
  events.clear();
  graphs.clear();
  executables.clear();
  defaultStream.operations.clear();
  for (auto &[address, bytes] : pinned)
    std::free(address);
  pinned.clear();
  shadow.reset();
  memory.reset();
  grid.reset();
  sticky = CUDA_SUCCESS;
  return CUDA_SUCCESS;
}

CUresult Device::usable() {
  if (!initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  return retained ? sticky : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult Device::refuse(CUresult code, std::string text) {
  report = std::move(text);
  return code;
}

bool Device::isPinned(const void *address) const {
  char *at = static_cast<char *>(const_cast<void *>(address));
  auto after = pinned.upper_bound(at);
  return after != pinned.begin() &&
         uint64_t(at - std::prev(after)->first) < std::prev(after)->second;
}

bool Device::capturing() const {
  for (const auto &[handle, stream] : streams)
    if (handle->capture)
      return true;
  return false;
}

uint64_t Device::random() {
  randomState ^= randomState >> 12;
  randomState ^= randomState << 25;
  randomState ^= randomState >> 27;
  return (randomState * 0x2545F4914F6CDD1D) >> 32;
}

void Device::enqueue(CUstream_st &stream, std::function<void()> work) {
  if (stream.capture) {
    stream.capture->works.push_back(std::move(work));
    return;
  }
  Operation operation;
  operation.work = std::move(work);
  enqueue(stream, std::move(operation));
}

void Device::enqueue(CUstream_st &stream, Operation operation) {
  operation.sequence = ++sequence;
  stream.operations.push_back(std::move(operation));
  maybeRunAhead();
}

/// A GPU works while the program goes on: sometimes something is done early.
void Device::maybeRunAhead() {
  if (!options.checks || random() % 4 || sticky != CUDA_SUCCESS)
    return;
  std::vector<CUstream_st *> busy;
  if (!defaultStream.operations.empty())
    busy.push_back(&defaultStream);
  for (const auto &[handle, stream] : streams)
    if (!handle->operations.empty())
      busy.push_back(handle);
  if (!busy.empty())
    advance(*busy[random() % busy.size()], 0);
}

/// The stream that must go on before an operation of that number of `stream` may:
/// the default stream and blocking streams keep the order of the calls.
CUstream_st *Device::streamBefore(const CUstream_st &stream, uint64_t number) {
  auto earlier = [&](CUstream_st &other) {
    return !other.operations.empty() && other.operations.front().sequence < number;
  };
  if (&stream != &defaultStream)
    return stream.blocking && earlier(defaultStream) ? &defaultStream : nullptr;
  for (const auto &[handle, other] : streams)
    if (handle->blocking && earlier(*handle))
      return handle;
  return nullptr;
}

/// Runs one operation of the stream, or one that it waits for. False when nothing
/// can go on.
bool Device::advance(CUstream_st &stream, unsigned depth) {
  if (stream.operations.empty() || depth > 4096)
    return false;
  const Operation &head = stream.operations.front();
  if (CUstream_st *before = streamBefore(stream, head.sequence))
    return advance(*before, depth + 1);
  if (head.kind == Operation::Kind::Wait && events.has(head.event) &&
      head.event->completed < head.version && isStream(head.event->stream))
    if (advance(resolve(head.event->stream), depth + 1))
      return true;
  perform(stream);
  return true;
}

void Device::perform(CUstream_st &stream) {
  Operation operation = std::move(stream.operations.front());
  stream.operations.pop_front();
  if (sticky != CUDA_SUCCESS)
    return;
  try {
    if (operation.kind == Operation::Kind::Work)
      operation.work();
  } catch (const Finding &finding) {
    sticky = finding.code;
    report = finding.text;
  } catch (const std::exception &error) {
    sticky = CUDA_ERROR_LAUNCH_FAILED;
    report = std::string("the simulator failed: ") + error.what();
  }
  if (operation.kind == Operation::Kind::Record && events.has(operation.event)) {
    operation.event->completed = std::max(operation.event->completed, operation.version);
    operation.event->time = std::chrono::steady_clock::now();
  }
}

CUresult Device::finish(CUstream_st &stream) {
  while (!stream.operations.empty())
    advance(stream, 0);
  return sticky;
}

CUresult Device::finish(CUevent_st &event) {
  uint64_t version = event.recorded;
  while (event.completed < version && isStream(event.stream) && sticky == CUDA_SUCCESS)
    if (!advance(resolve(event.stream), 0))
      break;
  return sticky;
}

CUresult Device::finishAll() {
  for (;;) {
    std::vector<CUstream_st *> busy;
    if (!defaultStream.operations.empty())
      busy.push_back(&defaultStream);
    for (const auto &[handle, stream] : streams)
      if (!handle->operations.empty())
        busy.push_back(handle);
    if (busy.empty())
      return sticky;
    advance(*busy[random() % busy.size()], 0);
  }
}

CUresult Device::finishLegacy() {
  for (const auto &[handle, stream] : streams)
    if (handle->blocking)
      finish(*handle);
  return finish(defaultStream);
}

void Device::runKernel(const Launch &launch) {
  if (!grid)
    grid = std::make_unique<GridRunner>(options.threads ? options.threads : availableCores());
  uint64_t blocks = uint64_t(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  bool shadowed = options.checks && shadow && blocks > 1 && blocks <= GlobalShadow::maximumBlocks;
  if (shadowed)
    shadow->beginLaunch();
  LaunchContext context{launch,
                        *memory,
                        shadowed ? shadow.get() : nullptr,
                        options.checks,
                        options.seed + 0x9E3779B9 * ++launches,
                        chip.processors,
                        options.instructionLimit,
                        options.profile};
  uint64_t ran = grid->run(context);
  instructions += ran;
  if (!options.profile)
    return;
  KernelProfile &kernel = profile[launch.program->name];
  kernel.kernel = launch.program->name;
  ++kernel.launches;
  kernel.instructions += ran;
  for (size_t pc = 0; pc < grid->bankUse().size(); ++pc)
    if (const BankUse &use = grid->bankUse()[pc]; use.passes) {
      const Program &program = *launch.program;
      SharedAccess &access = kernel.shared[program.details[pc].line];
      access.instruction = program.module->lineText(program.details[pc].line);
      access.passes += use.passes;
      access.conflicts += use.conflicts;
    }
}
