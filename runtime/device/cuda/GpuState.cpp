//===- GpuState.cpp - a part of the optimizer's state, on a GPU -----------===//
#include "runtime/device/cuda/GpuState.h"

#include "runtime/base/Error.h"
#include "runtime/system/Memory.h"

#include <algorithm>
#include <exception>
#include <utility>

using namespace netc::runtime;
using namespace netc::runtime::cuda;

static constexpr int64_t floatBytes = sizeof(float);

// Values that a process gives to the others at once.
static constexpr int64_t mostOfRound = int64_t(1) << 18;

// The widest loads and stores of an update.
static constexpr int64_t widest = 4;

static int64_t roundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

GpuState::GpuState(GpuDevice &gpu, const NetcModel &model, StateLayout of,
                   Communicator &communicator)
    : gpu(gpu), driver(gpu.calls()), model(model), layout(std::move(of)),
      communicator(communicator),
      slots(model.state_bytes / std::max<uint64_t>(model.parameter_bytes, 1)) {
  for (uint64_t i = 0; i < model.update.command_count; ++i) {
    const UpdatePart &part = layout.parts[i];
    launches.push_back(launchOf(model.update.commands[i], part));
    if (launches.back().blocks)
      keep(part.at + launches.back().first,
           part.at +
               std::min(part.size, launches.back().first +
                                       launches.back().blocks *
                                           gpu.updateBlock(model.update.commands[i], part.size)));
  }
  placeKept();
  makeChunks();
}

GpuState::~GpuState() {
  if (group && std::uncaught_exceptions()) // others may not send what is waited for
    group->abandon();
  // Errors have no reader any more.
  for (CUevent event : {ready, done})
    if (event)
      driver.eventDestroy(event);
  for (CUdeviceptr base : memory)
    driver.memFree(base);
}

//===----------------------------------------------------------------------===//
// What lies where
//===----------------------------------------------------------------------===//

/// A kernel knows where its array ends, and not that it begins further on: the last block of those
/// that run must end before.
GpuState::Launch GpuState::launchOf(const NetcCommand &command, const UpdatePart &part) const {
  if (part.own.begin >= part.own.end)
    return {};
  int64_t block = gpu.updateBlock(command, part.size);
  int64_t blocks = (part.own.size() + block - 1) / block;
  int64_t latest = std::max<int64_t>(0, part.size - blocks * block);
  return {std::min(part.own.begin, latest), unsigned(blocks)};
}

void GpuState::keep(int64_t begin, int64_t end) {
  kept.push_back({begin / widest * widest, roundUp(end, widest)});
}

/// Kept values have the alignment that they have in PARAMETERS.
void GpuState::placeKept() {
  joinRanges(kept);
  int64_t place = 0;
  for (const ValueRange &range : kept) {
    places.push_back(place);
    place += range.size();
  }
  places.push_back(roundUp(place, widest));
}

void GpuState::makeChunks() {
  int64_t most = layout.most();
  roundValues = roundUp(std::min(mostOfRound, most), widest);
  for (int64_t from = 0; from < most; from += roundValues) {
    Round round;
    round.first = chunkTable.size();
    for (unsigned rank = 0; rank < communicator.size(); ++rank) {
      if (rank == communicator.rank())
        round.ownFirst = chunkTable.size();
      forValues(layout.owned[rank], from, roundValues,
                [&](int64_t at, int64_t place, int64_t size) {
                  for (int64_t done = 0; done < size; done += sumChunkValues)
                    chunkTable.push_back({uint64_t(at + done),
                                          uint64_t(rank * roundValues + place + done),
                                          uint64_t(std::min(sumChunkValues, size - done))});
                });
      if (rank == communicator.rank())
        round.ownCount = chunkTable.size() - round.ownFirst;
    }
    round.count = chunkTable.size() - round.first;
    rounds.push_back(round);
  }
}

uint64_t GpuState::bytes() const {
  return slots * uint64_t(places.back() * floatBytes) +
         uint64_t(roundValues * floatBytes) * communicator.size() +
         chunkTable.size() * sizeof(SumChunk);
}

CUdeviceptr GpuState::room(uint64_t bytes) {
  CUdeviceptr base = 0;
  std::string action = fmt::format("allocating {} on {} for a part of the optimizer's state",
                                   describeBytes(bytes), gpu.describe());
  checkCuda(driver, driver.memAlloc(&base, std::max<uint64_t>(bytes, 1)), action.c_str());
  memory.push_back(base);
  checkCuda(driver, driver.memsetD8Async(base, 0, std::max<uint64_t>(bytes, 1), gpu.computing()),
            "clearing the GPU's memory");
  return base;
}

