//===- Integer.cpp - integer arithmetic -----------------------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
template <typename T> struct Wider;
template <> struct Wider<uint16_t> {
  using type = uint32_t;
};
template <> struct Wider<int16_t> {
  using type = int32_t;
};
template <> struct Wider<uint32_t> {
  using type = uint64_t;
};
template <> struct Wider<int32_t> {
  using type = int64_t;
};
template <> struct Wider<uint64_t> {
  using type = unsigned __int128;
};
template <> struct Wider<int64_t> {
  using type = __int128;
};

// Wraps in unsigned arithmetic: signed overflow is defined in PTX.
template <typename T> struct Unsigned;
template <> struct Unsigned<int16_t> {
  using type = uint16_t;
};
template <> struct Unsigned<uint16_t> {
  using type = uint16_t;
};
template <> struct Unsigned<int32_t> {
  using type = uint32_t;
};
template <> struct Unsigned<uint32_t> {
  using type = uint32_t;
};
template <> struct Unsigned<int64_t> {
  using type = uint64_t;
};
template <> struct Unsigned<uint64_t> {
  using type = uint64_t;
};

struct AddOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return T(a + b); }
};
struct SubOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return T(a - b); }
};
struct MulOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) {
    using U = std::conditional_t<sizeof(T) < 4, uint32_t, T>; // no promotion to int
    return T(U(a) * U(b));
  }
};
struct MadOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b, T c) { return T(MulOp::apply(a, b) + c); }
};
template <typename T> NETC_SIM_INLINE T highHalf(T a, T b) {
  using W = typename Wider<T>::type;
  return T((W(a) * W(b)) >> (8 * sizeof(T)));
}
struct MulHighOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return highHalf(a, b); }
};
struct MadHighOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b, T c) {
    using U = typename Unsigned<T>::type;
    return T(U(highHalf(a, b)) + U(c));
  }
};
struct MulWideOp {
  template <typename T> NETC_SIM_INLINE auto apply(T a, T b) {
    using W = typename Wider<T>::type;
    return W(W(a) * W(b));
  }
};
struct MadWideOp {
  template <typename T, typename W> NETC_SIM_INLINE W apply(T a, T b, W c) {
    using U = typename Unsigned<W>::type;
    return W(U(W(a) * W(b)) + U(c));
  }
};
// Division by zero gives all ones, as the chips do; the least integer over -1 wraps.
struct DivOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) {
    if (b == 0)
      return T(-1);
    if constexpr (T(-1) < T(0))
      if (b == T(-1))
        return T(typename Unsigned<T>::type(0) - typename Unsigned<T>::type(a));
    return T(a / b);
  }
};
struct RemOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) {
    if (b == 0)
      return a;
    if constexpr (T(-1) < T(0))
      if (b == T(-1))
        return 0;
    return T(a % b);
  }
};
struct MinOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a < b ? a : b; }
};
struct MaxOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b) { return a > b ? a : b; }
};
struct AbsOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) {
    using U = typename Unsigned<T>::type;
    return a < 0 ? T(U(0) - U(a)) : a;
  }
};
struct NegOp {
  template <typename T> NETC_SIM_INLINE T apply(T a) {
    return T(typename Unsigned<T>::type(0) - typename Unsigned<T>::type(a));
  }
};
struct SadOp {
  template <typename T> NETC_SIM_INLINE T apply(T a, T b, T c) {
    using U = typename Unsigned<T>::type;
    return T(U(c) + (a < b ? U(b) - U(a) : U(a) - U(b)));
  }
};
} // namespace

template <typename T> static void mulWide(Warp &warp, const Instr &instr) {
  binary<typename Wider<T>::type, T, T, MulWideOp>(warp, instr);
}
template <typename T> static void madWide(Warp &warp, const Instr &instr) {
  using W = typename Wider<T>::type;
  ternary<W, T, T, W, MadWideOp>(warp, instr);
}

template <typename T> static Handler signedness(Op op) {
  switch (op) {
  case Op::MulHigh:
    return binaryOp<T, MulHighOp>;
  case Op::MadHigh:
    return ternaryOp<T, MadHighOp>;
  case Op::Div:
    return binaryOp<T, DivOp>;
  case Op::Rem:
    return binaryOp<T, RemOp>;
  case Op::Min:
    return binaryOp<T, MinOp>;
  case Op::Max:
    return binaryOp<T, MaxOp>;
  case Op::Sad:
    return ternaryOp<T, SadOp>;
  case Op::MulWide:
    if constexpr (sizeof(T) < 8)
      return mulWide<T>;
    return nullptr;
  case Op::MadWide:
    if constexpr (sizeof(T) < 8)
      return madWide<T>;
    return nullptr;
  case Op::Abs:
    if constexpr (T(-1) < T(0))
      return unaryOp<T, AbsOp>;
    return nullptr;
  case Op::Neg:
    if constexpr (T(-1) < T(0))
      return unaryOp<T, NegOp>;
    return nullptr;
  default:
    return nullptr;
  }
}

template <typename T> static Handler anySign(Op op) {
  switch (op) {
  case Op::Add:
    return binaryOp<T, AddOp>;
  case Op::Sub:
    return binaryOp<T, SubOp>;
  case Op::Mul:
    return binaryOp<T, MulOp>;
  case Op::Mad:
    return ternaryOp<T, MadOp>;
  default:
    return nullptr;
  }
}

Handler selectInteger(Op op, Type type) {
  Handler found = nullptr;
  switch (type) {
  case Type::U16:
    found = signedness<uint16_t>(op);
    break;
  case Type::S16:
    found = signedness<int16_t>(op);
    break;
  case Type::U32:
    found = signedness<uint32_t>(op);
    break;
  case Type::S32:
    found = signedness<int32_t>(op);
    break;
  case Type::U64:
    found = signedness<uint64_t>(op);
    break;
  case Type::S64:
    found = signedness<int64_t>(op);
    break;
  default:
    return nullptr;
  }
  if (found)
    return found;
  if (type == Type::U16 || type == Type::S16)
    return anySign<uint16_t>(op);
  return type == Type::U32 || type == Type::S32 ? anySign<uint32_t>(op) : anySign<uint64_t>(op);
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
