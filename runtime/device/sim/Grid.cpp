//===- Grid.cpp - the blocks of a launch on the cores ---------------------===//
#include "runtime/device/sim/Grid.h"

#include "runtime/base/Threads.h"

#include <immintrin.h>

#include <numeric>

using namespace netc::runtime::sim;

namespace {
/// Rounding to nearest, denormals kept: PTX without .ftz.
class DefaultArithmetic {
public:
  DefaultArithmetic() : before(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~DefaultArithmetic() { _mm_setcsr(before); }

private:
  unsigned before;
};
} // namespace

GridRunner::GridRunner(unsigned threads) : scratch(std::max(1u, threads)) {
  workers = startThreads(size() - 1, [this](unsigned number) { work(number + 1); });
}

GridRunner::~GridRunner() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  wake.notify_all();
  for (std::thread &worker : workers)
    worker.join();
}

void GridRunner::work(unsigned worker) {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    wake.wait(lock, [&] { return stopping || generation != seen; });
    if (stopping)
      return;
    seen = generation;
    lock.unlock();
    drain(worker);
    lock.lock();
    if (--running == 0)
      finished.notify_all();
  }
}

void GridRunner::drain(unsigned worker) {
  DefaultArithmetic arithmetic;
  try {
    std::unique_ptr<Block> block;
    for (uint64_t at;
         !failed.load(std::memory_order_relaxed) && (at = next.fetch_add(1)) < blocks;) {
      if (!block)
        block = std::make_unique<Block>(*context, scratch[worker], worker);
      block->run(uint64_t((static_cast<unsigned __int128>(at) * stride + firstBlock) % blocks));
      instructions += block->takeInstructions();
    }
    if (block && context->countsBanks) {
      std::lock_guard<std::mutex> lock(mutex);
      for (size_t pc = 0; pc < banks.size(); ++pc)
        banks[pc].add(block->bankUse()[pc]);
    }
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex);
    if (!failed.exchange(true))
      failure = std::current_exception();
  }
}

uint64_t GridRunner::run(const LaunchContext &launched) {
  const auto &grid = launched.launch.grid;
  {
    std::lock_guard<std::mutex> lock(mutex);
    context = &launched;
    blocks = uint64_t(grid[0]) * grid[1] * grid[2];
    next = 0;
    instructions = 0;
    failed = false;
    failure = nullptr;
    banks.assign(launched.countsBanks ? launched.launch.program->code.size() : 0, BankUse());
    stride = 1, firstBlock = 0;
    if (launched.checks && blocks > 1) { // any step that is prime to their number visits all
      firstBlock = launched.seed % blocks;
      stride = (launched.seed >> 8) % blocks | 1;
      while (std::gcd(stride, blocks) != 1)
        ++stride;
    }
    running = unsigned(workers.size());
    ++generation;
  }
  wake.notify_all();
  drain(0);
  {
    std::unique_lock<std::mutex> lock(mutex);
    finished.wait(lock, [&] { return running == 0; });
  }
  if (failure)
    std::rethrow_exception(failure);
  return instructions;
}
