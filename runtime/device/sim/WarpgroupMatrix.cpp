//===- WarpgroupMatrix.cpp - wgmma's operands and rules -------------------===//
#include "runtime/device/sim/WarpgroupMatrix.h"

#include "runtime/device/sim/Block.h"

#include <fmt/format.h>

#include <algorithm>

using namespace netc::runtime::sim;

static uint32_t decodedField(uint64_t bits, unsigned low) {
  return uint32_t((bits >> low) & 0x3fff) << 4;
}

MatrixDescriptor::MatrixDescriptor(uint64_t bits)
    : start(decodedField(bits, 0)), leading(decodedField(bits, 16)), stride(decodedField(bits, 32)),
      baseOffset(uint32_t((bits >> 49) & 7)) {
  static constexpr uint32_t sizes[] = {0, 128, 64, 32};
  swizzleBytes = sizes[bits >> 62];
}

uint32_t MatrixDescriptor::place(uint32_t line, uint32_t chunk, bool transposed) const {
  uint32_t row = swizzleBytes ? swizzleBytes : 16, across = row / 16;
  uint32_t eight = line / 8, within = line % 8 * row, offset = 0;
  if (!transposed)
    offset = eight * stride + within + chunk * (swizzleBytes ? 16 : leading);
  else if (swizzleBytes)
    offset = chunk % across * 16 + chunk / across * leading + within + eight * stride;
  else
    offset = chunk * stride + within + eight * leading;
  return swizzled(start + offset, swizzleBytes);
}

//===----------------------------------------------------------------------===//
// Warps of a warpgroup
//===----------------------------------------------------------------------===//

void WarpgroupMatrices::reset(size_t warps) {
  groups.clear();
  groups.resize((warps + 3) / 4);
}

void WarpgroupMatrices::issue(Warp &warp, const Instr &instr, uint64_t a, uint64_t b,
                              bool accumulates) {
  Group &group = groups[warp.index / 4];
  uint64_t &count = group.counts[warp.index % 4];
  if (count == group.first + group.issued.size()) {
    group.issued.push_back({&instr, a, b, accumulates});
  } else {
    const Issued &other = group.issued[count - group.first];
    const char *what = other.instr != &instr              ? "another instruction"
                       : other.a != a || other.b != b     ? "other matrix descriptors"
                       : other.accumulates != accumulates ? "another scale-d"
                                                          : nullptr;
    if (what)
      reportFault(warp, instr, ~0u, "divergent warpgroup",
                  fmt::format("as wgmma.mma_async number {} of its warpgroup another warp executed "
                              "{}; the four warps of a warpgroup must execute the same",
                              count, what));
  }
  ++count;
  uint64_t all = *std::min_element(std::begin(group.counts), std::end(group.counts));
  for (; group.first < all; ++group.first)
    group.issued.pop_front();
}

