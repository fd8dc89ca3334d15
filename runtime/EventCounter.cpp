//===- EventCounter.cpp - what the machine counts itself ------------------===//
#include "runtime/EventCounter.h"

#include <cerrno>
#include <cstring>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace netc::runtime {

std::unique_ptr<EventCounter> EventCounter::open(uint32_t type, uint64_t config, std::string &why) {
  perf_event_attr event{};
  event.size = sizeof event;
  event.type = type;
  event.config = config;
  event.inherit = 1; // threads made later count too
  event.exclude_kernel = event.exclude_hv = 1; // allowed to everybody up to perf_event_paranoid = 2
  event.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  long descriptor = syscall(SYS_perf_event_open, &event, /*pid=*/0, /*cpu=*/-1, /*group=*/-1, PERF_FLAG_FD_CLOEXEC);
  if (descriptor >= 0)
    return std::unique_ptr<EventCounter>(new EventCounter(int(descriptor)));
  why = std::strerror(errno);
  return nullptr;
}

EventCounter::~EventCounter() { close(descriptor); }

double EventCounter::count() const {
  struct {
    uint64_t value, enabled, running;
  } read{};
  if (::read(descriptor, &read, sizeof read) != sizeof read || read.running == 0)
    return 0;
  return double(read.value) * double(read.enabled) / double(read.running);
}

MemoryReadCounter::MemoryReadCounter() {
  auto lastCacheMiss = [](uint64_t operation) {
    return PERF_COUNT_HW_CACHE_LL | operation << 8 | uint64_t(PERF_COUNT_HW_CACHE_RESULT_MISS) << 16;
  };
  auto add = [&](uint64_t operation, std::string &why) {
    auto counter = EventCounter::open(PERF_TYPE_HW_CACHE, lastCacheMiss(operation), why);
    if (counter)
      misses.push_back(std::move(counter));
    return !misses.empty();
  };
  std::string unused;
  if (add(PERF_COUNT_HW_CACHE_OP_READ, reason))
    add(PERF_COUNT_HW_CACHE_OP_PREFETCH, unused);
}

double MemoryReadCounter::bytes() const {
  double sum = 0;
  for (const auto &counter : misses)
    sum += 64 * counter->count();
  return sum;
}

} // namespace netc::runtime
