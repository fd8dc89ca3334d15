//===- CpuDevice.cpp - runs programs on this machine's cores --------------===//
#include "runtime/device/cpu/CpuDevice.h"

#include "runtime/system/CacheSize.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace netc::runtime {

/// What a process takes after its plan is made: code that has not run yet, ends of huge pages, an
/// epoch's figures and files.
static constexpr uint64_t laterBytes = uint64_t(4) << 20;

CpuDevice::CpuDevice(ThreadPool &pool) : pool(pool), cacheBytes(lastCacheBytes() / 4 * 3) {}

void CpuDevice::load(const NetcModel &model, const SpaceSizes &sizes) {
  tables = &model;
  spaces.load(sizes);
  for (uint64_t i = 0; i < model.kernel_count; ++i)
    scratchPerThread = std::max(scratchPerThread, model.kernels[i].scratch_bytes);
  // A page more, so that threads share neither lines nor prefetched pages.
  scratchPerThread = (scratchPerThread + 4095) / 4096 * 4096 + 4096;
}

std::string CpuDevice::describe() const {
  return std::to_string(pool.size()) + (pool.size() == 1 ? " thread" : " threads");
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int64_t CpuDevice::mostTogether(const NetcSection &section, int64_t n) const {
  // Weights that take most of a cache are read from memory by each group: the fewer groups the
  // better.
  if (section.weight_bytes > cacheBytes / 2 || section.live_bytes_per_image == 0)
    return n;
  auto fits = int64_t((cacheBytes - section.weight_bytes) / section.live_bytes_per_image);
  return fits == 0 ? n : std::min(fits, n);
}

int64_t CpuDevice::groupSize(const NetcSection &section, int64_t n) const {
  int64_t most = mostTogether(section, n);
  int64_t groups = (n + most - 1) / most; // as even as can be
  return (n + groups - 1) / groups;
}

/// Bytes of the arena before its fixed part. They grow with n: a ragged last batch may pass in a
/// larger group than whole ones, whose groups are even.
uint64_t CpuDevice::imageArena(const NetcProgram &program, int64_t n) const {
  uint64_t images = uint64_t(n);
  if (!program.section_count)
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

uint64_t CpuDevice::arenaBytes(const NetcProgram &program, int64_t n) const {
  return saturatingAdd(imageArena(program, n), program.arena_bytes_fixed);
}

uint64_t CpuDevice::largestArena(const Reservation &reservation) const {
  uint64_t bytes = 0;
  for (const NetcProgram *program : reservation.programs)
    bytes = std::max(bytes, arenaBytes(*program, reservation.batch));
  return bytes;
}

MemoryUse CpuDevice::need(const Reservation &reservation) const {
  uint64_t bytes = saturatingAdd(HostSpaces::need(reservation), largestArena(reservation));
  bytes = saturatingAdd(bytes, reservation.spaces[NETC_SPACE_PREPARED].fixed);
  return {saturatingMulAdd(scratchPerThread, pool.size(), bytes), 0};
}

MemoryUse CpuDevice::available() const {
  uint64_t held = spaces.held() + prepared.size() + arena.size() + scratch.size();
  return {saturatingAdd(availableMemory(), held), 0};
}

uint64_t CpuDevice::takenBeside() const { return residentBytes() + laterBytes; }

void CpuDevice::reserve(const Reservation &reservation) {
  arena = Region(); // first: both at once may be too much
  spaces.reserve(reservation);
  if (!prepared.data())
    prepared = Region(reservation.spaces[NETC_SPACE_PREPARED].fixed, "prepared weights");
  if (!scratch.data())
    scratch = Region(scratchPerThread * pool.size(), "scratch");
  arena = Region(largestArena(reservation), "the arena");
  spaces.bind(NETC_SPACE_PREPARED, prepared.data());
}

void CpuDevice::reserveAccumulation() {
  spaces.makeRoom(NETC_SPACE_ACCUMULATED, tables->parameter_bytes);
}

void CpuDevice::clear(NetcSpace space, uint64_t offset, uint64_t bytes) {
  std::memset(spaces.at(space) + offset, 0, bytes);
}

void CpuDevice::clearArena() { std::memset(arena.data(), 0, arena.size()); }

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// Images [first, first + size) of a batch that pass the commands of a section together.
struct CpuDevice::Group {
  int64_t first, size;
  uint64_t batch;   ///< images
  uint64_t groupAt; ///< where the group's part of the arena begins
  uint64_t fixedAt; ///< where its fixed part begins
};

void CpuDevice::resolve(const NetcCommand &command, const Group &group) {
  operands.resize(std::max<size_t>(operands.size(), command.buffer_count));
  for (uint32_t i = 0; i < command.buffer_count; ++i) {
    const NetcBuffer &buffer = tables->buffers[command.first_buffer + i];
    uint64_t before = uint64_t(group.first) * buffer.bytes_per_image; // of the batch's images
    if (buffer.space == NETC_SPACE_ARENA_IMAGE)
      operands[i] = arena.data() + group.batch * buffer.offset + before;
    else if (buffer.space == NETC_SPACE_ARENA_GROUP)
      operands[i] = arena.data() + group.groupAt + uint64_t(group.size) * buffer.offset;
    else if (buffer.space == NETC_SPACE_ARENA_FIXED)
      operands[i] = arena.data() + group.fixedAt + buffer.offset;
    else
      operands[i] = spaces.at(NetcSpace(buffer.space)) +
                    (isPerImage(buffer.space) ? group.batch : 1) * buffer.offset + before;
  }
}

namespace {
struct Launch {
  NetcKernelFn fn;
  char *const *operands;
  char *scratch;
  uint64_t scratchPerThread;
  int64_t n, first; ///< first: item
};

/// Tells a Watch of commands as they end.
class Watched {
public:
  using Clock = std::chrono::steady_clock;
  explicit Watched(const Watch *watch) : watch(watch) {
    if (watch && watch->seconds)
      start = Clock::now();
  }
  /// False: the rest is not to run.
  bool after(uint64_t command) {
    if (!watch)
      return true;
    if (watch->seconds) {
      auto now = Clock::now();
      (*watch->seconds)[command] += std::chrono::duration<double>(now - start).count();
      start = now;
    }
    return !watch->after || watch->after(command);
  }

private:
  const Watch *watch;
  Clock::time_point start;
};
} // namespace

static void runChunk(void *context, unsigned thread, int64_t begin, int64_t end) {
  const Launch &launch = *static_cast<const Launch *>(context);
  launch.fn(launch.operands, launch.scratch + thread * launch.scratchPerThread, launch.n,
            launch.first + begin, launch.first + end);
}

void CpuDevice::launch(const NetcCommand &command, const Group &group, ItemRange items) {
  resolve(command, group);
  Launch launch{tables->kernels[command.kernel].fn,
                operands.data(),
                scratch.data(),
                scratchPerThread,
                group.size,
                items.begin};
  pool.run(items.end - items.begin, runChunk, &launch);
}

/// Each section for each group of images; a program without sections is one, for the whole batch.
void CpuDevice::run(Program, const NetcProgram &program, int64_t n, const Watch *watch) {
  const NetcSection whole{program.command_count, 0, 0, 0, 0};
  const NetcSection *sections = program.section_count ? program.sections : &whole;
  uint64_t fixedAt = imageArena(program, n), begin = 0;
  Watched watched(watch);
  for (uint64_t s = 0; s < std::max<uint64_t>(program.section_count, 1); ++s) {
    const NetcSection &section = sections[s];
    int64_t size = groupSize(section, n);
    for (int64_t first = 0; first < n; first += size) {
      Group group{first, std::min(size, n - first), uint64_t(n),
                  uint64_t(n) * section.batch_bytes_per_image, fixedAt};
      for (uint64_t i = begin; i < begin + section.command_count; ++i) {
        launch(program.commands[i], group, {0, gridItems(program.commands[i], group.size)});
        if (!watched.after(i))
          return;
      }
    }
    begin += section.command_count;
  }
}

void CpuDevice::runPart(const NetcProgram &program, int64_t n, std::span<const ItemRange> items) {
  Group group{0, n, uint64_t(n), 0, imageArena(program, n)};
  for (uint64_t i = 0; i < program.command_count; ++i)
    if (items[i].begin < items[i].end)
      launch(program.commands[i], group, items[i]);
}

} // namespace netc::runtime
