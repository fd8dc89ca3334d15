//===- LoadStore.cpp - ld and st ------------------------------------------===//
#include "runtime/device/sim/exec/Address.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

/// All lanes run and read neighbours: the common case of global memory.
template <typename M> NETC_SIM_INLINE bool contiguous(char *const (&from)[32]) {
  uint64_t first = reinterpret_cast<uint64_t>(from[0]), different = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    different |= (reinterpret_cast<uint64_t>(from[lane]) - first) ^ (lane * sizeof(M));
  return different == 0;
}

/// M as it lies in memory, R as it lies in a register. op: the registers, then the address.
template <Space S, typename M, typename R, unsigned Count>
static void load(Warp &warp, const Instr &instr) {
  char *from[32];
  pointersOf<S>(warp, instr, instr.op[Count], sizeof(M) * Count, Access::Read, from);
  uint32_t mask = warp.exec;
  if (mask == ~0u && Count == 1 && contiguous<M>(from)) {
    M values[32];
    std::memcpy(values, from[0], sizeof values);
    R wide[32];
    NETC_SIM_LANES wide[lane] = R(values[lane]);
    put(warp, instr.op[0], wide);
    return;
  }
  if (mask != ~0u)
    NETC_SIM_LANES from[lane] = (mask >> lane) & 1 ? from[lane] : const_cast<char *>(nowhere);
  for (unsigned part = 0; part < Count; ++part) {
    R values[32];
    for (unsigned lane = 0; lane < 32; ++lane) {
      M value;
      std::memcpy(&value, from[lane] + part * sizeof(M), sizeof value);
      values[lane] = R(value);
    }
    put(warp, instr.op[part], values);
  }
}

/// op: the address, then the registers. Of two lanes at one place the higher wins.
template <Space S, typename M, typename R, unsigned Count>
static void store(Warp &warp, const Instr &instr) {
  char *to[32];
  pointersOf<S>(warp, instr, instr.op[0], sizeof(M) * Count, Access::Write, to);
  uint32_t mask = warp.exec;
  if (mask == ~0u && Count == 1 && contiguous<M>(to)) {
    const R *values = in<R>(warp, instr.op[1]);
    M narrow[32];
    NETC_SIM_LANES narrow[lane] = M(values[lane]);
    std::memcpy(to[0], narrow, sizeof narrow);
    return;
  }
  const R *values[Count];
  for (unsigned part = 0; part < Count; ++part)
    values[part] = in<R>(warp, instr.op[1 + part]);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    M narrow[Count];
    for (unsigned part = 0; part < Count; ++part)
      narrow[part] = M(values[part][lane]);
    std::memcpy(to[lane], narrow, sizeof narrow);
  }
}

namespace {
struct Loads {
  template <Space S, typename M, typename R, unsigned Count> static constexpr Handler make() {
    return load<S, M, R, Count>;
  }
};
struct Stores {
  template <Space S, typename M, typename R, unsigned Count> static constexpr Handler make() {
    if constexpr (S == Space::Param)
      return nullptr;
    else
      return store<S, M, R, Count>;
  }
};
} // namespace

template <typename A, Space S, typename M, typename R> static Handler counted(unsigned count) {
  switch (count) {
  case 1:
    return A::template make<S, M, R, 1>();
  case 2:
    return A::template make<S, M, R, 2>();
  case 4:
    return A::template make<S, M, R, 4>();
  default:
    return nullptr;
  }
}

template <typename A, Space S, typename M>
static Handler widened(unsigned registerBytes, unsigned count) {
  if constexpr (sizeof(M) <= 2)
    if (registerBytes == 2)
      return counted<A, S, M, uint16_t>(count);
  if constexpr (sizeof(M) <= 4)
    if (registerBytes == 4)
      return counted<A, S, M, uint32_t>(count);
  if (registerBytes == 8)
    return counted<A, S, M, uint64_t>(count);
  return nullptr;
}

template <typename A, Space S>
static Handler typed(Type type, unsigned registerBytes, unsigned count) {
  switch (type) {
  case Type::U8:
  case Type::B8:
    return widened<A, S, uint8_t>(registerBytes, count);
  case Type::S8:
    return widened<A, S, int8_t>(registerBytes, count);
  case Type::U16:
  case Type::B16:
  case Type::F16:
  case Type::BF16:
    return widened<A, S, uint16_t>(registerBytes, count);
  case Type::S16:
    return widened<A, S, int16_t>(registerBytes, count);
  case Type::U32:
  case Type::B32:
  case Type::F32:
    return widened<A, S, uint32_t>(registerBytes, count);
  case Type::S32:
    return widened<A, S, int32_t>(registerBytes, count);
  case Type::U64:
  case Type::S64:
  case Type::B64:
  case Type::F64:
    return count > 2 ? nullptr : widened<A, S, uint64_t>(registerBytes, count);
  default:
    return nullptr;
  }
}

template <typename A>
static Handler spaced(Space space, Type type, unsigned registerBytes, unsigned count) {
  switch (space) {
  case Space::Generic:
    return typed<A, Space::Generic>(type, registerBytes, count);
  case Space::Global:
  case Space::Const:
    return typed<A, Space::Global>(type, registerBytes, count);
  case Space::Shared:
    return typed<A, Space::Shared>(type, registerBytes, count);
  case Space::Local:
    return typed<A, Space::Local>(type, registerBytes, count);
  case Space::Param:
    return typed<A, Space::Param>(type, registerBytes, count);
  }
  return nullptr;
}

Handler selectLoad(Space space, Type type, unsigned registerBytes, unsigned count) {
  return spaced<Loads>(space, type, registerBytes, count);
}
Handler selectStore(Space space, Type type, unsigned registerBytes, unsigned count) {
  return spaced<Stores>(space, type, registerBytes, count);
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
