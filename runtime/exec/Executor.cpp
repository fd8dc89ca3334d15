//===- Executor.cpp - runs the command tables of a model ------------------===//
#include "runtime/exec/Executor.h"

#include "runtime/base/Error.h"
#include "runtime/device/cpu/CpuDevice.h"

#include <functional>

namespace netc::runtime {

static std::unique_ptr<Device> openDevice(const NetcModel &model, ThreadPool &pool) {
  if (model.gpu)
    return std::unique_ptr<Device>(static_cast<Device *>(model.gpu->open()));
  return std::make_unique<CpuDevice>(pool);
}

Executor::Executor(const NetcModel &model, const ModelInfo &info, ThreadPool &pool)
    : tables(model), description(info), pool(pool) {
  checkTables();
  for (lean = tables.lean_step_count; lean > 0; --lean)
    checkProgram(table(Program::Step));
  where = openDevice(model, pool);
  where->load(model, spaceSizes());
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
  case Program::Observe:
    return tables.observe;
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

void Executor::checkTables() const {
  for (Program program : allPrograms)
    checkProgram(table(program));
  for (uint64_t i = 0; i < tables.buffer_count; ++i)
    if (tables.buffers[i].space >= NETC_SPACE_COUNT)
      fail("executable is damaged: buffer {} lies in space {}", i, tables.buffers[i].space);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

SpaceSizes Executor::spaceSizes() const {
  SpaceSizes sizes{};
  sizes[NETC_SPACE_PARAMETERS] = sizes[NETC_SPACE_GRADIENTS] =
      sizes[NETC_SPACE_ACCUMULATED] = {0, tables.parameter_bytes};
  sizes[NETC_SPACE_STATE] = {0, tables.state_bytes};
  sizes[NETC_SPACE_PREPARED] = {0, tables.prepared_bytes};
  for (NetcSpace space :
       {NETC_SPACE_INPUT, NETC_SPACE_LABELS, NETC_SPACE_TARGETS, NETC_SPACE_OUTPUT})
    sizes[space] = {description.bytesPerImage(space), 0};
  sizes[NETC_SPACE_LOSS] = {0, sizeof(float)};
  sizes[NETC_SPACE_HYPER] = {0, sizeof(NetcHyper) +
                                    description.parameters.size() * sizeof(NetcParameterHyper)};
  return sizes;
}

Reservation Executor::reservation(int64_t batch, bool training, int inputCopies) const {
  Reservation result{batch, training, inputCopies, {}, spaceSizes()};
  for (Program program : allPrograms)
    if ((training && program != Program::Observe) || program == Program::Prepare ||
        program == Program::Infer || (observes && program == Program::Observe))
      result.programs.push_back(&table(program));
  if (!training && !trains)
    result.spaces[NETC_SPACE_GRADIENTS] = result.spaces[NETC_SPACE_STATE] = {};
  if (!accumulates)
    result.spaces[NETC_SPACE_ACCUMULATED] = {};
  return result;
}

MemoryUse Executor::need(int64_t batch, bool training, int inputCopies) const {
  return where->need(reservation(batch, training, inputCopies));
}

/// The largest batch below `batch` that fits; 0: none.
static int64_t largestThatFits(int64_t batch, const std::function<bool(int64_t)> &fits) {
  int64_t found = 0;
  for (int64_t low = 1, high = batch - 1; low <= high;) {
    int64_t middle = low + (high - low) / 2;
    bool enough = fits(middle);
    found = enough ? middle : found;
    (enough ? low : high) = enough ? middle + 1 : middle - 1;
  }
  return found;
}

void Executor::requireMemory(int64_t batch, bool training, int inputCopies) const {
  MemoryUse available = where->available();
  auto require = [&](uint64_t MemoryUse::*memory, const std::string &place) {
    auto wanted = [&](int64_t n) { return need(n, training, inputCopies).*memory; };
    if (wanted(batch) <= available.*memory)
      return;
    int64_t most =
        largestThatFits(batch, [&](int64_t n) { return wanted(n) <= available.*memory; });
    fail("batch {} needs {}{}, only {} available{}", batch, describeBytes(wanted(batch)), place,
         shortBytes(available.*memory),
         most ? fmt::format("; the largest batch that fits is {}", most) : std::string());
  };
  require(&MemoryUse::machine, "");
  require(&MemoryUse::own, " on " + where->describe());
}

uint64_t Executor::stepNeed(int64_t batch, int inputCopies) const {
  return where->whereItComputes(need(batch, true, inputCopies));
}

uint64_t Executor::stepMemory() const { return where->whereItComputes(where->available()); }

void Executor::fitStep(int64_t batch, int inputCopies, uint64_t budget) {
  for (lean = 0; lean < tables.lean_step_count; ++lean)
    if (stepNeed(batch, inputCopies) <= budget)
      return;
}

void Executor::reserve(int64_t batch, bool training, int inputCopies) {
  if (training && !has(Program::Step))
    fail("{} was compiled with --mode infer: it holds no training step", description.name);
  requireMemory(batch, training, inputCopies);
  where->reserve(reservation(batch, training, inputCopies));
  reservedBatch = batch;
  trains |= training;
}

void Executor::reserveAccumulation() {
  accumulates = true;
  where->reserveAccumulation();
}

void Executor::swapAccumulated() { where->exchange(NETC_SPACE_GRADIENTS, NETC_SPACE_ACCUMULATED); }

void Executor::run(Program which, int64_t n, const Watch *watch) {
  if (n < 1 || n > reservedBatch)
    fail("internal error: batch {} outside the reserved 1..{}", n, reservedBatch);
  const NetcProgram &program = table(which);
  if (watch && watch->seconds)
    watch->seconds->resize(program.command_count);
  where->run(which, program, n, watch);
}

} // namespace netc::runtime
