//===- ThreadPool.h - the persistent threads that run grids -----*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_THREADPOOL_H
#define NETC_RUNTIME_SYSTEM_THREADPOOL_H

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace netc::runtime {

/// Runs grids of independent items. The calling thread is thread 0 and works
/// too; runs of items are claimed dynamically. Only one thread may call `run`.
///
/// All threads flush denormals to zero: momentum of dead units would otherwise
/// decay into denormals and slow every update down.
class ThreadPool {
public:
  /// Computes items [begin, end) as thread `thread` (< size()).
  using Task = void (*)(void *context, unsigned thread, int64_t begin, int64_t end);

  /// Fewer than `threads` where the system grants no more.
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  unsigned size() const { return unsigned(workers.size()) + 1; }

  /// Returns when every item in [0, items) is done. What an item throws is thrown here, once no
  /// thread works any more; items that had not begun are then left out.
  void run(int64_t items, Task task, void *context);

private:
  void work(unsigned thread);
  /// Claims and runs units of grid `generation` until none is left.
  void drain(uint32_t generation, unsigned thread);
  void finishUnits(uint32_t count, uint32_t total);
  void runItems(Task run, void *argument, unsigned thread, int64_t begin, int64_t end) noexcept;

  // Generation, number of units and next unit in one word: a late worker cannot claim
  // a unit of a grid whose description it has not read, nor one beyond the last.
  alignas(64) std::atomic<uint64_t> claim{0};
  // The generation alone, for workers to sleep on.
  alignas(64) std::atomic<uint32_t> announced{0};
  std::atomic<uint32_t> sleepers{0};
  alignas(64) std::atomic<uint32_t> finished{0};
  std::atomic<uint32_t> callerSleeps{0};

  // The grid's description: written before `claim` is published, atomic because
  // a late worker may read it while the next one is written (and then fails to claim).
  alignas(64) std::atomic<Task> task{nullptr};
  std::atomic<void *> context{nullptr};
  std::atomic<int64_t> items{0};
  std::atomic<int64_t> unitItems{0};
  std::atomic<bool> stopping{false};
  std::atomic<bool> failed{false}; // an item of this grid threw
  std::exception_ptr failure;      // what; written by the thread that set `failed`

  const int spins; // looks for work, or for its end, before a thread sleeps
  std::vector<std::thread> workers;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_THREADPOOL_H
