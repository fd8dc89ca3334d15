//===- Warpgroup.cpp - wgmma.mma_async ------------------------------------===//
//
// The part of one warp: rows 16 w to 16 w + 15 of the warpgroup's 64. Fragments as PTX ISA
// 9.7.15.5.1.1 lays them out, which are those of mma.m16n8k16 side by side. Products are exact in
// f32 and are added in the order of k, as those of mma.sync are (Matrix.cpp).
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/WarpgroupMatrix.h"
#include "runtime/device/sim/exec/Address.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

namespace {
constexpr unsigned depth = 16, rowsOfWarp = 16, mostColumns = 256;

/// Chunks of 16 bytes that one instruction reads: A's and B's.
struct Chunks {
  uint32_t addresses[2 * rowsOfWarp + 2 * mostColumns];
  unsigned count = 0;
};
} // namespace

template <bool Bfloat> NETC_SIM_INLINE float widen(uint16_t bits) {
  return Bfloat ? bfloatToFloat(bits) : halfToFloat(bits);
}

/// Reads chunks of eight neighbours of a matrix in shared memory: `put(line, first, values)`.
/// Lines are rows and neighbours depths, or with `transposed` the other way round.
template <bool Bfloat, typename F>
NETC_SIM_INLINE void readMatrix(Warp &warp, const Instr &instr, const MatrixDescriptor &matrix,
                                bool transposed, unsigned firstRow, unsigned rows, Chunks &chunks,
                                F put) {
  unsigned lines = transposed ? depth : rows, across = (transposed ? rows : depth) / 8;
  for (unsigned line = 0; line < lines; ++line)
    for (unsigned chunk = 0; chunk < across; ++chunk) {
      uint32_t address = transposed ? matrix.place(line, firstRow / 8 + chunk, true)
                                    : matrix.place(firstRow + line, chunk, false);
      if (uint64_t(address) + 16 > warp.sharedBytes)
        reportBadAccess(warp, instr, address, 0, 16, Space::Shared);
      uint16_t bits[8];
      std::memcpy(bits, warp.shared + address, 16);
      for (unsigned at = 0; at < 8; ++at)
        put(line, 8 * chunk + at, widen<Bfloat>(bits[at]));
      chunks.addresses[chunks.count++] = address;
    }
}

/// sums[row][0..N) += a[row][k] b[k][0..N), columns [first, first + Width).
template <unsigned Width>
NETC_SIM_INLINE void multiplyColumns(const float (&a)[rowsOfWarp][depth],
                                     const float (&b)[depth][mostColumns],
                                     float (&sums)[rowsOfWarp][mostColumns], unsigned first) {
  for (unsigned row = 0; row < rowsOfWarp; ++row) {
    float own[Width];
    for (unsigned column = 0; column < Width; ++column)
      own[column] = sums[row][first + column];
    for (unsigned k = 0; k < depth; ++k)
      for (unsigned column = 0; column < Width; ++column)
        own[column] = __builtin_fmaf(a[row][k], b[k][first + column], own[column]);
    for (unsigned column = 0; column < Width; ++column)
      sums[row][first + column] = own[column];
  }
}

template <bool Bfloat>
static void readRegisters(Warp &warp, const uint32_t *slots, float (&a)[rowsOfWarp][depth]) {
  for (unsigned part = 0; part < 4; ++part) {
    const uint32_t *from = in<uint32_t>(warp, slots[part]);
    for (unsigned lane = 0; lane < 32; ++lane) {
      float *to = &a[lane / 4 + 8 * (part % 2)][2 * (lane % 4) + 8 * (part / 2)];
      to[0] = widen<Bfloat>(uint16_t(from[lane]));
      to[1] = widen<Bfloat>(uint16_t(from[lane] >> 16));
    }
  }
}

static void negate(float *values, unsigned count) {
  for (unsigned at = 0; at < count; ++at)
    values[at] = -values[at];
}

/// op: B's descriptor, A's, scale-d; wideOperands at target: the sums, then A's registers.
template <bool Bfloat> static void multiplyWarpgroup(Warp &warp, const Instr &instr) {
  unsigned columns = 8u * instr.count, sumCount = 4u * instr.count;
  bool registers = instr.mode & matrixRegisters;
  uint64_t bitsOfB = *in<uint64_t>(warp, instr.op[0]);
  uint64_t bitsOfA = registers ? 0 : *in<uint64_t>(warp, instr.op[1]);
  bool accumulates = predicate(warp, instr.op[2]) & 1;
  MatrixDescriptor ofA(bitsOfA), ofB(bitsOfB);
  const uint32_t *slots = beginMatrix(warp, instr, bitsOfA, bitsOfB, accumulates);
  static thread_local float b[depth][mostColumns], sums[rowsOfWarp][mostColumns];
  float a[rowsOfWarp][depth];
  Chunks chunks;
  if (registers)
    readRegisters<Bfloat>(warp, slots + sumCount, a);
  else if (bool transposed = instr.mode & matrixTransposeA; true)
    readMatrix<Bfloat>(warp, instr, ofA, transposed, warp.index % 4 * rowsOfWarp, rowsOfWarp,
                       chunks, [&](unsigned line, unsigned at, float value) {
                         (transposed ? a[at][line] : a[line][at]) = value;
                       });
  bool transposed = instr.mode & matrixTransposeB;
  readMatrix<Bfloat>(warp, instr, ofB, transposed, 0, columns, chunks,
                     [&](unsigned line, unsigned at, float value) {
                       (transposed ? b[line][at] : b[at][line]) = value;
                     });
  if (warp.checks)
    readByMatrix(warp, instr, chunks.addresses, chunks.count);
  if (bool(instr.mode & matrixNegateA) != bool(instr.mode & matrixNegateB))
    negate(&a[0][0], rowsOfWarp * depth);
  for (unsigned part = 0; part < sumCount; ++part) {
    const float *c = in<float>(warp, slots[part]);
    unsigned down = part % 4 / 2 * 8, across = part / 4 * 8 + part % 2;
    for (unsigned lane = 0; lane < 32; ++lane)
      sums[lane / 4 + down][across + 2 * (lane % 4)] = accumulates ? c[lane] : 0.0f;
  }
  unsigned first = 0;
  for (; first + 32 <= columns; first += 32)
    multiplyColumns<32>(a, b, sums, first);
  for (; first < columns; first += 8)
    multiplyColumns<8>(a, b, sums, first);
  for (unsigned part = 0; part < sumCount; ++part) {
    float *to = out<float>(warp, slots[part]);
    unsigned down = part % 4 / 2 * 8, across = part / 4 * 8 + part % 2;
    for (unsigned lane = 0; lane < 32; ++lane)
      to[lane] = sums[lane / 4 + down][across + 2 * (lane % 4)];
  }
}

Handler selectMultiplyWarpgroup(Type type) {
  return type == Type::BF16  ? multiplyWarpgroup<true>
         : type == Type::F16 ? multiplyWarpgroup<false>
                             : nullptr;
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
