//===- Barriers.cpp - barriers complete, or never will --------------------===//
#include "runtime/device/sim/Block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace netc::runtime::sim;

static uint32_t barrierNumber(const Warp &warp, const Instr &instr, uint32_t mask) {
  const uint32_t *values =
      reinterpret_cast<const uint32_t *>(warp.base[instr.op[0] & 1] + (instr.op[0] & ~1u));
  return values[__builtin_ctz(mask)];
}

void Block::completeBarriers() {
  for (unsigned which = 0; which < 16; ++which) {
    Barrier &barrier = barriers[which];
    if (!barrier.inUse)
      continue;
    unsigned live = 0;
    for (const Warp &warp : warps)
      live += unsigned(__builtin_popcount(warp.live));
    if (barrier.arrived < (barrier.expected ? barrier.expected : live))
      continue;
    if (context.checks && !barrier.expected && live < threads)
      reportExited(which);
    releaseBarrier(which);
  }
}

void Block::releaseBarrier(unsigned which) {
  Barrier barrier = barriers[which];
  barriers[which] = Barrier();
  for (Warp &warp : warps) {
    bool joined = false;
    for (Group &group : warp.groups) {
      const Instr &instr = program.code[group.pc];
      if (group.state != GroupState::Arrived || barrierNumber(warp, instr, group.mask) != which)
        continue;
      BarrierOp op = BarrierOp(instr.mode);
      if (op == BarrierOp::Popc) {
        uint32_t *to = reinterpret_cast<uint32_t *>(warp.base[0] + instr.op[2]);
        for (unsigned lane = 0; lane < lanes; ++lane)
          if ((group.mask >> lane) & 1)
            to[lane] = barrier.trues;
      } else if (op == BarrierOp::And || op == BarrierOp::Or) {
        bool result = op == BarrierOp::And ? barrier.trues == barrier.arrived : barrier.trues != 0;
        uint32_t &to = warp.predicates[instr.op[2]];
        to = (to & ~group.mask) | (result ? group.mask : 0);
      }
      group.state = GroupState::Ready;
      ++group.pc;
      joined = true;
    }
    if (!joined || !context.checks)
      continue;
    for (unsigned other = 0; other < maximumAgents; ++other)
      clocks.known[warp.index][other] =
          std::max(clocks.known[warp.index][other], barrier.clocks[other]);
  }
  for (Warp &warp : warps)
    mergeGroups(warp);
  limitClocks();
}

/// Stamps hold 20 bits of clock: begin anew long before they are full. A race across this one
/// barrier in a million goes unseen.
void Block::limitClocks() {
  if (*std::max_element(std::begin(clocks.own), std::end(clocks.own)) < lastClock)
    return;
  clocks.reset();
  shadow.forgetStamps();
}

void Block::reportExited(unsigned which) {
  const Warp *waiting = nullptr;
  const Group *group = nullptr;
  uint64_t exited = 0;
  for (const Warp &warp : warps) {
    unsigned count = std::min<unsigned>(lanes, threads - warp.index * lanes);
    uint32_t all = count == lanes ? ~0u : (1u << count) - 1;
    if (uint32_t gone = all & ~warp.live; gone && !exited)
      exited = 1 + warp.index * lanes + unsigned(__builtin_ctz(gone));
    for (const Group &each : warp.groups)
      if (each.state == GroupState::Arrived &&
          barrierNumber(warp, program.code[each.pc], each.mask) == which && !waiting)
        waiting = &warp, group = &each;
  }
  if (!waiting) // only arrivals without waiting
    waiting = &warps[0];
  report(*waiting, group ? group->pc : 0, group ? group->mask : 1, "divergent barrier",
         "not all threads of the block reach the barrier: " + threadName(exited - 1) +
             " has exited");
}

/// Every warp waits for an mbarrier, and no mbarrier changes any more.
void Block::reportWaitingInVain(const Warp &warp) {
  // The warp has just looked.
  auto looked = std::find_if(warp.groups.begin(), warp.groups.end(), [&](const Group &each) {
    return each.pc > 0 && program.code[each.pc - 1].kind == Kind::Poll;
  });
  const Group &group = looked == warp.groups.end() ? warp.groups[0] : *looked;
  report(warp, group.pc - (looked != warp.groups.end()), group.mask, "mbarrier deadlock",
         "the threads wait for a phase that never completes" + memoryBarriers.describe());
}

/// What must not be under way, or uneven, when all threads have exited.
void Block::checkEnd() {
  if (!memoryBarriers.underWay().empty())
    report(warps[0], uint32_t(program.code.size() - 1), 1, "bulk copy not waited for",
           fmt::format("the block ends while a bulk copy of {} bytes to its shared memory is under "
                       "way{}",
                       memoryBarriers.underWay()[0].bytes, memoryBarriers.describe()));
  for (const Warp &warp : warps)
    if (!warp.bulkReads.empty())
      report(warp, uint32_t(program.code.size() - 1), 1u << warp.bulkReads[0].lane,
             "bulk copy not waited for",
             "the thread exits while a bulk copy may still read its block's shared memory "
             "(cp.async.bulk.wait_group)");
  if (int group = matrices.unequal(warps); group >= 0)
    report(warps[size_t(4 * group)], uint32_t(program.code.size() - 1), 1, "divergent warpgroup",
           "the warps of the warpgroup have executed different numbers of wgmma.mma_async");
}

/// No warp can run: says who waits where.
void Block::reportDeadlock() {
  const Warp *warp = nullptr;
  const Group *group = nullptr;
  // Lanes that wait for lanes of their own warp are the cause where there are any.
  for (GroupState state : {GroupState::Gathering, GroupState::Arrived})
    for (const Warp &each : warps)
      for (const Group &other : each.groups)
        if (!group && other.state == state)
          warp = &each, group = &other;
  std::string others;
  unsigned listed = 0;
  for (const Warp &each : warps)
    for (const Group &other : each.groups) {
      if (&other == group ||
          (&each != warp && other.pc == group->pc && other.mask == group->mask) || ++listed > 3)
        continue;
      others += "\n  while " + placeOf(each, other.pc, other.mask);
    }
  if (group->state == GroupState::Gathering) {
    bool isBarrier = program.code[group->pc].kind == Kind::Barrier;
    uint32_t missing = warp->live & ~group->mask;
    report(*warp, group->pc, group->mask, isBarrier ? "divergent barrier" : "divergent warp",
           "the threads of lanes " + fmt::format("{:#010x}", group->mask) + " wait for lanes " +
               fmt::format("{:#010x}", missing) + " of their warp, which never come" + others);
  }
  report(*warp, group->pc, group->mask, "divergent barrier",
         "not all threads come to the barrier: deadlock" + others);
}
