//===- Half.cpp - f16, bf16 and their pairs -------------------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
struct Half {
  NETC_SIM_INLINE double read(uint16_t bits) { return halfToFloat(bits); }
  NETC_SIM_INLINE uint16_t write(double value) { return doubleToHalf(value); }
};
/// From double to bfloat16 in one rounding: to odd in f32 first.
struct Bfloat {
  NETC_SIM_INLINE double read(uint16_t bits) { return bfloatToFloat(bits); }
  NETC_SIM_INLINE uint16_t write(double value) {
    float near = float(value);
    uint32_t bits = bitCast<uint32_t>(near);
    if (double(near) != value && near == near && !(bits & 1)) {
      bool away = std::fabs(double(near)) > std::fabs(value);
      bits = away ? bits - 1 : bits + 1;
      if (std::fabs(near) > 3.4028235e38f)
        bits = bitCast<uint32_t>(near);
    }
    return floatToBfloat(bitCast<float>(bits));
  }
};

struct AddOp {
  NETC_SIM_INLINE double apply(double a, double b) { return a + b; }
};
struct SubOp {
  NETC_SIM_INLINE double apply(double a, double b) { return a - b; }
};
struct MulOp {
  NETC_SIM_INLINE double apply(double a, double b) { return a * b; }
};
struct FmaOp {
  NETC_SIM_INLINE double apply(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct MinOp {
  NETC_SIM_INLINE double apply(double a, double b) {
    return a != a ? b : b != b ? a : a < b ? a : b;
  }
};
struct MaxOp {
  NETC_SIM_INLINE double apply(double a, double b) {
    return a != a ? b : b != b ? a : a > b ? a : b;
  }
};
struct AbsOp {
  NETC_SIM_INLINE double apply(double a) { return std::fabs(a); }
};
struct NegOp {
  NETC_SIM_INLINE double apply(double a) { return -a; }
};
struct Ex2Op {
  NETC_SIM_INLINE double apply(double a) { return __builtin_exp2(a); }
};
struct TanhOp {
  NETC_SIM_INLINE double apply(double a) { return __builtin_tanh(a); }
};

/// T is uint16_t, or uint32_t for a pair.
template <typename Format, typename F> struct Lifted {
  template <typename... T> NETC_SIM_INLINE uint16_t one(T... bits) {
    return Format::write(F::apply(Format::read(bits)...));
  }
  template <typename First, typename... T> NETC_SIM_INLINE First apply(First first, T... others) {
    if constexpr (sizeof(First) == 2)
      return one(first, others...);
    else
      return uint32_t(one(uint16_t(first), uint16_t(others)...)) |
             uint32_t(one(uint16_t(first >> 16), uint16_t(others >> 16)...)) << 16;
  }
};
} // namespace

template <typename Format, typename T> static Handler select(Op op) {
  switch (op) {
  case Op::Add:
    return binaryOp<T, Lifted<Format, AddOp>>;
  case Op::Sub:
    return binaryOp<T, Lifted<Format, SubOp>>;
  case Op::Mul:
    return binaryOp<T, Lifted<Format, MulOp>>;
  case Op::Min:
    return binaryOp<T, Lifted<Format, MinOp>>;
  case Op::Max:
    return binaryOp<T, Lifted<Format, MaxOp>>;
  case Op::Fma:
    return ternaryOp<T, Lifted<Format, FmaOp>>;
  case Op::Abs:
    return unaryOp<T, Lifted<Format, AbsOp>>;
  case Op::Neg:
    return unaryOp<T, Lifted<Format, NegOp>>;
  case Op::Ex2:
    return unaryOp<T, Lifted<Format, Ex2Op>>;
  case Op::Tanh:
    return unaryOp<T, Lifted<Format, TanhOp>>;
  default:
    return nullptr;
  }
}

Handler selectHalf(Op op, Type type) {
  switch (type) {
  case Type::F16:
    return select<Half, uint16_t>(op);
  case Type::F16x2:
    return select<Half, uint32_t>(op);
  case Type::BF16:
    return select<Bfloat, uint16_t>(op);
  case Type::BF16x2:
    return select<Bfloat, uint32_t>(op);
  default:
    return nullptr;
  }
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
