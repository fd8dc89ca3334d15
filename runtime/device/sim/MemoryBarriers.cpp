//===- MemoryBarriers.cpp - mbarriers and the bulk copies on them ---------===//
#include "runtime/device/sim/MemoryBarriers.h"

#include "runtime/device/sim/Block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace netc::runtime::sim;

namespace {
constexpr uint32_t mostArrivals = (1u << 20) - 1; // PTX ISA 9.7.13.15.2
constexpr int64_t mostTransactions = (1 << 20) - 1;
} // namespace

template <typename T> static T valueOf(const Warp &warp, uint32_t slot, unsigned lane) {
  T value;
  std::memcpy(&value, warp.base[slot & 1] + (slot & ~1u) + lane * sizeof(T), sizeof(T));
  return value;
}

uint64_t netc::runtime::sim::sharedAddressOf(const Warp &warp, const Instr &instr, uint32_t slot,
                                             unsigned lane) {
  uint64_t address = instr.addressBytes == 8
                         ? valueOf<uint64_t>(warp, slot, lane) + instr.offset
                         : uint32_t(valueOf<uint32_t>(warp, slot, lane) + uint32_t(instr.offset));
  return address - sharedWindow < windowBytes ? address - sharedWindow : address;
}

void MemoryBarriers::reset() {
  barriers.clear();
  loads.clear();
}

MemoryBarrier &MemoryBarriers::find(Warp &warp, const Instr &instr, unsigned lane,
                                    uint64_t address) {
  if ((address & 7) || address + 8 > warp.sharedBytes)
    reportBadAccess(warp, instr, address, lane, 8, Space::Shared);
  auto found = std::find_if(barriers.begin(), barriers.end(),
                            [&](const MemoryBarrier &each) { return each.address == address; });
  if (found == barriers.end())
    reportFault(warp, instr, 1u << lane, "bad mbarrier",
                fmt::format("no mbarrier was initialised at shared address {:#x}", address));
  const WarpClocks &clocks = warp.block->clocks;
  if (warp.checks && found->creator != warp.index &&
      clocks.known[warp.index][found->creator] < found->created)
    reportFault(warp, instr, 1u << lane, "race on an mbarrier",
                fmt::format("the mbarrier at shared address {:#x} is used with no barrier after "
                            "its mbarrier.init by a thread of warp {}",
                            address, found->creator));
  return *found;
}

void MemoryBarriers::initialise(Warp &warp, const Instr &instr, unsigned lane, uint64_t address,
                                uint32_t count) {
  if ((address & 7) || address + 8 > warp.sharedBytes)
    reportBadAccess(warp, instr, address, lane, 8, Space::Shared);
  for (const MemoryBarrier &each : barriers)
    if (each.address == address)
      reportFault(warp, instr, 1u << lane, "bad mbarrier",
                  fmt::format("the mbarrier at shared address {:#x} is initialised again without "
                              "mbarrier.inval",
                              address));
  if (count < 1 || count > mostArrivals)
    reportFault(warp, instr, 1u << lane, "bad mbarrier",
                fmt::format("a count of {} arrivals, expected 1 to {}", count, mostArrivals));
  Block &block = *warp.block;
  MemoryBarrier barrier;
  barrier.address = uint32_t(address);
  barrier.expected = barrier.pending = count;
  // More than there are agents share some: who waits for one then knows what the other orders.
  barrier.agent = maximumWarps + unsigned(barriers.size() % (maximumAgents - maximumWarps));
  barrier.creator = warp.index;
  barrier.created = block.clocks.own[warp.index];
  if (warp.checks) {
    SharedVerdict verdict =
        block.shadow.access(block.clocks, warp.index, lane, address, 8, Access::Write);
    if (verdict.fault != SharedFault::None)
      reportShared(warp, instr, lane, address, 8, verdict, Access::Write);
    block.shadow.setObject(address, true);
  }
  barriers.push_back(barrier);
}

void MemoryBarriers::expect(Warp &warp, const Instr &instr, unsigned lane, MemoryBarrier &barrier,
                            int64_t bytes) {
  barrier.transactions += bytes;
  ++changeCount;
  if (std::abs(barrier.transactions) > mostTransactions)
    reportFault(warp, instr, 1u << lane, "bad mbarrier",
                fmt::format("a transaction count of {} bytes, at most {} are allowed",
                            barrier.transactions, mostTransactions));
}

