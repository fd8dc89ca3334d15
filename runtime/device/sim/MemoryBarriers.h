//===- MemoryBarriers.h - mbarriers and the bulk copies on them -*- C++ -*-===//
//
// PTX ISA 9.7.13.15 (mbarrier): an object of 8 bytes in shared memory that counts arrivals and
// bytes of bulk copies. Its state lies here, by address; the bytes in shared memory belong to it
// and any other access to them is a finding.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_MEMORYBARRIERS_H
#define NETC_RUNTIME_DEVICE_SIM_MEMORYBARRIERS_H

#include "runtime/device/sim/Shadow.h"

namespace netc::runtime::sim {

struct MemoryBarrier {
  uint32_t address = 0;
  uint32_t expected = 0, pending = 0;     // arrivals of a phase
  int64_t transactions = 0;               // bytes that are expected and not yet complete
  uint64_t phase = 0;                     // number of the current one
  unsigned agent = maximumWarps;          // of WarpClocks
  unsigned creator = 0;                   // warp of mbarrier.init
  uint32_t created = 0;                   // its clock then
  bool fenced = false;                    // the asynchronous proxy sees that it was initialised
  uint32_t arrived[maximumAgents] = {};   // clocks of who arrived in this phase
  uint32_t completed[maximumAgents] = {}; // clocks that the last complete phase orders
};

/// A bulk copy to shared memory that has not landed.
struct BulkLoad {
  uint32_t barrier = 0; // address
  uint32_t bytes = 0;   // that it completes, zeros beyond the tensor's edge included
  struct Run {
    uint32_t to = 0, bytes = 0;
    const char *from = nullptr; // null: zeros
  };
  std::vector<Run> runs;
};

enum class MemoryBarrierOp : uint8_t { Init, Invalidate, Arrive, ArriveExpect, Expect, Wait };

/// Those of one block.
class MemoryBarriers {
public:
  void reset();
  bool empty() const { return barriers.empty(); }
  /// One mbarrier instruction of the lanes of exec. Of a Wait: the lanes whose phase is complete.
  uint32_t run(Warp &warp, const Instr &instr);
  /// A bulk copy that a lane starts; it lands when somebody waits for its mbarrier, without checks
  /// at once.
  void start(Warp &warp, const Instr &instr, unsigned lane, BulkLoad load);
  /// The mbarrier at a shared address that a lane names; a finding where there is none.
  MemoryBarrier &find(Warp &warp, const Instr &instr, unsigned lane, uint64_t address);
  /// fence.proxy.async or fence.mbarrier_init of a warp.
  void fence(unsigned warp);
  const std::vector<BulkLoad> &underWay() const { return loads; }
  /// Counts whenever an mbarrier changes.
  uint64_t changes() const { return changeCount; }
  std::string describe() const;

private:
  void initialise(Warp &warp, const Instr &instr, unsigned lane, uint64_t address, uint32_t count);
  void arrive(Warp &warp, const Instr &instr, unsigned lane, MemoryBarrier &barrier,
              uint32_t count);
  void expect(Warp &warp, const Instr &instr, unsigned lane, MemoryBarrier &barrier, int64_t bytes);
  bool isComplete(Warp &warp, const Instr &instr, unsigned lane, MemoryBarrier &barrier);
  void land(Block &block, const BulkLoad &load);
  void landSome(Block &block, uint32_t address);
  void tryComplete(Block &block, MemoryBarrier &barrier);

  std::vector<MemoryBarrier> barriers;
  std::vector<BulkLoad> loads;
  uint64_t changeCount = 0;
};

/// The address in shared memory that a lane's operand names.
uint64_t sharedAddressOf(const Warp &warp, const Instr &instr, uint32_t slot, unsigned lane);

// Handlers.
void runMemoryBarrier(Warp &, const Instr &);
void runAsyncFence(Warp &, const Instr &);
void runBarrierInitFence(Warp &, const Instr &);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_MEMORYBARRIERS_H
