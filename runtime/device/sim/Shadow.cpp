//===- Shadow.cpp - who touched which bytes -------------------------------===//
#include "runtime/device/sim/Shadow.h"

#include "runtime/base/Error.h"
#include "runtime/device/sim/DeviceMemory.h"

#include <sys/mman.h>

#include <cstring>

using namespace netc::runtime::sim;

void WarpClocks::reset() {
  std::memset(known, 0, sizeof known);
  std::memset(fenced, 0, sizeof fenced);
  for (uint32_t &clock : own)
    clock = 1;
}

// A stamp: clock : 20, agent : 6, lane : 6. Lane 32 stands for several of the warp.
static constexpr unsigned several = 32;
static uint32_t stamp(uint32_t clock, unsigned warp, unsigned lane) {
  return clock << 12 | warp << 6 | lane;
}
static unsigned laneOf(uint32_t stamp) { return stamp & 63; }
static unsigned warpOf(uint32_t stamp) { return (stamp >> 6) & 63; }
static uint32_t clockOf(uint32_t stamp) { return stamp >> 12; }

static unsigned threadOf(uint32_t stamp) {
  if (warpOf(stamp) >= maximumWarps)
    return bulkCopies;
  return laneOf(stamp) == several ? severalThreads : warpOf(stamp) * lanes + laneOf(stamp);
}

/// No barrier lies between the access of that stamp and what the lane does now.
static bool concurrent(uint32_t other, const WarpClocks &clocks, unsigned warp, unsigned lane) {
  if (!other || (warpOf(other) == warp && laneOf(other) == lane))
    return false;
  return clockOf(other) > clocks.known[warp][warpOf(other)];
}

void SharedShadow::reset(uint64_t bytes) {
  words.resize((bytes + 3) / 4);
  if (!words.empty())
    std::memset(static_cast<void *>(words.data()), 0, words.size() * sizeof(Word));
}

void SharedShadow::forgetStamps() {
  for (Word &word : words)
    word.write = word.firstRead = word.secondRead = 0;
}

SharedVerdict SharedShadow::read(Word &word, const WarpClocks &clocks, unsigned warp, unsigned lane,
                                 uint32_t bytes) {
  if (word.object)
    return {SharedFault::BarrierObject, 0};
  if (word.inFlight & bytes)
    return {SharedFault::InFlight, threadOf(word.write)};
  if ((word.written & bytes) != bytes)
    return {SharedFault::Unwritten, 0};
  if ((word.writeBytes & bytes) && concurrent(word.write, clocks, warp, lane))
    return {SharedFault::ReadAfterWrite, threadOf(word.write)};
  uint32_t mine = stamp(clocks.own[warp], warp, lane);
  auto sameSpan = [&](uint32_t other) { return (other | 63) == (mine | 63); };
  if (word.firstRead == mine || sameSpan(word.firstRead)) {
    if (word.firstRead != mine)
      word.firstRead = stamp(clocks.own[warp], warp, several);
    word.firstBytes |= bytes;
  } else if (!concurrent(word.firstRead, clocks, warp, lane)) {
    word.firstRead = mine;
    word.firstBytes = bytes;
  } else if (sameSpan(word.secondRead)) {
    if (word.secondRead != mine)
      word.secondRead = stamp(clocks.own[warp], warp, several);
    word.secondBytes |= bytes;
  } else {
    word.secondRead = mine;
    word.secondBytes = bytes;
  }
  return {};
}

