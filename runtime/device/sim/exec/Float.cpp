//===- Float.cpp - f32 and f64 arithmetic ---------------------------------===//
//
// Rounded to nearest even once per instruction. The approximate functions of PTX
// (ex2, lg2, rcp, rsqrt, sin, cos, tanh, div.full) are the C library's: more exact
// than the chips, within the bounds that PTX states.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
template <typename T> struct BitsOf;
template <> struct BitsOf<float> {
  using type = uint32_t;
};
template <> struct BitsOf<double> {
  using type = uint64_t;
};

NETC_SIM_INLINE float canonicalNan(float) { return bitCast<float>(0x7fffffffu); }
NETC_SIM_INLINE double canonicalNan(double) {
  return bitCast<double>(uint64_t(0x7fffffffffffffff));
}

/// Subnormals to zero of the same sign (.ftz exists for f32 only).
template <bool Ftz, typename T> NETC_SIM_INLINE T flush(T value) {
  if constexpr (Ftz && sizeof(T) == 4)
    return std::fabs(value) < 0x1p-126f ? bitCast<float>(bitCast<uint32_t>(value) & 0x80000000u)
                                        : value;
  else
    return value;
}
/// .sat: [0, 1], NaN becomes 0.
template <bool Sat, typename T> NETC_SIM_INLINE T saturate(T value) {
  if constexpr (Sat)
    return value > T(0) ? (value < T(1) ? value : T(1)) : T(0);
  else
    return value;
}

struct AddOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a + b; }
};
struct SubOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a - b; }
};
struct MulOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a * b; }
};
struct DivOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a / b; }
};
struct FmaOp {
  NETC_SIM_INLINE float apply(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  NETC_SIM_INLINE double apply(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
// PTX: -0 is below +0; one NaN gives the other operand, two the canonical NaN.
template <bool Most, bool Nan> struct ExtremeOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) {
    using U = typename BitsOf<T>::type;
    U both = Most ? bitCast<U>(a) & bitCast<U>(b) : bitCast<U>(a) | bitCast<U>(b);
    T less = a < b ? (Most ? b : a) : (Most ? a : b);
    T ordered = a == b ? bitCast<T>(both) : less;
    T withNan = Nan ? canonicalNan(a) : a == a ? a : b == b ? b : canonicalNan(a);
    return a == a && b == b ? ordered : withNan;
  }
};
struct AbsOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) { return std::fabs(a); }
};
struct NegOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) { return -a; }
};
struct RcpOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) { return T(1) / a; }
};
struct SqrtOp {
  NETC_SIM_INLINE float apply(float a) { return __builtin_sqrtf(a); }
  NETC_SIM_INLINE double apply(double a) { return __builtin_sqrt(a); }
};
struct RsqrtOp {
  NETC_SIM_INLINE float apply(float a) { return float(1.0 / __builtin_sqrt(double(a))); }
  NETC_SIM_INLINE double apply(double a) { return 1.0 / __builtin_sqrt(a); }
};
struct SinOp {
  NETC_SIM_INLINE float apply(float a) { return __builtin_sinf(a); }
};
struct CosOp {
  NETC_SIM_INLINE float apply(float a) { return __builtin_cosf(a); }
};
struct Lg2Op {
  NETC_SIM_INLINE float apply(float a) { return __builtin_log2f(a); }
};
struct Ex2Op {
  NETC_SIM_INLINE float apply(float a) { return __builtin_exp2f(a); }
};
struct TanhOp {
  NETC_SIM_INLINE float apply(float a) { return __builtin_tanhf(a); }
};
struct CopySignOp { // the sign of a on b
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) {
    using U = typename BitsOf<T>::type;
    constexpr U sign = U(1) << (8 * sizeof(T) - 1);
    return bitCast<T>(U((bitCast<U>(a) & sign) | (bitCast<U>(b) & ~sign)));
  }
};

template <typename F, bool Ftz, bool Sat> struct Moded {
  template <typename... T> NETC_SIM_INLINE auto apply(T... values) {
    return saturate<Sat>(flush<Ftz>(F::apply(flush<Ftz>(values)...)));
  }
};
} // namespace

template <typename T, typename F> static Handler moded1(uint8_t flags) {
  static constexpr Handler table[4] = {
      unaryOp<T, Moded<F, false, false>>, unaryOp<T, Moded<F, true, false>>,
      unaryOp<T, Moded<F, false, true>>, unaryOp<T, Moded<F, true, true>>};
  return table[flags & 3];
}
template <typename T, typename F> static Handler moded2(uint8_t flags) {
  static constexpr Handler table[4] = {
      binaryOp<T, Moded<F, false, false>>, binaryOp<T, Moded<F, true, false>>,
      binaryOp<T, Moded<F, false, true>>, binaryOp<T, Moded<F, true, true>>};
  return table[flags & 3];
}
template <typename T, typename F> static Handler moded3(uint8_t flags) {
  static constexpr Handler table[4] = {
      ternaryOp<T, Moded<F, false, false>>, ternaryOp<T, Moded<F, true, false>>,
      ternaryOp<T, Moded<F, false, true>>, ternaryOp<T, Moded<F, true, true>>};
  return table[flags & 3];
}

template <typename T> static Handler shared(Op op, uint8_t flags) {
  switch (op) {
  case Op::Add:
    return moded2<T, AddOp>(flags);
  case Op::Sub:
    return moded2<T, SubOp>(flags);
  case Op::Mul:
    return moded2<T, MulOp>(flags);
  case Op::Div:
    return moded2<T, DivOp>(flags);
  case Op::Fma:
    return moded3<T, FmaOp>(flags);
  case Op::Min:
    return flags & flagNan ? moded2<T, ExtremeOp<false, true>>(flags)
                           : moded2<T, ExtremeOp<false, false>>(flags);
  case Op::Max:
    return flags & flagNan ? moded2<T, ExtremeOp<true, true>>(flags)
                           : moded2<T, ExtremeOp<true, false>>(flags);
  case Op::Abs:
    return moded1<T, AbsOp>(flags);
  case Op::Neg:
    return moded1<T, NegOp>(flags);
  case Op::Rcp:
    return moded1<T, RcpOp>(flags);
  case Op::Sqrt:
    return moded1<T, SqrtOp>(flags);
  case Op::Rsqrt:
    return moded1<T, RsqrtOp>(flags);
  case Op::CopySign:
    return binaryOp<T, CopySignOp>;
  default:
    return nullptr;
  }
}

Handler selectReal(Op op, Type type, uint8_t flags) {
  if (type == Type::F64)
    return flags & (flagFtz | flagSat) ? nullptr : shared<double>(op, flags);
  if (type != Type::F32)
    return nullptr;
  switch (op) {
  case Op::Sin:
    return moded1<float, SinOp>(flags);
  case Op::Cos:
    return moded1<float, CosOp>(flags);
  case Op::Lg2:
    return moded1<float, Lg2Op>(flags);
  case Op::Ex2:
    return moded1<float, Ex2Op>(flags);
  case Op::Tanh:
    return moded1<float, TanhOp>(flags);
  default:
    return shared<float>(op, flags);
  }
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
