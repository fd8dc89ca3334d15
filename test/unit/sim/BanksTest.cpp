//===- BanksTest.cpp - passes over the banks of shared memory -------------===//
#include "runtime/device/sim/Banks.h"
#include "test/unit/sim/Gpu.h"

#include <functional>

using namespace netc::test;
using netc::runtime::sim::BankUse;
using netc::runtime::sim::KernelProfile;

static BankUse useOf(uint32_t bytes, const std::function<uint64_t(unsigned)> &address,
                     uint32_t mask = ~0u) {
  uint64_t addresses[32];
  for (unsigned lane = 0; lane < 32; ++lane)
    addresses[lane] = address(lane);
  BankUse use;
  use.count(addresses, bytes, mask);
  return use;
}

static void expectUse(const BankUse &use, uint64_t passes, uint64_t conflicts) {
  EXPECT_EQ(use.passes, passes);
  EXPECT_EQ(use.conflicts, conflicts);
}

TEST(Banks, NeighboursAndOneWordTakeOnePass) {
  expectUse(useOf(4, [](unsigned lane) { return 4 * lane; }), 1, 0);
  expectUse(useOf(4, [](unsigned) { return 64; }), 1, 0);
  expectUse(useOf(4, [](unsigned lane) { return 4 * (lane ^ 21); }), 1, 0);
  expectUse(useOf(1, [](unsigned lane) { return lane; }), 1, 0);
}

TEST(Banks, StridesConflict) {
  expectUse(useOf(4, [](unsigned lane) { return 8 * lane; }), 2, 1);
  expectUse(useOf(4, [](unsigned lane) { return 128 * lane; }), 32, 31);
  expectUse(useOf(4, [](unsigned lane) { return 132 * lane; }), 1, 0);
  expectUse(useOf(4, [](unsigned lane) { return 128 * lane; }, 0xff), 8, 7);
}

TEST(Banks, WideAccessesTakeAQuarterOfTheLanesAtOnce) {
  expectUse(useOf(16, [](unsigned lane) { return 16 * lane; }), 4, 0);
  expectUse(useOf(8, [](unsigned lane) { return 8 * lane; }), 2, 0);
  // Rows of 64 bytes, one chunk of each: eight rows lie in two groups of banks. Rows of 80 bytes do
  // not.
  expectUse(useOf(16, [](unsigned lane) { return 64 * lane; }), 16, 12);
  expectUse(useOf(16, [](unsigned lane) { return 80 * lane; }), 4, 0);
  // The chunk that row r has at c ^ (r / 2 % 4).
  expectUse(useOf(16, [](unsigned lane) { return 64 * lane + 16 * (lane / 2 % 4); }), 4, 0);
  expectUse(useOf(16, [](unsigned lane) { return 16 * lane; }, 1), 1, 0);
}

TEST(Banks, AProfileNamesTheInstruction) {
  SimulatorOptions options;
  options.profile = true;
  Gpu gpu(options);
  ASSERT_EQ(gpu.load(R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %t, %r<3>;
  .shared .align 16 .b8 room[8192];
  mov.u32 %t, %tid.x;
  shl.b32 %r1, %t, 7;
  mov.u32 %r2, room;
  add.u32 %r1, %r1, %r2;
  st.shared.b32 [%r1], %t;
  ret;
})"),
            "");
  netc::runtime::sim::takeProfile();
  EXPECT_EQ(gpu.run({3, 64}, gpu.upload(std::vector<uint32_t>(1))), "");
  std::vector<KernelProfile> profile = netc::runtime::sim::takeProfile();
  ASSERT_EQ(profile.size(), 1u);
  EXPECT_EQ(profile[0].kernel, "k");
  EXPECT_EQ(profile[0].launches, 1u);
  EXPECT_EQ(profile[0].instructions, 3 * 64 * 6u);
  ASSERT_EQ(profile[0].shared.size(), 1u);
  const netc::runtime::sim::SharedAccess &access = profile[0].shared.begin()->second;
  EXPECT_NE(access.instruction.find("st.shared.b32 [%r1], %t;"), std::string::npos)
      << access.instruction;
  expectUse({access.passes, access.conflicts}, 3 * 2 * 32, 3 * 2 * 31);
  EXPECT_TRUE(netc::runtime::sim::takeProfile().empty());
}