SharedVerdict SharedShadow::write(Word &word, const WarpClocks &clocks, unsigned warp,
                                  unsigned lane, uint32_t bytes, bool atomic) {
  if (word.object)
    return {SharedFault::BarrierObject, 0};
  if (word.inFlight & bytes)
    return {SharedFault::InFlight, threadOf(word.write)};
  if (word.asyncReads)
    return {SharedFault::BeingRead, 0};
  if ((word.writeBytes & bytes) && !(atomic && word.atomic) &&
      concurrent(word.write, clocks, warp, lane))
    return {SharedFault::WriteAfterWrite, threadOf(word.write)};
  if ((word.firstBytes & bytes) && concurrent(word.firstRead, clocks, warp, lane))
    return {SharedFault::WriteAfterRead, threadOf(word.firstRead)};
  if ((word.secondBytes & bytes) && concurrent(word.secondRead, clocks, warp, lane))
    return {SharedFault::WriteAfterRead, threadOf(word.secondRead)};
  if (atomic && (word.written & bytes) != bytes)
    return {SharedFault::Unwritten, 0};
  uint32_t mine = stamp(clocks.own[warp], warp, lane);
  word.writeBytes = word.write == mine ? word.writeBytes | bytes : bytes;
  word.write = mine;
  word.atomic = atomic;
  word.written |= bytes;
  return {};
}

/// Calls `each(word, bytes of it)` for the words of [address, address + bytes).
template <typename Words, typename F>
static SharedVerdict forWords(Words &words, uint64_t address, uint32_t bytes, F each) {
  for (uint64_t at = address, end = address + bytes; at < end;) {
    uint32_t first = uint32_t(at & 3);
    uint32_t taken = uint32_t(std::min<uint64_t>(4 - first, end - at));
    if (SharedVerdict verdict = each(words[at / 4], ((1u << taken) - 1) << first);
        verdict.fault != SharedFault::None)
      return verdict;
    at += taken;
  }
  return {};
}

SharedVerdict SharedShadow::access(const WarpClocks &clocks, unsigned warp, unsigned lane,
                                   uint64_t address, uint32_t bytes, Access access) {
  return forWords(words, address, bytes, [&](Word &word, uint32_t part) {
    return access == Access::Read ? read(word, clocks, warp, lane, part)
                                  : write(word, clocks, warp, lane, part, access == Access::Atomic);
  });
}

SharedVerdict SharedShadow::issue(const WarpClocks &clocks, unsigned warp, unsigned lane,
                                  uint64_t address, uint32_t bytes) {
  return forWords(words, address, bytes, [&](Word &word, uint32_t part) {
    SharedVerdict verdict = write(word, clocks, warp, lane, part, false);
    word.inFlight |= part;
    return verdict;
  });
}

void SharedShadow::land(const WarpClocks &clocks, unsigned warp, unsigned lane, uint64_t address,
                        uint32_t bytes) {
  forWords(words, address, bytes, [&](Word &word, uint32_t part) {
    word.inFlight &= ~part;
    word.written |= part;
    word.write = stamp(clocks.own[warp], warp, lane);
    word.writeBytes |= part;
    return SharedVerdict();
  });
}

/// Whether what was written last was written by a thread that did not execute fence.proxy.async
/// after it: the asynchronous proxy may not see it. The ISA lets the fence stand anywhere on the
/// way from the write to the access; here it must follow the write in its own thread, as NVIDIA's
/// guides have it.
static bool unfenced(uint32_t write, const WarpClocks &clocks) {
  return write && warpOf(write) < maximumWarps &&
         clockOf(write) > clocks.fenced[warpOf(write)][laneOf(write)];
}

SharedVerdict SharedShadow::issueBulk(const WarpClocks &clocks, unsigned warp, unsigned lane,
                                      uint64_t address, uint32_t bytes) {
  return forWords(words, address, bytes, [&](Word &word, uint32_t part) {
    if ((word.writeBytes & part) && !(word.inFlight & part) && unfenced(word.write, clocks) &&
        !concurrent(word.write, clocks, warp, lane))
      return SharedVerdict{SharedFault::Unfenced, threadOf(word.write)};
    SharedVerdict verdict = write(word, clocks, warp, lane, part, false);
    word.inFlight |= part;
    return verdict;
  });
}

void SharedShadow::landBulk(const WarpClocks &clocks, unsigned agent, uint64_t address,
                            uint32_t bytes) {
  land(clocks, agent, 0, address, bytes);
}

