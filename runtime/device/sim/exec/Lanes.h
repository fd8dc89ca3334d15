//===- Lanes.h - loops over the 32 lanes ------------------------*- C++ -*-===//
//
// Everything here is compiled once per instruction-set level: it must be inlined
// or local to its file, lest the linker share the copy of a higher level.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_EXEC_LANES_H
#define NETC_RUNTIME_DEVICE_SIM_EXEC_LANES_H

#include "runtime/device/sim/Warp.h"
#include "runtime/device/sim/exec/Table.h"

#include <cmath>
#include <cstring>

#ifndef NETC_SIM_LEVEL
#define NETC_SIM_LEVEL baseline
#endif

#define NETC_SIM_INLINE __attribute__((always_inline)) static inline
// Lanes are independent and lie in arrays of 32: the compiler need not doubt it.
#define NETC_SIM_LANES                                                                             \
  _Pragma("clang loop vectorize(assume_safety)") for (unsigned lane = 0; lane < 32; ++lane)

namespace netc::runtime::sim::NETC_SIM_LEVEL {

template <typename T> NETC_SIM_INLINE const T *in(const Warp &warp, uint32_t slot) {
  return reinterpret_cast<const T *>(warp.base[slot & 1] + (slot & ~1u));
}

template <typename T> NETC_SIM_INLINE T *out(Warp &warp, uint32_t slot) {
  return reinterpret_cast<T *>(warp.base[0] + slot);
}

/// Writes the lanes of exec.
template <typename T> NETC_SIM_INLINE void put(Warp &warp, uint32_t slot, const T (&values)[32]) {
  T *to = out<T>(warp, slot);
  uint32_t mask = warp.exec;
  if (mask == ~0u) {
    std::memcpy(to, values, sizeof values);
    return;
  }
  NETC_SIM_LANES to[lane] = (mask >> lane) & 1 ? values[lane] : to[lane];
}

NETC_SIM_INLINE uint32_t predicate(const Warp &warp, uint32_t ref) {
  uint32_t bits = warp.predicates[ref & 0x7fffffffu];
  return ref >> 31 ? ~bits : bits;
}

NETC_SIM_INLINE void putPredicate(Warp &warp, uint32_t number, uint32_t bits) {
  uint32_t &to = warp.predicates[number];
  to = (to & ~warp.exec) | (bits & warp.exec);
}

template <typename D, typename A, typename F>
NETC_SIM_INLINE void unary(Warp &warp, const Instr &instr) {
  const A *a = in<A>(warp, instr.op[1]);
  D values[32];
  NETC_SIM_LANES values[lane] = F::apply(a[lane]);
  put(warp, instr.op[0], values);
}

template <typename D, typename A, typename B, typename F>
NETC_SIM_INLINE void binary(Warp &warp, const Instr &instr) {
  const A *a = in<A>(warp, instr.op[1]);
  const B *b = in<B>(warp, instr.op[2]);
  D values[32];
  NETC_SIM_LANES values[lane] = F::apply(a[lane], b[lane]);
  put(warp, instr.op[0], values);
}

template <typename D, typename A, typename B, typename C, typename F>
NETC_SIM_INLINE void ternary(Warp &warp, const Instr &instr) {
  const A *a = in<A>(warp, instr.op[1]);
  const B *b = in<B>(warp, instr.op[2]);
  const C *c = in<C>(warp, instr.op[3]);
  D values[32];
  NETC_SIM_LANES values[lane] = F::apply(a[lane], b[lane], c[lane]);
  put(warp, instr.op[0], values);
}

/// The handlers themselves.
template <typename T, typename F> static void unaryOp(Warp &warp, const Instr &instr) {
  unary<T, T, F>(warp, instr);
}
template <typename T, typename F> static void binaryOp(Warp &warp, const Instr &instr) {
  binary<T, T, T, F>(warp, instr);
}
template <typename T, typename F> static void ternaryOp(Warp &warp, const Instr &instr) {
  ternary<T, T, T, T, F>(warp, instr);
}
template <typename T, typename F> static void shiftOp(Warp &warp, const Instr &instr) {
  binary<T, T, uint32_t, F>(warp, instr);
}

template <typename To, typename From> NETC_SIM_INLINE To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// IEEE half precision and bfloat16, without leaning on F16C.

NETC_SIM_INLINE float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00)
    return bitCast<float>(sign | 0x7f800000u | (magnitude & 0x3ff) << 13);
  // 2^-24 times the integer is exact for denormals; others take the exponent's offset.
  float value = magnitude < 0x400 ? float(magnitude) * 0x1p-24f
                                  : bitCast<float>((magnitude << 13) + (112u << 23));
  return bitCast<float>(bitCast<uint32_t>(value) | sign);
}

