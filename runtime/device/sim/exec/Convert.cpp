//===- Convert.cpp - cvt --------------------------------------------------===//
//
// Two steps through the widest value that holds every source: a source read from
// its register as int64 or double, and a result written from that. Integer pairs
// that addresses need take one step.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
template <typename T, typename Register> struct Narrowed {
  NETC_SIM_INLINE T read(Register value) { return T(value); }
};
template <typename D, typename S> struct CastOp {
  NETC_SIM_INLINE D apply(S value) { return D(value); }
};
} // namespace

template <typename D, typename S> static void cast(Warp &warp, const Instr &instr) {
  unary<D, S, CastOp<D, S>>(warp, instr);
}

static uint64_t readBits(const Warp &warp, uint32_t slot, unsigned bytes, unsigned lane) {
  switch (bytes) {
  case 2:
    return in<uint16_t>(warp, slot)[lane];
  case 4:
    return in<uint32_t>(warp, slot)[lane];
  default:
    return in<uint64_t>(warp, slot)[lane];
  }
}

static void writeBits(Warp &warp, uint32_t slot, unsigned bytes, unsigned lane, uint64_t value) {
  switch (bytes) {
  case 2:
    out<uint16_t>(warp, slot)[lane] = uint16_t(value);
    return;
  case 4:
    out<uint32_t>(warp, slot)[lane] = uint32_t(value);
    return;
  default:
    out<uint64_t>(warp, slot)[lane] = value;
    return;
  }
}

namespace {
struct IntegerType {
  unsigned bits = 0;
  bool isSigned = false;
};
} // namespace

static IntegerType integerType(Type type) {
  switch (type) {
  case Type::U8:
    return {8, false};
  case Type::S8:
    return {8, true};
  case Type::U16:
    return {16, false};
  case Type::S16:
    return {16, true};
  case Type::U32:
    return {32, false};
  case Type::S32:
    return {32, true};
  case Type::U64:
    return {64, false};
  case Type::S64:
    return {64, true};
  default:
    return {};
  }
}

static uint64_t extend(uint64_t bits, IntegerType type) {
  if (type.bits == 64)
    return bits;
  uint64_t mask = (uint64_t(1) << type.bits) - 1;
  bits &= mask;
  return type.isSigned && (bits >> (type.bits - 1)) ? bits | ~mask : bits;
}

static __int128 lowest(IntegerType type) {
  return type.isSigned ? -(__int128(1) << (type.bits - 1)) : 0;
}
static __int128 highest(IntegerType type) {
  return (__int128(1) << (type.bits - (type.isSigned ? 1 : 0))) - 1;
}

/// Instr::mode holds the rounding, target the two types, offset the two widths.
static void integerToInteger(Warp &warp, const Instr &instr) {
  IntegerType to = integerType(Type(instr.target & 0xff)),
              from = integerType(Type(instr.target >> 8));
  unsigned toBytes = instr.offset & 0xff, fromBytes = unsigned(instr.offset >> 8);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!((warp.exec >> lane) & 1))
      continue;
    uint64_t value = extend(readBits(warp, instr.op[1], fromBytes, lane), from);
    if (instr.flags & flagSat) {
      __int128 wide = from.isSigned ? __int128(int64_t(value)) : __int128(value);
      wide = wide < lowest(to) ? lowest(to) : wide > highest(to) ? highest(to) : wide;
      value = uint64_t(wide);
    }
    writeBits(warp, instr.op[0], toBytes, lane, extend(value, to));
  }
}

static double readReal(const Warp &warp, uint32_t slot, Type type, unsigned lane) {
  switch (type) {
  case Type::F16:
    return halfToFloat(in<uint16_t>(warp, slot)[lane]);
  case Type::BF16:
    return bfloatToFloat(in<uint16_t>(warp, slot)[lane]);
  case Type::F32:
    return in<float>(warp, slot)[lane];
  default:
    return in<double>(warp, slot)[lane];
  }
}

