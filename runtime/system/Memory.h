//===- Memory.h - large buffers and what may still be had -------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_MEMORY_H
#define NETC_RUNTIME_SYSTEM_MEMORY_H

#include <cstdint>
#include <optional>
#include <string>

namespace netc::runtime {

/// Zero-filled, page-aligned memory with a spare cache line behind it; it goes
/// back to the system with the object. Huge pages are asked for.
class Region {
public:
  Region() = default;
  /// Fails with an Error that names `what` when the system has no such memory.
  Region(uint64_t bytes, const char *what);
  Region(Region &&other) noexcept;
  Region &operator=(Region &&other) noexcept;
  ~Region();

  char *data() const { return base; }
  uint64_t size() const { return bytes; }
  template <typename T> T *as() const { return reinterpret_cast<T *>(base); }

private:
  char *base = nullptr;
  uint64_t bytes = 0;
  void *mapping = nullptr; // begins before `base` where that is aligned to a huge page
  uint64_t mapped = 0;
};

/// Gives back the memory of whole pages within [begin, end) of a Region; they are zero then.
void releasePages(char *begin, char *end);

/// Bytes that this process may still allocate: the least of MemAvailable, what
/// the control groups leave, and what RLIMIT_AS leaves.
uint64_t availableMemory();

/// "1234567890 bytes (1.15 GiB)"
std::string describeBytes(uint64_t bytes);

/// "1.15 GiB"
std::string shortBytes(uint64_t bytes);

/// "4GiB", "1.5 GB", "500m", "1048576": units of 1000 or, with an i, of 1024, in any case. Nothing
/// where the text is no such amount, or none from 1 byte to 2^63 - 1.
std::optional<uint64_t> parseBytes(const std::string &text);

/// Peak resident set of this process in bytes.
uint64_t peakResidentBytes();

/// What this process has resident now.
uint64_t residentBytes();

/// a * b + c, or UINT64_MAX where that overflows.
uint64_t saturatingMulAdd(uint64_t a, uint64_t b, uint64_t c);

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_MEMORY_H
