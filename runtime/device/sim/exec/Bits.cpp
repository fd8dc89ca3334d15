//===- Bits.cpp - logic, shifts, fields, permutations ---------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
struct AndOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a & b; }
};
struct OrOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a | b; }
};
struct XorOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a ^ b; }
};
struct NotOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) { return T(~a); }
};
struct LogicalNotOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) { return T(a == 0); }
};
// Counts beyond the width are clamped to it.
struct ShlOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, uint32_t b) {
    return b < 8 * sizeof(T) ? T(uint64_t(a) << (b & 63)) : T(0);
  }
};
struct ShrOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, uint32_t b) {
    uint32_t most = 8 * sizeof(T) - 1;
    if constexpr (T(-1) < T(0))
      return T(a >> (b < most ? b : most));
    return b <= most ? T(a >> (b & most)) : T(0);
  }
};
template <bool Clamp> struct FunnelLeftOp {
  NETC_SIM_INLINE uint32_t apply(uint32_t low, uint32_t high, uint32_t count) {
    uint32_t n = Clamp ? (count < 32 ? count : 32) : count & 31;
    return uint32_t((((uint64_t(high) << 32) | low) << n) >> 32);
  }
};
template <bool Clamp> struct FunnelRightOp {
  NETC_SIM_INLINE uint32_t apply(uint32_t low, uint32_t high, uint32_t count) {
    uint32_t n = Clamp ? (count < 32 ? count : 32) : count & 31;
    return uint32_t(((uint64_t(high) << 32) | low) >> n);
  }
};
NETC_SIM_INLINE uint32_t bitCount(uint64_t a) { return uint32_t(__builtin_popcountll(a)); }
template <unsigned Bits> struct ClzOp {
  template <typename T> NETC_SIM_INLINE uint32_t apply(T a) {
    return a ? uint32_t(__builtin_clzll(uint64_t(a))) - (64 - Bits) : Bits;
  }
};
struct PopcOp {
  template <typename T> NETC_SIM_INLINE uint32_t apply(T a) { return bitCount(a); }
};
struct BrevOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) {
    if constexpr (sizeof(T) == 4)
      return __builtin_bitreverse32(a);
    else
      return __builtin_bitreverse64(a);
  }
};
/// Position of the highest bit that is not a copy of the sign; all ones for none.
template <typename T, bool ShiftAmount> struct FindOp {
  NETC_SIM_INLINE uint32_t apply(T a) {
    uint64_t bits = T(-1) < T(0) && a < 0 ? uint64_t(~int64_t(a)) : uint64_t(a);
    if constexpr (sizeof(T) == 4)
      bits &= 0xffffffffu;
    if (!bits)
      return ~0u;
    uint32_t at = 63 - uint32_t(__builtin_clzll(bits));
    return ShiftAmount ? uint32_t(8 * sizeof(T) - 1) - at : at;
  }
};
struct ExtractOp { // PTX ISA, bfe
  template <typename T> NETC_SIM_INLINE T apply(T a, uint32_t b, uint32_t c) {
    constexpr uint32_t most = 8 * sizeof(T) - 1;
    uint32_t at = b & 0xff, length = c & 0xff;
    bool isSigned = T(-1) < T(0);
    uint64_t bits = uint64_t(a) & (most == 31 ? 0xffffffffu : ~uint64_t(0));
    uint32_t last = at + length - 1 < most ? at + length - 1 : most;
    uint64_t sign = !isSigned || length == 0 ? 0 : (bits >> last) & 1;
    uint64_t result = sign ? ~uint64_t(0) : 0;
    if (length && at <= most) {
      uint32_t taken = length < most + 1 - at ? length : most + 1 - at;
      uint64_t mask = taken > 63 ? ~uint64_t(0) : (uint64_t(1) << taken) - 1;
      result = (result & ~mask) | ((bits >> at) & mask);
    }
    return T(result);
  }
};
struct InsertOp { // PTX ISA, bfi: a into b
  template <typename T> NETC_SIM_INLINE T apply(T a, T b, uint32_t c, uint32_t d) {
    constexpr uint32_t width = 8 * sizeof(T);
    uint32_t at = c & 0xff, length = d & 0xff;
    if (!length || at >= width)
      return b;
    uint32_t taken = length < width - at ? length : width - at;
    uint64_t mask = (taken > 63 ? ~uint64_t(0) : (uint64_t(1) << taken) - 1) << at;
    return T((b & ~mask) | ((uint64_t(a) << at) & mask));
  }
};
struct PermuteOp {
  NETC_SIM_INLINE uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
    uint64_t bytes = (uint64_t(b) << 32) | a;
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; ++k) {
      uint32_t select = (c >> (4 * k)) & 15;
      uint32_t byte = uint32_t(bytes >> (8 * (select & 7))) & 0xff;
      if (select & 8)
        byte = byte & 0x80 ? 0xff : 0;
      result |= byte << (8 * k);
    }
    return result;
  }
};
} // namespace

