//===- Block.cpp - warps take turns ---------------------------------------===//
#include "runtime/device/sim/Block.h"

#include <algorithm>
#include <chrono>
#include <cstring>

using namespace netc::runtime::sim;

namespace {
constexpr uint64_t fastQuantum = 1 << 14;
constexpr uint64_t turnsInVain = 1000; // of each warp, until it is a deadlock
} // namespace

Block::Block(const LaunchContext &context, Scratch &scratch, unsigned worker)
    : context(context), program(*context.launch.program), scratch(scratch), worker(worker) {
  const auto &size = context.launch.block;
  threads = size[0] * size[1] * size[2];
  unsigned count = (threads + lanes - 1) / lanes;
  warps.resize(count);
  windowCache.resize(size_t(count) * windows);
  size_t linesOfWarp = program.registerBytes / 64 + 1, predicates = program.predicates;
  registerLines = linesOfWarp * count;
  size_t sharedBytes = program.staticSharedBytes + context.launch.dynamicShared;
  scratch.registers.resize(std::max(scratch.registers.size(), registerLines));
  scratch.predicates.resize(std::max(scratch.predicates.size(), predicates * count));
  scratch.shared.resize(std::max(scratch.shared.size(), sharedBytes / 64 + 1));
  size_t localOfWarp = program.localBytes * lanes / 64 + 1;
  localLines = localOfWarp * count;
  if (context.countsBanks)
    banks.resize(program.code.size());
  scratch.local.resize(std::max(scratch.local.size(), localLines));
  for (unsigned index = 0; index < count; ++index) {
    Warp &warp = warps[index];
    warp.base[0] = scratch.registers[linesOfWarp * index].bytes;
    warp.base[1] =
        const_cast<char *>(program.constants.empty() ? nullptr : program.constants[0].bytes);
    warp.predicates = &scratch.predicates[predicates * index];
    warp.index = index;
    warp.checks = context.checks;
    warp.block = this;
    warp.global = context.memory.delta();
    warp.cached = &windowCache[size_t(index) * windows];
    warp.shared = scratch.shared[0].bytes;
    warp.sharedBytes = sharedBytes;
    warp.local = scratch.local[localOfWarp * index].bytes;
    warp.localBytes = program.localBytes;
    warp.parameters = context.launch.parameters.data();
    warp.parameterBytes = context.launch.parameters.size();
    for (unsigned slot = 0; slot < windows; ++slot)
      warp.cached[slot] = context.checks ? Window() : context.memory.everything();
  }
}

uint64_t Block::takeInstructions() {
  uint64_t result = laneInstructions;
  laneInstructions = 0;
  return result;
}

/// xorshift64*
uint32_t Block::random() {
  randomState ^= randomState >> 12;
  randomState ^= randomState << 25;
  randomState ^= randomState >> 27;
  return uint32_t((randomState * 0x2545F4914F6CDD1D) >> 32);
}

uint32_t Block::specialValue(Special which, const Warp &warp, unsigned lane) const {
  const auto &size = context.launch.block, &grid = context.launch.grid;
  uint32_t thread = warp.index * lanes + lane;
  switch (which) {
  case Special::TidX:
    return thread % size[0];
  case Special::TidY:
    return thread / size[0] % size[1];
  case Special::TidZ:
    return thread / size[0] / size[1];
  case Special::NtidX:
    return size[0];
  case Special::NtidY:
    return size[1];
  case Special::NtidZ:
    return size[2];
  case Special::CtaidX:
    return index[0];
  case Special::CtaidY:
    return index[1];
  case Special::CtaidZ:
    return index[2];
  case Special::NctaidX:
    return grid[0];
  case Special::NctaidY:
    return grid[1];
  case Special::NctaidZ:
    return grid[2];
  case Special::LaneId:
    return lane;
  case Special::WarpId:
    return warp.index;
  case Special::NwarpId:
    return uint32_t(warps.size());
  case Special::LaneMaskEq:
    return 1u << lane;
  case Special::LaneMaskLt:
    return (1u << lane) - 1;
  case Special::LaneMaskLe:
    return (1u << lane) - 1 + (1u << lane);
  case Special::LaneMaskGe:
    return ~((1u << lane) - 1);
  case Special::LaneMaskGt:
    return ~((1u << lane) - 1 + (1u << lane));
  case Special::SmId:
    return worker % context.multiprocessors;
  case Special::NsmId:
    return context.multiprocessors;
  case Special::DynamicSharedBytes:
    return context.launch.dynamicShared;
  case Special::TotalSharedBytes:
    return uint32_t(warp.sharedBytes);
  case Special::Clock:
  case Special::Clock64:
  case Special::GlobalTimer:
  case Special::GridId:
    return 0;
  }
  return 0;
}

