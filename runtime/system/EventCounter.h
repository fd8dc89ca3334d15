//===- EventCounter.h - what the machine counts itself ----------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_EVENTCOUNTER_H
#define NETC_RUNTIME_SYSTEM_EVENTCOUNTER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace netc::runtime {

/// Counts one event of perf_event_open(2) in user space: of the thread that opens it and of all
/// threads that it makes later.
class EventCounter {
public:
  /// `type` and `config` as in perf_event_attr. Null if the processor or the
  /// system does not offer the event; `why` is then the kernel's reason.
  static std::unique_ptr<EventCounter> open(uint32_t type, uint64_t config, std::string &why);
  ~EventCounter();
  EventCounter(const EventCounter &) = delete;
  EventCounter &operator=(const EventCounter &) = delete;

  /// Events since it was opened, scaled to the whole time where counters had to be shared; 0 where
  /// it never ran.
  double count() const;
  /// Whether it has counted at all: the kernel may grant a counter and never schedule it.
  bool hasRun() const;

private:
  explicit EventCounter(int descriptor) : descriptor(descriptor) {}
  int descriptor;
};

/// Bytes that come from memory on demand: misses of the last cache by reads and by writes (which
/// bring their line in first), and by prefetches where those are counted too, each a line of 64
/// bytes. What hardware prefetches, on most processors, and what caches write back is not counted.
class MemoryReadCounter {
public:
  /// To be made before the threads that it is to count. Check isCounted().
  MemoryReadCounter();
  bool isCounted() const { return !misses.empty(); }
  const std::string &whyNot() const { return reason; }
  double bytes() const;

private:
  std::vector<std::unique_ptr<EventCounter>> misses;
  std::string reason;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_EVENTCOUNTER_H
