//===- StateShard.cpp - each process's part of an optimizer's state -------===//
#include "runtime/train/StateShard.h"

#include "runtime/abi/UpdateBlock.h"
#include "runtime/base/Error.h"
#include "runtime/system/Memory.h"

#include <algorithm>
#include <optional>
#include <set>

namespace netc::runtime {

// Floats that a process gives to the others at once.
static constexpr int64_t mostGathered = int64_t(1) << 16;

StateShard::StateShard(Executor &executor, Communicator &communicator)
    : executor(executor), communicator(communicator) {
  layout.owned.resize(communicator.size());
  assign();
  onDevice = executor.device().divideState(layout, communicator);
  const NetcProgram &update = executor.table(Program::Update);
  for (uint64_t i = 0; i < update.command_count && !onDevice; ++i) {
    const UpdatePart &part = layout.parts[i];
    int64_t end = (part.own.end + NETC_UPDATE_BLOCK - 1) / NETC_UPDATE_BLOCK;
    items.push_back(part.size ? ItemRange{part.own.begin / NETC_UPDATE_BLOCK, end}
                              : ItemRange{0, gridItems(update.commands[i], 1)});
  }
}

unsigned StateShard::ownerOf(int64_t at) const {
  auto total = int64_t(executor.model().parameter_bytes / sizeof(float));
  return unsigned(at * int64_t(communicator.size()) / total);
}

namespace {
/// Where a command of `update` writes, in floats of PARAMETERS.
struct Target {
  int64_t begin = 0, size = 0;
  bool writesGradients = false;
};
} // namespace

/// The first array that a command writes; nothing: it writes none of those that have PARAMETERS'
/// offsets.
static std::optional<Target> targetOf(const NetcModel &model, const NetcCommand &command) {
  std::optional<Target> target;
  for (uint32_t b = 0; b < command.buffer_count; ++b) {
    const NetcBuffer &buffer = model.buffers[command.first_buffer + b];
    bool isArray = buffer.space == NETC_SPACE_PARAMETERS || buffer.space == NETC_SPACE_STATE ||
                   buffer.space == NETC_SPACE_GRADIENTS;
    if (!isArray || !(buffer.flags & NETC_BUFFER_WRITTEN))
      continue;
    if (!target)
      target = Target{int64_t(buffer.offset % model.parameter_bytes / sizeof(float)),
                      int64_t(buffer.bytes_fixed / sizeof(float))};
    target->writesGradients |= buffer.space == NETC_SPACE_GRADIENTS;
  }
  return target;
}

/// Blocks go by where they begin. A parameter whose update goes through GRADIENTS to a norm of the
/// whole (LAMB's direction) is not divided. Norms of what all have are computed by all.
void StateShard::assign() {
  const NetcModel &model = executor.model();
  const NetcProgram &update = executor.table(Program::Update);
  std::set<int64_t> whole;
  for (uint64_t i = 0; i < update.command_count; ++i)
    if (auto target = targetOf(model, update.commands[i]); target && target->writesGradients)
      whole.insert(target->begin);
  for (uint64_t i = 0; i < update.command_count; ++i) {
    UpdatePart &part = layout.parts.emplace_back();
    std::optional<Target> target = targetOf(model, update.commands[i]);
    if (!target)
      continue;
    part = {target->begin, target->size, {}};
    for (int64_t begin = 0; begin < part.size; begin += NETC_UPDATE_BLOCK) {
      int64_t end = std::min(part.size, begin + NETC_UPDATE_BLOCK);
      unsigned owner = ownerOf(part.at + (whole.count(part.at) ? 0 : begin));
      layout.owned[owner].push_back({part.at + begin, part.at + end});
      if (owner == communicator.rank())
        part.own = {part.own.begin == part.own.end ? begin : part.own.begin, end};
    }
  }
  for (std::vector<ValueRange> &ranges : layout.owned)
    joinRanges(ranges);
}

void StateShard::begin() {
  if (onDevice)
    onDevice->begin(executor.at<char>(NETC_SPACE_STATE));
  drop();
}

void StateShard::update(int64_t n) {
  if (onDevice)
    return onDevice->update(n);
  executor.runPart(Program::Update, n, items);
  gather(executor.at<float>(NETC_SPACE_PARAMETERS), /*keep=*/true);
}

void StateShard::gather(float *values, bool keep) {
  int64_t most = layout.most();
  for (int64_t from = 0; from < most; from += mostGathered) {
    int64_t count = std::min(mostGathered, most - from);
    part.resize(size_t(count));
    all.resize(size_t(count) * communicator.size());
    forValues(layout.owned[communicator.rank()], from, count,
              [&](int64_t at, int64_t place, int64_t size) {
                std::copy_n(values + at, size, part.data() + place);
              });
    communicator.gatherValues(part, all.data());
    for (unsigned rank = 0; keep && rank < communicator.size(); ++rank)
      if (rank != communicator.rank())
        forValues(layout.owned[rank], from, count, [&](int64_t at, int64_t place, int64_t size) {
          std::copy_n(all.data() + int64_t(rank) * count + place, size, values + at);
        });
  }
}

void StateShard::gatherState(uint64_t firstSlot, bool keep) {
  const NetcModel &model = executor.model();
  for (uint64_t slot = firstSlot; slot * model.parameter_bytes < model.state_bytes; ++slot) {
    auto *values = reinterpret_cast<float *>(executor.at<char>(NETC_SPACE_STATE) +
                                             slot * model.parameter_bytes);
    if (onDevice)
      onDevice->gather(slot, keep ? values : nullptr);
    else
      gather(values, keep);
  }
}

/// Of what lies on a device none is needed here.
void StateShard::drop() {
  const NetcModel &model = executor.model();
  static const std::vector<ValueRange> none;
  const std::vector<ValueRange> &own = onDevice ? none : layout.owned[communicator.rank()];
  for (uint64_t slot = 0; slot < model.state_bytes; slot += model.parameter_bytes) {
    char *base = executor.at<char>(NETC_SPACE_STATE) + slot, *free = base;
    for (const ValueRange &range : own) {
      releasePages(free, base + uint64_t(range.begin) * sizeof(float));
      free = base + uint64_t(range.end) * sizeof(float);
    }
    releasePages(free, base + model.parameter_bytes);
  }
}

} // namespace netc::runtime
