//===- WarpgroupMatrix.h - wgmma's operands and rules -----------*- C++ -*-===//
//
// PTX ISA 9.7.15 (Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions). Each warp
// of a warpgroup multiplies 16 of the 64 rows, so each runs its part by itself, at the moment when
// it issues the instruction; the checks keep the rules under which this is what a chip computes:
//   - registers under way are not accessed until wgmma.wait_group (9.7.15.7.3), and wgmma.fence
//   lies
//     between other accesses of a register and the wgmma that names it (9.7.15.7.1);
//   - shared memory that it reads is not written before wgmma.wait_group, and what st wrote there
//   is
//     made visible by fence.proxy.async;
//   - the four warps execute the same instructions with the same descriptors.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_WARPGROUPMATRIX_H
#define NETC_RUNTIME_DEVICE_SIM_WARPGROUPMATRIX_H

#include "runtime/device/sim/Warp.h"

#include <deque>

namespace netc::runtime::sim {

/// Bits of Instr::mode of wgmma.mma_async.
enum : uint8_t {
  matrixRegisters = 1,  ///< A in registers
  matrixTransposeA = 2, ///< its rows lie side by side, not its depths (imm-trans-a)
  matrixTransposeB = 4,
  matrixNegateA = 8, ///< imm-scale-a is -1
  matrixNegateB = 16
};

/// A matrix descriptor (PTX ISA 9.7.15.5.1.2.2).
struct MatrixDescriptor {
  uint32_t start = 0, leading = 0, stride = 0; // bytes
  uint32_t baseOffset = 0;
  uint32_t swizzleBytes = 0; // 0, 32, 64 or 128

  explicit MatrixDescriptor(uint64_t bits);
  /// Where the 16 bytes `chunk` lie. K-major: of row `line`, depths 8 chunk to 8 chunk + 7; else of
  /// depth `line`, rows 8 chunk to 8 chunk + 7 (PTX ISA 9.7.15.5.1.2, "canonical layouts").
  uint32_t place(uint32_t line, uint32_t chunk, bool transposed) const;
};

/// Address bits 4 to 6 that a swizzle of `bytes` flips by the bits three above them.
inline uint32_t swizzled(uint32_t address, uint32_t bytes) {
  return bytes ? address ^ ((address >> 7) & (bytes / 16 - 1)) << 4 : address;
}

/// What the warps of a block's warpgroups have issued.
class WarpgroupMatrices {
public:
  void reset(size_t warps);
  /// The warp issues its next wgmma.mma_async with these descriptors; a finding where another warp
  /// of its warpgroup issued another one.
  void issue(Warp &warp, const Instr &instr, uint64_t a, uint64_t b, bool accumulates);
  /// A warpgroup whose warps issued different numbers of them, or -1.
  int unequal(const std::vector<Warp> &warps) const;

private:
  struct Issued {
    const Instr *instr;
    uint64_t a, b;
    bool accumulates;
  };
  struct Group {
    std::deque<Issued> issued;
    uint64_t first = 0; // number of the first of them
    uint64_t counts[4] = {};
  };
  std::vector<Group> groups;
};

/// A warp begins.
void resetMatrix(Warp &warp, const Program &program);
/// Before a wgmma.mma_async with these descriptors computes: reports what breaks a rule of warps
/// and registers. Returns the slots of its registers: the sums, then A's.
const uint32_t *beginMatrix(Warp &warp, const Instr &instr, uint64_t a, uint64_t b,
                            bool accumulates);
/// It reads these chunks of 16 bytes of shared memory, until the warp has waited for it.
void readByMatrix(Warp &warp, const Instr &instr, const uint32_t *chunks, unsigned count);
void reportWatched(Warp &warp, const Instr &instr);

/// Another instruction names registers that some wgmma uses.
inline void checkWatched(Warp &warp, const Instr &instr) {
  if (instr.watch && warp.checks) [[unlikely]]
    reportWatched(warp, instr);
}

// Handlers.
void runMatrixFence(Warp &, const Instr &);
void runMatrixCommit(Warp &, const Instr &);
void runMatrixWait(Warp &, const Instr &);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_WARPGROUPMATRIX_H
