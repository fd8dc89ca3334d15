//===- GpuSums.cpp - sums over shards on GPUs -----------------------------===//
#include "runtime/device/cuda/GpuSums.h"

#include "runtime/base/Error.h"
#include "runtime/system/Memory.h"

#include <algorithm>
#include <bit>
#include <exception>
#include <utility>

using namespace netc::runtime;
using namespace netc::runtime::cuda;

// Parts begin where the widest loads may.
static constexpr int64_t partUnit = 64;

static constexpr int64_t floatBytes = sizeof(float), halfBytes = 2;

GpuSums::GpuSums(GpuDevice &gpu, const SumLayout &layout, std::shared_ptr<NcclGroup> joined)
    : gpu(gpu), driver(gpu.calls()), group(std::move(joined)), kernels(driver), space(layout.space),
      run(layout.run), bf16(layout.bf16), order(layout.run) {
  layOut(layout);
  allocate();
}

GpuSums::~GpuSums() {
  if (group && std::uncaught_exceptions()) // others may not send what is waited for
    group->abandon();
  // Errors have no reader any more. What was captured holds calls of NCCL.
  gpu.forgetGraphs();
  for (CUevent event : {ready, done})
    if (event)
      driver.eventDestroy(event);
  for (CUdeviceptr base : memory)
    driver.memFree(base);
}

/// Where each value lies among the packed ones, and what each shard adds.
void GpuSums::layOut(const SumLayout &layout) {
  int64_t processes = group ? group->size() : 1;
  for (const SumPiece &from : layout.pieces) {
    Piece piece{from.command, chunkTable.size(), 0, packed, 0};
    for (const ValueRange &range : from.ranges)
      for (int64_t at = range.begin; at < range.end; at += sumChunkValues) {
        int64_t count = std::min(sumChunkValues, range.end - at);
        chunkTable.push_back({uint64_t(at), uint64_t(packed), uint64_t(count)});
        packed += count;
      }
    int64_t count = packed - piece.offset;
    piece.chunks = chunkTable.size() - piece.firstChunk;
    piece.part = (count + processes * partUnit - 1) / (processes * partUnit) * partUnit;
    packed = piece.offset + piece.part * processes;
    longestPart = std::max(longestPart, piece.part);
    pieces.push_back(piece);
  }
  whole = {0, 0, chunkTable.size(), 0, packed};
  for (int64_t own = 0; own < run.own; ++own) {
    steps.push_back(order.next());
    order.end();
  }
  ownSums = order.sums();
  order.begin();
  nodes = 0;
  for (int64_t rank = 0; rank < processes; ++rank)
    nodes += int64_t(nodesOfProcess(unsigned(rank), unsigned(processes), run.shards).size());
}

CUdeviceptr GpuSums::room(uint64_t bytes) {
  CUdeviceptr base = 0;
  std::string action =
      fmt::format("allocating {} on {} for sums over shards", describeBytes(bytes), gpu.describe());
  checkCuda(driver, driver.memAlloc(&base, std::max<uint64_t>(bytes, 1)), action.c_str());
  memory.push_back(base);
  checkCuda(driver, driver.memsetD8Async(base, 0, std::max<uint64_t>(bytes, 1), gpu.computing()),
            "clearing the GPU's memory");
  return base;
}

void GpuSums::upload(CUdeviceptr to, const void *from, uint64_t bytes) {
  if (bytes)
    checkCuda(driver, driver.memcpyHtoDAsync(to, from, bytes, gpu.computing()),
              "copying to the GPU");
}

void GpuSums::allocate() {
  std::vector<uint32_t> table;
  for (const std::vector<ShardOrder::Step> &own : steps) {
    merges.push_back(table.size() / 2);
    for (const ShardOrder::Step &step : own)
      if (step.from)
        table.insert(table.end(), {uint32_t(step.into), uint32_t(*step.from)});
  }
  merges.push_back(table.size() / 2);
  for (TreeAddition addition : additionsOfProcesses(group ? group->size() : 1, run.shards))
    table.insert(table.end(), {uint32_t(addition.into), uint32_t(addition.from)});
  processPairs = table.size() / 2 - merges.back();
  chunks = room(chunkTable.size() * sizeof(SumChunk));
  upload(chunks, chunkTable.data(), chunkTable.size() * sizeof(SumChunk));
  pairs = room(table.size() * sizeof(uint32_t));
  upload(pairs, table.data(), table.size() * sizeof(uint32_t));
  sums = room(ShardOrder::most(run) * uint64_t(packed) * floatBytes);
  if (space == NETC_SPACE_PARAMETERS)
    kept = room(uint64_t(packed) * floatBytes);
  if (group) {
    received = room(uint64_t(nodes * longestPart) * floatBytes);
    if (bf16) {
      half = room(ownSums * uint64_t(longestPart) * group->size() * halfBytes);
      halfReceived = room(uint64_t(nodes * longestPart) * halfBytes);
    }
    checkCuda(driver, driver.eventCreate(&ready, CU_EVENT_DISABLE_TIMING), "creating an event");
    checkCuda(driver, driver.eventCreate(&done, CU_EVENT_DISABLE_TIMING), "creating an event");
  }
  gpu.wait();
}

//===----------------------------------------------------------------------===//
// This process's shards
//===----------------------------------------------------------------------===//

