//===- Warp.h - what a handler sees of a running block ----------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_WARP_H
#define NETC_RUNTIME_DEVICE_SIM_WARP_H

#include "runtime/device/sim/Instruction.h"

namespace netc::runtime::sim {

class Block;

enum class GroupState : uint8_t {
  Ready,
  Gathering, // waits for other lanes of its warp to come to this instruction
  Arrived,   // waits at a barrier of the block
};

/// Lanes that are at one place.
struct Group {
  uint32_t pc = 0;
  uint32_t mask = 0;
  GroupState state = GroupState::Ready;
};

/// An allocation of global memory that an instruction met last: addresses
/// [low, low + bytes).
struct Window {
  uint64_t low = 0, bytes = 0;
};
constexpr unsigned windows = 64;

/// What cp.async copies when it is waited for.
struct AsyncCopy {
  const Instr *instr = nullptr;
  uint32_t mask = 0;
  uint32_t bytes = 0;
  uint32_t group[lanes]; // commit group of each lane
  uint32_t to[lanes];    // shared address
  const char *from[lanes];
  uint32_t copied[lanes]; // the rest is zeros
};

/// What wgmma.mma_async of a warp has under way (PTX ISA 9.7.15): see WarpgroupMatrix.h.
struct MatrixState {
  uint32_t open = 1; // the wgmma-group that is being collected
  uint32_t done = 0; // groups up to this one are complete
  uint64_t issued = 0;
  bool fenced = false;            // wgmma.fence has been executed
  std::vector<uint32_t> sums;     // [watched register]: the group that writes it last
  std::vector<uint32_t> operands; // … and the one that reads it last as A
  std::vector<uint32_t> columns;  // … and of how many columns the one that writes it is
  std::vector<uint8_t> accessed;  // … accessed by others since the last wgmma.fence
  struct Read {
    uint32_t group;
    std::vector<uint32_t> chunks; // addresses of 16 bytes
  };
  std::vector<Read> reads; // of shared memory, not complete, oldest first
};

/// What a bulk copy from shared memory reads, until its thread has waited for it.
struct BulkRead {
  unsigned lane = 0;
  uint32_t group = 0;           // of the lane's bulk groups
  std::vector<uint32_t> chunks; // addresses of 16 bytes
};

/// Registers lie as [slot][lane]; a lane of a predicate is a bit.
struct Warp {
  char *base[2] = {nullptr, nullptr}; // registers, constants
  uint32_t *predicates = nullptr;
  uint32_t exec = 0;  // lanes that run the current instruction
  uint32_t live = 0;  // lanes that have not exited
  uint32_t index = 0; // in the block
  bool checks = true;
  Block *block = nullptr;

  // Memory as the handlers address it.
  char *global = nullptr;   // + device address = host address
  Window *cached = nullptr; // [windows]
  char *shared = nullptr;
  uint64_t sharedBytes = 0;
  char *local = nullptr; // [lane][localBytes]
  uint64_t localBytes = 0;
  const char *parameters = nullptr;
  uint64_t parameterBytes = 0;

  std::vector<Group> groups;
  uint64_t laneInstructions = 0;    // thread-instructions run
  uint32_t commitGroup[lanes] = {}; // cp.async groups that each lane has committed
  std::vector<AsyncCopy> copies;    // not yet waited for, oldest first
  uint32_t bulkGroup[lanes] = {};   // bulk groups that each lane has committed
  std::vector<BulkRead> bulkReads;  // not yet waited for
  bool polled = false;              // the last Poll waits in vain
  MatrixState matrix;
};

// What handlers call beyond the arithmetic; in Report.cpp and Control.cpp, compiled once.

/// Stops the launch with a finding about the lanes of `lanesAtFault`.
[[noreturn]] void reportFault(Warp &, const Instr &, uint32_t lanesAtFault, const char *check,
                              const std::string &what);
/// Finds the allocations of all lanes of exec, whose cached window missed; reports a fault.
void checkGlobalAccess(Warp &, const Instr &, const uint64_t *addresses, uint32_t bytes,
                       uint32_t mask);
[[noreturn]] void reportBadAccess(Warp &, const Instr &, uint64_t address, unsigned lane,
                                  uint32_t bytes, Space space);
/// Race and initialisation checks; `bytes` for each lane of `mask`.
enum class Access : uint8_t { Read, Write, Atomic };
void recordShared(Warp &, const Instr &, const uint64_t *addresses, uint32_t bytes, uint32_t mask,
                  Access access);
void recordGlobal(Warp &, const Instr &, const uint64_t *addresses, uint32_t bytes, uint32_t mask,
                  Access access);
void issueCopy(Warp &, const Instr &, const AsyncCopy &copy);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_WARP_H