void Block::fillSpecials(Warp &warp) {
  for (auto [which, slot] : program.specials) {
    bool wide =
        which == Special::Clock64 || which == Special::GlobalTimer || which == Special::GridId;
    for (unsigned lane = 0; lane < lanes; ++lane) {
      uint64_t value = specialValue(which, warp, lane);
      std::memcpy(warp.base[0] + slot + lane * (wide ? 8 : 4), &value, wide ? 8 : 4);
    }
  }
}

void Block::start(uint64_t blockNumber) {
  const auto &grid = context.launch.grid;
  number = blockNumber;
  index = {uint32_t(number % grid[0]), uint32_t(number / grid[0] % grid[1]),
           uint32_t(number / grid[0] / grid[1])};
  randomState = (context.seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) | 1;
  fenced = synchronised = false;
  for (Barrier &barrier : barriers)
    barrier = Barrier();
  if (context.checks) { // unwritten values show in results: NaN as f32, far out of bounds as an
                        // address
    std::memset(static_cast<void *>(scratch.registers.data()), 0x7f, registerLines * 64);
    std::memset(static_cast<void *>(scratch.shared.data()), 0x7f, warps[0].sharedBytes);
    std::memset(static_cast<void *>(scratch.local.data()), 0x7f, localLines * 64);
    clocks.reset();
    shadow.reset(warps[0].sharedBytes);
  }
  memoryBarriers.reset();
  matrices.reset(warps.size());
  std::fill_n(scratch.predicates.begin(), size_t(program.predicates) * warps.size(), 0);
  for (Warp &warp : warps) {
    unsigned first = warp.index * lanes, count = std::min(lanes, threads - first);
    warp.live = count == lanes ? ~0u : (1u << count) - 1;
    warp.groups.assign(1, {0, warp.live, GroupState::Ready});
    warp.predicates[0] = ~0u;
    warp.copies.clear();
    std::fill(std::begin(warp.commitGroup), std::end(warp.commitGroup), 0);
    std::fill(std::begin(warp.bulkGroup), std::end(warp.bulkGroup), 0);
    warp.bulkReads.clear();
    resetMatrix(warp, program);
    fillSpecials(warp);
  }
}

bool Block::runnable(const Warp &warp) const {
  return std::any_of(warp.groups.begin(), warp.groups.end(),
                     [](const Group &group) { return group.state == GroupState::Ready; });
}