int WarpgroupMatrices::unequal(const std::vector<Warp> &warps) const {
  for (size_t group = 0; group < groups.size(); ++group)
    for (size_t warp = 4 * group; warp < std::min(warps.size(), 4 * group + 4); ++warp)
      if (groups[group].counts[warp % 4] != groups[group].counts[0])
        return int(group);
  return -1;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

void netc::runtime::sim::resetMatrix(Warp &warp, const Program &program) {
  if (!program.watchedRegisters)
    return;
  MatrixState &state = warp.matrix;
  state = MatrixState();
  state.sums.assign(program.watchedRegisters, 0);
  state.operands.assign(program.watchedRegisters, 0);
  state.columns.assign(program.watchedRegisters, 0);
  state.accessed.assign(program.watchedRegisters, 1);
}

void netc::runtime::sim::reportWatched(Warp &warp, const Instr &instr) {
  MatrixState &state = warp.matrix;
  for (uint32_t number : warp.block->program.watched[instr.watch]) {
    if (std::max(state.sums[number], state.operands[number]) > state.done)
      reportFault(warp, instr, warp.exec ? warp.exec : 1, "wgmma not waited for",
                  fmt::format("the thread accesses a register that a wgmma.mma_async under way {}, "
                              "with no wgmma.wait_group between",
                              state.sums[number] > state.done ? "writes" : "reads as A"));
    state.accessed[number] = 1;
  }
}

/// The registers that `instr` names are free, or hold sums of the same shape.
static void checkMatrixRegisters(Warp &warp, const Instr &instr) {
  MatrixState &state = warp.matrix;
  const Program &program = warp.block->program;
  uint32_t sums = 4u * instr.count, columns = 8u * instr.count;
  uint32_t count = sums + (instr.mode & matrixRegisters ? 4 : 0);
  if (!state.fenced)
    reportFault(warp, instr, ~0u, "wgmma.fence missing",
                "no wgmma.fence was executed before the first wgmma.mma_async");
  for (uint32_t index = 0; index < count; ++index) {
    uint32_t number = program.wideNumbers[instr.target + index];
    bool isSum = index < sums;
    if (state.accessed[number])
      reportFault(warp, instr, ~0u, "wgmma.fence missing",
                  fmt::format("register {} of {} was accessed by another instruction with no "
                              "wgmma.fence after it",
                              isSum ? index : index - sums, isSum ? "the sums" : "A"));
    bool otherShape = isSum && state.sums[number] > state.done && state.columns[number] != columns;
    bool isOther = state.operands[number] > state.done && isSum;
    isOther |= state.sums[number] > state.done && !isSum;
    if (otherShape || isOther)
      reportFault(warp, instr, ~0u, "wgmma not waited for",
                  fmt::format("register {} of {} belongs to a wgmma.mma_async under way {}",
                              isSum ? index : index - sums, isSum ? "the sums" : "A",
                              otherShape ? "of another shape" : "in another role"));
    (isSum ? state.sums : state.operands)[number] = state.open;
    if (isSum)
      state.columns[number] = columns;
  }
}

const uint32_t *netc::runtime::sim::beginMatrix(Warp &warp, const Instr &instr, uint64_t a,
                                                uint64_t b, bool accumulates) {
  Block &block = *warp.block;
  if (warp.index / 4 * 4 + 4 > block.warpCount())
    reportFault(warp, instr, ~0u, "bad wgmma",
                "the warp belongs to no whole warpgroup: four warps from a multiple of four on");
  if (MatrixDescriptor(a).baseOffset || MatrixDescriptor(b).baseOffset)
    reportFault(warp, instr, ~0u, "bad wgmma", "a matrix base offset is not simulated");
  if (warp.checks) {
    block.matrices.issue(warp, instr, a, b, accumulates);
    checkMatrixRegisters(warp, instr);
  }
  return &block.program.wideOperands[instr.target];
}

void netc::runtime::sim::readByMatrix(Warp &warp, const Instr &instr, const uint32_t *chunks,
                                      unsigned count) {
  Block &block = *warp.block;
  for (const uint32_t *chunk = chunks; chunk != chunks + count; ++chunk) {
    uint32_t address = *chunk;
    SharedVerdict verdict = block.shadow.beginRead(block.clocks, warp.index, address, 16);
    if (verdict.fault != SharedFault::None)
      reportShared(warp, instr, 0, address, 16, verdict, Access::Read);
  }
  warp.matrix.reads.push_back({warp.matrix.open, {chunks, chunks + count}});
}

void netc::runtime::sim::runMatrixFence(Warp &warp, const Instr &) {
  warp.matrix.fenced = true;
  std::fill(warp.matrix.accessed.begin(), warp.matrix.accessed.end(), 0);
}

void netc::runtime::sim::runMatrixCommit(Warp &warp, const Instr &) { ++warp.matrix.open; }

/// All but the last `offset` groups are complete; what they read of shared memory has been read.
void netc::runtime::sim::runMatrixWait(Warp &warp, const Instr &instr) {
  MatrixState &state = warp.matrix;
  if (state.open - 1 > instr.offset)
    state.done = std::max(state.done, uint32_t(state.open - 1 - instr.offset));
  if (!warp.checks)
    return;
  WarpClocks &clocks = warp.block->clocks;
  std::erase_if(state.reads, [&](const MatrixState::Read &read) {
    if (read.group > state.done)
      return false;
    for (uint32_t address : read.chunks)
      warp.block->shadow.endRead(clocks, warp.index, address, 16);
    return true;
  });
  // The reads are the whole warp's: they are before what any of its lanes does.
  clocks.known[warp.index][warp.index] = clocks.own[warp.index]++;
}
