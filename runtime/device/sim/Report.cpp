//===- Report.cpp - findings in words -------------------------------------===//
#include "runtime/device/sim/Block.h"

#include <fmt/format.h>

using namespace netc::runtime::sim;

std::string Block::threadName(uint64_t thread) const {
  const auto &size = context.launch.block;
  return fmt::format("thread ({}, {}, {})", thread % size[0], thread / size[0] % size[1],
                     thread / size[0] / size[1]);
}

static std::string sourcePlace(const Program &program, uint32_t pc) {
  const Detail &detail = program.details[pc];
  std::string text =
      fmt::format("PTX line {}: {}", detail.line, program.module->lineText(detail.line));
  auto file = program.module->files.find(detail.sourceFile);
  if (detail.sourceLine && file != program.module->files.end())
    text += fmt::format("\n  from {}:{}", file->second, detail.sourceLine);
  return text;
}

std::string Block::placeOf(const Warp &warp, uint32_t pc, uint32_t mask) const {
  uint64_t thread = uint64_t(warp.index) * lanes + (mask ? unsigned(__builtin_ctz(mask)) : 0);
  return fmt::format("{} is at {}", threadName(thread), sourcePlace(program, pc));
}

void Block::report(const Warp &warp, uint32_t pc, uint32_t mask, const char *check,
                   const std::string &what, cuda::CUresult code) const {
  uint64_t thread = uint64_t(warp.index) * lanes + (mask ? unsigned(__builtin_ctz(mask)) : 0);
  throw Finding{code, fmt::format("{}: {}\n  in kernel {}, block ({}, {}, {}), {}\n  at {}", check,
                                  what, program.name, index[0], index[1], index[2],
                                  threadName(thread), sourcePlace(program, pc))};
}

void netc::runtime::sim::reportFault(Warp &warp, const Instr &instr, uint32_t lanesAtFault,
                                     const char *check, const std::string &what) {
  warp.block->report(warp, warp.block->pcOf(instr), lanesAtFault, check, what);
}

static const char *spaceName(Space space) {
  switch (space) {
  case Space::Shared:
    return "shared";
  case Space::Local:
    return "local";
  case Space::Param:
    return "parameter";
  default:
    return "global";
  }
}

void netc::runtime::sim::reportBadAccess(Warp &warp, const Instr &instr, uint64_t address,
                                         unsigned lane, uint32_t bytes, Space space) {
  Block &block = *warp.block;
  uint32_t pc = block.pcOf(instr);
  if (address & (bytes - 1))
    block.report(warp, pc, 1u << lane, "misaligned access",
                 fmt::format("{} bytes at {} address {:#x}", bytes, spaceName(space), address),
                 cuda::CUDA_ERROR_MISALIGNED_ADDRESS);
  std::string where;
  if (space == Space::Global)
    where = block.context.memory.describe(address);
  else
    where = fmt::format("the {} has {} bytes of it",
                        space == Space::Shared  ? "block"
                        : space == Space::Local ? "thread"
                                                : "kernel",
                        space == Space::Shared  ? warp.sharedBytes
                        : space == Space::Local ? warp.localBytes
                                                : warp.parameterBytes);
  block.report(
      warp, pc, 1u << lane, "out of bounds",
      fmt::format("{} bytes at {} address {:#x}: {}", bytes, spaceName(space), address, where),
      cuda::CUDA_ERROR_ILLEGAL_ADDRESS);
}

/// The cached window missed for some lane: each lane by the allocation that holds it.
void netc::runtime::sim::checkGlobalAccess(Warp &warp, const Instr &instr,
                                           const uint64_t *addresses, uint32_t bytes,
                                           uint32_t mask) {
  Window &cached = warp.cached[instr.window];
  Window everything = warp.block->context.memory.everything();
  for (unsigned lane = 0; lane < lanes; ++lane) {
    if (!((mask >> lane) & 1))
      continue;
    uint64_t address = addresses[lane];
    bool inside =
        address - cached.low < cached.bytes && cached.bytes - (address - cached.low) >= bytes;
    if (!inside && warp.checks) {
      Window found = warp.block->context.memory.find(address);
      inside = found.bytes != 0 && found.bytes - (address - found.low) >= bytes;
      if (inside)
        cached = found;
    } else if (!inside) {
      inside = address - everything.low < everything.bytes - bytes;
    }
    if (!inside || (address & (bytes - 1)))
      reportBadAccess(warp, instr, address, lane, bytes, Space::Global);
  }
}

