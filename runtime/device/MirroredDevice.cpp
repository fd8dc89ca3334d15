//===- MirroredDevice.cpp - a device with memory of its own ---------------===//
#include "runtime/device/MirroredDevice.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <utility>

namespace netc::runtime {

MirroredDevice::MirroredDevice(std::unique_ptr<Accelerator> accelerator)
    : accelerator(std::move(accelerator)) {}

void MirroredDevice::load(const NetcModel &model, const SpaceSizes &spaceSizes) {
  tables = &model;
  sizes = spaceSizes;
  accelerator->load(model);
  spaces.load(sizes);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Bytes that both sides have of a space for a batch of n.
uint64_t MirroredDevice::sharedBytes(NetcSpace space, int64_t n) const {
  return space != NETC_SPACE_PREPARED && spaces.at(space) ? sizes[space].bytes(n) : 0;
}

/// Of the accelerator's arena: its programs have no sections.
static uint64_t largestArena(const Reservation &reservation) {
  uint64_t bytes = 0;
  for (const NetcProgram *program : reservation.programs)
    bytes = std::max(bytes,
                     saturatingMulAdd(uint64_t(reservation.batch), program->arena_bytes_per_image,
                                      program->arena_bytes_fixed));
  return bytes;
}

MemoryUse MirroredDevice::need(const Reservation &reservation) const {
  uint64_t own = largestArena(reservation);
  for (int space = 0; space < NETC_SPACE_COUNT; ++space)
    own = saturatingAdd(own, dividedBytes && space == NETC_SPACE_STATE
                                 ? dividedBytes
                                 : reservation.spaces[size_t(space)].bytes(reservation.batch));
  if (reservation.training) // the next batch lies ready
    for (NetcSpace space : {NETC_SPACE_INPUT, NETC_SPACE_LABELS, NETC_SPACE_TARGETS})
      own = saturatingAdd(own, reservation.spaces[space].bytes(reservation.batch));
  return {HostSpaces::need(reservation), own};
}

MemoryUse MirroredDevice::available() const {
  return {saturatingAdd(availableMemory(), spaces.held()),
          saturatingAdd(accelerator->availableBytes(), accelerator->heldBytes())};
}

void MirroredDevice::reserve(const Reservation &reservation) {
  // Parameters and state outlive a change of the batch: they come to the host first.
  for (NetcSpace space :
       {NETC_SPACE_PARAMETERS, NETC_SPACE_STATE, NETC_SPACE_GRADIENTS, NETC_SPACE_ACCUMULATED})
    fetch(space);
  ahead.fill(Ahead());
  accelerator->release(NETC_SPACE_ARENA_IMAGE);
  spaces.reserve(reservation);
  for (int i = 0; i < NETC_SPACE_COUNT; ++i) {
    auto space = NetcSpace(i);
    if (dividedBytes && space == NETC_SPACE_STATE)
      continue;
    if (uint64_t bytes = sharedBytes(space, reservation.batch)) {
      accelerator->allocate(space, bytes);
      newest[space] = Newest::Host;
    }
  }
  accelerator->allocate(NETC_SPACE_PREPARED, sizes[NETC_SPACE_PREPARED].fixed);
  arenaBytes = largestArena(reservation);
  accelerator->allocate(NETC_SPACE_ARENA_IMAGE, arenaBytes);
}

void MirroredDevice::reserveAccumulation() {
  spaces.makeRoom(NETC_SPACE_ACCUMULATED, tables->parameter_bytes);
  accelerator->allocate(NETC_SPACE_ACCUMULATED, tables->parameter_bytes);
}

std::shared_ptr<char> MirroredDevice::batchMemory(uint64_t bytes) {
  void *memory = accelerator->pin(bytes);
  if (!memory)
    return nullptr;
  return {static_cast<char *>(memory), [own = accelerator.get()](char *base) { own->unpin(base); }};
}

//===----------------------------------------------------------------------===//
// Spaces
//===----------------------------------------------------------------------===//

void MirroredDevice::fetch(NetcSpace space) {
  if (newest[space] == Newest::Device)
    if (uint64_t bytes = sharedBytes(space, batchOnDevice))
      accelerator->download(space, spaces.at(space), bytes);
  newest[space] = Newest::Host;
}

char *MirroredDevice::at(NetcSpace space) {
  fetch(space);
  return spaces.at(space);
}

void MirroredDevice::bind(NetcSpace space, void *memory) {
  spaces.bind(space, memory);
  newest[space] = Newest::Host;
}

void MirroredDevice::sendAhead(NetcSpace space, const void *memory, int64_t n) {
  uint64_t bytes = sharedBytes(space, n);
  if (!bytes)
    return;
  accelerator->uploadAhead(space, memory, bytes);
  ahead[space] = {memory, bytes};
}

void MirroredDevice::clear(NetcSpace space, uint64_t offset, uint64_t bytes) {
  if (newest[space] == Newest::Host) {
    std::fill_n(spaces.at(space) + offset, bytes, char(0));
    return;
  }
  accelerator->zero(space, offset, bytes);
  newest[space] = Newest::Device;
}

void MirroredDevice::exchange(NetcSpace one, NetcSpace other) {
  accelerator->exchange(one, other);
  spaces.exchange(one, other);
  std::swap(newest[one], newest[other]);
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

static std::vector<NetcSpace> inputsOf(Program program) {
  switch (program) {
  case Program::Prepare:
    return {NETC_SPACE_PARAMETERS};
  case Program::Infer:
  case Program::Observe:
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

static std::vector<NetcSpace> outputsOf(Program program) {
  switch (program) {
  case Program::Prepare:
    return {};
  case Program::Infer:
  case Program::Observe:
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

/// Brings what the host may have written, and the program reads, to the accelerator.
void MirroredDevice::send(Program which, int64_t n) {
  for (NetcSpace space : inputsOf(which)) {
    uint64_t bytes = newest[space] == Newest::Host ? sharedBytes(space, n) : 0;
    if (!bytes)
      continue;
    if (ahead[space].memory == spaces.at(space) && ahead[space].bytes == bytes)
      accelerator->useAhead(space, bytes);
    else
      accelerator->upload(space, spaces.at(space), bytes);
    ahead[space] = Ahead();
    newest[space] = Newest::Both;
  }
}

void MirroredDevice::bring(NetcSpace space, bool isWritten) {
  if (newest[space] == Newest::Host)
    accelerator->upload(space, spaces.at(space), sharedBytes(space, 1));
  newest[space] = isWritten || newest[space] == Newest::Device ? Newest::Device : Newest::Both;
}

namespace {
/// Sums of the accelerator, between which the host may use the space.
class MirroredSums final : public DeviceSums {
public:
  MirroredSums(MirroredDevice &device, NetcSpace space, std::unique_ptr<DeviceSums> own)
      : device(device), space(space), own(std::move(own)) {}

  void begin() override { own->begin(); }
  void take(float share, bool isThere) override {
    device.bring(space, false);
    own->take(share, isThere);
  }
  void takeDuring(float share) override { own->takeDuring(share); }
  void finish(float divisor) override {
    device.bring(space, true);
    own->finish(divisor);
  }
  void keep() override {
    device.bring(space, false);
    own->keep();
  }
  void restore() override {
    device.bring(space, true);
    own->restore();
  }

private:
  MirroredDevice &device;
  const NetcSpace space;
  const std::unique_ptr<DeviceSums> own;
};
} // namespace

std::unique_ptr<DeviceSums> MirroredDevice::sums(const SumLayout &layout,
                                                 Communicator &communicator) {
  return std::make_unique<MirroredSums>(*this, layout.space,
                                        accelerator->sums(layout, communicator));
}

namespace {
/// A part of the state, beside the host's spaces.
class MirroredState final : public DeviceState {
public:
  MirroredState(MirroredDevice &device, std::unique_ptr<DeviceState> own)
      : device(device), own(std::move(own)) {}

  uint64_t bytes() const override { return own->bytes(); }
  void begin(const char *state) override { own->begin(state); }
  void update(int64_t n) override {
    device.bring(NETC_SPACE_PARAMETERS, true);
    device.bring(NETC_SPACE_GRADIENTS, true);
    device.bring(NETC_SPACE_HYPER, false);
    own->update(n);
  }
  void gather(uint64_t slot, float *values) override { own->gather(slot, values); }

private:
  MirroredDevice &device;
  const std::unique_ptr<DeviceState> own;
};
} // namespace

std::unique_ptr<DeviceState> MirroredDevice::divideState(const StateLayout &layout,
                                                         Communicator &communicator) {
  if (!accelerator->makesSums(communicator))
    fail("--shard-state on {} is for executables of --comm nccl, whose GPUs exchange parameters; "
         "this one was compiled with --comm mpi",
         describe());
  auto state =
      std::make_unique<MirroredState>(*this, accelerator->divideState(layout, communicator));
  dividedBytes = std::max<uint64_t>(state->bytes(), 1);
  return state;
}

void MirroredDevice::runPart(const NetcProgram &, int64_t, std::span<const ItemRange>) {
  fail("internal error: parts of programs do not run on {}", describe());
}

void MirroredDevice::run(Program which, const NetcProgram &program, int64_t n, const Watch *watch) {
  send(which, n);
  // Before the run, because Watch::after reads what its commands write.
  if (which == Program::Infer || which == Program::Step)
    batchOnDevice = n;
  for (NetcSpace space : outputsOf(which))
    newest[space] = Newest::Device;
  if (!watch || !watch->after)
    return accelerator->run(program, n, watch);
  Watch relayed{watch->seconds, [&](uint64_t command) {
                  watched.program = &program;
                  watched.command = command;
                  return watch->after(command);
                }};
  accelerator->run(program, n, &relayed);
}

const char *MirroredDevice::operand(uint32_t index) {
  const NetcProgram &program = *watched.program;
  const NetcBuffer &buffer =
      tables->buffers[program.commands[watched.command].first_buffer + index];
  watched.operand.resize(uint64_t(batchOnDevice) * buffer.bytes_per_image + buffer.bytes_fixed);
  accelerator->read(program, buffer, batchOnDevice, watched.operand.data());
  return watched.operand.data();
}

} // namespace netc::runtime
