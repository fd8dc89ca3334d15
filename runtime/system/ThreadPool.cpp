//===- ThreadPool.cpp - the persistent threads that run grids -------------===//
#include "runtime/system/ThreadPool.h"

#include "runtime/base/Threads.h"
#include "runtime/system/ControlGroup.h"
#include "runtime/system/Denormals.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <immintrin.h>
#include <utility>

namespace netc::runtime {

// About 30 microseconds: longer than the gap between two commands of a step,
// shorter than what another process on the core would notice.
static constexpr int longSpin = 1500;
// With more threads than cores, a spinning thread takes the core from the one it waits for.
static constexpr int shortSpin = 20;
// A claim takes this share of what is left for each thread: large runs of neighbours first, single
// items in the end, so that threads end together whatever their speed (Polychronopoulos and Kuck,
// 1987: guided self-scheduling).
static constexpr uint32_t sharesPerThread = 2;

static void sleepWhile(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, value, nullptr,
          nullptr, 0);
}

static void wake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, count, nullptr,
          nullptr, 0);
}

ThreadPool::ThreadPool(unsigned threads)
    : spins(threads > availableCores() ? shortSpin : longSpin) {
  flushDenormals();
  if (threads > 1)
    workers = startThreads(threads - 1, [this](unsigned number) { work(number + 1); });
}

ThreadPool::~ThreadPool() {
  stopping.store(true, std::memory_order_relaxed);
  announced.fetch_add(1);
  wake(announced, INT32_MAX);
  for (std::thread &worker : workers)
    worker.join();
}

// The claim word: generation, number of units, next unit. A unit is one item, or a few where there
// are very many.
static constexpr int64_t mostUnits = 0xffff;
static uint64_t claimWord(uint32_t generation, uint32_t total) {
  return uint64_t(generation) << 32 | total << 16;
}
static uint32_t generationOf(uint64_t word) { return uint32_t(word >> 32); }
static uint32_t totalOf(uint64_t word) { return uint32_t(word >> 16) & 0xffff; }
static uint32_t nextOf(uint64_t word) { return uint32_t(word) & 0xffff; }

void ThreadPool::finishUnits(uint32_t count, uint32_t total) {
  // seq_cst pairs with the caller's store to callerSleeps: one of the two sees the other.
  if (finished.fetch_add(count) + count == total && callerSleeps.load())
    wake(finished, 1);
}

void ThreadPool::runItems(Task run, void *argument, unsigned thread, int64_t begin,
                          int64_t end) noexcept {
  if (failed.load(std::memory_order_relaxed))
    return;
  try {
    run(argument, thread, begin, end);
  } catch (...) {
    if (!failed.exchange(true))
      failure = std::current_exception(); // the caller reads it after `finished`
  }
}

void ThreadPool::drain(uint32_t generation, unsigned thread) {
  uint32_t done = 0, total = 0;
  uint64_t current = claim.load(std::memory_order_acquire);
  while (generationOf(current) == generation && nextOf(current) < totalOf(current)) {
    // The description may already be the next grid's, but then the claim below fails: the
    // word changes before a next grid begins, and ends only when every claimed unit is done.
    Task run = task.load(std::memory_order_relaxed);
    void *argument = context.load(std::memory_order_relaxed);
    int64_t all = items.load(std::memory_order_relaxed);
    int64_t unit = unitItems.load(std::memory_order_relaxed);
    uint32_t left = totalOf(current) - nextOf(current),
             taken = std::max(1u, left / (sharesPerThread * size()));
    if (!claim.compare_exchange_weak(current, current + taken, std::memory_order_acq_rel,
                                     std::memory_order_acquire))
      continue;
    total = totalOf(current);
    int64_t begin = nextOf(current) * unit;
    runItems(run, argument, thread, begin, std::min(all, begin + taken * unit));
    done += taken;
    current = claim.load(std::memory_order_acquire);
  }
  if (done)
    finishUnits(done, total);
}

void ThreadPool::work(unsigned thread) {
  flushDenormals();
  uint32_t seen = 0;
  while (true) {
    uint32_t now = announced.load(std::memory_order_acquire);
    for (int i = 0; now == seen && i < spins; ++i) {
      _mm_pause();
      now = announced.load(std::memory_order_acquire);
    }
    if (now == seen) {
      sleepers.fetch_add(1);
      sleepWhile(announced, seen);
      sleepers.fetch_sub(1);
      continue;
    }
    if (stopping.load(std::memory_order_relaxed))
      return;
    seen = now;
    drain(now, thread);
  }
}

void ThreadPool::run(int64_t count, Task function, void *argument) {
  if (count <= 0)
    return;
  if (workers.empty() || count == 1)
    return function(argument, 0, 0, count);

  int64_t unit = (count + mostUnits - 1) / mostUnits;
  task.store(function, std::memory_order_relaxed);
  context.store(argument, std::memory_order_relaxed);
  items.store(count, std::memory_order_relaxed);
  unitItems.store(unit, std::memory_order_relaxed);
  uint32_t total = uint32_t((count + unit - 1) / unit);
  finished.store(0, std::memory_order_relaxed);

  uint32_t generation = announced.load(std::memory_order_relaxed) + 1;
  claim.store(claimWord(generation, total), std::memory_order_release);
  announced.store(generation); // seq_cst: a worker either sees it or is seen in `sleepers`
  if (sleepers.load())
    wake(announced, INT32_MAX);

  drain(generation, 0);
  uint32_t now = finished.load(std::memory_order_acquire);
  for (int i = 0; now != total && i < spins; ++i) {
    _mm_pause();
    now = finished.load(std::memory_order_acquire);
  }
  while (now != total) {
    callerSleeps.store(1);
    now = finished.load();
    if (now != total)
      sleepWhile(finished, now);
    callerSleeps.store(0, std::memory_order_relaxed);
    now = finished.load(std::memory_order_acquire);
  }
  if (failed.load(std::memory_order_relaxed)) {
    failed.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(failure, nullptr));
  }
}

} // namespace netc::runtime