void netc::runtime::sim::reportShared(Warp &warp, const Instr &instr, unsigned lane,
                                      uint64_t address, uint32_t bytes,
                                      const SharedVerdict &verdict, Access access) {
  std::string other =
      verdict.otherThread == severalThreads ? "several threads of another warp or its own"
      : verdict.otherThread == bulkCopies   ? "a bulk copy"
                                            : warp.block->threadName(verdict.otherThread);
  std::string range = fmt::format("bytes [{}, {}) of shared memory", address, address + bytes);
  const char *does = access == Access::Read    ? "reads"
                     : access == Access::Write ? "writes"
                                               : "updates";
  const char *check = "race in shared memory";
  std::string what;
  switch (verdict.fault) {
  case SharedFault::Unwritten:
    check = "read of unwritten shared memory";
    what = fmt::format("the thread {} {} of which some were never written", does, range);
    break;
  case SharedFault::InFlight:
    check = "cp.async not waited for";
    what =
        fmt::format("the thread {} {} that a cp.async of {} may still write", does, range, other);
    break;
  case SharedFault::Unfenced:
    check = "fence.proxy.async missing";
    what =
        fmt::format("the asynchronous proxy {} {} that {} wrote with no fence.proxy.async after it",
                    does, range, other);
    break;
  case SharedFault::BeingRead:
    check = "asynchronous read not waited for";
    what = fmt::format("the thread {} {} that wgmma.mma_async or a bulk copy may still read", does,
                       range);
    break;
  case SharedFault::BarrierObject:
    check = "bad mbarrier";
    what = fmt::format("the thread {} {}, which belong to an mbarrier", does, range);
    break;
  case SharedFault::ReadAfterWrite:
  case SharedFault::WriteAfterWrite:
    what =
        fmt::format("the thread {} {} that {} wrote with no barrier between", does, range, other);
    break;
  case SharedFault::WriteAfterRead:
    what = fmt::format("the thread {} {} that {} read with no barrier between", does, range, other);
    break;
  default:
    return;
  }
  reportFault(warp, instr, 1u << lane, check, what);
}

void netc::runtime::sim::recordShared(Warp &warp, const Instr &instr, const uint64_t *addresses,
                                      uint32_t bytes, uint32_t mask, Access access) {
  Block &block = *warp.block;
  block.countBanks(instr, addresses, bytes, mask);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    SharedVerdict verdict =
        block.shadow.access(block.clocks, warp.index, lane, addresses[lane], bytes, access);
    if (verdict.fault != SharedFault::None)
      reportShared(warp, instr, lane, addresses[lane], bytes, verdict, access);
  }
}

/// A block that has fenced and taken part in an atomic has an order with others
/// that this check does not follow: what it does is then left out.
void netc::runtime::sim::recordGlobal(Warp &warp, const Instr &instr, const uint64_t *addresses,
                                      uint32_t bytes, uint32_t mask, Access access) {
  Block &block = *warp.block;
  if (!block.context.shadow)
    return;
  if (access == Access::Atomic && block.fenced)
    block.synchronised = true;
  if (block.synchronised)
    return;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    for (uint64_t at = addresses[lane], end = at + bytes; at < end; at += 4) {
      GlobalShadow::Verdict verdict =
          block.context.shadow->access(at & ~uint64_t(3), block.number, access, bytes >= 4);
      if (!verdict.conflict)
        continue;
      const auto &grid = block.context.launch.grid;
      uint64_t other = verdict.otherBlock;
      std::string name = other == ~uint64_t(0)
                             ? std::string("other blocks")
                             : fmt::format("block ({}, {}, {})", other % grid[0],
                                           other / grid[0] % grid[1], other / grid[0] / grid[1]);
      reportFault(warp, instr, 1u << lane, "race in global memory",
                  fmt::format("the thread {} {} bytes at {:#x} ({}) that {} {} in the same launch",
                              access == Access::Read    ? "reads"
                              : access == Access::Write ? "writes"
                                                        : "updates",
                              bytes, addresses[lane], block.context.memory.describe(at), name,
                              verdict.otherWrote ? "wrote" : "read"));
    }
  }
}
