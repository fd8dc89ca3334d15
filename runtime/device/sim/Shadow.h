//===- Shadow.h - who touched which bytes -----------------------*- C++ -*-===//
//
// Races are found by the happens-before relation, so they do not depend on the order of
// this run: each word of shared memory has the clocks of its last accesses, and each warp
// a vector of the clocks up to which barriers have ordered the other warps before it. After
// Flanagan and Freund, FastTrack: Efficient and Precise Dynamic Race Detection, PLDI 2009, with at
// most two readers kept.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_SHADOW_H
#define NETC_RUNTIME_DEVICE_SIM_SHADOW_H

#include "runtime/device/sim/Warp.h"

#include <atomic>

namespace netc::runtime::sim {

constexpr unsigned maximumWarps = 32;
/// What accesses memory: the warps, and behind them the mbarriers, each for the bulk copies that it
/// counts.
constexpr unsigned maximumAgents = 64;
/// Clocks beyond which stamps have no bits left; see Block::limitClocks.
constexpr uint32_t lastClock = (1u << 20) - 64;

/// Clocks of the warps and mbarriers of a block.
struct WarpClocks {
  uint32_t own[maximumAgents];                 // advances at each barrier, fence or phase
  uint32_t known[maximumWarps][maximumAgents]; // [w][v]: what v did up to this clock is before w
  uint32_t fenced[maximumWarps][lanes];        // a lane's writes up to this clock are before a
                                               // fence.proxy.async of its own
  void reset();
};

/// What is wrong with an access to shared memory.
enum class SharedFault : uint8_t {
  None,
  Unwritten,
  InFlight,
  ReadAfterWrite,
  WriteAfterWrite,
  WriteAfterRead,
  SameInstruction,
  Unfenced,     // written by ld/st's proxy, accessed by the asynchronous one
  BeingRead,    // an asynchronous read may still read it
  BarrierObject // belongs to an mbarrier
};

/// Threads of a SharedVerdict that are no single thread.
constexpr unsigned severalThreads = ~0u, bulkCopies = ~1u;

struct SharedVerdict {
  SharedFault fault = SharedFault::None;
  unsigned otherThread = 0; // of the block; or severalThreads, bulkCopies
};

/// Of one block; 16 bytes for each 4 bytes of shared memory.
class SharedShadow {
public:
  /// Resets all bytes to unwritten and not accessed.
  void reset(uint64_t bytes);
  /// Keeps what is written, forgets by whom.
  void forgetStamps();
  SharedVerdict access(const WarpClocks &clocks, unsigned warp, unsigned lane, uint64_t address,
                       uint32_t bytes, Access access);
  /// cp.async: the bytes are in flight from now on.
  SharedVerdict issue(const WarpClocks &clocks, unsigned warp, unsigned lane, uint64_t address,
                      uint32_t bytes);
  /// The bytes have landed, written by the lane that waited.
  void land(const WarpClocks &clocks, unsigned warp, unsigned lane, uint64_t address,
            uint32_t bytes);

  // The asynchronous proxy (PTX ISA 9.7.9.27 and 9.7.15): wgmma and bulk copies.

  /// A bulk copy that `lane` starts writes the bytes: they are in flight from now on.
  SharedVerdict issueBulk(const WarpClocks &clocks, unsigned warp, unsigned lane, uint64_t address,
                          uint32_t bytes);
  /// They have landed; who knows the clock of `agent` may read them.
  void landBulk(const WarpClocks &clocks, unsigned agent, uint64_t address, uint32_t bytes);
  /// An asynchronous read of the bytes begins, in the order of the lane's instructions; of a whole
  /// warp's where there is none.
  SharedVerdict beginRead(const WarpClocks &clocks, unsigned warp, uint64_t address, uint32_t bytes,
                          unsigned lane = lanes);
  /// It is complete, and counts as a read of the lane at this moment.
  void endRead(const WarpClocks &clocks, unsigned warp, uint64_t address, uint32_t bytes,
               unsigned lane = lanes);
  /// The 8 bytes belong to an mbarrier from now on, or no longer.
  void setObject(uint64_t address, bool isObject);

private:
  struct Word {
    uint32_t write, firstRead, secondRead; // stamps; 0: none
    uint32_t written : 4, inFlight : 4, writeBytes : 4, firstBytes : 4, secondBytes : 4, atomic : 1;
    uint32_t object : 1;     // part of an mbarrier
    uint32_t asyncReads : 8; // asynchronous reads that are not complete
  };
  SharedVerdict read(Word &word, const WarpClocks &clocks, unsigned warp, unsigned lane,
                     uint32_t bytes);
  SharedVerdict write(Word &word, const WarpClocks &clocks, unsigned warp, unsigned lane,
                      uint32_t bytes, bool atomic);

  std::vector<Word> words;
};

/// Stops the launch with the verdict in words.
void reportShared(Warp &, const Instr &, unsigned lane, uint64_t address, uint32_t bytes,
                  const SharedVerdict &verdict, Access access);

/// Of global memory: which block of the running launch wrote and read each 4 bytes.
/// Blocks of one launch have no order, so any other block's access conflicts; parts
/// of a word that different blocks write are left unchecked.
class GlobalShadow {
public:
  /// For `bytes` of memory from `deviceBase` on; address space only, until touched.
  explicit GlobalShadow(uint64_t bytes);
  ~GlobalShadow();
  GlobalShadow(const GlobalShadow &) = delete;
  GlobalShadow &operator=(const GlobalShadow &) = delete;

  /// Forgets what earlier launches did.
  void beginLaunch();
  static constexpr uint64_t maximumBlocks = (1 << 24) - 8;

  struct Verdict {
    bool conflict = false, otherWrote = false;
    uint64_t otherBlock = 0; // ~0: unknown
  };
  /// An access of a block to the word at device address `address`.
  Verdict access(uint64_t address, uint64_t block, Access access, bool wholeWord);

private:
  std::atomic<uint64_t> *words = nullptr; // launch : 16, writer : 24, reader : 24
  uint64_t count = 0;
  uint64_t launch = 0;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_SHADOW_H
