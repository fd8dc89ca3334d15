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
    : executor(executor), communicator(communicator), owned(communicator.size()) {
  if (!executor.device().usesMachineMemory())
    fail("--shard-state divides the optimizer's state in this machine's memory, but training "
         "computes on {}",
         executor.device().describe());
  assign();
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

/// Sorted, and neighbours joined.
static void join(std::vector<ValueRange> &ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](ValueRange a, ValueRange b) { return a.begin < b.begin; });
  std::vector<ValueRange> joined;
  for (ValueRange range : ranges)
    if (!joined.empty() && range.begin <= joined.back().end)
      joined.back().end = std::max(joined.back().end, range.end);
    else
      joined.push_back(range);
  ranges = std::move(joined);
}

/// Items go by where they begin. A parameter whose update goes through GRADIENTS to a norm of the
/// whole (LAMB's direction) is not divided. Norms of what all have are computed by all.
void StateShard::assign() {
  const NetcModel &model = executor.model();
  const NetcProgram &update = executor.table(Program::Update);
  std::set<int64_t> whole;
  for (uint64_t i = 0; i < update.command_count; ++i)
    if (auto target = targetOf(model, update.commands[i]); target && target->writesGradients)
      whole.insert(target->begin);
  for (uint64_t i = 0; i < update.command_count; ++i) {
    int64_t count = gridItems(update.commands[i], 1);
    std::optional<Target> target = targetOf(model, update.commands[i]);
    if (!target) {
      items.push_back({0, count});
      continue;
    }
    ItemRange own;
    for (int64_t item = 0; item < count; ++item) {
      int64_t begin = target->begin + item * NETC_UPDATE_BLOCK,
              end = target->begin + std::min(target->size, (item + 1) * NETC_UPDATE_BLOCK);
      unsigned owner = ownerOf(whole.count(target->begin) ? target->begin : begin);
      owned[owner].push_back({begin, end});
      if (owner != communicator.rank())
        continue;
      if (own.begin == own.end)
        own.begin = item;
      own.end = item + 1;
    }
    items.push_back(own);
  }
  for (std::vector<ValueRange> &ranges : owned)
    join(ranges);
}

void StateShard::update(int64_t n) {
  executor.runPart(Program::Update, n, items);
  gather(executor.at<float>(NETC_SPACE_PARAMETERS), /*keep=*/true);
}

/// Ranges of `owned` in pieces: values [from, from + count) of them, one after the other.
template <typename Visit>
static void forValues(const std::vector<ValueRange> &owned, int64_t from, int64_t count,
                      Visit visit) {
  int64_t at = 0, to = from + count;
  for (const ValueRange &range : owned) {
    int64_t begin = std::max(from, at), end = std::min(to, at + range.size());
    if (begin < end)
      visit(range.begin + begin - at, begin - from, end - begin);
    at += range.size();
  }
}

void StateShard::gather(float *values, bool keep) {
  int64_t most = 0;
  for (const std::vector<ValueRange> &ranges : owned) {
    int64_t size = 0;
    for (const ValueRange &range : ranges)
      size += range.size();
    most = std::max(most, size);
  }
  for (int64_t from = 0; from < most; from += mostGathered) {
    int64_t count = std::min(mostGathered, most - from);
    part.resize(size_t(count));
    all.resize(size_t(count) * communicator.size());
    forValues(owned[communicator.rank()], from, count,
              [&](int64_t at, int64_t place, int64_t size) {
                std::copy_n(values + at, size, part.data() + place);
              });
    communicator.gatherValues(part, all.data());
    for (unsigned rank = 0; keep && rank < communicator.size(); ++rank)
      if (rank != communicator.rank())
        forValues(owned[rank], from, count, [&](int64_t at, int64_t place, int64_t size) {
          std::copy_n(all.data() + int64_t(rank) * count + place, size, values + at);
        });
  }
}

void StateShard::gatherState(uint64_t firstSlot, bool keep) {
  const NetcModel &model = executor.model();
  for (uint64_t at = firstSlot * model.parameter_bytes; at < model.state_bytes;
       at += model.parameter_bytes)
    gather(reinterpret_cast<float *>(executor.at<char>(NETC_SPACE_STATE) + at), keep);
}

void StateShard::drop() {
  const NetcModel &model = executor.model();
  const std::vector<ValueRange> &own = owned[communicator.rank()];
  for (uint64_t slot = 0; slot < model.state_bytes; slot += model.parameter_bytes) {
    char *base = executor.at<char>(NETC_SPACE_STATE) + slot, *free = base;
    for (const ValueRange &range : own) {
      releasePages(free, base + uint64_t(range.begin) * sizeof(float));
      free = base + uint64_t(range.end) * sizeof(float);
    }
    releasePages(free, base + std::min(model.parameter_bytes, model.state_bytes - slot));
  }
}

} // namespace netc::runtime
