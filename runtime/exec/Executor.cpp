//===- Executor.cpp - runs the command tables of a model ------------------===//
#include "runtime/exec/Executor.h"

#include "runtime/base/Error.h"
#include "runtime/system/CacheSize.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <initializer_list>
#include <utility>

namespace netc::runtime {

static constexpr uint64_t line = 64;
static uint64_t roundUp(uint64_t bytes, uint64_t to) {
  return bytes > UINT64_MAX - to ? UINT64_MAX : (bytes + to - 1) / to * to;
}

static uint64_t saturatingSum(std::initializer_list<uint64_t> values) {
  uint64_t sum = 0;
  for (uint64_t value : values)
    sum = saturatingMulAdd(sum, 1, value);
  return sum;
}

uint64_t MemoryNeed::total() const {
  return saturatingSum({arena, batchBuffers, parameters, gradients, state, prepared, scratch});
}

int64_t gridItems(const NetcCommand &command, int64_t n) {
  if (command.rows_per_image == 0)
    return command.items_outer;
  int64_t rows = n * command.rows_per_image;
  return command.items_outer * ((rows + command.rows_per_item - 1) / command.rows_per_item);
}

static uint64_t hyperBytes(const ModelInfo &info) {
  return roundUp(sizeof(NetcHyper) + info.parameters.size() * sizeof(NetcParameterHyper), line);
}

Executor::Executor(const NetcModel &model, const ModelInfo &info, ThreadPool &pool)
    : tables(model), description(info), pool(pool), cacheBytes(lastCacheBytes() / 4 * 3),
      parameters(model.parameter_bytes, "parameters"),
      small(hyperBytes(info) + line, "hyper-parameters") {
  checkTables();
  for (lean = tables.lean_step_count; lean > 0; --lean)
    checkProgram(table(Program::Step));
  if (model.gpu) {
    device.reset(static_cast<Device *>(model.gpu->open()));
    device->load(model);
  }
  for (uint64_t i = 0; i < model.kernel_count; ++i)
    scratchPerThread = std::max(scratchPerThread, model.kernels[i].scratch_bytes);
  // A page more, so that threads share neither lines nor prefetched pages.
  scratchPerThread = roundUp(scratchPerThread, 4096) + 4096;
  bases[NETC_SPACE_PARAMETERS] = parameters.data();
  bases[NETC_SPACE_HYPER] = small.data();
  bases[NETC_SPACE_LOSS] = small.data() + hyperBytes(info);
  hyper().gradient_scale = 1;
  hyper().label_smoothing = float(info.labelSmoothing);
  for (size_t i = 0; i < info.parameters.size(); ++i)
    parameterHyper()[i] = {1, 1, 1, 0};
}

const NetcProgram &Executor::table(Program program) const {
  switch (program) {
  case Program::Prepare:
    return tables.prepare;
  case Program::Infer:
    return tables.infer;
  case Program::Step:
    return lean ? tables.lean_steps[lean - 1] : tables.step;
  case Program::Update:
    return tables.update;
  case Program::Norm:
    return tables.norm;
  case Program::Accumulate:
    return tables.accumulate;
  }
  __builtin_unreachable();
}

void Executor::checkProgram(const NetcProgram &program) const {
  for (uint64_t i = 0; i < program.command_count; ++i) {
    const NetcCommand &command = program.commands[i];
    if (command.kernel >= tables.kernel_count ||
        uint64_t(command.first_buffer) + command.buffer_count > tables.buffer_count)
      fail("executable is damaged: command {} names kernel {} of {} and buffers up to {} of {}", i,
           command.kernel, tables.kernel_count, command.first_buffer + command.buffer_count,
           tables.buffer_count);
    if (command.rows_per_image != 0 && command.rows_per_item <= 0)
      fail("executable is damaged: command {} has {} rows per item", i, command.rows_per_item);
  }
  uint64_t covered = 0;
  for (uint64_t i = 0; i < program.section_count; ++i)
    covered += program.sections[i].command_count;
  if (program.section_count && covered != program.command_count)
    fail("executable is damaged: sections have {} commands of {}", covered, program.command_count);
}

int64_t Executor::mostTogether(const NetcSection &section, int64_t n) const {
  // Weights that take most of a cache are read from memory by each group: the fewer groups the
  // better.
  if (section.weight_bytes > cacheBytes / 2 || section.live_bytes_per_image == 0)
    return n;
  auto fits = int64_t((cacheBytes - section.weight_bytes) / section.live_bytes_per_image);
  return fits == 0 ? n : std::min(fits, n);
}

int64_t Executor::groupSize(const NetcSection &section, int64_t n) const {
  int64_t most = mostTogether(section, n);
  int64_t groups = (n + most - 1) / most; // as even as can be
  return (n + groups - 1) / groups;
}

/// Bytes of the arena before its fixed part. They grow with n: a ragged last batch may pass in a
/// larger group than whole ones, whose groups are even.
uint64_t Executor::imageArena(const NetcProgram &program, int64_t n) const {
  uint64_t images = uint64_t(n);
  if (!program.section_count || tables.gpu)
    return saturatingMulAdd(images, program.arena_bytes_per_image, 0);
  uint64_t most = 0;
  for (uint64_t i = 0; i < program.section_count; ++i) {
    const NetcSection &section = program.sections[i];
    uint64_t batch = saturatingMulAdd(images, section.batch_bytes_per_image, 0);
    most = std::max(most, saturatingMulAdd(uint64_t(mostTogether(section, n)),
                                           section.group_bytes_per_image, batch));
  }
  return most;
}

void Executor::checkTables() const {
  for (Program program : allPrograms)
    checkProgram(table(program));
  for (uint64_t i = 0; i < tables.buffer_count; ++i)
    if (tables.buffers[i].space >= NETC_SPACE_COUNT)
      fail("executable is damaged: buffer {} lies in space {}", i, tables.buffers[i].space);
}

MemoryNeed Executor::need(int64_t batch, bool training, int inputCopies) const {
  MemoryNeed bytes;
  uint64_t n = uint64_t(batch);
  for (Program program : allPrograms) {
    if (!training && program != Program::Prepare && program != Program::Infer)
      continue;
    const NetcProgram &commands = table(program);
    bytes.arena = std::max(
        bytes.arena, saturatingMulAdd(1, imageArena(commands, batch), commands.arena_bytes_fixed));
  }
  uint64_t classes = uint64_t(description.classes);
  uint64_t input = uint64_t(description.inputElements()) * sizeof(float) + sizeof(int64_t) +
                   (description.softLabels ? classes * sizeof(float) : 0);
  bytes.batchBuffers =
      saturatingMulAdd(n, input * uint64_t(inputCopies) + classes * sizeof(float), 4 * line);
  bytes.parameters = tables.parameter_bytes;
  bytes.prepared = tables.prepared_bytes;
  if (training) {
    bytes.gradients = tables.parameter_bytes;
    bytes.state = tables.state_bytes;
  }
  bytes.scratch = scratchPerThread * pool.size();
  if (tables.gpu) // those lie on the GPU alone
    bytes.arena = bytes.prepared = bytes.scratch = 0;
  return bytes;
}

static void requireMemory(const Executor &executor, int64_t batch, bool training, int inputCopies,
                          uint64_t held) {
  uint64_t wanted = executor.need(batch, training, inputCopies).total();
  // What this executor holds already is either kept or given back first.
  uint64_t available = saturatingMulAdd(availableMemory(), 1, held);
  if (wanted <= available)
    return;
  int64_t fits = 0; // largest batch that would do
  for (int64_t low = 1, high = batch - 1; low <= high;) {
    int64_t middle = low + (high - low) / 2;
    bool enough = executor.need(middle, training, inputCopies).total() <= available;
    fits = enough ? middle : fits;
    (enough ? low : high) = enough ? middle + 1 : middle - 1;
  }
  fail("batch {} needs {}, only {} available{}", batch, describeBytes(wanted),
       shortBytes(available),
       fits ? fmt::format("; the largest batch that fits is {}", fits) : std::string());
}

uint64_t Executor::stepNeed(int64_t batch, int inputCopies) const {
  return device ? deviceNeed(batch, true) : need(batch, true, inputCopies).total();
}

uint64_t Executor::stepMemory() const {
  return device ? saturatingMulAdd(1, device->availableBytes(), device->heldBytes())
                : availableMemory();
}

void Executor::fitStep(int64_t batch, int inputCopies, uint64_t budget) {
  for (lean = 0; lean < tables.lean_step_count; ++lean)
    if (stepNeed(batch, inputCopies) <= budget)
      return;
}

void Executor::reserve(int64_t batch, bool training, int inputCopies) {
  if (training && !has(Program::Step))
    fail("{} was compiled with --mode infer: it holds no training step", description.name);
  uint64_t held = parameters.size() + gradients.size() + state.size() + prepared.size() +
                  arena.size() + scratch.size() + batchBuffers.size();
  requireMemory(*this, batch, training, inputCopies, held);
  arena = Region();
  batchBuffers = Region();

  MemoryNeed bytes = need(batch, training, 1);
  if (training && gradients.size() < bytes.gradients)
    gradients = Region(bytes.gradients, "gradients");
  if (training && state.size() < bytes.state)
    state = Region(bytes.state, "optimizer state");
  if (!prepared.data())
    prepared = Region(bytes.prepared, "prepared weights");
  if (!scratch.data())
    scratch = Region(bytes.scratch, "scratch");
  arena = Region(bytes.arena, "the arena");
  batchBuffers = Region(saturatingMulAdd(bytes.batchBuffers, 1, 4 * line), "a batch");
  reservedBatch = batch;

  uint64_t n = uint64_t(batch);
  char *next = batchBuffers.data();
  auto take = [&](uint64_t size) { return std::exchange(next, next + roundUp(size, line)); };
  bases[NETC_SPACE_INPUT] = take(n * uint64_t(description.inputElements()) * sizeof(float));
  bases[NETC_SPACE_LABELS] = take(n * sizeof(int64_t));
  bases[NETC_SPACE_OUTPUT] = take(n * uint64_t(description.classes) * sizeof(float));
  if (description.softLabels)
    bases[NETC_SPACE_TARGETS] = take(n * uint64_t(description.classes) * sizeof(float));
  bases[NETC_SPACE_GRADIENTS] = gradients.data();
  bases[NETC_SPACE_STATE] = state.data();
  bases[NETC_SPACE_PREPARED] = prepared.data();
  if (device)
    reserveDevice(batch, training);
}

void Executor::reserveAccumulation() {
  if (!accumulated.data())
    bases[NETC_SPACE_ACCUMULATED] =
        (accumulated = Region(tables.parameter_bytes, "accumulated gradients")).data();
  if (device)
    device->allocate(NETC_SPACE_ACCUMULATED, tables.parameter_bytes);
}

void Executor::swapAccumulated() {
  if (device) {
    device->exchange(NETC_SPACE_GRADIENTS, NETC_SPACE_ACCUMULATED);
    std::swap(newest[NETC_SPACE_GRADIENTS], newest[NETC_SPACE_ACCUMULATED]);
  }
  std::swap(bases[NETC_SPACE_GRADIENTS], bases[NETC_SPACE_ACCUMULATED]);
}

void Executor::clear(NetcSpace space, uint64_t offset, uint64_t bytes) {
  if (!device || newest[space] == Newest::Host) {
    std::memset(bases[space] + offset, 0, bytes);
    return;
  }
  device->zero(space, offset, bytes);
  newest[space] = Newest::Device;
}

void Executor::bind(NetcSpace space, void *memory) {
  bases[space] = static_cast<char *>(memory);
  newest[space] = Newest::Host;
}

/// Images [first, first + size) of a batch that pass the commands of a section together.
struct Executor::Group {
  int64_t first, size;
  uint64_t batch;   ///< images
  uint64_t groupAt; ///< where the group's part of the arena begins
  uint64_t fixedAt; ///< where its fixed part begins
};

void Executor::resolve(const NetcCommand &command, const Group &group) {
  operands.resize(std::max<size_t>(operands.size(), command.buffer_count));
  for (uint32_t i = 0; i < command.buffer_count; ++i) {
    const NetcBuffer &buffer = tables.buffers[command.first_buffer + i];
    uint64_t before = uint64_t(group.first) * buffer.bytes_per_image; // of the batch's images
    if (buffer.space == NETC_SPACE_ARENA_IMAGE)
      operands[i] = arena.data() + group.batch * buffer.offset + before;
    else if (buffer.space == NETC_SPACE_ARENA_GROUP)
      operands[i] = arena.data() + group.groupAt + uint64_t(group.size) * buffer.offset;
    else if (buffer.space == NETC_SPACE_ARENA_FIXED)
      operands[i] = arena.data() + group.fixedAt + buffer.offset;
    else
      operands[i] = bases[buffer.space] + buffer.offset + before;
  }
}

namespace {
struct Launch {
  NetcKernelFn fn;
  char *const *operands;
  char *scratch;
  uint64_t scratchPerThread;
  int64_t n;
};
} // namespace

static void runChunk(void *context, unsigned thread, int64_t begin, int64_t end) {
  const Launch &launch = *static_cast<const Launch *>(context);
  launch.fn(launch.operands, launch.scratch + thread * launch.scratchPerThread, launch.n, begin,
            end);
}

void Executor::launch(const NetcCommand &command, const Group &group) {
  resolve(command, group);
  Launch launch{tables.kernels[command.kernel].fn, operands.data(), scratch.data(),
                scratchPerThread, group.size};
  pool.run(gridItems(command, group.size), runChunk, &launch);
}

/// Each section for each group of images; a program without sections is one, for the whole batch.
/// `after`, where given, hears of each command that is done; false stops the rest.
void Executor::launchAll(Program which, int64_t n, const std::function<bool(uint64_t)> &after) {
  const NetcProgram &program = table(which);
  const NetcSection whole{program.command_count, 0, 0, 0, 0};
  const NetcSection *sections = program.section_count ? program.sections : &whole;
  uint64_t fixedAt = imageArena(program, n), begin = 0;
  for (uint64_t s = 0; s < std::max<uint64_t>(program.section_count, 1); ++s) {
    const NetcSection &section = sections[s];
    int64_t size = groupSize(section, n);
    for (int64_t first = 0; first < n; first += size) {
      Group group{first, std::min(size, n - first), uint64_t(n),
                  uint64_t(n) * section.batch_bytes_per_image, fixedAt};
      for (uint64_t i = begin; i < begin + section.command_count; ++i) {
        launch(program.commands[i], group);
        if (after && !after(i))
          return;
      }
    }
    begin += section.command_count;
  }
}

void Executor::runObserved(Program which, int64_t n, const std::function<bool(uint64_t)> &after) {
  // What an earlier step left would be taken for this one's.
  if (!device) {
    std::memset(arena.data(), 0, arena.size());
    launchAll(which, n, after);
    return;
  }
  const NetcProgram &program = table(which);
  device->zero(NETC_SPACE_ARENA_IMAGE, 0, arenaOnDevice);
  send(which, n);
  for (uint64_t i = 0; i < program.command_count; ++i) {
    device->run(program, i, i + 1, n, nullptr);
    observed = {&program, i};
    markWritten(which, n);
    if (!after(i))
      return;
  }
}

void Executor::runCommands(Program which, int64_t n, const std::function<void(uint64_t)> &after) {
  launchAll(which, n, [&](uint64_t command) {
    after(command);
    return true;
  });
}

void Executor::run(Program which, int64_t n, std::vector<double> *seconds) {
  using Clock = std::chrono::steady_clock;
  if (n < 1 || n > reservedBatch)
    fail("internal error: batch {} outside the reserved 1..{}", n, reservedBatch);
  if (seconds)
    seconds->resize(table(which).command_count);
  if (device)
    return runOnDevice(which, n, seconds);
  if (!seconds) {
    launchAll(which, n, nullptr);
    return;
  }
  auto start = Clock::now();
  launchAll(which, n, [&](uint64_t command) {
    auto now = Clock::now();
    (*seconds)[command] += std::chrono::duration<double>(now - start).count();
    start = now;
    return true;
  });
}

} // namespace netc::runtime
