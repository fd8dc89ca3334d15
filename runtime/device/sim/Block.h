//===- Block.h - one block of threads as it runs ----------------*- C++ -*-===//
//
// Lanes of a warp with the same program counter form a group. The group with the least
// program counter runs, so diverged lanes reconverge where LLVM places the join.
// Instructions with a member mask (.sync) wait until those lanes have arrived.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_BLOCK_H
#define NETC_RUNTIME_DEVICE_SIM_BLOCK_H

#include "runtime/device/sim/Banks.h"
#include "runtime/device/sim/DeviceMemory.h"
#include "runtime/device/sim/Finding.h"
#include "runtime/device/sim/MemoryBarriers.h"
#include "runtime/device/sim/WarpgroupMatrix.h"

#include <memory>

namespace netc::runtime::sim {

/// A kernel, its arguments and its grid.
struct Launch {
  const Program *program = nullptr;
  std::array<uint32_t, 3> grid = {1, 1, 1}, block = {1, 1, 1};
  uint32_t dynamicShared = 0;
  std::vector<char> parameters; // as the program lays them out
};

/// What all blocks of a launch share.
struct LaunchContext {
  const Launch &launch;
  DeviceMemory &memory;
  GlobalShadow *shadow = nullptr; // none: races of blocks are not checked
  bool checks = true;
  uint64_t seed = 1;
  unsigned multiprocessors = 1;
  uint64_t instructionLimit = UINT64_MAX; // of the warps of a block
  bool countsBanks = false;
};

/// Memory that one worker keeps from block to block.
struct Scratch {
  std::vector<CacheLine> registers;
  std::vector<uint32_t> predicates;
  std::vector<CacheLine> shared, local;
};

class Block {
public:
  Block(const LaunchContext &context, Scratch &scratch, unsigned worker);
  /// Runs the block with that number in the grid, x fastest. Throws a Finding.
  void run(uint64_t number);
  uint64_t takeInstructions();
  /// Of each instruction, over all blocks that ran; empty unless the launch counts it.
  const std::vector<BankUse> &bankUse() const { return banks; }
  void countBanks(const Instr &instr, const uint64_t *addresses, uint32_t bytes, uint32_t mask) {
    if (!banks.empty())
      banks[pcOf(instr)].count(addresses, bytes, mask);
  }

  // For the functions of Warp.h.
  const LaunchContext &context;
  const Program &program;
  std::array<uint32_t, 3> index = {0, 0, 0};
  uint64_t number = 0;
  WarpClocks clocks;
  SharedShadow shadow;
  bool fenced = false, synchronised = false; // see recordGlobal
  MemoryBarriers memoryBarriers;
  WarpgroupMatrices matrices;
  char *sharedMemory() const { return warps[0].shared; }
  unsigned warpCount() const { return unsigned(warps.size()); }
  uint32_t random();
  void limitClocks();
  std::string placeOf(const Warp &warp, uint32_t pc, uint32_t threads) const;
  std::string threadName(uint64_t thread) const;
  [[noreturn]] void report(const Warp &warp, uint32_t pc, uint32_t threads, const char *check,
                           const std::string &what,
                           cuda::CUresult code = cuda::CUDA_ERROR_LAUNCH_FAILED) const;
  uint32_t pcOf(const Instr &instr) const { return uint32_t(&instr - program.code.data()); }

private:
  struct Barrier {
    uint32_t expected = 0; // 0: all threads
    uint32_t arrived = 0;
    uint32_t trues = 0; // of a reduction's predicate
    bool inUse = false;
    uint32_t clocks[maximumAgents] = {};
  };
  enum class Step : uint8_t { Continue, Regroup, Yield };

  void start(uint64_t number);
  void fillSpecials(Warp &warp);
  uint32_t specialValue(Special which, const Warp &warp, unsigned lane) const;
  bool runnable(const Warp &warp) const;
  void runWarp(Warp &warp, uint64_t budget);
  void runGroup(Warp &warp, size_t which, uint64_t &budget);
  Step control(Warp &warp, Group &group, const Instr &instr, uint32_t mask);
  Step branch(Warp &warp, Group &group, uint32_t mask, uint32_t target);
  Step branchIndex(Warp &warp, Group &group, const Instr &instr, uint32_t mask);
  Step leave(Warp &warp, Group &group, uint32_t mask);
  Step together(Warp &warp, Group &group, const Instr &instr, uint32_t mask);
  Step arrive(Warp &warp, Group &group, const Instr &instr, uint32_t mask);
  void split(Warp &warp, Group &group, uint32_t mask, uint32_t restPc);
  void mergeGroups(Warp &warp);
  void completeBarriers();
  void releaseBarrier(unsigned number);
  [[noreturn]] void reportDeadlock();
  [[noreturn]] void reportExited(unsigned barrier);
  void checkEnd();
  [[noreturn]] void reportWaitingInVain(const Warp &warp);

  Scratch &scratch;
  std::vector<Warp> warps;
  std::vector<Window> windowCache;
  Barrier barriers[16];
  unsigned threads = 0, worker = 0;
  uint64_t randomState = 1;
  uint64_t laneInstructions = 0, warpInstructions = 0;
  size_t registerLines = 0, localLines = 0; // of all warps
  std::vector<BankUse> banks;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_BLOCK_H
