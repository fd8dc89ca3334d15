//===- WarpTest.cpp - shuffles, votes, barriers ---------------------------===//
#include "test/unit/sim/Gpu.h"

using namespace netc::test;

static std::vector<uint32_t> numbered() {
  std::vector<uint32_t> a(32);
  for (unsigned lane = 0; lane < 32; ++lane)
    a[lane] = 100 + lane;
  return a;
}

TEST(Warp, Shuffles) {
  std::vector<uint32_t> up = evaluate(
      "shfl.sync.up.b32 %r0|%p1, %r1, 3, 0, -1; @!%p1 add.u32 %r0, %r0, 1000;", numbered());
  std::vector<uint32_t> down = evaluate(
      "shfl.sync.down.b32 %r0|%p1, %r1, 3, 31, -1; @!%p1 add.u32 %r0, %r0, 1000;", numbered());
  std::vector<uint32_t> across = evaluate("shfl.sync.bfly.b32 %r0, %r1, 5, 31, -1;", numbered());
  std::vector<uint32_t> index = evaluate("shfl.sync.idx.b32 %r0, %r1, 7, 31, -1;", numbered());
  // Segments of 8 lanes: mask 0x18 in bits 8 to 12.
  std::vector<uint32_t> segment = evaluate("shfl.sync.idx.b32 %r0, %r1, 2, 6175, -1;", numbered());
  std::vector<uint32_t> segmentDown =
      evaluate("shfl.sync.down.b32 %r0, %r1, 4, 6175, -1;", numbered());
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(up[lane], lane < 3 ? 1100 + lane : 100 + lane - 3);
    EXPECT_EQ(down[lane], lane > 28 ? 1100 + lane : 100 + lane + 3);
    EXPECT_EQ(across[lane], 100 + (lane ^ 5));
    EXPECT_EQ(index[lane], 107u);
    EXPECT_EQ(segment[lane], 100 + (lane & 24) + 2);
    EXPECT_EQ(segmentDown[lane], lane % 8 < 4 ? 104 + lane : 100 + lane);
  }
}

TEST(Warp, VotesAndReductions) {
  std::vector<uint32_t> ballot =
      evaluate("setp.gt.u32 %p1, %lane, 27; vote.sync.ballot.b32 %r0, %p1, -1;", {});
  std::vector<uint32_t> any = evaluate("setp.eq.u32 %p1, %lane, 27; vote.sync.any.pred %p2, %p1, "
                                       "-1; vote.sync.all.pred %p3, !%p1, -1;"
                                       "selp.b32 %r0, 1, 0, %p2; @%p3 add.u32 %r0, %r0, 2;",
                                       {});
  std::vector<uint32_t> sum = evaluate("redux.sync.add.s32 %r0, %r1, -1;", numbered());
  std::vector<uint32_t> least =
      evaluate("sub.s32 %q0, 10, %lane; redux.sync.min.s32 %r0, %q0, -1;", {});
  std::vector<uint32_t> half =
      evaluate("mov.u32 %r0, 0; setp.lt.u32 %p1, %lane, 16; @%p1 bra LOW; bra END;"
               "LOW: activemask.b32 %q0; redux.sync.add.u32 %r0, %lane, %q0; END:",
               {});
  std::vector<uint32_t> match =
      evaluate("shr.u32 %q0, %lane, 2; match.any.sync.b32 %r0, %q0, -1;", {});
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(ballot[lane], 0xf0000000u);
    EXPECT_EQ(any[lane], 1u);
    EXPECT_EQ(sum[lane], 3200u + 496);
    EXPECT_EQ(least[lane], uint32_t(-21));
    EXPECT_EQ(half[lane], lane < 16 ? 120 : 0u);
    EXPECT_EQ(match[lane], 0xfu << (lane & ~3u));
  }
}

// 128 threads: warps 0 and 1 produce, warps 2 and 3 consume; two barriers with
// counts, of which the producers only arrive at the first.
static const char *handOver = R"(
.visible .entry k(.param .u64 out) {
  .reg .pred %p<3>;
  .reg .b32 %r<9>;
  .reg .b64 %d<9>;
  .shared .align 4 .b8 room[256];
  mov.u32 %r0, %tid.x;
  mov.b64 %d1, room;
  setp.ge.u32 %p1, %r0, 64;
  @%p1 bra CONSUME;
  mul.wide.u32 %d2, %r0, 4;
  add.s64 %d2, %d2, %d1;
  mul.lo.u32 %r1, %r0, 3;
  st.shared.b32 [%d2], %r1;
  barrier.sync.aligned 2, 64;
  bar.arrive 1, 128;
  bra.uni END;
CONSUME:
  bar.sync 1, 128;
  sub.u32 %r2, 127, %r0;
  mul.wide.u32 %d2, %r2, 4;
  add.s64 %d2, %d2, %d1;
  ld.shared.b32 %r3, [%d2];
  ld.param.u64 %d3, [out];
  mul.wide.u32 %d4, %r2, 4;
  add.s64 %d3, %d3, %d4;
  st.global.b32 [%d3], %r3;
END:
  ret;
})";

TEST(Barrier, ProducersAndConsumers) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    SimulatorOptions options;
    options.seed = seed;
    Gpu gpu(options);
    ASSERT_EQ(gpu.load(handOver), "");
    CUdeviceptr out = gpu.upload(std::vector<uint32_t>(64));
    ASSERT_EQ(gpu.run({1, 128}, out), "");
    std::vector<uint32_t> got = gpu.download<uint32_t>(out, 64);
    for (unsigned at = 0; at < 64; ++at)
      ASSERT_EQ(got[at], 3 * at);
  }
}

TEST(Barrier, Reductions) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(R"(
.visible .entry k(.param .u64 out) {
  .reg .pred %p<6>;
  .reg .b32 %r<9>;
  .reg .b64 %d<4>;
  mov.u32 %r0, %tid.x;
  setp.lt.u32 %p1, %r0, 70;
  bar.red.popc.u32 %r1, 0, %p1;
  bar.red.and.pred %p2, 0, %p1;
  bar.red.or.pred %p3, 0, %p1;
  selp.b32 %r2, 1000, 0, %p2;
  selp.b32 %r3, 2000, 0, %p3;
  add.u32 %r1, %r1, %r2;
  add.u32 %r1, %r1, %r3;
  ld.param.u64 %d1, [out];
  mul.wide.u32 %d2, %r0, 4;
  add.s64 %d1, %d1, %d2;
  st.global.b32 [%d1], %r1;
  ret;
})"),
            "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(96));
  ASSERT_EQ(gpu.run({1, 96}, out), "");
  for (uint32_t value : gpu.download<uint32_t>(out, 96))
    EXPECT_EQ(value, 2070u);
}
