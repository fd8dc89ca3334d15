#include "runtime/system/Memory.h"

#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

using namespace netc::runtime;

/// The flags that the kernel keeps of the mapping at `address`: VmFlags of /proc/self/smaps.
static std::string flagsAt(const void *address) {
  std::ifstream maps("/proc/self/smaps");
  auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t first = 0, last = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &first, &last) == 2)
      inside = first <= wanted && wanted < last;
    else if (inside && line.starts_with("VmFlags:"))
      return line + " ";
  }
  return {};
}

TEST(Region, ALargeOneAsksForHugePagesAndBeginsAtOne) {
  if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage"))
    GTEST_SKIP() << "this kernel has no transparent huge pages";
  Region large(32 << 20, "a test"), small(1 << 20, "a test");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large.data()) % (2u << 20), 0u);
  EXPECT_NE(flagsAt(large.data()).find(" hg "), std::string::npos) << flagsAt(large.data());
  EXPECT_EQ(flagsAt(small.data()).find(" hg "), std::string::npos) << flagsAt(small.data());
}
