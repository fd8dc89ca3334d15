#include "runtime/system/ThreadPool.h"
#include "runtime/system/ControlGroup.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

using namespace netc::runtime;

namespace {
struct Counters {
  std::vector<std::atomic<int>> visits;
  unsigned threads;
  std::atomic<bool> bad{false};
};
} // namespace

static void visit(void *context, unsigned thread, int64_t begin, int64_t end) {
  Counters &counters = *static_cast<Counters *>(context);
  if (thread >= counters.threads || begin >= end)
    counters.bad = true;
  for (int64_t i = begin; i < end; ++i)
    ++counters.visits[size_t(i)];
}

TEST(ControlGroup, QuotasLimitTheCores) {
  ScratchFolder folder;
  makeFolder(folder / "a/b");
  makeFolder(folder / "cpu/x");
  auto write = [&](const std::string &name, const std::string &text) {
    writeFileAtomically(folder / name, text);
  };
  write("v2", "0::/a/b\n");
  EXPECT_FALSE(quotaCores(folder.path, folder / "v2"));
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_FALSE(quotaCores(folder.path, folder / "v2"));
  write("a/cpu.max", "250000 100000\n"); // the parent's counts too
  EXPECT_EQ(quotaCores(folder.path, folder / "v2"), 3u);
  write("a/b/cpu.max", "5000 100000\n");
  EXPECT_EQ(quotaCores(folder.path, folder / "v2"), 1u);
  write("v1", "4:cpu,cpuacct:/x\n3:memory:/a\n");
  write("cpu/x/cpu.cfs_quota_us", "400000\n");
  write("cpu/x/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quotaCores(folder.path, folder / "v1"), 4u);
  write("cpu/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_FALSE(quotaCores(folder.path, folder / "v1"));
}

TEST(ThreadPool, VisitsEveryItemOnce) {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(threads);
    for (int64_t items : {1, 2, 7, 64, 1000, 65535, 65536, 200001}) {
      Counters counters{std::vector<std::atomic<int>>(size_t(items)), threads};
      pool.run(items, visit, &counters);
      for (auto &count : counters.visits)
        EXPECT_EQ(count, 1);
      EXPECT_FALSE(counters.bad);
    }
  }
}

// Threads end together: no claim is larger than its share of what is left, and the last ones are
// single items.
TEST(ThreadPool, ClaimsShrinkTowardsTheEnd) {
  struct Claims {
    std::mutex lock;
    std::vector<std::pair<int64_t, int64_t>> ranges;
  } claims;
  ThreadPool pool(2);
  pool.run(
      40,
      [](void *context, unsigned, int64_t begin, int64_t end) {
        Claims &all = *static_cast<Claims *>(context);
        std::lock_guard guard(all.lock);
        all.ranges.emplace_back(begin, end);
      },
      &claims);
  std::sort(claims.ranges.begin(), claims.ranges.end());
  for (auto [begin, end] : claims.ranges)
    EXPECT_LE(end - begin, std::max<int64_t>(1, (40 - begin) / 4));
  EXPECT_EQ(claims.ranges.back(), std::pair(int64_t(39), int64_t(40)));
}

TEST(ThreadPool, SurvivesManySmallGrids) {
  ThreadPool pool(3);
  Counters counters{std::vector<std::atomic<int>>(5), 3};
  for (int i = 0; i < 20000; ++i)
    pool.run(5, visit, &counters);
  for (auto &count : counters.visits)
    EXPECT_EQ(count, 20000);
}

// A worker late for a small grid must not take a chunk of the larger one that follows, whose
// description it may already read: that chunk would be counted twice and the caller wait for ever.
TEST(ThreadPool, LateWorkersLeaveTheNextGridAlone) {
  ThreadPool pool(2);
  Counters small{std::vector<std::atomic<int>>(2), 2}, large{std::vector<std::atomic<int>>(23), 2};
  for (int i = 0; i < 2000000; ++i) {
    pool.run(2, visit, &small);
    pool.run(23, visit, &large);
  }
  for (auto &count : small.visits)
    EXPECT_EQ(count, 2000000);
  for (auto &count : large.visits)
    EXPECT_EQ(count, 2000000);
}

TEST(ThreadPool, WakesSleepingThreads) {
  ThreadPool pool(2);
  Counters counters{std::vector<std::atomic<int>>(100), 2};
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pool.run(100, visit, &counters);
  }
  for (auto &count : counters.visits)
    EXPECT_EQ(count, 5);
}

TEST(ThreadPool, RunsNothingForAnEmptyGrid) {
  ThreadPool pool(2);
  Counters counters{{}, 2};
  pool.run(0, visit, &counters);
  EXPECT_FALSE(counters.bad);
}
