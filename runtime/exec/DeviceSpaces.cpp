//===- DeviceSpaces.cpp - the executor's spaces on a GPU ------------------===//
//
// A space that both sides see is copied when the other side wants it: to the GPU before a
// run if the host may have written it, back when the host asks for it after a run that
// wrote it.
//
//===----------------------------------------------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/exec/Executor.h"

namespace netc::runtime {

/// Bytes of a space for a batch of n; 0 for those that one side alone has.
uint64_t Executor::spaceBytes(NetcSpace space, int64_t n) const {
  uint64_t images = uint64_t(n), classes = uint64_t(description.classes);
  switch (space) {
  case NETC_SPACE_PARAMETERS:
    return tables.parameter_bytes;
  case NETC_SPACE_GRADIENTS:
    return gradients.data() ? tables.parameter_bytes : 0;
  case NETC_SPACE_STATE:
    return state.data() ? tables.state_bytes : 0;
  case NETC_SPACE_INPUT:
    return images * uint64_t(description.inputElements()) * sizeof(float);
  case NETC_SPACE_LABELS:
    return images * sizeof(int64_t);
  case NETC_SPACE_TARGETS:
    return description.softLabels ? images * classes * sizeof(float) : 0;
  case NETC_SPACE_OUTPUT:
    return images * classes * sizeof(float);
  case NETC_SPACE_LOSS:
    return sizeof(float);
  case NETC_SPACE_HYPER:
    return sizeof(NetcHyper) + description.parameters.size() * sizeof(NetcParameterHyper);
  case NETC_SPACE_ACCUMULATED:
    return accumulated.data() ? tables.parameter_bytes : 0;
  default:
    return 0;
  }
}

uint64_t Executor::deviceArena(int64_t n, bool training) const {
  uint64_t bytes = 0;
  for (Program program : allPrograms)
    if (training || program == Program::Prepare || program == Program::Infer)
      bytes = std::max(bytes, saturatingMulAdd(uint64_t(n), table(program).arena_bytes_per_image,
                                               table(program).arena_bytes_fixed));
  return bytes;
}

uint64_t Executor::deviceNeed(int64_t n, bool training) const {
  uint64_t bytes = saturatingMulAdd(1, deviceArena(n, training), tables.prepared_bytes);
  for (int space = 0; space < NETC_SPACE_COUNT; ++space)
    bytes = saturatingMulAdd(1, bytes, spaceBytes(NetcSpace(space), n));
  if (!training)
    return bytes;
  for (NetcSpace space :
       {NETC_SPACE_INPUT, NETC_SPACE_LABELS, NETC_SPACE_TARGETS}) // the next batch lies ready
    bytes = saturatingMulAdd(1, bytes, spaceBytes(space, n));
  // What `reserve` has yet to make room for.
  if (!gradients.data())
    bytes = saturatingMulAdd(1, bytes, tables.parameter_bytes);
  if (!state.data())
    bytes = saturatingMulAdd(1, bytes, tables.state_bytes);
  return bytes;
}

void Executor::reserveDevice(int64_t batch, bool training) {
  auto needed = [&](int64_t n) { return deviceNeed(n, training); };
  uint64_t available = stepMemory();
  if (needed(batch) > available) {
    int64_t fits = 0;
    for (int64_t low = 1, high = batch - 1; low <= high;) {
      int64_t middle = low + (high - low) / 2;
      bool enough = needed(middle) <= available;
      fits = enough ? middle : fits;
      (enough ? low : high) = enough ? middle + 1 : middle - 1;
    }
    fail("batch {} needs {} on {}, only {} available{}", batch, describeBytes(needed(batch)),
         device->describe(), shortBytes(available),
         fits ? fmt::format("; the largest batch that fits is {}", fits) : std::string());
  }
  // Parameters and state outlive a change of the batch: they come to the host first.
  for (NetcSpace space :
       {NETC_SPACE_PARAMETERS, NETC_SPACE_STATE, NETC_SPACE_GRADIENTS, NETC_SPACE_ACCUMULATED})
    fetch(space);
  ahead.fill(Ahead());
  device->release(NETC_SPACE_ARENA_IMAGE);
  for (int space = 0; space < NETC_SPACE_COUNT; ++space)
    if (uint64_t bytes = spaceBytes(NetcSpace(space), batch)) {
      device->allocate(NetcSpace(space), bytes);
      newest[size_t(space)] = Newest::Host;
    }
  device->allocate(NETC_SPACE_PREPARED, tables.prepared_bytes);
  arenaOnDevice = deviceArena(batch, training);
  device->allocate(NETC_SPACE_ARENA_IMAGE, arenaOnDevice);
}

void Executor::fetch(NetcSpace space) const {
  if (newest[space] == Newest::Device)
    if (uint64_t bytes = spaceBytes(space, batchOnDevice))
      device->download(space, bases[space], bytes);
  newest[space] = Newest::Host;
}

static std::vector<NetcSpace> inputsOf(Program program) {
  switch (program) {
  case Program::Prepare:
    return {NETC_SPACE_PARAMETERS};
  case Program::Infer:
    return {NETC_SPACE_PARAMETERS, NETC_SPACE_INPUT, NETC_SPACE_HYPER};
  case Program::Step:
    return {NETC_SPACE_PARAMETERS, NETC_SPACE_INPUT,     NETC_SPACE_LABELS,
            NETC_SPACE_TARGETS,    NETC_SPACE_GRADIENTS, NETC_SPACE_HYPER};
  case Program::Update:
    return {NETC_SPACE_PARAMETERS, NETC_SPACE_STATE, NETC_SPACE_GRADIENTS, NETC_SPACE_HYPER};
  case Program::Norm:
    return {NETC_SPACE_GRADIENTS, NETC_SPACE_HYPER};
  case Program::Accumulate:
    return {NETC_SPACE_GRADIENTS, NETC_SPACE_ACCUMULATED, NETC_SPACE_HYPER};
  }
  __builtin_unreachable();
}

/// Brings what the host may have written, and the program reads, to the GPU.
void Executor::send(Program program, int64_t n) {
  for (NetcSpace space : inputsOf(program))
    if (newest[space] == Newest::Host && bases[space])
      if (uint64_t bytes = spaceBytes(space, n)) {
        if (ahead[space].memory == bases[space] && ahead[space].bytes == bytes)
          device->useAhead(space, bytes);
        else
          device->upload(space, bases[space], bytes);
        ahead[space] = Ahead();
        newest[space] = Newest::Both;
      }
}

void Executor::sendAhead(NetcSpace space, const void *memory, int64_t n) {
  uint64_t bytes = spaceBytes(space, n);
  if (!device || !bytes)
    return;
  device->uploadAhead(space, memory, bytes);
  ahead[space] = {memory, bytes};
}

std::shared_ptr<char> Executor::pinnedMemory(uint64_t bytes) const {
  void *memory = device ? device->pin(bytes) : nullptr;
  if (!memory)
    return nullptr;
  return {static_cast<char *>(memory), [own = device.get()](char *base) { own->unpin(base); }};
}

static std::vector<NetcSpace> outputsOf(Program program) {
  switch (program) {
  case Program::Prepare:
    return {};
  case Program::Infer:
    return {NETC_SPACE_OUTPUT};
  case Program::Step:
    return {NETC_SPACE_OUTPUT, NETC_SPACE_LOSS, NETC_SPACE_GRADIENTS, NETC_SPACE_PARAMETERS};
  case Program::Update:
    return {NETC_SPACE_PARAMETERS, NETC_SPACE_STATE};
  case Program::Norm:
    return {NETC_SPACE_HYPER};
  case Program::Accumulate:
    return {NETC_SPACE_ACCUMULATED};
  }
  __builtin_unreachable();
}

void Executor::markWritten(Program program, int64_t n) {
  if (program == Program::Infer || program == Program::Step)
    batchOnDevice = n;
  for (NetcSpace space : outputsOf(program))
    newest[space] = Newest::Device;
}

void Executor::runOnDevice(Program which, int64_t n, std::vector<double> *seconds) {
  const NetcProgram &program = table(which);
  send(which, n);
  device->run(program, 0, program.command_count, n, seconds);
  markWritten(which, n);
}

const char *Executor::operand(uint32_t index) {
  if (!device)
    return operands[index];
  const NetcProgram &program = *observed.first;
  const NetcBuffer &buffer = tables.buffers[program.commands[observed.second].first_buffer + index];
  observedOperand.resize(uint64_t(batchOnDevice) * buffer.bytes_per_image + buffer.bytes_fixed);
  device->read(program, buffer, batchOnDevice, observedOperand.data());
  return observedOperand.data();
}

} // namespace netc::runtime
