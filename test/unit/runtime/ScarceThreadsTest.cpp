// Where the system grants fewer threads, or less memory, than were asked for.
#include "runtime/base/Threads.h"
#include "runtime/image/Image.h"
#include "runtime/system/ThreadPool.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";
// Each thread reserves a stack of a gigabyte: three or so fit.
static const std::string fewThreads = "ulimit -s 1000000; ulimit -v 4500000; ";

TEST(ScarceThreads, StartsAllWhereItCan) {
  std::atomic<unsigned> sum{0};
  for (std::thread &thread : startThreads(5, [&](unsigned number) { sum += 1 + number; }))
    thread.join();
  EXPECT_EQ(sum, 15u);
  EXPECT_TRUE(startThreads(0, [](unsigned) {}).empty());
}

TEST(ScarceThreads, FewerThreadsAreANote) {
  ScratchFolder folder;
  std::string train = toy + " train --data synthetic:300 --epochs 1 --batch 32 --out ";
  for (const char *threads :
       {"--threads 64 --workers 1", "--threads 1 --workers 64", "--threads 1024 --workers 1024"}) {
    Outcome outcome = shell(fewThreads + train + folder / "out " + threads);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << threads << ": " << outcome.code;
    EXPECT_HAS(outcome.err, "threads could be started (Resource temporarily unavailable)");
    if (outcome.code == 1)
      EXPECT_HAS(outcome.err, "error: ");
    std::filesystem::remove_all(folder / "out");
  }
  Outcome bench = shell(fewThreads + toy + " bench --threads 8 --iterations 2 --batch 4");
  EXPECT_EQ(bench.code, 0) << bench.err;
  Outcome input = shell(fewThreads + toy + " bench --data synthetic:100 --threads 8");
  EXPECT_EQ(input.code, 0) << input.err;
  Outcome checked = shell(fewThreads + toy + " gradcheck --threads 8 --batch 4");
  EXPECT_EQ(checked.code, 0) << checked.err;
}

TEST(ScarceThreads, TheResultIsTheSame) {
  ScratchFolder folder;
  std::string train = toy + " train --data synthetic:300 --epochs 1 --batch 32 --out ";
  ASSERT_EQ(shell(train + folder / "a").code, 0);
  ASSERT_EQ(shell(fewThreads + train + folder / "b --threads 2 --workers 8").code, 0);
  EXPECT_EQ(contents(folder / "a"), contents(folder / "b"));
  // None left for the workers: batches are prepared by who wants them.
  Outcome alone = shell(fewThreads + train + folder / "c --threads 8 --workers 2");
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_EQ(contents(folder / "a"), contents(folder / "c"));
}

TEST(ThreadPoolFailure, WhatAnItemThrowsComesToTheCaller) {
  ThreadPool pool(3);
  for (int64_t bad : {0, 1, 57, 99}) {
    int64_t wanted = bad;
    EXPECT_THROW(pool.run(
                     100,
                     [](void *context, unsigned, int64_t begin, int64_t end) {
                       int64_t at = *static_cast<int64_t *>(context);
                       if (begin <= at && at < end)
                         throw std::bad_alloc();
                     },
                     &wanted),
                 std::bad_alloc);
    // The pool works as before.
    std::atomic<int64_t> sum{0};
    pool.run(
        100,
        [](void *context, unsigned, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            *static_cast<std::atomic<int64_t> *>(context) += i;
        },
        &sum);
    EXPECT_EQ(sum, 4950);
  }
}

TEST(ThreadPoolFailure, ImagesTooLargeForTheMemoryAreAnError) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + " train --data synthetic:100 --epochs 1 --out " + folder / "out").code, 0);
  Image image;
  image.resize(5000, 5000, 3);
  writePng(folder / "a.png", image);
  std::filesystem::copy_file(folder / "a.png", folder / "b.png");
  Outcome outcome = shell("ulimit -v 220000; " + toy + " predict --threads 2 --weights " +
                          folder / "out " + folder / "a.png " + folder / "b.png");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_HAS(outcome.err, "error: ");
}