void Block::run(uint64_t blockNumber) {
  start(blockNumber);
  warpInstructions = 0;
  uint64_t waits = 0, seen = 0; // turns since something else than waiting for mbarriers happened
  for (size_t at = 0;; ++at) {
    size_t count = warps.size(), first = context.checks ? random() % count : at % count;
    Warp *next = nullptr;
    bool anyLeft = false;
    for (size_t tried = 0; tried < count && !next; ++tried) {
      Warp &warp = warps[(first + tried) % count];
      anyLeft |= warp.live != 0;
      if (warp.live && runnable(warp))
        next = &warp;
    }
    if (!next && !anyLeft)
      break;
    if (!next)
      reportDeadlock();
    if (warpInstructions > context.instructionLimit)
      report(*next, next->groups[0].pc, next->groups[0].mask, "endless loop",
             "the warps of the block have run more than " +
                 std::to_string(context.instructionLimit) + " instructions",
             cuda::CUDA_ERROR_LAUNCH_TIMEOUT);
    next->polled = false;
    runWarp(*next, context.checks ? 16u << (random() % 10) : fastQuantum);
    completeBarriers();
    bool inVain = next->polled && seen == memoryBarriers.changes();
    seen = memoryBarriers.changes();
    waits = inVain ? waits + 1 : 0;
    if (waits > turnsInVain * count)
      reportWaitingInVain(*next);
  }
  if (context.checks)
    checkEnd();
  for (Warp &warp : warps) {
    laneInstructions += warp.laneInstructions;
    warp.laneInstructions = 0;
  }
}

void Block::mergeGroups(Warp &warp) {
  auto &groups = warp.groups;
  for (size_t first = 0; first < groups.size(); ++first)
    for (size_t second = first + 1; second < groups.size();) {
      bool together = groups[first].pc == groups[second].pc &&
                      groups[first].state != GroupState::Arrived &&
                      groups[second].state != GroupState::Arrived;
      if (!together) {
        ++second;
        continue;
      }
      groups[first].mask |= groups[second].mask;
      groups[first].state = GroupState::Ready;
      groups.erase(groups.begin() + long(second));
    }
}

void Block::runWarp(Warp &warp, uint64_t budget) {
  bool astray = warp.groups.size() > 1 &&
                (random() & 15) == 0; // so that lanes in a spin loop do not starve others
  while (budget) {
    size_t best = warp.groups.size();
    for (size_t each = 0; each < warp.groups.size(); ++each) {
      const Group &group = warp.groups[each];
      if (group.state == GroupState::Ready &&
          (best == warp.groups.size() || (group.pc < warp.groups[best].pc) != astray))
        best = each;
    }
    if (best == warp.groups.size())
      return;
    runGroup(warp, best, budget);
    if (warp.groups.size() > 1)
      mergeGroups(warp);
  }
}

/// Until the group meets another, falls behind one, waits or has used its budget.
void Block::runGroup(Warp &warp, size_t which, uint64_t &budget) {
  const Instr *code = program.code.data();
  Group group = warp.groups[which];
  uint64_t count = 0, before = budget;
  uint32_t boundary = UINT32_MAX;
  auto findBoundary = [&] {
    boundary = UINT32_MAX;
    for (size_t each = 0; each < warp.groups.size(); ++each)
      if (each != which && warp.groups[each].state != GroupState::Arrived &&
          warp.groups[each].pc > group.pc)
        boundary = std::min(boundary, warp.groups[each].pc);
  };
  if (warp.groups.size() > 1)
    findBoundary();
  Step step = Step::Continue;
  while (budget) {
    --budget;
    const Instr &instr = code[group.pc];
    uint32_t mask = warp.predicates[instr.guard];
    mask = group.mask & (instr.guardNegated ? ~mask : mask);
    count += unsigned(__builtin_popcount(mask));
    if (instr.kind == Kind::Plain) [[likely]] {
      if (mask) {
        warp.exec = mask;
        instr.run(warp, instr);
      }
      ++group.pc;
    } else {
      step = control(warp, group, instr, mask);
      if (step != Step::Continue)
        break;
      if (warp.groups.size() > 1)
        findBoundary();
    }
    if (group.pc >= boundary)
      break;
  }
  warp.laneInstructions += count;
  warpInstructions += before - budget;
  warp.groups[which] = group;
  if (group.mask == 0)
    warp.groups.erase(warp.groups.begin() + long(which));
  if (step == Step::Yield)
    budget = 0;
}

