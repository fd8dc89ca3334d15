//===- Compare.cpp - setp, set, selp, slct, predicates --------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
template <typename T> struct Plain {
  using stored = T;
  NETC_SIM_INLINE T read(T value) { return value; }
};
struct FlushedFloat {
  using stored = float;
  NETC_SIM_INLINE float read(float value) { return std::fabs(value) < 0x1p-126f ? 0.0f : value; }
};
struct HalfValue {
  using stored = uint16_t;
  NETC_SIM_INLINE float read(uint16_t bits) { return halfToFloat(bits); }
};
struct BfloatValue {
  using stored = uint16_t;
  NETC_SIM_INLINE float read(uint16_t bits) { return bfloatToFloat(bits); }
};
template <Compare C> struct Test {
  template <typename T> NETC_SIM_INLINE bool apply(T a, T b) {
    if constexpr (C == Compare::Eq)
      return a == b;
    if constexpr (C == Compare::Ne)
      return (a < b) | (a > b); // false for NaN
    if constexpr (C == Compare::Lt)
      return a < b;
    if constexpr (C == Compare::Le)
      return a <= b;
    if constexpr (C == Compare::Gt)
      return a > b;
    if constexpr (C == Compare::Ge)
      return a >= b;
    if constexpr (C == Compare::Equ)
      return !((a < b) | (a > b));
    if constexpr (C == Compare::Neu)
      return a != b;
    if constexpr (C == Compare::Ltu)
      return !(a >= b);
    if constexpr (C == Compare::Leu)
      return !(a > b);
    if constexpr (C == Compare::Gtu)
      return !(a <= b);
    if constexpr (C == Compare::Geu)
      return !(a < b);
    if constexpr (C == Compare::Num)
      return (a == a) & (b == b);
    if constexpr (C == Compare::Nan)
      return (a != a) | (b != b);
  }
};
} // namespace

template <typename V, Compare C>
NETC_SIM_INLINE uint32_t compareLanes(Warp &warp, uint32_t first, uint32_t second) {
  const auto *a = in<typename V::stored>(warp, first);
  const auto *b = in<typename V::stored>(warp, second);
  uint32_t bits = 0;
  _Pragma("clang loop vectorize(enable)") for (unsigned lane = 0; lane < 32; ++lane) bits |=
      uint32_t(Test<C>::apply(V::read(a[lane]), V::read(b[lane]))) << lane;
  return bits;
}

NETC_SIM_INLINE uint32_t combine(Warp &warp, const Instr &instr, uint32_t bits) {
  switch (BoolOp(instr.mode)) {
  case BoolOp::None:
    return bits;
  case BoolOp::And:
    return bits & predicate(warp, instr.op[4]);
  case BoolOp::Or:
    return bits | predicate(warp, instr.op[4]);
  case BoolOp::Xor:
    return bits ^ predicate(warp, instr.op[4]);
  }
  return bits;
}

/// op: p, q, a, b, c
template <typename V, Compare C> static void setPredicate(Warp &warp, const Instr &instr) {
  uint32_t bits = compareLanes<V, C>(warp, instr.op[2], instr.op[3]);
  uint32_t first = combine(warp, instr, bits), second = combine(warp, instr, ~bits);
  putPredicate(warp, instr.op[0], first);
  if (instr.op[1])
    putPredicate(warp, instr.op[1], second);
}

/// op: d, unused, a, b, c; true is all ones, or 1.0 for an f32 result.
template <typename V, Compare C, typename D>
static void setRegister(Warp &warp, const Instr &instr) {
  uint32_t bits = combine(warp, instr, compareLanes<V, C>(warp, instr.op[2], instr.op[3]));
  D values[32];
  NETC_SIM_LANES values[lane] = (bits >> lane) & 1 ? (D(0.5f) > D(0) ? D(1) : D(-1)) : D(0);
  put(warp, instr.op[0], values);
}

namespace {
struct Predicates {
  template <typename V, Compare C> static constexpr Handler make() { return setPredicate<V, C>; }
};
struct Words {
  template <typename V, Compare C> static constexpr Handler make() {
    return setRegister<V, C, uint32_t>;
  }
};
struct Floats {
  template <typename V, Compare C> static constexpr Handler make() {
    return setRegister<V, C, float>;
  }
};
} // namespace

template <typename To, typename V> static Handler integerCompare(Compare compare) {
  switch (compare) {
  case Compare::Eq:
    return To::template make<V, Compare::Eq>();
  case Compare::Ne:
    return To::template make<V, Compare::Neu>();
  case Compare::Lt:
    return To::template make<V, Compare::Lt>();
  case Compare::Le:
    return To::template make<V, Compare::Le>();
  case Compare::Gt:
    return To::template make<V, Compare::Gt>();
  case Compare::Ge:
    return To::template make<V, Compare::Ge>();
  default:
    return nullptr;
  }
}