void MemoryBarriers::arrive(Warp &warp, const Instr &instr, unsigned lane, MemoryBarrier &barrier,
                            uint32_t count) {
  if (count < 1 || count > barrier.pending)
    reportFault(warp, instr, 1u << lane, "bad mbarrier",
                fmt::format("{} arrivals at the mbarrier at shared address {:#x}, whose phase {} "
                            "waits for {} of {}",
                            count, barrier.address, barrier.phase, barrier.pending,
                            barrier.expected));
  Block &block = *warp.block;
  ++changeCount;
  if (warp.checks) {
    const WarpClocks &clocks = block.clocks;
    for (unsigned agent = 0; agent < maximumAgents; ++agent)
      barrier.arrived[agent] = std::max(barrier.arrived[agent], clocks.known[warp.index][agent]);
    barrier.arrived[warp.index] =
        std::max(barrier.arrived[warp.index], block.clocks.own[warp.index]);
  }
  barrier.pending -= count;
  tryComplete(block, barrier);
}

/// PTX ISA 9.7.13.15.5: no arrivals are pending and no transactions either.
void MemoryBarriers::tryComplete(Block &block, MemoryBarrier &barrier) {
  if (barrier.pending || barrier.transactions)
    return;
  barrier.pending = barrier.expected;
  ++barrier.phase;
  ++changeCount;
  if (!block.context.checks)
    return;
  uint32_t &clock = block.clocks.own[barrier.agent];
  barrier.arrived[barrier.agent] = clock++;
  std::memcpy(barrier.completed, barrier.arrived, sizeof barrier.completed);
  std::memset(barrier.arrived, 0, sizeof barrier.arrived);
  block.limitClocks();
}

/// With `.parity` the phase of that parity, which is the current one or the one before; without it
/// the phase whose state an arrival returned.
bool MemoryBarriers::isComplete(Warp &warp, const Instr &instr, unsigned lane,
                                MemoryBarrier &barrier) {
  if (instr.flags & flagParity) {
    uint32_t parity = valueOf<uint32_t>(warp, instr.op[2], lane);
    if (parity > 1)
      reportFault(warp, instr, 1u << lane, "bad mbarrier",
                  fmt::format("a phase parity of {}, expected 0 or 1", parity));
    return (barrier.phase & 1) != parity;
  }
  uint64_t phase = valueOf<uint64_t>(warp, instr.op[2], lane);
  if (phase > barrier.phase || barrier.phase - phase > 1)
    reportFault(warp, instr, 1u << lane, "bad mbarrier",
                fmt::format("a state of phase {} at the mbarrier at shared address {:#x}, whose "
                            "phase is {}: only the current phase and the one before can be waited "
                            "for",
                            phase, barrier.address, barrier.phase));
  return phase != barrier.phase;
}

uint32_t MemoryBarriers::run(Warp &warp, const Instr &instr) {
  Block &block = *warp.block;
  auto op = MemoryBarrierOp(instr.mode);
  uint32_t complete = 0;
  const MemoryBarrier *joined = nullptr;
  for (uint32_t rest = warp.exec; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint64_t address = sharedAddressOf(warp, instr, instr.op[1], lane);
    if (op == MemoryBarrierOp::Init) {
      initialise(warp, instr, lane, address, valueOf<uint32_t>(warp, instr.op[2], lane));
      continue;
    }
    MemoryBarrier &barrier = find(warp, instr, lane, address);
    switch (op) {
    case MemoryBarrierOp::Invalidate:
      if (warp.checks)
        block.shadow.setObject(address, false);
      barriers.erase(barriers.begin() + (&barrier - barriers.data()));
      break;
    case MemoryBarrierOp::ArriveExpect:
    case MemoryBarrierOp::Expect:
      expect(warp, instr, lane, barrier, valueOf<uint32_t>(warp, instr.op[2], lane));
      if (op == MemoryBarrierOp::Expect)
        break;
      [[fallthrough]];
    case MemoryBarrierOp::Arrive: {
      uint64_t state = barrier.phase;
      arrive(warp, instr, lane, barrier,
             op == MemoryBarrierOp::Arrive ? valueOf<uint32_t>(warp, instr.op[2], lane) : 1);
      if (instr.op[0] != ~0u)
        std::memcpy(warp.base[0] + instr.op[0] + lane * 8, &state, 8);
      break;
    }
    default:
      landSome(block, barrier.address);
      if (!isComplete(warp, instr, lane, barrier))
        break;
      complete |= 1u << lane;
      if (!warp.checks || joined == &barrier)
        break;
      joined = &barrier;
      for (unsigned agent = 0; agent < maximumAgents; ++agent) {
        uint32_t &known = block.clocks.known[warp.index][agent];
        known = std::max(known, barrier.completed[agent]);
      }
    }
  }
  if (warp.checks && op != MemoryBarrierOp::Wait)
    ++block.clocks.own[warp.index];
  return complete;
}