Block::Step Block::control(Warp &warp, Group &group, const Instr &instr, uint32_t mask) {
  if (!mask) {
    ++group.pc;
    return Step::Continue;
  }
  switch (instr.kind) {
  case Kind::Plain:
    break;
  case Kind::Branch:
    return branch(warp, group, mask, instr.target);
  case Kind::BranchIndex:
    return branchIndex(warp, group, instr, mask);
  case Kind::Exit:
    return leave(warp, group, mask);
  case Kind::Trap:
    report(warp, group.pc, mask, "trap", "the kernel stopped itself",
           cuda::CUDA_ERROR_ILLEGAL_INSTRUCTION);
  case Kind::Barrier:
    return arrive(warp, group, instr, mask);
  case Kind::Together:
  case Kind::AllTogether:
    return together(warp, group, instr, mask);
  case Kind::Watched:
  case Kind::Poll:
    checkWatched(warp, instr);
    warp.exec = mask;
    warp.polled = false;
    instr.run(warp, instr);
    ++group.pc;
    return warp.polled ? Step::Yield : Step::Continue;
  case Kind::Unreachable:
    break;
  }
  return Step::Continue;
}

/// Leaves `mask` in the group; the others become a group of their own.
void Block::split(Warp &warp, Group &group, uint32_t mask, uint32_t restPc) {
  if (uint32_t rest = group.mask & ~mask)
    warp.groups.push_back({restPc, rest, GroupState::Ready});
  group.mask = mask;
}

Block::Step Block::branch(Warp &warp, Group &group, uint32_t mask, uint32_t target) {
  if (mask == group.mask) {
    group.pc = target;
    // Lanes that fell behind go first.
    for (const Group &other : warp.groups)
      if (warp.groups.size() > 1 && other.state == GroupState::Ready && other.pc <= target &&
          other.mask != group.mask)
        return Step::Regroup;
    return Step::Continue;
  }
  split(warp, group, mask, group.pc + 1);
  group.pc = target;
  return Step::Regroup;
}

Block::Step Block::branchIndex(Warp &warp, Group &group, const Instr &instr, uint32_t mask) {
  const auto &table = program.branchTables[instr.target];
  const uint32_t *entries =
      reinterpret_cast<const uint32_t *>(warp.base[instr.op[0] & 1] + (instr.op[0] & ~1u));
  uint32_t first = entries[__builtin_ctz(mask)], same = 0;
  for (unsigned lane = 0; lane < lanes; ++lane)
    same |= uint32_t(((mask >> lane) & 1) && entries[lane] == first) << lane;
  if (first >= table.size())
    report(warp, group.pc, same, "branch out of bounds",
           "entry " + std::to_string(first) + " of a table of " + std::to_string(table.size()));
  if (same == group.mask) {
    group.pc = table[first];
    return Step::Regroup;
  }
  uint32_t others = mask & ~same;
  uint32_t past = group.mask & ~mask;
  if (others)
    warp.groups.push_back({group.pc, others, GroupState::Ready});
  if (past)
    warp.groups.push_back({group.pc + 1, past, GroupState::Ready});
  group.mask = same;
  group.pc = table[first];
  return Step::Regroup;
}

Block::Step Block::leave(Warp &warp, Group &group, uint32_t mask) {
  warp.live &= ~mask;
  group.mask &= ~mask;
  ++group.pc;
  for (Group &other : warp.groups) // who waits for these lanes looks again
    if (other.state == GroupState::Gathering)
      other.state = GroupState::Ready;
  return group.mask ? Step::Continue : Step::Regroup;
}

