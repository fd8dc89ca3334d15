//===- CacheSize.cpp - how much of a batch stays near ---------------------===//
#include "runtime/system/CacheSize.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include <sched.h>

namespace netc::runtime {

int firstCpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set))
      return cpu;
  return 0;
}

/// "32768K"
static uint64_t parseSize(const std::string &text) {
  size_t end = 0;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9')
    ++end;
  if (end == 0 || end > 12)
    return 0;
  uint64_t value = std::stoull(text.substr(0, end));
  char unit = end < text.size() ? text[end] : 0;
  return unit == 'K' ? value << 10 : unit == 'M' ? value << 20 : unit == 'G' ? value << 30 : value;
}

uint64_t lastCacheBytes(const std::string &root, int cpu) {
  uint64_t largest = 0;
  for (int index = 0; index < 16; ++index) {
    std::ifstream file(fmt::format("{}/cpu{}/cache/index{}/size", root, cpu, index));
    std::string size;
    if (!(file >> size))
      break;
    largest = std::max(largest, parseSize(size));
  }
  return largest;
}

} // namespace netc::runtime