void MemoryBarriers::fence(unsigned warp) {
  for (MemoryBarrier &barrier : barriers)
    barrier.fenced |= barrier.creator == warp;
}

//===----------------------------------------------------------------------===//
// Bulk copies
//===----------------------------------------------------------------------===//

void MemoryBarriers::start(Warp &warp, const Instr &instr, unsigned lane, BulkLoad load) {
  Block &block = *warp.block;
  MemoryBarrier &barrier = find(warp, instr, lane, load.barrier);
  if (!warp.checks)
    return land(block, load);
  if (!barrier.fenced)
    reportFault(warp, instr, 1u << lane, "race on an mbarrier",
                fmt::format("a bulk copy counts on the mbarrier at shared address {:#x} with no "
                            "fence.mbarrier_init or fence.proxy.async after its mbarrier.init",
                            barrier.address));
  for (const BulkLoad::Run &run : load.runs) {
    SharedVerdict verdict =
        block.shadow.issueBulk(block.clocks, warp.index, lane, run.to, run.bytes);
    if (verdict.fault != SharedFault::None)
      reportShared(warp, instr, lane, run.to, run.bytes, verdict, Access::Write);
    std::memset(warp.shared + run.to, 0x7f, run.bytes);
  }
  loads.push_back(std::move(load));
}

void MemoryBarriers::land(Block &block, const BulkLoad &load) {
  auto barrier = std::find_if(barriers.begin(), barriers.end(), [&](const MemoryBarrier &each) {
    return each.address == load.barrier;
  });
  for (const BulkLoad::Run &run : load.runs) {
    char *to = block.sharedMemory() + run.to;
    if (run.from)
      std::memcpy(to, run.from, run.bytes);
    else
      std::memset(to, 0, run.bytes);
    if (block.context.checks && barrier != barriers.end())
      block.shadow.landBulk(block.clocks, barrier->agent, run.to, run.bytes);
  }
  ++changeCount;
  if (barrier == barriers.end())
    return;
  barrier->transactions -= load.bytes;
  tryComplete(block, *barrier);
}

/// Of the copies that somebody waits for, each lands now or at a later look, as the seed has it.
void MemoryBarriers::landSome(Block &block, uint32_t address) {
  for (size_t at = 0; at < loads.size();) {
    if (loads[at].barrier != address || (block.random() & 1)) {
      ++at;
      continue;
    }
    BulkLoad load = std::move(loads[at]);
    loads.erase(loads.begin() + long(at));
    land(block, load);
  }
}

std::string MemoryBarriers::describe() const {
  std::string text;
  for (const MemoryBarrier &each : barriers)
    text += fmt::format("\n  mbarrier at shared address {:#x}: phase {}, {} of {} arrivals and {} "
                        "bytes pending",
                        each.address, each.phase, each.pending, each.expected, each.transactions);
  return text;
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

void netc::runtime::sim::runMemoryBarrier(Warp &warp, const Instr &instr) {
  uint32_t complete = warp.block->memoryBarriers.run(warp, instr);
  if (MemoryBarrierOp(instr.mode) != MemoryBarrierOp::Wait)
    return;
  uint32_t &to = warp.predicates[instr.op[0]];
  to = (to & ~warp.exec) | complete;
  warp.polled = complete != warp.exec;
}

/// What the lanes have written so far is before what the asynchronous proxy does later.
void netc::runtime::sim::runAsyncFence(Warp &warp, const Instr &) {
  Block &block = *warp.block;
  block.memoryBarriers.fence(warp.index);
  if (!warp.checks)
    return;
  uint32_t clock = block.clocks.own[warp.index]++;
  for (unsigned lane = 0; lane < lanes; ++lane)
    if ((warp.exec >> lane) & 1)
      block.clocks.fenced[warp.index][lane] = clock;
}

void netc::runtime::sim::runBarrierInitFence(Warp &warp, const Instr &) {
  warp.block->memoryBarriers.fence(warp.index);
}
