//===- Philox.h - the counter-based generator -------------------*- C++ -*-===//
//
// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). Every draw is a pure function of (seed, stream, item, epoch, index):
// no state is shared, so the numbers do not depend on which thread draws them.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_BASE_PHILOX_H
#define NETC_RUNTIME_BASE_PHILOX_H

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace netc::runtime {

/// What numbers are drawn for. Streams of one seed are independent.
enum class Stream : uint32_t {
  Initialize = 1,
  Shuffle = 2,
  Augment = 3,
  Mix = 4,
  Synthetic = 5,
  Bench = 6,
  StandIn = 7,
};

/// The bare bijection: ten rounds of Philox 4x32.
inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                          std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t(0xD2511F53u) * counter[0];
    uint64_t p1 = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(p1 >> 32) ^ counter[1] ^ key[0], uint32_t(p1),
               uint32_t(p0 >> 32) ^ counter[3] ^ key[1], uint32_t(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// Finalizer of splitmix64: spreads seeds that differ in few bits.
inline uint64_t mixBits(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

/// FNV-1a over bytes; names become generator items, files become fingerprints.
inline uint64_t hashBytes(std::string_view bytes, uint64_t hash = 0xCBF29CE484222325ull) {
  for (unsigned char c : bytes)
    hash = (hash ^ c) * 0x100000001B3ull;
  return hash;
}

/// The sequence of draws that belongs to one (seed, stream, item, epoch).
class Philox {
public:
  Philox(uint64_t seed, Stream stream, uint64_t item = 0, uint32_t epoch = 0)
      : counter{0, epoch, uint32_t(item), uint32_t(item >> 32)} {
    uint64_t mixed = mixBits(seed ^ (uint64_t(stream) << 56));
    key = {uint32_t(mixed), uint32_t(mixed >> 32)};
  }

  /// Goes on with draw `index`, a multiple of 4, counted from the first.
  void seek(uint64_t index) {
    counter[0] = uint32_t(index / 4);
    used = 4;
    haveSpare = false;
  }

  uint32_t next() {
    if (used == 4) {
      block = philox4x32(counter, key);
      ++counter[0];
      used = 0;
    }
    return block[used++];
  }

  /// Uniform in [0, 1), 24 bits.
  double uniform() { return (next() >> 8) * 0x1p-24; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Uniform in [0, n), without bias (Lemire 2019). n > 0.
  uint32_t below(uint32_t n) {
    uint64_t product = uint64_t(next()) * n;
    if (uint32_t(product) < n) {
      uint32_t threshold = -n % n;
      while (uint32_t(product) < threshold)
        product = uint64_t(next()) * n;
    }
    return uint32_t(product >> 32);
  }

  /// Standard normal (Box-Muller; both values of a pair are used).
  double normal() {
    if (haveSpare) {
      haveSpare = false;
      return spare;
    }
    // (0, 1]: the logarithm stays finite.
    double u = (double(next()) + 1.0) * 0x1p-32;
    double angle = 6.283185307179586 * (double(next()) * 0x1p-32);
    double radius = std::sqrt(-2.0 * std::log(u));
    spare = radius * std::sin(angle);
    haveSpare = true;
    return radius * std::cos(angle);
  }

private:
  std::array<uint32_t, 4> counter;
  std::array<uint32_t, 2> key;
  std::array<uint32_t, 4> block{};
  int used = 4;
  double spare = 0;
  bool haveSpare = false;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_PHILOX_H
