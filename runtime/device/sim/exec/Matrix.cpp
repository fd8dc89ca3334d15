//===- Matrix.cpp - cp.async, ldmatrix, mma.sync --------------------------===//
//
// Fragments as PTX ISA 9.7.14 (Matrix multiply-accumulate instructions) lays them
// out: g = lane / 4, t = lane % 4. tf32 operands are read as the chips read them,
// their low 13 bits ignored. Products are exact in f32 for tf32, f16 and bf16; they
// are added in f32 in the order of k, each sum rounded to nearest, where chips
// leave order and rounding open.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/exec/Address.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

/// op: shared address, global address, bytes to copy (0: all); offset: size.
/// The two addresses have widths and offsets of their own: addressBytes and mode,
/// op[3] and op[4] hold the offsets.
static void copyAsync(Warp &warp, const Instr &instr) {
  AsyncCopy copy;
  copy.mask = warp.exec;
  copy.bytes = uint32_t(instr.offset);
  Instr part = instr;
  uint64_t to[32], from[32];
  part.offset = uint64_t(int64_t(int32_t(instr.op[3])));
  addressesOf(warp, part, instr.op[0], to);
  part.offset = uint64_t(int64_t(int32_t(instr.op[4])));
  part.addressBytes = instr.mode;
  addressesOf(warp, part, instr.op[1], from);
  uint32_t mask = warp.exec;
  const uint32_t *sizes = instr.flags & flagSized ? in<uint32_t>(warp, instr.op[2]) : nullptr;
  uint32_t reads = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    uint32_t size = sizes ? sizes[lane] : copy.bytes;
    copy.copied[lane] = size < copy.bytes ? size : copy.bytes;
    copy.to[lane] = uint32_t(to[lane]);
    reads |= uint32_t(copy.copied[lane] != 0) << lane;
    if (((mask >> lane) & 1) && size > copy.bytes)
      reportFault(warp, instr, 1u << lane, "bad cp.async",
                  "the source size is larger than the copy");
  }
  // Lanes that read nothing may hold any address.
  reads &= mask;
  char *pointers[32];
  if (reads)
    globalPointers(warp, instr, from, copy.bytes, reads, Access::Read, pointers);
  NETC_SIM_LANES copy.from[lane] = (reads >> lane) & 1 ? pointers[lane] : nowhere;
  if (uint32_t bad = lanesOutside(to, mask, 0, warp.sharedBytes, copy.bytes)) {
    unsigned lane = unsigned(__builtin_ctz(bad));
    reportBadAccess(warp, instr, to[lane], lane, copy.bytes, Space::Shared);
  }
  copy.instr = &instr;
  issueCopy(warp, instr, copy);
}

Handler selectCopyAsync() { return copyAsync; }

/// op: registers, then the address: lanes 8m to 8m+7 give the rows of matrix m.
template <unsigned Count, bool Transposed> static void loadMatrix(Warp &warp, const Instr &instr) {
  uint64_t addresses[32];
  addressesOf(warp, instr, instr.op[Count], addresses);
  char *rows[32];
  uint32_t mask = Count == 4 ? ~0u : (1u << (8 * Count)) - 1;
  if (instr.mode) { // a generic address
    for (uint64_t &address : addresses)
      address = address - sharedWindow < windowBytes ? address - sharedWindow : ~uint64_t(0) << 8;
  }
  sharedPointers(warp, instr, addresses, 16, mask, Access::Read, rows);
  for (unsigned matrix = 0; matrix < Count; ++matrix) {
    uint16_t cells[8][8];
    for (unsigned row = 0; row < 8; ++row)
      std::memcpy(cells[row], rows[8 * matrix + row], 16);
    uint32_t values[32];
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned g = lane / 4, t = lane % 4;
      uint16_t low = Transposed ? cells[2 * t][g] : cells[g][2 * t];
      uint16_t high = Transposed ? cells[2 * t + 1][g] : cells[g][2 * t + 1];
      values[lane] = uint32_t(high) << 16 | low;
    }
    put(warp, instr.op[matrix], values);
  }
}

Handler selectLoadMatrix(unsigned count, bool transposed) {
  switch (count) {
  case 1:
    return transposed ? loadMatrix<1, true> : loadMatrix<1, false>;
  case 2:
    return transposed ? loadMatrix<2, true> : loadMatrix<2, false>;
  case 4:
    return transposed ? loadMatrix<4, true> : loadMatrix<4, false>;
  default:
    return nullptr;
  }
}

