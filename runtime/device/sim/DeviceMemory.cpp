//===- DeviceMemory.cpp - global memory of the simulated GPU --------------===//
#include "runtime/device/sim/DeviceMemory.h"

#include "runtime/base/Error.h"

#include <sys/mman.h>

#include <cstring>

using namespace netc::runtime::sim;

namespace {
constexpr uint64_t alignment = 512, gap = 512, page = 4096;
constexpr size_t rememberedFrees = 4096;
} // namespace

static uint64_t alignUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

DeviceMemory::DeviceMemory(uint64_t bytes) : reserved(alignUp(bytes, page)) {
  void *got = mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED)
    netc::runtime::fail("no address space for {} bytes of simulated GPU memory: {}", reserved,
                        std::strerror(errno));
  base = static_cast<char *>(got);
}

DeviceMemory::~DeviceMemory() { munmap(base, reserved); }

uint64_t DeviceMemory::allocate(uint64_t bytes, bool poison) {
  std::lock_guard<std::mutex> lock(mutex);
  uint64_t end = deviceBase + reserved;
  if (bytes == 0 || bytes > reserved)
    return 0;
  auto fits = [&](uint64_t from) -> uint64_t {
    for (;;) {
      from = alignUp(from, alignment);
      if (from > end || end - from < bytes)
        return 0;
      auto after = allocations.lower_bound(from);
      if (after != allocations.begin()) {
        auto before = std::prev(after);
        if (before->first + before->second + gap > from) {
          from = before->first + before->second + gap;
          continue;
        }
      }
      if (after == allocations.end() || after->first - from >= bytes + gap)
        return from;
      from = after->first + after->second + gap;
    }
  };
  uint64_t address = fits(next);
  if (!address)
    address = fits(deviceBase);
  if (!address)
    return 0;
  allocations[address] = bytes;
  inUse += bytes;
  next = address + bytes + gap;
  for (auto old = freed.lower_bound(address); old != freed.end() && old->first < address + bytes;)
    old = freed.erase(old);
  if (poison)
    std::memset(host(address), 0xff, bytes);
  return address;
}

bool DeviceMemory::release(uint64_t address) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = allocations.find(address);
  if (found == allocations.end())
    return false;
  // Whole pages go back to the system; the neighbours' stay.
  uint64_t first = alignUp(address - deviceBase, page),
           last = (address - deviceBase + found->second) / page * page;
  if (first < last)
    madvise(base + first, last - first, MADV_DONTNEED);
  inUse -= found->second;
  freed[address] = found->second;
  if (freed.size() > rememberedFrees)
    freed.erase(freed.begin());
  allocations.erase(found);
  return true;
}

Window DeviceMemory::find(uint64_t address) const {
  std::lock_guard<std::mutex> lock(mutex);
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return {};
  auto found = std::prev(after);
  if (address - found->first >= found->second)
    return {};
  return {found->first, found->second};
}

bool DeviceMemory::holds(uint64_t address, uint64_t bytes) const {
  if (bytes == 0)
    return true;
  Window window = find(address);
  return window.bytes != 0 && address - window.low + bytes <= window.bytes && bytes <= window.bytes;
}

std::string DeviceMemory::describe(uint64_t address) const {
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto &[low, bytes] : freed)
    if (address - low < bytes)
      return fmt::format("byte {} of an allocation of {} bytes at {:#x} that was freed",
                         address - low, bytes, low);
  auto after = allocations.upper_bound(address);
  if (after != allocations.begin()) {
    auto [low, bytes] = *std::prev(after);
    if (address - low < bytes)
      return fmt::format("byte {} of an allocation of {} bytes at {:#x}", address - low, bytes,
                         low);
    return fmt::format("{} bytes behind an allocation of {} bytes at {:#x}", address - low - bytes,
                       bytes, low);
  }
  if (after != allocations.end())
    return fmt::format("{} bytes before an allocation of {} bytes at {:#x}", after->first - address,
                       after->second, after->first);
  return "no allocation anywhere near";
}
