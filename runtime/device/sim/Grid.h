//===- Grid.h - the blocks of a launch on the cores -------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_GRID_H
#define NETC_RUNTIME_DEVICE_SIM_GRID_H

#include "runtime/device/sim/Block.h"

#include <condition_variable>
#include <functional>
#include <thread>

namespace netc::runtime::sim {

/// Threads that stay between launches; each keeps the memory of its blocks.
class GridRunner {
public:
  explicit GridRunner(unsigned threads);
  ~GridRunner();
  GridRunner(const GridRunner &) = delete;
  GridRunner &operator=(const GridRunner &) = delete;

  unsigned size() const { return unsigned(scratch.size()); }

  /// Runs all blocks and returns how many thread-instructions that took. Throws
  /// the Finding of one block; the others stop at their next start.
  uint64_t run(const LaunchContext &context);
  /// Of each instruction of the last launch, if it counted.
  const std::vector<BankUse> &bankUse() const { return banks; }

private:
  void work(unsigned worker);
  void drain(unsigned worker);

  std::vector<Scratch> scratch;
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake, finished;
  uint64_t generation = 0;
  unsigned running = 0;
  bool stopping = false;

  // Of the running launch.
  const LaunchContext *context = nullptr;
  uint64_t blocks = 0, stride = 1, firstBlock = 0;
  std::atomic<uint64_t> next{0}, instructions{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::vector<BankUse> banks;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_GRID_H