static double roundToInteger(double value, Rounding rounding) {
  switch (rounding) {
  case Rounding::Rni:
    return __builtin_rint(value); // to even: the mode of the thread
  case Rounding::Rzi:
    return __builtin_trunc(value);
  case Rounding::Rmi:
    return __builtin_floor(value);
  case Rounding::Rpi:
    return __builtin_ceil(value);
  default:
    return value;
  }
}

static void realToInteger(Warp &warp, const Instr &instr) {
  Type source = Type(instr.target >> 8);
  IntegerType to = integerType(Type(instr.target & 0xff));
  unsigned toBytes = instr.offset & 0xff;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!((warp.exec >> lane) & 1))
      continue;
    double value = readReal(warp, instr.op[1], source, lane);
    if ((instr.flags & flagFtz) && std::fabs(value) < 0x1p-126)
      value = 0;
    value = roundToInteger(value, Rounding(instr.mode));
    uint64_t bits;
    if (value != value) // NaN: 0, but 2^63 to 64 bits from f32 and f64
      bits = to.bits == 64 ? uint64_t(1) << 63 : 0;
    else if (value <= double(lowest(to)))
      bits = uint64_t(lowest(to));
    else if (value >= double(highest(to)))
      bits = uint64_t(highest(to));
    else
      bits = value < 0 ? uint64_t(int64_t(value)) : uint64_t(value);
    writeBits(warp, instr.op[0], toBytes, lane, extend(bits, to));
  }
}

/// An f32 from a wider exact value by a directed rounding.
template <typename T> static float directed(T value, Rounding rounding) {
  float near = float(value);
  if (rounding == Rounding::Rn || rounding == Rounding::None || near != near)
    return near;
  long double exact = static_cast<long double>(value), got = near;
  bool up = rounding == Rounding::Rp || (rounding == Rounding::Rz && value < 0);
  if (up && got < exact)
    return __builtin_nextafterf(near, __builtin_inff());
  if (!up && got > exact)
    return __builtin_nextafterf(near, -__builtin_inff());
  return near;
}

static void writeReal(Warp &warp, const Instr &instr, Type type, unsigned lane, double value) {
  Rounding rounding = Rounding(instr.mode);
  if ((instr.flags & flagFtz) && type == Type::F32 && std::fabs(value) < 0x1p-126)
    value = std::copysign(0.0, value);
  if (instr.flags & flagSat)
    value = value > 0 ? (value < 1 ? value : 1) : 0;
  if ((instr.flags & flagRelu) && !(value > 0) && value == value)
    value = 0;
  switch (type) {
  case Type::F16:
    out<uint16_t>(warp, instr.op[0])[lane] = rounding == Rounding::Rz
                                                 ? truncateToHalf(directed(value, Rounding::Rz))
                                                 : doubleToHalf(value);
    return;
  case Type::BF16:
    out<uint16_t>(warp, instr.op[0])[lane] = rounding == Rounding::Rz
                                                 ? truncateToBfloat(directed(value, Rounding::Rz))
                                                 : floatToBfloat(float(value));
    return;
  case Type::F32:
    out<float>(warp, instr.op[0])[lane] = directed(value, rounding);
    return;
  default:
    out<double>(warp, instr.op[0])[lane] = value;
  }
}

static void realToReal(Warp &warp, const Instr &instr) {
  Type to = Type(instr.target & 0xff), from = Type(instr.target >> 8);
  for (unsigned lane = 0; lane < 32; ++lane)
    if ((warp.exec >> lane) & 1) {
      double value = readReal(warp, instr.op[1], from, lane);
      if ((instr.flags & flagFtz) && from == Type::F32 && std::fabs(value) < 0x1p-126)
        value = std::copysign(0.0, value);
      writeReal(warp, instr, to, lane, roundToInteger(value, Rounding(instr.mode)));
    }
}

static void integerToReal(Warp &warp, const Instr &instr) {
  Type to = Type(instr.target & 0xff);
  IntegerType from = integerType(Type(instr.target >> 8));
  unsigned fromBytes = unsigned(instr.offset >> 8);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!((warp.exec >> lane) & 1))
      continue;
    uint64_t bits = extend(readBits(warp, instr.op[1], fromBytes, lane), from);
    if (to == Type::F32) // from 64 bits in one rounding
      out<float>(warp, instr.op[0])[lane] = from.isSigned
                                                ? directed(int64_t(bits), Rounding(instr.mode))
                                                : directed(bits, Rounding(instr.mode));
    else
      writeReal(warp, instr, to, lane, from.isSigned ? double(int64_t(bits)) : double(bits));
  }
}

