//===- Banks.h - what accesses to shared memory cost ------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_BANKS_H
#define NETC_RUNTIME_DEVICE_SIM_BANKS_H

#include <cstdint>

namespace netc::runtime::sim {

/// Shared memory has 32 banks of 4-byte words and moves one word of each in a pass. A warp's access
/// handles 32 lanes at once at up to 4 bytes per lane, 16 at 8 bytes, 8 at 16 bytes; lanes with the
/// same word share it. Two words of one bank are a conflict: they need another pass.
struct BankUse {
  uint64_t passes = 0;
  uint64_t conflicts = 0; ///< passes beyond one for all lanes that go at once

  void add(const BankUse &other) { passes += other.passes, conflicts += other.conflicts; }
  /// One instruction of the lanes in `mask`.
  void count(const uint64_t *addresses, uint32_t bytes, uint32_t mask);
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_BANKS_H