SharedVerdict SharedShadow::beginRead(const WarpClocks &clocks, unsigned warp, uint64_t address,
                                      uint32_t bytes, unsigned lane) {
  return forWords(words, address, bytes, [&](Word &word, uint32_t part) -> SharedVerdict {
    if (word.object)
      return {SharedFault::BarrierObject, 0};
    if (word.inFlight & part)
      return {SharedFault::InFlight, threadOf(word.write)};
    if ((word.written & part) != part)
      return {SharedFault::Unwritten, 0};
    if (word.writeBytes & part) {
      if (concurrent(word.write, clocks, warp, lane))
        return {SharedFault::ReadAfterWrite, threadOf(word.write)};
      if (unfenced(word.write, clocks))
        return {SharedFault::Unfenced, threadOf(word.write)};
    }
    if (word.asyncReads < 255)
      ++word.asyncReads;
    return {};
  });
}

void SharedShadow::endRead(const WarpClocks &clocks, unsigned warp, uint64_t address,
                           uint32_t bytes, unsigned lane) {
  forWords(words, address, bytes, [&](Word &word, uint32_t part) {
    if (word.asyncReads)
      --word.asyncReads;
    read(word, clocks, warp, lane, part);
    return SharedVerdict();
  });
}

void SharedShadow::setObject(uint64_t address, bool isObject) {
  forWords(words, address, 8, [&](Word &word, uint32_t part) {
    word.object = isObject;
    word.written = isObject ? word.written : word.written & ~part;
    return SharedVerdict();
  });
}

// Numbers of blocks are stored plus one.
namespace {
constexpr uint64_t field = (1 << 24) - 1, nobody = 0, many = field, atomics = field - 1,
                   parted = field - 2;
} // namespace

static uint64_t packWord(uint64_t launch, uint64_t writer, uint64_t reader) {
  return launch << 48 | writer << 24 | reader;
}

GlobalShadow::GlobalShadow(uint64_t bytes) : count(bytes / 4) {
  void *got = mmap(nullptr, count * 8, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED)
    netc::runtime::fail("no address space for the race checks of simulated GPU memory: {}",
                        std::strerror(errno));
  words = static_cast<std::atomic<uint64_t> *>(got);
}

GlobalShadow::~GlobalShadow() { munmap(static_cast<void *>(words), count * 8); }

void GlobalShadow::beginLaunch() {
  if (++launch > 0xffff) {
    madvise(static_cast<void *>(words), count * 8, MADV_DONTNEED);
    launch = 1;
  }
}

GlobalShadow::Verdict GlobalShadow::access(uint64_t address, uint64_t block, Access access,
                                           bool wholeWord) {
  std::atomic<uint64_t> &word = words[(address - deviceBase) / 4];
  uint64_t me = block + 1, old = word.load(std::memory_order_relaxed), next;
  do {
    bool stale = old >> 48 != launch;
    uint64_t writer = stale ? nobody : (old >> 24) & field, reader = stale ? nobody : old & field;
    if (writer == parted)
      return {};
    Verdict wrote{true, true, writer == atomics ? ~uint64_t(0) : writer - 1};
    if (access == Access::Read) {
      if (writer != nobody && writer != me)
        return wrote;
      reader = reader == nobody || reader == me ? me : many;
    } else {
      bool isAtomic = access == Access::Atomic;
      if (writer != nobody && writer != me && !(isAtomic && writer == atomics)) {
        if (wholeWord)
          return wrote;
        next = packWord(launch, parted, nobody);
        continue;
      }
      if (reader != nobody && reader != me && wholeWord)
        return {true, false, reader == many ? ~uint64_t(0) : reader - 1};
      writer = isAtomic ? atomics : me;
    }
    next = packWord(launch, writer, reader);
    if (next == old)
      return {};
  } while (!word.compare_exchange_weak(old, next, std::memory_order_relaxed));
  return {};
}