namespace {
// To tf32: 10 bits of fraction, the low 13 zero. rna: ties away from zero.
struct Tf32AwayOp {
  NETC_SIM_INLINE uint32_t apply(uint32_t bits) {
    return (bits & 0x7f800000) == 0x7f800000 ? bits & ~0x1fffu : (bits + 0x1000) & ~0x1fffu;
  }
};
struct Tf32EvenOp {
  NETC_SIM_INLINE uint32_t apply(uint32_t bits) {
    return (bits & 0x7f800000) == 0x7f800000 ? bits & ~0x1fffu
                                             : (bits + 0xfff + ((bits >> 13) & 1)) & ~0x1fffu;
  }
};
struct Tf32ZeroOp {
  NETC_SIM_INLINE uint32_t apply(uint32_t bits) { return bits & ~0x1fffu; }
};
struct FloatOp {
  template <typename T> NETC_SIM_INLINE float apply(T value) { return float(value); }
};
struct BfloatOp {
  NETC_SIM_INLINE uint16_t apply(float value) { return floatToBfloat(value); }
};
struct FromBfloatOp {
  NETC_SIM_INLINE float apply(uint16_t value) { return bfloatToFloat(value); }
};
} // namespace

static Handler integerPair(const Conversion &c) {
  if (c.flags)
    return nullptr;
  IntegerType to = integerType(c.to), from = integerType(c.from);
  if (to.bits != 8u * c.toBytes)
    return nullptr;
  if (from.bits != 8u * c.fromBytes && to.bits > from.bits)
    return nullptr;
  switch (c.toBytes * 10 + c.fromBytes) {
  case 24:
    return cast<uint16_t, uint32_t>;
  case 28:
    return cast<uint16_t, uint64_t>;
  case 48:
    return cast<uint32_t, uint64_t>;
  case 42:
    return from.isSigned ? cast<uint32_t, int16_t> : cast<uint32_t, uint16_t>;
  case 82:
    return from.isSigned ? cast<uint64_t, int16_t> : cast<uint64_t, uint16_t>;
  case 84:
    return from.isSigned ? cast<uint64_t, int32_t> : cast<uint64_t, uint32_t>;
  default:
    return nullptr;
  }
}

static bool isReal(Type type) {
  return type == Type::F16 || type == Type::BF16 || type == Type::F32 || type == Type::F64;
}

Handler selectConvert(const Conversion &c) {
  if (c.to == Type::TF32)
    return c.from != Type::F32           ? nullptr
           : c.rounding == Rounding::Rna ? unaryOp<uint32_t, Tf32AwayOp>
           : c.rounding == Rounding::Rn  ? unaryOp<uint32_t, Tf32EvenOp>
           : c.rounding == Rounding::Rz  ? unaryOp<uint32_t, Tf32ZeroOp>
                                         : nullptr;
  bool toReal = isReal(c.to), fromReal = isReal(c.from);
  bool toInteger = integerType(c.to).bits != 0, fromInteger = integerType(c.from).bits != 0;
  if (toInteger && fromInteger) {
    Handler fast = integerPair(c);
    return fast ? fast : integerToInteger;
  }
  if (toInteger && fromReal)
    return realToInteger;
  bool nearest = c.rounding == Rounding::Rn && !c.flags;
  if (toReal && fromInteger) {
    if (nearest && c.to == Type::F32 && c.fromBytes == 4 && integerType(c.from).bits == 32)
      return c.from == Type::S32 ? (Handler)unary<float, int32_t, FloatOp>
                                 : (Handler)unary<float, uint32_t, FloatOp>;
    return integerToReal;
  }
  if (toReal && fromReal) {
    if (nearest && c.to == Type::BF16 && c.from == Type::F32)
      return unary<uint16_t, float, BfloatOp>;
    if (!c.flags && c.to == Type::F32 && c.from == Type::BF16)
      return unary<float, uint16_t, FromBfloatOp>;
    return realToReal;
  }
  return nullptr;
}