/// d[16][8] += a[16][K] * b[K][8]
template <unsigned K>
NETC_SIM_INLINE void multiply(const float (&a)[16][K], const float (&b)[K][8], float (&d)[16][8]) {
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned k = 0; k < K; ++k)
      for (unsigned column = 0; column < 8; ++column)
        d[row][column] = __builtin_fmaf(a[row][k], b[k][column], d[row][column]);
}

NETC_SIM_INLINE void readSums(Warp &warp, const uint32_t *op, float (&d)[16][8]) {
  for (unsigned part = 0; part < 4; ++part) {
    const float *c = in<float>(warp, op[part]);
    for (unsigned lane = 0; lane < 32; ++lane)
      d[lane / 4 + 8 * (part / 2)][2 * (lane % 4) + part % 2] = c[lane];
  }
}

NETC_SIM_INLINE void writeSums(Warp &warp, const uint32_t *op, const float (&d)[16][8]) {
  for (unsigned part = 0; part < 4; ++part) {
    float *to = out<float>(warp, op[part]);
    for (unsigned lane = 0; lane < 32; ++lane)
      to[lane] = d[lane / 4 + 8 * (part / 2)][2 * (lane % 4) + part % 2];
  }
}

/// op: 4 of d, K/2 of a, K/4 of b, 4 of c.
template <unsigned K> static void multiplyTf32(Warp &warp, const Instr &instr) {
  constexpr unsigned partsOfA = K / 2, partsOfB = K / 4;
  float a[16][K], b[K][8], d[16][8];
  for (unsigned part = 0; part < partsOfA; ++part) {
    const uint32_t *from = in<uint32_t>(warp, instr.op[4 + part]);
    for (unsigned lane = 0; lane < 32; ++lane)
      a[lane / 4 + 8 * (part % 2)][lane % 4 + 4 * (part / 2)] =
          bitCast<float>(from[lane] & ~0x1fffu);
  }
  for (unsigned part = 0; part < partsOfB; ++part) {
    const uint32_t *from = in<uint32_t>(warp, instr.op[4 + partsOfA + part]);
    for (unsigned lane = 0; lane < 32; ++lane)
      b[lane % 4 + 4 * part][lane / 4] = bitCast<float>(from[lane] & ~0x1fffu);
  }
  readSums(warp, instr.op + 4 + partsOfA + partsOfB, d);
  multiply<K>(a, b, d);
  writeSums(warp, instr.op, d);
}

/// op: 4 of d, K/4 of a, K/8 of b, 4 of c; a register holds two neighbours in k.
template <unsigned K, bool Bfloat> static void multiplyHalf(Warp &warp, const Instr &instr) {
  constexpr unsigned partsOfA = K / 4, partsOfB = K / 8;
  auto widen = [](uint32_t bits) {
    return Bfloat ? bfloatToFloat(uint16_t(bits)) : halfToFloat(uint16_t(bits));
  };
  float a[16][K], b[K][8], d[16][8];
  for (unsigned part = 0; part < partsOfA; ++part) {
    const uint32_t *from = in<uint32_t>(warp, instr.op[4 + part]);
    for (unsigned lane = 0; lane < 32; ++lane) {
      float *to = &a[lane / 4 + 8 * (part % 2)][2 * (lane % 4) + 8 * (part / 2)];
      to[0] = widen(from[lane]);
      to[1] = widen(from[lane] >> 16);
    }
  }
  for (unsigned part = 0; part < partsOfB; ++part) {
    const uint32_t *from = in<uint32_t>(warp, instr.op[4 + partsOfA + part]);
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned k = 2 * (lane % 4) + 8 * part;
      b[k][lane / 4] = widen(from[lane]);
      b[k + 1][lane / 4] = widen(from[lane] >> 16);
    }
  }
  readSums(warp, instr.op + 4 + partsOfA + partsOfB, d);
  multiply<K>(a, b, d);
  writeSums(warp, instr.op, d);
}

Handler selectMultiplyMatrix(unsigned k, Type type) {
  if (type == Type::TF32)
    return k == 4 ? multiplyTf32<4> : k == 8 ? multiplyTf32<8> : nullptr;
  if (type == Type::BF16)
    return k == 8 ? multiplyHalf<8, true> : k == 16 ? multiplyHalf<16, true> : nullptr;
  if (type == Type::F16)
    return k == 8 ? multiplyHalf<8, false> : k == 16 ? multiplyHalf<16, false> : nullptr;
  return nullptr;
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
