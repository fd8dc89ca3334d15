#include "runtime/system/EventCounter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <thread>

using namespace netc::runtime;

/// First touches of `pages` pages.
static void touchPages(int pages) {
  size_t bytes = size_t(pages) * 4096;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  for (size_t at = 0; at < bytes; at += 4096)
    static_cast<volatile char *>(memory)[at] = 1;
  munmap(memory, bytes);
}

TEST(EventCounter, CountsThreadsMadeLater) {
  std::string why;
  auto counter = EventCounter::open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, why);
  if (!counter)
    GTEST_SKIP() << "perf_event_open: " << why;
  std::atomic<int> asked{0}, done{0};
  std::thread worker([&] { // stays alive while it is counted, as a pool's threads do
    while (asked == 0)
      std::this_thread::yield();
    touchPages(500);
    done = 1;
    while (asked == 1)
      std::this_thread::yield();
  });
  touchPages(300);
  double mine = counter->count();
  EXPECT_GE(mine, 300);
  EXPECT_TRUE(counter->hasRun());
  asked = 1;
  while (done == 0)
    std::this_thread::yield();
  EXPECT_GE(counter->count() - mine, 500);
  asked = 2;
  worker.join();
}

TEST(EventCounter, SaysWhyAnEventIsMissing) {
  std::string why;
  EXPECT_EQ(EventCounter::open(PERF_TYPE_SOFTWARE, 12345, why), nullptr);
  EXPECT_FALSE(why.empty());
}

TEST(MemoryReadCounter, CountsOrSaysWhyNot) {
  MemoryReadCounter reads;
  EXPECT_NE(reads.isCounted(), !reads.whyNot().empty());
  EXPECT_GE(reads.bytes(), 0);
}