template <typename To, typename V> static Handler floatCompare(Compare compare) {
  switch (compare) {
  case Compare::Ne:
    return To::template make<V, Compare::Ne>();
  case Compare::Equ:
    return To::template make<V, Compare::Equ>();
  case Compare::Neu:
    return To::template make<V, Compare::Neu>();
  case Compare::Ltu:
    return To::template make<V, Compare::Ltu>();
  case Compare::Leu:
    return To::template make<V, Compare::Leu>();
  case Compare::Gtu:
    return To::template make<V, Compare::Gtu>();
  case Compare::Geu:
    return To::template make<V, Compare::Geu>();
  case Compare::Num:
    return To::template make<V, Compare::Num>();
  case Compare::Nan:
    return To::template make<V, Compare::Nan>();
  default:
    return integerCompare<To, V>(compare);
  }
}

template <typename To> static Handler selectTyped(Compare compare, Type type, bool ftz) {
  bool ordered = compare != Compare::Eq && compare != Compare::Ne;
  switch (type) {
  case Type::B16:
    return ordered ? nullptr : integerCompare<To, Plain<uint16_t>>(compare);
  case Type::B32:
    return ordered ? nullptr : integerCompare<To, Plain<uint32_t>>(compare);
  case Type::B64:
    return ordered ? nullptr : integerCompare<To, Plain<uint64_t>>(compare);
  case Type::U16:
    return integerCompare<To, Plain<uint16_t>>(compare);
  case Type::S16:
    return integerCompare<To, Plain<int16_t>>(compare);
  case Type::U32:
    return integerCompare<To, Plain<uint32_t>>(compare);
  case Type::S32:
    return integerCompare<To, Plain<int32_t>>(compare);
  case Type::U64:
    return integerCompare<To, Plain<uint64_t>>(compare);
  case Type::S64:
    return integerCompare<To, Plain<int64_t>>(compare);
  case Type::F32:
    return ftz ? floatCompare<To, FlushedFloat>(compare) : floatCompare<To, Plain<float>>(compare);
  case Type::F64:
    return floatCompare<To, Plain<double>>(compare);
  case Type::F16:
    return floatCompare<To, HalfValue>(compare);
  case Type::BF16:
    return floatCompare<To, BfloatValue>(compare);
  default:
    return nullptr;
  }
}

Handler selectCompare(Compare compare, Type type, bool ftz) {
  return selectTyped<Predicates>(compare, type, ftz);
}

Handler selectCompareTo(Compare compare, Type type, Type result) {
  if (result == Type::F32)
    return selectTyped<Floats>(compare, type, false);
  return result == Type::U32 || result == Type::S32 ? selectTyped<Words>(compare, type, false)
                                                    : nullptr;
}

static void andPredicates(Warp &warp, const Instr &instr) {
  putPredicate(warp, instr.op[0], predicate(warp, instr.op[1]) & predicate(warp, instr.op[2]));
}
static void orPredicates(Warp &warp, const Instr &instr) {
  putPredicate(warp, instr.op[0], predicate(warp, instr.op[1]) | predicate(warp, instr.op[2]));
}
static void xorPredicates(Warp &warp, const Instr &instr) {
  putPredicate(warp, instr.op[0], predicate(warp, instr.op[1]) ^ predicate(warp, instr.op[2]));
}
static void notPredicate(Warp &warp, const Instr &instr) {
  putPredicate(warp, instr.op[0], ~predicate(warp, instr.op[1]));
}
static void movePredicate(Warp &warp, const Instr &instr) {
  putPredicate(warp, instr.op[0], predicate(warp, instr.op[1]));
}

Handler selectPredicate(Op op) {
  switch (op) {
  case Op::And:
    return andPredicates;
  case Op::Or:
    return orPredicates;
  case Op::Xor:
    return xorPredicates;
  case Op::Not:
    return notPredicate;
  case Op::Mov:
    return movePredicate;
  default:
    return nullptr;
  }
}

template <typename T> static void selectLanes(Warp &warp, const Instr &instr) {
  const T *a = in<T>(warp, instr.op[1]), *b = in<T>(warp, instr.op[2]);
  uint32_t bits = predicate(warp, instr.op[3]);
  T values[32];
  NETC_SIM_LANES values[lane] = (bits >> lane) & 1 ? a[lane] : b[lane];
  put(warp, instr.op[0], values);
}

/// a where c >= 0 else b; `mode` 1 says that c is f32.
template <typename T> static void selectSign(Warp &warp, const Instr &instr) {
  const T *a = in<T>(warp, instr.op[1]), *b = in<T>(warp, instr.op[2]);
  const int32_t *c = in<int32_t>(warp, instr.op[3]);
  T values[32];
  for (unsigned lane = 0; lane < 32; ++lane) {
    bool first = instr.mode ? bitCast<float>(c[lane]) >= 0.0f : c[lane] >= 0;
    values[lane] = first ? a[lane] : b[lane];
  }
  put(warp, instr.op[0], values);
}

Handler selectSelect(Op op, Type type) {
  bool sign = op == Op::SelectSign;
  switch (type) {
  case Type::B16:
  case Type::U16:
  case Type::S16:
  case Type::F16:
  case Type::BF16:
    return sign ? selectSign<uint16_t> : selectLanes<uint16_t>;
  case Type::B32:
  case Type::U32:
  case Type::S32:
  case Type::F32:
    return sign ? selectSign<uint32_t> : selectLanes<uint32_t>;
  case Type::B64:
  case Type::U64:
  case Type::S64:
  case Type::F64:
    return sign ? selectSign<uint64_t> : selectLanes<uint64_t>;
  default:
    return nullptr;
  }
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
