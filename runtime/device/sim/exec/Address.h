//===- Address.h - from addresses of lanes to host pointers -----*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_EXEC_ADDRESS_H
#define NETC_RUNTIME_DEVICE_SIM_EXEC_ADDRESS_H

#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

/// Where lanes that do not run read from: any load may touch it.
alignas(64) static const char nowhere[64] = {};

/// In integers: lanes that do not run may hold any address.
NETC_SIM_INLINE char *pointerAt(const char *base, uint64_t offset) {
  return reinterpret_cast<char *>(reinterpret_cast<uint64_t>(base) + offset);
}

NETC_SIM_INLINE void addressesOf(Warp &warp, const Instr &instr, uint32_t slot,
                                 uint64_t (&addresses)[32]) {
  if (instr.addressBytes == 8) {
    const uint64_t *from = in<uint64_t>(warp, slot);
    NETC_SIM_LANES addresses[lane] = from[lane] + instr.offset;
  } else {
    const uint32_t *from = in<uint32_t>(warp, slot);
    NETC_SIM_LANES addresses[lane] = uint32_t(from[lane] + uint32_t(instr.offset));
  }
}

/// Lanes of `mask` whose [address, address + bytes) is not in [low, low + size) or is misaligned.
NETC_SIM_INLINE uint32_t lanesOutside(const uint64_t (&addresses)[32], uint32_t mask, uint64_t low,
                                      uint64_t size, uint32_t bytes) {
  uint64_t room = size - bytes; // size < bytes wraps: tested below
  uint32_t bad = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    bad |= uint32_t((addresses[lane] - low > room) | ((addresses[lane] & (bytes - 1)) != 0))
           << lane;
  return size < bytes ? mask : bad & mask;
}

NETC_SIM_INLINE void globalPointers(Warp &warp, const Instr &instr, const uint64_t (&addresses)[32],
                                    uint32_t bytes, uint32_t mask, Access access, char *(&to)[32]) {
  const Window &window = warp.cached[instr.window];
  if (lanesOutside(addresses, mask, window.low, window.bytes, bytes))
    checkGlobalAccess(warp, instr, addresses, bytes, mask);
  if (warp.checks)
    recordGlobal(warp, instr, addresses, bytes, mask, access);
  char *base = warp.global;
  NETC_SIM_LANES to[lane] = pointerAt(base, addresses[lane]);
}

NETC_SIM_INLINE void sharedPointers(Warp &warp, const Instr &instr, const uint64_t (&addresses)[32],
                                    uint32_t bytes, uint32_t mask, Access access, char *(&to)[32]) {
  if (uint32_t bad = lanesOutside(addresses, mask, 0, warp.sharedBytes, bytes)) {
    unsigned lane = unsigned(__builtin_ctz(bad));
    reportBadAccess(warp, instr, addresses[lane], lane, bytes, Space::Shared);
  }
  if (warp.checks)
    recordShared(warp, instr, addresses, bytes, mask, access);
  char *base = warp.shared;
  NETC_SIM_LANES to[lane] = pointerAt(base, addresses[lane]);
}

NETC_SIM_INLINE void localPointers(Warp &warp, const Instr &instr, const uint64_t (&addresses)[32],
                                   uint32_t bytes, uint32_t mask, char *(&to)[32]) {
  if (uint32_t bad = lanesOutside(addresses, mask, 0, warp.localBytes, bytes)) {
    unsigned lane = unsigned(__builtin_ctz(bad));
    reportBadAccess(warp, instr, addresses[lane], lane, bytes, Space::Local);
  }
  NETC_SIM_LANES to[lane] = pointerAt(warp.local, lane * warp.localBytes + addresses[lane]);
}

NETC_SIM_INLINE void parameterPointers(Warp &warp, const Instr &instr,
                                       const uint64_t (&addresses)[32], uint32_t bytes,
                                       uint32_t mask, char *(&to)[32]) {
  if (uint32_t bad = lanesOutside(addresses, mask, 0, warp.parameterBytes, bytes)) {
    unsigned lane = unsigned(__builtin_ctz(bad));
    reportBadAccess(warp, instr, addresses[lane], lane, bytes, Space::Param);
  }
  char *base = const_cast<char *>(warp.parameters);
  NETC_SIM_LANES to[lane] = pointerAt(base, addresses[lane]);
}

/// Each lane by the window that its address lies in.
static inline void genericPointers(Warp &warp, const Instr &instr, const uint64_t (&addresses)[32],
                                   uint32_t bytes, uint32_t mask, Access access, char *(&to)[32]) {
  uint32_t shared = 0, local = 0, parameter = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    shared |= uint32_t(addresses[lane] - sharedWindow < windowBytes) << lane;
    local |= uint32_t(addresses[lane] - localWindow < windowBytes) << lane;
    parameter |= uint32_t(addresses[lane] - parameterWindow < windowBytes) << lane;
  }
  uint32_t global = mask & ~shared & ~local & ~parameter;
  if (global)
    globalPointers(warp, instr, addresses, bytes, global, access, to);
  if (global == mask)
    return;
  uint64_t offsets[32];
  NETC_SIM_LANES offsets[lane] = addresses[lane] & (windowBytes - 1);
  char *found[32];
  auto merge = [&](uint32_t which) {
    for (unsigned lane = 0; lane < 32; ++lane)
      if ((which >> lane) & 1)
        to[lane] = found[lane];
  };
  if (shared & mask) {
    sharedPointers(warp, instr, offsets, bytes, shared & mask, access, found);
    merge(shared);
  }
  if (local & mask) {
    localPointers(warp, instr, offsets, bytes, local & mask, found);
    merge(local);
  }
  if (parameter & mask) {
    if (access != Access::Read)
      reportFault(warp, instr, parameter & mask, "write to parameters",
                  "parameters of a kernel are read only");
    parameterPointers(warp, instr, offsets, bytes, parameter & mask, found);
    merge(parameter);
  }
}

/// Valid host pointers for the lanes of exec; every fault is reported before.
template <Space S>
__attribute__((noinline)) static void pointersOf(Warp &warp, const Instr &instr, uint32_t slot,
                                                 uint32_t bytes, Access access, char *(&to)[32]) {
  uint64_t addresses[32];
  addressesOf(warp, instr, slot, addresses);
  uint32_t mask = warp.exec;
  if constexpr (S == Space::Global)
    globalPointers(warp, instr, addresses, bytes, mask, access, to);
  else if constexpr (S == Space::Shared)
    sharedPointers(warp, instr, addresses, bytes, mask, access, to);
  else if constexpr (S == Space::Local)
    localPointers(warp, instr, addresses, bytes, mask, to);
  else if constexpr (S == Space::Param)
    parameterPointers(warp, instr, addresses, bytes, mask, to);
  else
    genericPointers(warp, instr, addresses, bytes, mask, access, to);
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL

#endif // NETC_RUNTIME_DEVICE_SIM_EXEC_ADDRESS_H