/// The shard's values of `range`, and what the tree adds with them.
void GpuSums::addShard(CUstream stream, const Piece &range) {
  uint32_t rounded = bf16 ? uint32_t(SumKernels::Rounded) : 0;
  const ShardOrder::Step &first = steps[shard].front(); // the others add sums
  uint32_t how = rounded | (first.isFirst ? uint32_t(SumKernels::First) : 0) |
                 (isThere ? 0 : uint32_t(SumKernels::Nothing));
  kernels.take(stream, array(), sumsAt(int64_t(first.into), 0), chunks, range.firstChunk,
               range.chunks, share, how);
  int64_t count = &range == &whole ? packed : range.part * (group ? group->size() : 1);
  kernels.add(stream, sumsAt(0, range.offset), uint64_t(packed), uint64_t(count),
              pairs + merges[shard] * 2 * sizeof(uint32_t), merges[shard + 1] - merges[shard],
              rounded);
}

void GpuSums::take(float ofShard, bool exists) {
  bool last = order.isLast();
  shard = size_t(order.taken());
  order.end();
  share = ofShard;
  isThere = exists;
  if (!last || !group)
    return addShard(gpu.computing(), whole);
  beginBeside();
  endBeside();
}

void GpuSums::takeDuring(float ofShard) {
  shard = size_t(order.taken());
  order.end();
  share = ofShard;
  isThere = true;
  gpu.runBeside(this);
}

uint32_t GpuSums::identity() const { return std::bit_cast<uint32_t>(share); }

void GpuSums::keep() {
  kernels.take(gpu.computing(), array(), kept, chunks, 0, whole.chunks, 1, SumKernels::First);
}

void GpuSums::restore() {
  kernels.give(gpu.computing(), array(), kept, chunks, 0, whole.chunks, 1);
}

void GpuSums::finish(float divisor) {
  kernels.give(gpu.computing(), array(), sums, chunks, 0, whole.chunks, divisor);
}

//===----------------------------------------------------------------------===//
// Over processes
//===----------------------------------------------------------------------===//

void GpuSums::commandLaunched(uint64_t command) {
  while (begun < pieces.size() && pieces[begun].command <= command)
    startPiece();
}

void GpuSums::endBeside() {
  while (begun < pieces.size())
    startPiece();
  checkCuda(driver, driver.eventRecord(done, group->stream()), "recording an event");
  checkCuda(driver, driver.streamWaitEvent(gpu.computing(), done, 0), "ordering sums");
}

/// Behind what the program's stream has so far.
void GpuSums::startPiece() {
  const Piece &piece = pieces[begun++];
  checkCuda(driver, driver.eventRecord(ready, gpu.computing()), "recording an event");
  checkCuda(driver, driver.streamWaitEvent(group->stream(), ready, 0), "ordering sums");
  addShard(group->stream(), piece);
  overProcesses(piece);
}

/// All-to-all: of each of the own sums, `stride` values apart, every process gets its part.
void GpuSums::exchange(const Piece &piece, CUdeviceptr from, int64_t stride, CUdeviceptr to,
                       int64_t bytes) {
  uint64_t part = uint64_t(piece.part * bytes);
  auto own = [&](uint64_t node, unsigned of) {
    return from + node * uint64_t(stride * bytes) + of * part;
  };
  CUdeviceptr place = to;
  group->begin();
  for (unsigned peer = 0; peer < group->size(); ++peer) {
    bool isSelf = peer == group->rank();
    for (uint64_t node = 0; node < ownSums && !isSelf; ++node)
      group->send(own(node, peer), int64_t(part), peer);
    uint64_t theirs = nodesOfProcess(peer, group->size(), run.shards).size();
    for (uint64_t node = 0; node < theirs && !isSelf; ++node)
      group->receive(place + node * part, int64_t(part), peer);
    place += theirs * part;
  }
  group->end();
  place = to;
  for (unsigned peer = 0; peer < group->rank(); ++peer)
    place += nodesOfProcess(peer, group->size(), run.shards).size() * part;
  for (uint64_t node = 0; node < ownSums; ++node)
    checkCuda(driver,
              driver.memcpyDtoDAsync(place + node * part, own(node, group->rank()), part,
                                     group->stream()),
              "copying within the GPU");
}

/// The own sums of a piece become those of all processes.
void GpuSums::overProcesses(const Piece &piece) {
  int64_t count = piece.part * group->size();
  CUdeviceptr processes = pairs + merges.back() * 2 * sizeof(uint32_t);
  if (!bf16) {
    exchange(piece, sumsAt(0, piece.offset), packed, received, floatBytes);
    kernels.add(group->stream(), received, uint64_t(piece.part), uint64_t(piece.part), processes,
                processPairs, 0);
    return group->gather(received, sumsAt(0, piece.offset), piece.part * floatBytes);
  }
  // Each value of the tree is one of bf16: half of its bytes are all of it.
  for (uint64_t node = 0; node < ownSums; ++node)
    kernels.narrow(group->stream(), sumsAt(int64_t(node), piece.offset),
                   half + node * uint64_t(count) * halfBytes, uint64_t(count));
  exchange(piece, half, count, halfReceived, halfBytes);
  kernels.widen(group->stream(), halfReceived, received, uint64_t(nodes * piece.part));
  kernels.add(group->stream(), received, uint64_t(piece.part), uint64_t(piece.part), processes,
              processPairs, SumKernels::Rounded);
  kernels.narrow(group->stream(), received, halfReceived, uint64_t(piece.part));
  group->gather(halfReceived, half, piece.part * halfBytes);
  kernels.widen(group->stream(), half, sumsAt(0, piece.offset), uint64_t(count));
}
