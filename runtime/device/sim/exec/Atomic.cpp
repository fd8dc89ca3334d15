//===- Atomic.cpp - atom and red ------------------------------------------===//
//
// Lane after lane, each a real atomic operation: blocks run at the same time.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/exec/Address.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

template <typename T, typename F> NETC_SIM_INLINE T update(T *at, F change) {
  T old;
  __atomic_load(at, &old, __ATOMIC_RELAXED);
  for (;;) {
    T next = change(old);
    if (__atomic_compare_exchange(at, &old, &next, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
      return old;
  }
}

template <Op O, typename T> NETC_SIM_INLINE T change(T old, T b, T c) {
  if constexpr (O == Op::Add)
    return T(old + b);
  if constexpr (O == Op::Min)
    return old < b ? old : b;
  if constexpr (O == Op::Max)
    return old > b ? old : b;
  if constexpr (O == Op::Exchange)
    return b;
  if constexpr (O == Op::CompareExchange)
    return old == b ? c : old;
  if constexpr (O == Op::Increment)
    return old >= b ? T(0) : T(old + 1);
  if constexpr (O == Op::Decrement)
    return old == 0 || old > b ? b : T(old - 1);
  if constexpr (std::is_integral_v<T>) {
    if constexpr (O == Op::And)
      return old & b;
    if constexpr (O == Op::Or)
      return old | b;
    if constexpr (O == Op::Xor)
      return old ^ b;
  }
  return old;
}

/// op: d, address, b, c; red has no d.
template <Space S, Op O, typename T, bool Returns>
static void atomic(Warp &warp, const Instr &instr) {
  char *at[32];
  pointersOf<S>(warp, instr, instr.op[1], sizeof(T), Access::Atomic, at);
  const T *b = in<T>(warp, instr.op[2]);
  const T *c = in<T>(warp, O == Op::CompareExchange ? instr.op[3] : instr.op[2]);
  T old[32] = {};
  for (unsigned lane = 0; lane < 32; ++lane)
    if ((warp.exec >> lane) & 1)
      old[lane] = update(reinterpret_cast<T *>(at[lane]),
                         [&](T value) { return change<O>(value, b[lane], c[lane]); });
  if constexpr (Returns)
    put(warp, instr.op[0], old);
}

template <Op O, typename T> static Handler placed(Space space, bool returns) {
  switch (space) {
  case Space::Generic:
    return returns ? atomic<Space::Generic, O, T, true> : atomic<Space::Generic, O, T, false>;
  case Space::Global:
    return returns ? atomic<Space::Global, O, T, true> : atomic<Space::Global, O, T, false>;
  case Space::Shared:
    return returns ? atomic<Space::Shared, O, T, true> : atomic<Space::Shared, O, T, false>;
  default:
    return nullptr;
  }
}

Handler selectAtomic(Space space, Op op, Type type, bool returns) {
  bool is64 = type == Type::U64 || type == Type::S64 || type == Type::B64;
  bool is32 = type == Type::U32 || type == Type::S32 || type == Type::B32;
  switch (op) {
  case Op::Add:
    if (type == Type::F32)
      return placed<Op::Add, float>(space, returns);
    if (type == Type::F64)
      return placed<Op::Add, double>(space, returns);
    return is32   ? placed<Op::Add, uint32_t>(space, returns)
           : is64 ? placed<Op::Add, uint64_t>(space, returns)
                  : nullptr;
  case Op::Min:
    return type == Type::S32   ? placed<Op::Min, int32_t>(space, returns)
           : type == Type::U32 ? placed<Op::Min, uint32_t>(space, returns)
           : type == Type::S64 ? placed<Op::Min, int64_t>(space, returns)
           : type == Type::U64 ? placed<Op::Min, uint64_t>(space, returns)
                               : nullptr;
  case Op::Max:
    return type == Type::S32   ? placed<Op::Max, int32_t>(space, returns)
           : type == Type::U32 ? placed<Op::Max, uint32_t>(space, returns)
           : type == Type::S64 ? placed<Op::Max, int64_t>(space, returns)
           : type == Type::U64 ? placed<Op::Max, uint64_t>(space, returns)
                               : nullptr;
  case Op::And:
    return is32   ? placed<Op::And, uint32_t>(space, returns)
           : is64 ? placed<Op::And, uint64_t>(space, returns)
                  : nullptr;
  case Op::Or:
    return is32   ? placed<Op::Or, uint32_t>(space, returns)
           : is64 ? placed<Op::Or, uint64_t>(space, returns)
                  : nullptr;
  case Op::Xor:
    return is32   ? placed<Op::Xor, uint32_t>(space, returns)
           : is64 ? placed<Op::Xor, uint64_t>(space, returns)
                  : nullptr;
  case Op::Exchange:
    return is32   ? placed<Op::Exchange, uint32_t>(space, returns)
           : is64 ? placed<Op::Exchange, uint64_t>(space, returns)
                  : nullptr;
  case Op::CompareExchange:
    return is32   ? placed<Op::CompareExchange, uint32_t>(space, returns)
           : is64 ? placed<Op::CompareExchange, uint64_t>(space, returns)
                  : nullptr;
  case Op::Increment:
    return type == Type::U32 ? placed<Op::Increment, uint32_t>(space, returns) : nullptr;
  case Op::Decrement:
    return type == Type::U32 ? placed<Op::Decrement, uint32_t>(space, returns) : nullptr;
  default:
    return nullptr;
  }
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
