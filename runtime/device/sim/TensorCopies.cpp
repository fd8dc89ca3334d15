//===- TensorCopies.cpp - cp.async.bulk.tensor ----------------------------===//
//
// PTX ISA 9.7.9.27. A copy to shared memory completes on an mbarrier and lands when somebody waits
// for that; a copy to global memory happens when it is issued, and its shared memory must stay as
// it is until the thread's cp.async.bulk.wait_group.
//
// op: shared address, tensor map's address, mbarrier's address, coordinates; op[8] to op[10]: the
// addresses' offsets; op[13]: their widths, a byte each. count: rank.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/sim/Block.h"
#include "runtime/device/sim/TensorMap.h"

#include <fmt/format.h>

#include <cstring>

using namespace netc::runtime::sim;

/// The address that operand `index` names.
static uint64_t addressAt(const Warp &warp, const Instr &instr, unsigned index, unsigned lane) {
  Instr part;
  part.offset = uint64_t(int64_t(int32_t(instr.op[8 + index])));
  part.addressBytes = uint8_t(instr.op[13] >> (8 * index));
  return sharedAddressOf(warp, part, instr.op[index], lane);
}

static TensorMap mapOf(Warp &warp, const Instr &instr, unsigned lane) {
  uint64_t address = addressAt(warp, instr, 1, lane);
  const DeviceMemory &memory = warp.block->context.memory;
  TensorMap map;
  map.magic = 0;
  if (uint64_t offset = address - parameterWindow; offset < windowBytes) {
    if (offset + 128 > warp.parameterBytes)
      reportBadAccess(warp, instr, offset, lane, 128, Space::Param);
    std::memcpy(&map, warp.parameters + offset, sizeof map);
  } else {
    if (!memory.holds(address, 128))
      reportBadAccess(warp, instr, address, lane, 128, Space::Global);
    std::memcpy(&map, memory.host(address), sizeof map);
  }
  if (address % 64 || map.magic != TensorMap::mark)
    reportFault(warp, instr, 1u << lane, "bad tensor map",
                fmt::format("no tensor map lies at address {:#x}, aligned to 64 bytes", address));
  if (map.rank != instr.count)
    reportFault(warp, instr, 1u << lane, "bad tensor map",
                fmt::format("a tensor map of rank {}, the instruction has {} coordinates", map.rank,
                            instr.count));
  return map;
}

/// The box that the lane's coordinates name; its global memory exists.
static std::vector<BoxRun> boxOf(Warp &warp, const Instr &instr, unsigned lane,
                                 const TensorMap &map, Access access) {
  uint64_t shared = addressAt(warp, instr, 0, lane);
  if (shared % 128 || shared + map.boxBytes() > warp.sharedBytes)
    reportBadAccess(warp, instr, shared, lane, 128, Space::Shared);
  Coordinates first = {};
  for (unsigned axis = 0; axis < map.rank; ++axis)
    std::memcpy(&first[axis],
                warp.base[instr.op[3 + axis] & 1] + (instr.op[3 + axis] & ~1u) + 4 * lane, 4);
  std::vector<BoxRun> runs = runsOfBox(map, first, uint32_t(shared));
  const DeviceMemory &memory = warp.block->context.memory;
  Window window = warp.checks ? memory.find(map.address) : memory.everything();
  uint64_t last = map.address + map.bytes();
  if (map.address < window.low || last > window.low + window.bytes)
    reportFault(warp, instr, 1u << lane, "out of bounds",
                fmt::format("the tensor of {} bytes at {:#x}: {}", map.bytes(), map.address,
                            memory.describe(last - 1)));
  if (warp.checks)
    for (const BoxRun &run : runs) {
      uint64_t addresses[lanes] = {};
      addresses[lane] = run.global;
      if (run.global)
        recordGlobal(warp, instr, addresses, run.bytes, 1u << lane, access);
    }
  return runs;
}

template <typename F> static void forLanes(const Warp &warp, F each) {
  for (uint32_t rest = warp.exec; rest; rest &= rest - 1)
    each(unsigned(__builtin_ctz(rest)));
}

void netc::runtime::sim::runTensorLoad(Warp &warp, const Instr &instr) {
  Block &block = *warp.block;
  forLanes(warp, [&](unsigned lane) {
    TensorMap map = mapOf(warp, instr, lane);
    BulkLoad load;
    load.barrier = uint32_t(addressAt(warp, instr, 2, lane));
    load.bytes = map.boxBytes();
    for (const BoxRun &run : boxOf(warp, instr, lane, map, Access::Read))
      load.runs.push_back(
          {run.shared, run.bytes, run.global ? block.context.memory.host(run.global) : nullptr});
    block.memoryBarriers.start(warp, instr, lane, std::move(load));
  });
  if (warp.checks)
    ++block.clocks.own[warp.index];
}

void netc::runtime::sim::runTensorStore(Warp &warp, const Instr &instr) {
  Block &block = *warp.block;
  forLanes(warp, [&](unsigned lane) {
    TensorMap map = mapOf(warp, instr, lane);
    BulkRead read{lane, warp.bulkGroup[lane], {}};
    for (const BoxRun &run : boxOf(warp, instr, lane, map, Access::Write)) {
      if (uint32_t chunk = run.shared & ~15u;
          warp.checks && (read.chunks.empty() || read.chunks.back() != chunk)) {
        SharedVerdict verdict = block.shadow.beginRead(block.clocks, warp.index, chunk, 16, lane);
        if (verdict.fault != SharedFault::None)
          reportShared(warp, instr, lane, chunk, 16, verdict, Access::Read);
        read.chunks.push_back(chunk);
      }
      if (run.global)
        std::memcpy(block.context.memory.host(run.global), warp.shared + run.shared, run.bytes);
    }
    if (warp.checks)
      warp.bulkReads.push_back(std::move(read));
  });
}

void netc::runtime::sim::runBulkCommit(Warp &warp, const Instr &) {
  forLanes(warp, [&](unsigned lane) { ++warp.bulkGroup[lane]; });
}

/// All but the lane's last `offset` groups have been read. Whether what they write is visible,
/// which a wait without `.read` says too, is not checked.
void netc::runtime::sim::runBulkWait(Warp &warp, const Instr &instr) {
  std::erase_if(warp.bulkReads, [&](const BulkRead &read) {
    bool waits = (warp.exec >> read.lane) & 1;
    if (!waits || uint64_t(read.group) + instr.offset >= warp.bulkGroup[read.lane])
      return false;
    for (uint32_t chunk : read.chunks)
      warp.block->shadow.endRead(warp.block->clocks, warp.index, chunk, 16, read.lane);
    return true;
  });
}