template <typename T, typename F> static void toWord(Warp &warp, const Instr &instr) {
  unary<uint32_t, T, F>(warp, instr);
}
template <typename T> static void extract(Warp &warp, const Instr &instr) {
  ternary<T, T, uint32_t, uint32_t, ExtractOp>(warp, instr);
}
template <typename T> static void insert(Warp &warp, const Instr &instr) {
  const T *a = in<T>(warp, instr.op[1]), *b = in<T>(warp, instr.op[2]);
  const uint32_t *c = in<uint32_t>(warp, instr.op[3]), *d = in<uint32_t>(warp, instr.op[4]);
  T values[32];
  NETC_SIM_LANES values[lane] = InsertOp::apply(a[lane], b[lane], c[lane], d[lane]);
  put(warp, instr.op[0], values);
}
static void lop3(Warp &warp, const Instr &instr) {
  const uint32_t *a = in<uint32_t>(warp, instr.op[1]), *b = in<uint32_t>(warp, instr.op[2]),
                 *c = in<uint32_t>(warp, instr.op[3]);
  uint32_t table[8];
  for (unsigned row = 0; row < 8; ++row)
    table[row] = (instr.mode >> row) & 1 ? ~0u : 0;
  uint32_t values[32];
  NETC_SIM_LANES {
    uint32_t x = a[lane], y = b[lane], z = c[lane];
    values[lane] = (table[0] & ~x & ~y & ~z) | (table[1] & ~x & ~y & z) | (table[2] & ~x & y & ~z) |
                   (table[3] & ~x & y & z) | (table[4] & x & ~y & ~z) | (table[5] & x & ~y & z) |
                   (table[6] & x & y & ~z) | (table[7] & x & y & z);
  }
  put(warp, instr.op[0], values);
}
static void funnelLeft(Warp &warp, const Instr &instr) {
  if (instr.flags & flagClamp)
    ternaryOp<uint32_t, FunnelLeftOp<true>>(warp, instr);
  else
    ternaryOp<uint32_t, FunnelLeftOp<false>>(warp, instr);
}
static void funnelRight(Warp &warp, const Instr &instr) {
  if (instr.flags & flagClamp)
    ternaryOp<uint32_t, FunnelRightOp<true>>(warp, instr);
  else
    ternaryOp<uint32_t, FunnelRightOp<false>>(warp, instr);
}

template <typename T> static Handler logic(Op op) {
  switch (op) {
  case Op::And:
    return binaryOp<T, AndOp>;
  case Op::Or:
    return binaryOp<T, OrOp>;
  case Op::Xor:
    return binaryOp<T, XorOp>;
  case Op::Not:
    return unaryOp<T, NotOp>;
  case Op::LogicalNot:
    return unaryOp<T, LogicalNotOp>;
  case Op::Shl:
    return shiftOp<T, ShlOp>;
  case Op::Shr:
    return shiftOp<T, ShrOp>;
  default:
    return nullptr;
  }
}

template <typename U, typename S> static Handler fields(Op op, bool isSigned) {
  switch (op) {
  case Op::Popc:
    return toWord<U, PopcOp>;
  case Op::Clz:
    return toWord<U, ClzOp<8 * sizeof(U)>>;
  case Op::Brev:
    return unaryOp<U, BrevOp>;
  case Op::Find:
    return isSigned ? toWord<S, FindOp<S, false>> : toWord<U, FindOp<U, false>>;
  case Op::FindShift:
    return isSigned ? toWord<S, FindOp<S, true>> : toWord<U, FindOp<U, true>>;
  case Op::ExtractBits:
    return isSigned ? extract<S> : extract<U>;
  case Op::InsertBits:
    return insert<U>;
  default:
    return nullptr;
  }
}

static Handler words(Op op) {
  switch (op) {
  case Op::Permute:
    return ternaryOp<uint32_t, PermuteOp>;
  case Op::Lop3:
    return lop3;
  case Op::ShiftLeftFunnel:
    return funnelLeft;
  case Op::ShiftRightFunnel:
    return funnelRight;
  default:
    return nullptr;
  }
}

Handler selectBits(Op op, Type type) {
  if (op == Op::Shr) {
    if (type == Type::S16)
      return shiftOp<int16_t, ShrOp>;
    if (type == Type::S32)
      return shiftOp<int32_t, ShrOp>;
    if (type == Type::S64)
      return shiftOp<int64_t, ShrOp>;
  }
  switch (type) {
  case Type::B16:
  case Type::U16:
    return logic<uint16_t>(op);
  case Type::B32:
  case Type::U32:
  case Type::S32:
    if (Handler found = logic<uint32_t>(op))
      return found;
    if (Handler found = words(op))
      return found;
    return fields<uint32_t, int32_t>(op, type == Type::S32);
  case Type::B64:
  case Type::U64:
  case Type::S64:
    if (Handler found = logic<uint64_t>(op))
      return found;
    return fields<uint64_t, int64_t>(op, type == Type::S64);
  default:
    return nullptr;
  }
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
