//===- EventCounter.cpp - what the machine counts itself ------------------===//
#include "runtime/system/EventCounter.h"

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
  event.inherit = 1;                           // threads made later count too
  event.exclude_kernel = event.exclude_hv = 1; // allowed to everybody up to perf_event_paranoid = 2
  event.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  long descriptor = syscall(SYS_perf_event_open, &event, /*pid=*/0, /*cpu=*/-1, /*group=*/-1,
                            PERF_FLAG_FD_CLOEXEC);
  if (descriptor >= 0)
    return std::unique_ptr<EventCounter>(new EventCounter(int(descriptor)));
  why = std::strerror(errno);
  return nullptr;
}

EventCounter::~EventCounter() { close(descriptor); }

namespace {
struct Reading {
  uint64_t value = 0, enabled = 0, running = 0;
};
} // namespace

static Reading readFrom(int descriptor) {
  Reading reading;
  return ::read(descriptor, &reading, sizeof reading) == sizeof reading ? reading : Reading();
}

double EventCounter::count() const {
  Reading reading = readFrom(descriptor);
  return reading.running ? double(reading.value) * double(reading.enabled) / double(reading.running)
                         : 0;
}

bool EventCounter::hasRun() const { return readFrom(descriptor).running != 0; }

MemoryReadCounter::MemoryReadCounter() {
  auto lastCacheMiss = [](uint64_t operation) {
    return PERF_COUNT_HW_CACHE_LL | operation << 8 |
           uint64_t(PERF_COUNT_HW_CACHE_RESULT_MISS) << 16;
  };
  auto add = [&](uint64_t operation, std::string &why) {
    auto counter = EventCounter::open(PERF_TYPE_HW_CACHE, lastCacheMiss(operation), why);
    if (!counter)
      return false;
    for (volatile int i = 0; i < 100000; i = i + 1) { // gives it its turn
    }
    if (!counter->hasRun()) {
      why = "the counter never runs";
      return false;
    }
    misses.push_back(std::move(counter));
    return true;
  };
  std::string unused;
  if (add(PERF_COUNT_HW_CACHE_OP_READ, reason)) {
    add(PERF_COUNT_HW_CACHE_OP_WRITE, unused);
    add(PERF_COUNT_HW_CACHE_OP_PREFETCH, unused);
  }
}

double MemoryReadCounter::bytes() const {
  double sum = 0;
  for (const auto &counter : misses)
    sum += 64 * counter->count();
  return sum;
}

} // namespace netc::runtime
