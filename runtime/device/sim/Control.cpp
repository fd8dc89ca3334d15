//===- Control.cpp - handlers without arithmetic --------------------------===//
#include "runtime/device/sim/Block.h"
#include "runtime/device/sim/Decoder.h"

#include <chrono>
#include <cstring>

using namespace netc::runtime::sim;

void netc::runtime::sim::runNothing(Warp &, const Instr &) {}

void netc::runtime::sim::runActiveMask(Warp &warp, const Instr &instr) {
  uint32_t *to = reinterpret_cast<uint32_t *>(warp.base[0] + instr.op[0]);
  for (unsigned lane = 0; lane < lanes; ++lane)
    if ((warp.exec >> lane) & 1)
      to[lane] = warp.exec;
}

void netc::runtime::sim::runElect(Warp &warp, const Instr &instr) {
  uint32_t leader = uint32_t(__builtin_ctz(warp.exec)), bit = 1u << leader;
  uint32_t *to = reinterpret_cast<uint32_t *>(warp.base[0] + instr.op[0]);
  for (unsigned lane = 0; lane < lanes; ++lane)
    if ((warp.exec >> lane) & 1)
      to[lane] = leader;
  if (instr.op[1])
    warp.predicates[instr.op[1]] = (warp.predicates[instr.op[1]] & ~warp.exec) | bit;
}

/// %clock, %clock64 and %globaltimer: nanoseconds.
void netc::runtime::sim::runClock(Warp &warp, const Instr &instr) {
  uint64_t now = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
  for (unsigned lane = 0; lane < lanes; ++lane)
    if ((warp.exec >> lane) & 1)
      std::memcpy(warp.base[0] + instr.op[0] + lane * instr.count, &now, instr.count);
}

void netc::runtime::sim::runFence(Warp &warp, const Instr &) { warp.block->fenced = true; }

void netc::runtime::sim::runWarpBarrier(Warp &warp, const Instr &) {
  if (!warp.checks)
    return;
  WarpClocks &clocks = warp.block->clocks;
  clocks.known[warp.index][warp.index] = clocks.own[warp.index]++;
}

void netc::runtime::sim::runCommitCopies(Warp &warp, const Instr &) {
  for (unsigned lane = 0; lane < lanes; ++lane)
    warp.commitGroup[lane] += (warp.exec >> lane) & 1;
}

void netc::runtime::sim::issueCopy(Warp &warp, const Instr &instr, const AsyncCopy &copy) {
  if (warp.checks) {
    uint64_t to[lanes];
    std::copy(copy.to, copy.to + lanes, to);
    warp.block->countBanks(instr, to, copy.bytes, copy.mask);
    for (unsigned lane = 0; lane < lanes; ++lane)
      if ((copy.mask >> lane) & 1) {
        SharedVerdict verdict = warp.block->shadow.issue(warp.block->clocks, warp.index, lane,
                                                         copy.to[lane], copy.bytes);
        if (verdict.fault != SharedFault::None)
          reportShared(warp, instr, lane, copy.to[lane], copy.bytes, verdict, Access::Write);
        std::memset(warp.shared + copy.to[lane], 0x7f, copy.bytes);
      }
  }
  warp.copies.push_back(copy);
  AsyncCopy &kept = warp.copies.back();
  std::memcpy(kept.group, warp.commitGroup, sizeof kept.group);
}

/// What a lane committed more than `offset` groups ago lands now, in order; with
/// mode 1 (wait_all) everything.
void netc::runtime::sim::runWaitCopies(Warp &warp, const Instr &instr) {
  if (instr.mode)
    runCommitCopies(warp, instr);
  bool someLeft = false;
  for (AsyncCopy &copy : warp.copies) {
    for (unsigned lane = 0; lane < lanes; ++lane) {
      uint32_t bit = 1u << lane;
      if (!(copy.mask & warp.exec & bit) ||
          uint64_t(copy.group[lane]) + instr.offset >= warp.commitGroup[lane])
        continue;
      char *to = warp.shared + copy.to[lane];
      std::memcpy(to, copy.from[lane], copy.copied[lane]);
      std::memset(to + copy.copied[lane], 0, copy.bytes - copy.copied[lane]);
      if (warp.checks)
        warp.block->shadow.land(warp.block->clocks, warp.index, lane, copy.to[lane], copy.bytes);
      copy.mask &= ~bit;
    }
    someLeft |= copy.mask != 0;
  }
  if (!someLeft)
    warp.copies.clear();
  else
    std::erase_if(warp.copies, [](const AsyncCopy &copy) { return copy.mask == 0; });
}