/// Round to nearest even, from a double so that one rounding happens.
NETC_SIM_INLINE uint16_t doubleToHalf(double value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(value);
  if (magnitude != magnitude)
    return 0x7fff;
  if (magnitude >= 65520.0)
    return sign | 0x7c00;
  if (magnitude < 0x1p-14)
    return uint16_t(sign | uint16_t(std::nearbyint(magnitude * 0x1p24)));
  uint64_t bits = bitCast<uint64_t>(magnitude);
  bits += ((uint64_t(1) << 41) - 1) + ((bits >> 42) & 1);
  return uint16_t(sign | uint16_t((bits >> 42) - (uint64_t(1008) << 10)));
}

NETC_SIM_INLINE uint16_t truncateToHalf(float value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  float magnitude = std::fabs(value);
  if (magnitude != magnitude)
    return 0x7fff;
  if (magnitude >= 65536.0f)
    return magnitude > 3.4028235e38f ? uint16_t(sign | 0x7c00) : uint16_t(sign | 0x7bff);
  if (magnitude < 0x1p-14f)
    return uint16_t(sign | uint16_t(magnitude * 0x1p24f));
  return uint16_t(sign | uint16_t((bitCast<uint32_t>(magnitude) >> 13) - (112u << 10)));
}

NETC_SIM_INLINE float bfloatToFloat(uint16_t value) {
  return bitCast<float>(uint32_t(value) << 16);
}

NETC_SIM_INLINE uint16_t floatToBfloat(float value) {
  uint32_t bits = bitCast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

NETC_SIM_INLINE uint16_t truncateToBfloat(float value) {
  uint32_t bits = bitCast<uint32_t>(value);
  return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : uint16_t(bits >> 16);
}

// What the files of this folder select; Table.cpp gathers it.
Handler selectInteger(Op, Type);
Handler selectBits(Op, Type);
Handler selectReal(Op, Type, uint8_t flags);
Handler selectHalf(Op, Type);
Handler selectCompare(Compare, Type, bool ftz);
Handler selectCompareTo(Compare, Type, Type result);
Handler selectPredicate(Op);
Handler selectSelect(Op, Type);
Handler selectConvert(const Conversion &);
Handler selectConvertPair(Type to, uint8_t flags);
Handler selectMove(unsigned bytes);
Handler selectPack(unsigned bytes, unsigned count);
Handler selectUnpack(unsigned bytes, unsigned count);
Handler selectLoad(Space, Type, unsigned registerBytes, unsigned count);
Handler selectStore(Space, Type, unsigned registerBytes, unsigned count);
Handler selectAtomic(Space, Op, Type, bool returns);
Handler selectCopyAsync();
Handler selectLoadMatrix(unsigned count, bool transposed);
Handler selectMultiplyMatrix(unsigned k, Type);
Handler selectMultiplyWarpgroup(Type);
Handler selectShuffle(ShuffleMode);
Handler selectVote(VoteMode);
Handler selectMatch(Type, bool all);
Handler selectReduce(Op, Type);

} // namespace netc::runtime::sim::NETC_SIM_LEVEL

#endif // NETC_RUNTIME_DEVICE_SIM_EXEC_LANES_H
