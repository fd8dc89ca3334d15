//===- EventFile.cpp - curves for TensorBoard -----------------------------===//
//
// Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
// Summary { repeated Value value = 1; }, Value { string tag = 1; float simple_value = 2; }
//
//===----------------------------------------------------------------------===//
#include "runtime/train/EventFile.h"

#include <array>
#include <bit>
#include <cmath>

namespace netc::runtime {

static constexpr std::array<uint32_t, 256> makeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t rest = i;
    for (int bit = 0; bit < 8; ++bit)
      rest = rest >> 1 ^ (rest & 1 ? 0x82F63B78u : 0);
    table[i] = rest;
  }
  return table;
}

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> table = makeTable();
  uint32_t crc = ~0u;
  for (char byte : bytes)
    crc = crc >> 8 ^ table[(crc ^ uint8_t(byte)) & 255];
  return ~crc;
}

/// Little endian.
template <typename T> static std::string fixed(T value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i)
    bytes += char(value >> (8 * i));
  return bytes;
}

static std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7)
    bytes += char(value | 128);
  return bytes + char(value);
}

// Fields of a message: the number of the field and how it is encoded, then the value.
enum Encoding : uint64_t { Varint = 0, Wide = 1, Bytes = 2, Narrow = 5 };
static std::string key(uint64_t field, Encoding encoding) { return varint(field << 3 | encoding); }
static std::string bytesField(uint64_t field, const std::string &bytes) {
  return key(field, Bytes) + varint(bytes.size()) + bytes;
}

static std::string timeField(double wallTime) {
  return key(1, Wide) + fixed(std::bit_cast<uint64_t>(wallTime));
}

/// TFRecord's masked checksum.
static std::string checksum(const std::string &bytes) {
  uint32_t crc = crc32c(bytes);
  return fixed(uint32_t((crc >> 15 | crc << 17) + 0xA282EAD8u));
}

void EventFile::addRecord(const std::string &event) {
  std::string length = fixed(uint64_t(event.size()));
  records += length + checksum(length) + event + checksum(event);
}

void EventFile::addVersion() { addRecord(timeField(wallTime) + bytesField(3, "brain.Event:2")); }

void EventFile::addScalar(const std::string &tag, int64_t step, double value) {
  if (!std::isfinite(value))
    return;
  std::string scalar =
      bytesField(1, tag) + key(2, Narrow) + fixed(std::bit_cast<uint32_t>(float(value)));
  addRecord(timeField(wallTime) + key(2, Varint) + varint(uint64_t(step)) +
            bytesField(5, bytesField(1, scalar)));
}

} // namespace netc::runtime