/// Runs for the lanes that the instruction names, once they are all here.
Block::Step Block::together(Warp &warp, Group &group, const Instr &instr, uint32_t mask) {
  uint32_t needed = ~0u, mine = mask;
  if (instr.kind == Kind::Together) {
    const uint32_t *members =
        reinterpret_cast<const uint32_t *>(warp.base[instr.op[13] & 1] + (instr.op[13] & ~1u));
    needed = members[__builtin_ctz(mask)];
    mine = 0;
    for (unsigned lane = 0; lane < lanes; ++lane)
      mine |= uint32_t(((mask >> lane) & 1) && members[lane] == needed) << lane;
    if (mine & ~needed)
      report(warp, group.pc, mine & ~needed, "bad member mask",
             "the thread is not in its own member mask");
  }
  if (needed & ~warp.live)
    report(warp, group.pc, mine, "bad member mask",
           instr.kind == Kind::Together
               ? "the member mask names threads that have exited or do not exist"
               : "all 32 threads of the warp must run it; some have exited or do not exist");
  if (mine == needed) {
    // Lanes behind a false guard step over it; lanes with another mask stay.
    uint32_t skipping = group.mask & ~mask, staying = mask & ~mine;
    if (skipping)
      warp.groups.push_back({group.pc + 1, skipping, GroupState::Ready});
    if (staying)
      warp.groups.push_back({group.pc, staying, GroupState::Ready});
    group.mask = mine;
    warp.exec = mine;
    checkWatched(warp, instr);
    instr.run(warp, instr);
    ++group.pc;
    return skipping || staying ? Step::Regroup : Step::Continue;
  }
  split(warp, group, mask, group.pc + 1);
  group.state = GroupState::Gathering;
  return Step::Regroup;
}

Block::Step Block::arrive(Warp &warp, Group &group, const Instr &instr, uint32_t mask) {
  auto uniform = [&](uint32_t slot) {
    const uint32_t *values = reinterpret_cast<const uint32_t *>(warp.base[slot & 1] + (slot & ~1u));
    uint32_t first = values[__builtin_ctz(mask)];
    for (unsigned lane = 0; lane < lanes; ++lane)
      if (((mask >> lane) & 1) && values[lane] != first)
        report(warp, group.pc, mask, "divergent barrier",
               "the threads of a warp name different barriers or counts");
    return first;
  };
  if (instr.flags && mask != warp.live) { // .aligned: the whole warp at once
    split(warp, group, mask, group.pc + 1);
    group.state = GroupState::Gathering;
    return Step::Regroup;
  }
  uint32_t number = uniform(instr.op[0]), expected = instr.op[1] == ~0u ? 0 : uniform(instr.op[1]);
  if (number >= 16)
    report(warp, group.pc, mask, "bad barrier", "barrier " + std::to_string(number) + " of 16");
  if (instr.op[1] != ~0u && (expected == 0 || expected % lanes))
    report(warp, group.pc, mask, "bad barrier",
           "a count of " + std::to_string(expected) + " threads, expected a multiple of 32");
  Barrier &barrier = barriers[number];
  if (barrier.inUse && barrier.expected != expected)
    report(warp, group.pc, mask, "bad barrier",
           "barrier " + std::to_string(number) + " with a count of " + std::to_string(expected) +
               ", others wait at it with " + std::to_string(barrier.expected));
  split(warp, group, mask, group.pc + 1);
  barrier.inUse = true;
  barrier.expected = expected;
  // With a count, a warp counts as 32 threads.
  barrier.arrived += expected && instr.flags ? lanes : unsigned(__builtin_popcount(mask));
  if (BarrierOp op = BarrierOp(instr.mode); op != BarrierOp::Sync && op != BarrierOp::Arrive) {
    uint32_t bits = warp.predicates[instr.op[3] & 0x7fffffff];
    barrier.trues += unsigned(__builtin_popcount((instr.op[3] >> 31 ? ~bits : bits) & mask));
  }
  if (context.checks) {
    for (unsigned other = 0; other < maximumAgents; ++other)
      barrier.clocks[other] = std::max(barrier.clocks[other], clocks.known[warp.index][other]);
    barrier.clocks[warp.index] = std::max(barrier.clocks[warp.index], clocks.own[warp.index]++);
  }
  if (BarrierOp(instr.mode) == BarrierOp::Arrive) {
    ++group.pc;
    return Step::Yield; // completes what it was the last of
  }
  group.state = GroupState::Arrived;
  return Step::Yield;
}
