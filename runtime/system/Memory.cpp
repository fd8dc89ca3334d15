//===- Memory.cpp - large buffers and what may still be had ---------------===//
#include "runtime/system/Memory.h"

#include "runtime/base/Error.h"
#include "runtime/system/ControlGroup.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

namespace netc::runtime {

static constexpr uint64_t hugePage = 2u << 20;

Region::Region(uint64_t bytes, const char *what) : bytes(bytes) {
  uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  // The spare line lets kernels load a whole vector at the last element.
  uint64_t wanted = (saturatingMulAdd(bytes, 1, 64) + page - 1) / page * page;
  bool huge = bytes >= 4 * hugePage;
  if (huge)
    wanted += hugePage; // address space only, to align in
  mapping = wanted < bytes
                ? MAP_FAILED
                : mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    mapping = nullptr;
    fail("no memory for {}: {} needed, {} available", what, describeBytes(bytes),
         shortBytes(availableMemory()));
  }
  base = static_cast<char *>(mapping);
  mapped = wanted;
  if (!huge)
    return;
  base += -reinterpret_cast<uintptr_t>(base) % hugePage;
  madvise(mapping, wanted, MADV_HUGEPAGE);
}

void releasePages(char *begin, char *end) {
  auto page = uintptr_t(sysconf(_SC_PAGESIZE));
  uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page,
            last = reinterpret_cast<uintptr_t>(end) / page * page;
  if (first < last)
    madvise(begin + (first - reinterpret_cast<uintptr_t>(begin)), last - first, MADV_DONTNEED);
}

Region::Region(Region &&other) noexcept
    : base(std::exchange(other.base, nullptr)), bytes(std::exchange(other.bytes, 0)),
      mapping(std::exchange(other.mapping, nullptr)), mapped(std::exchange(other.mapped, 0)) {}

Region &Region::operator=(Region &&other) noexcept {
  std::swap(base, other.base);
  std::swap(bytes, other.bytes);
  std::swap(mapping, other.mapping);
  std::swap(mapped, other.mapped);
  return *this;
}

Region::~Region() {
  if (mapping)
    munmap(mapping, mapped);
}

static std::optional<uint64_t> readNumber(const std::string &path) {
  std::ifstream in(path);
  uint64_t value;
  if (in >> value)
    return value;
  return std::nullopt; // absent, or "max"
}

/// The value behind `key` in a file of "key value" lines.
static std::optional<uint64_t> readKeyed(const std::string &path, const std::string &key) {
  std::ifstream in(path);
  std::string name;
  uint64_t value;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    if (fields >> name >> value && name == key)
      return value;
  }
  return std::nullopt;
}

/// What the process's groups leave. Inactive page cache counts as free: the
/// kernel drops it before it refuses memory.
static uint64_t controlGroupMemory() {
  uint64_t left = UINT64_MAX;
  for (const ControlGroup &group : controlGroups("memory")) {
    auto limit =
        readNumber(group.folder + (group.unified ? "memory.max" : "memory.limit_in_bytes"));
    auto usage =
        readNumber(group.folder + (group.unified ? "memory.current" : "memory.usage_in_bytes"));
    if (!limit || !usage)
      continue;
    uint64_t cache = readKeyed(group.folder + "memory.stat",
                               group.unified ? "inactive_file" : "total_inactive_file")
                         .value_or(0);
    uint64_t used = *usage - std::min(*usage, cache);
    left = std::min(left, *limit - std::min(*limit, used));
  }
  return left;
}

static uint64_t addressSpaceLeft() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  uint64_t pages = readNumber("/proc/self/statm").value_or(0);
  uint64_t used = pages * uint64_t(sysconf(_SC_PAGESIZE));
  return limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, used);
}

uint64_t residentBytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * uint64_t(sysconf(_SC_PAGESIZE));
}

uint64_t availableMemory() {
  uint64_t system = UINT64_MAX;
  if (auto kib = readKeyed("/proc/meminfo", "MemAvailable:"))
    system = *kib * 1024;
  return std::min({system, controlGroupMemory(), addressSpaceLeft()});
}

std::string shortBytes(uint64_t bytes) {
  if (bytes == UINT64_MAX)
    return "more than 16 EiB";
  static constexpr const char *units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = double(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 5; ++unit)
    value /= 1024;
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

std::string describeBytes(uint64_t bytes) {
  if (bytes < 1024 || bytes == UINT64_MAX)
    return shortBytes(bytes);
  return fmt::format("{} bytes ({})", bytes, shortBytes(bytes));
}

/// Of one `unit` in lower case: "", "b", "g", "gb", "gi", "gib"; nothing where there is no such
/// unit.
static std::optional<uint64_t> unitBytes(std::string unit) {
  if (unit.empty() || unit == "b")
    return 1;
  if (unit.ends_with('b'))
    unit.pop_back();
  uint64_t thousand = unit.ends_with('i') ? 1024 : 1000;
  if (thousand == 1024)
    unit.pop_back();
  size_t power = std::string_view("kmgtpe").find(unit);
  if (unit.size() != 1 || power == std::string_view::npos)
    return std::nullopt;
  uint64_t bytes = thousand;
  for (size_t i = 0; i < power; ++i)
    bytes *= thousand;
  return bytes;
}

std::optional<uint64_t> parseBytes(const std::string &text) {
  size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  size_t unitBegin = std::min(text.find_first_not_of(' ', end), text.size());
  std::string unitName = text.substr(unitBegin);
  for (char &c : unitName)
    c = char(std::tolower(static_cast<unsigned char>(c)));
  std::optional<uint64_t> unit = unitBytes(unitName);
  if (end == 0 || !unit)
    return std::nullopt;
  const char *begin = text.data(), *after = begin + end;
  uint64_t whole = 0, bytes = 0;
  auto [wholeEnd, error] = std::from_chars(begin, after, whole);
  if (error == std::errc() && wholeEnd == after) {
    if (__builtin_mul_overflow(whole, *unit, &bytes))
      return std::nullopt;
  } else {
    double part = 0;
    auto [partEnd, wrong] = std::from_chars(begin, after, part);
    if (wrong != std::errc() || partEnd != after || !(part * double(*unit) < 0x1p63))
      return std::nullopt;
    bytes = uint64_t(part * double(*unit));
  }
  return bytes >= 1 && bytes <= INT64_MAX ? std::optional(bytes) : std::nullopt;
}

uint64_t peakResidentBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return uint64_t(usage.ru_maxrss) * 1024;
}

uint64_t saturatingMulAdd(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t product, sum;
  if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(product, c, &sum))
    return UINT64_MAX;
  return sum;
}

} // namespace netc::runtime