void GpuState::begin(const char *whole) {
  group = gpu.join(communicator);
  kernels.emplace(driver);
  checkCuda(driver, driver.eventCreate(&ready, CU_EVENT_DISABLE_TIMING), "creating an event");
  checkCuda(driver, driver.eventCreate(&done, CU_EVENT_DISABLE_TIMING), "creating an event");
  state = room(slots * uint64_t(places.back() * floatBytes));
  exchanged = room(uint64_t(roundValues * floatBytes) * communicator.size());
  chunks = room(chunkTable.size() * sizeof(SumChunk));
  auto upload = [&](CUdeviceptr to, const void *from, uint64_t bytes) {
    if (bytes)
      checkCuda(driver, driver.memcpyHtoDAsync(to, from, bytes, gpu.computing()),
                "copying to the GPU");
  };
  upload(chunks, chunkTable.data(), chunkTable.size() * sizeof(SumChunk));
  for (uint64_t slot = 0; slot < slots; ++slot)
    for (const ValueRange &range : kept)
      upload(addressOf(slot, range.begin),
             whole + slot * model.parameter_bytes + uint64_t(range.begin * floatBytes),
             uint64_t(range.size() * floatBytes));
  gpu.wait();
}

/// Of a value that is kept.
CUdeviceptr GpuState::addressOf(uint64_t slot, int64_t at) const {
  auto after = std::upper_bound(kept.begin(), kept.end(), at, [](int64_t value, ValueRange range) {
    return value < range.begin;
  });
  if (after == kept.begin() || at >= (after - 1)->end)
    fail("internal error: value {} of the optimizer's state is kept by another process", at);
  auto range = size_t(after - kept.begin() - 1);
  int64_t place = places[range] + at - kept[range].begin;
  return state + slot * uint64_t(places.back() * floatBytes) + uint64_t(place * floatBytes);
}

//===----------------------------------------------------------------------===//
// Updates
//===----------------------------------------------------------------------===//

/// An array of a command's part, whose other operands are numbers.
CUdeviceptr GpuState::addressOf(const NetcBuffer &buffer, int64_t n, const UpdatePart &part,
                                int64_t first) const {
  if (buffer.space == NETC_SPACE_STATE)
    return addressOf(buffer.offset / model.parameter_bytes, part.at + first);
  CUdeviceptr base = gpu.address(model.update, buffer, n);
  bool isArray = buffer.space == NETC_SPACE_PARAMETERS || buffer.space == NETC_SPACE_GRADIENTS;
  return isArray ? base + uint64_t(first * floatBytes) : base;
}

void GpuState::update(int64_t n) {
  for (uint64_t i = 0; i < model.update.command_count; ++i) {
    const NetcCommand &command = model.update.commands[i];
    const UpdatePart &part = layout.parts[i];
    if (part.size == 0) {
      gpu.launch(model.update, command, n);
      continue;
    }
    if (launches[i].blocks == 0)
      continue;
    std::vector<CUdeviceptr> operands;
    for (uint32_t b = 0; b < command.buffer_count; ++b)
      operands.push_back(
          addressOf(model.buffers[command.first_buffer + b], n, part, launches[i].first));
    gpu.launch(command, launches[i].blocks, operands, n);
  }
  gatherParameters();
}

//===----------------------------------------------------------------------===//
// Exchange
//===----------------------------------------------------------------------===//

/// The group's stream goes on behind what the program's stream has so far.
void GpuState::followPrograms() {
  checkCuda(driver, driver.eventRecord(ready, gpu.computing()), "recording an event");
  checkCuda(driver, driver.streamWaitEvent(group->stream(), ready, 0), "ordering an update");
}

void GpuState::gatherRound() const {
  group->gather(exchanged + uint64_t(group->rank() * roundValues * floatBytes), exchanged,
                roundValues * floatBytes);
}

void GpuState::gatherParameters() {
  followPrograms();
  CUdeviceptr values = gpu.baseOf(NETC_SPACE_PARAMETERS);
  for (const Round &round : rounds) {
    kernels->take(group->stream(), values, exchanged, chunks, round.ownFirst, round.ownCount, 1,
                  SumKernels::First);
    gatherRound();
    kernels->give(group->stream(), values, exchanged, chunks, round.first, round.count, 1);
  }
  checkCuda(driver, driver.eventRecord(done, group->stream()), "recording an event");
  checkCuda(driver, driver.streamWaitEvent(gpu.computing(), done, 0), "ordering an update");
}

void GpuState::gather(uint64_t slot, float *values) {
  followPrograms();
  std::vector<float> all(values ? size_t(roundValues) * group->size() : 0);
  for (int64_t from = 0; from < layout.most(); from += roundValues) {
    forValues(layout.owned[group->rank()], from, roundValues,
              [&](int64_t at, int64_t place, int64_t size) {
                CUdeviceptr to =
                    exchanged + uint64_t((group->rank() * roundValues + place) * floatBytes);
                checkCuda(driver,
                          driver.memcpyDtoDAsync(to, addressOf(slot, at),
                                                 uint64_t(size * floatBytes), group->stream()),
                          "copying within the GPU");
              });
    gatherRound();
    if (!values)
      continue;
    checkCuda(
        driver,
        driver.memcpyDtoHAsync(all.data(), exchanged, all.size() * sizeof(float), group->stream()),
        "copying from the GPU");
    checkCuda(driver, driver.streamSynchronize(group->stream()), "copying from the GPU");
    for (unsigned rank = 0; rank < group->size(); ++rank)
      forValues(layout.owned[rank], from, roundValues,
                [&](int64_t at, int64_t place, int64_t size) {
                  std::copy_n(all.data() + rank * roundValues + place, size, values + at);
                });
  }
  checkCuda(driver, driver.streamSynchronize(group->stream()), "exchanging the optimizer's state");
}