/// cvt.rn.bf16x2.f32 d, a, b: a becomes the upper half.
template <typename F> static void pair(Warp &warp, const Instr &instr, F narrow) {
  const float *a = in<float>(warp, instr.op[1]), *b = in<float>(warp, instr.op[2]);
  bool relu = instr.flags & flagRelu;
  uint32_t values[32];
  for (unsigned lane = 0; lane < 32; ++lane) {
    float high = relu && a[lane] <= 0 ? 0 : a[lane], low = relu && b[lane] <= 0 ? 0 : b[lane];
    values[lane] = uint32_t(narrow(high)) << 16 | narrow(low);
  }
  put(warp, instr.op[0], values);
}
static void pairOfBfloat(Warp &warp, const Instr &instr) {
  bool zero = Rounding(instr.mode) == Rounding::Rz;
  pair(warp, instr,
       [&](float value) { return zero ? truncateToBfloat(value) : floatToBfloat(value); });
}
static void pairOfHalf(Warp &warp, const Instr &instr) {
  bool zero = Rounding(instr.mode) == Rounding::Rz;
  pair(warp, instr,
       [&](float value) { return zero ? truncateToHalf(value) : doubleToHalf(value); });
}

Handler selectConvertPair(Type to, uint8_t) {
  return to == Type::BF16x2 ? pairOfBfloat : to == Type::F16x2 ? pairOfHalf : nullptr;
}

// mov, whole and in parts.

template <typename T> static void moveLanes(Warp &warp, const Instr &instr) {
  const T *a = in<T>(warp, instr.op[1]);
  T *to = out<T>(warp, instr.op[0]);
  uint32_t mask = warp.exec;
  NETC_SIM_LANES to[lane] = (mask >> lane) & 1 ? a[lane] : to[lane];
}

Handler selectMove(unsigned bytes) {
  switch (bytes) {
  case 2:
    return moveLanes<uint16_t>;
  case 4:
    return moveLanes<uint32_t>;
  case 8:
    return moveLanes<uint64_t>;
  default:
    return nullptr;
  }
}

/// op: d, parts from the lowest.
template <typename Whole, typename Part> static void packLanes(Warp &warp, const Instr &instr) {
  Whole values[32] = {};
  for (unsigned part = 0; part < sizeof(Whole) / sizeof(Part); ++part) {
    const Part *a = in<Part>(warp, instr.op[1 + part]);
    NETC_SIM_LANES values[lane] |= Whole(Whole(a[lane]) << (8 * sizeof(Part) * part));
  }
  put(warp, instr.op[0], values);
}
/// op: parts, then the whole.
template <typename Whole, typename Part> static void unpackLanes(Warp &warp, const Instr &instr) {
  constexpr unsigned count = sizeof(Whole) / sizeof(Part);
  Whole whole[32];
  std::memcpy(whole, in<Whole>(warp, instr.op[count]), sizeof whole);
  for (unsigned part = 0; part < count; ++part) {
    Part values[32];
    NETC_SIM_LANES values[lane] = Part(whole[lane] >> (8 * sizeof(Part) * part));
    put(warp, instr.op[part], values);
  }
}

Handler selectPack(unsigned bytes, unsigned count) {
  if (bytes == 4 && count == 2)
    return packLanes<uint32_t, uint16_t>;
  if (bytes == 8 && count == 2)
    return packLanes<uint64_t, uint32_t>;
  return bytes == 8 && count == 4 ? packLanes<uint64_t, uint16_t> : nullptr;
}
Handler selectUnpack(unsigned bytes, unsigned count) {
  if (bytes == 4 && count == 2)
    return unpackLanes<uint32_t, uint16_t>;
  if (bytes == 8 && count == 2)
    return unpackLanes<uint64_t, uint32_t>;
  return bytes == 8 && count == 4 ? unpackLanes<uint64_t, uint16_t> : nullptr;
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
