//===- ControlTest.cpp - branches, loops, calls, divergence ---------------===//
#include "test/unit/sim/Gpu.h"

using namespace netc::test;

TEST(Control, LanesLoopADifferentNumberOfTimes) {
  std::vector<uint32_t> a(32);
  for (unsigned lane = 0; lane < 32; ++lane)
    a[lane] = (lane * 13) % 29;
  std::vector<uint32_t> sum = evaluate(R"(
  mov.u32 %r0, 0;
  mov.u32 %q0, 0;
LOOP:
  setp.ge.u32 %p1, %q0, %r1;
  @%p1 bra DONE;
  add.u32 %r0, %r0, %q0;
  add.u32 %q0, %q0, 1;
  bra.uni LOOP;
DONE:
)",
                                       a);
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(sum[lane], a[lane] * (a[lane] - (a[lane] > 0)) / 2) << lane;
}

TEST(Control, LanesThatPartMeetBeforeAShuffle) {
  // Odd lanes take a detour; the sum over all lanes needs all of them.
  std::vector<uint32_t> sum = evaluate(R"(
  and.b32 %q0, %lane, 1;
  setp.eq.u32 %p1, %q0, 0;
  @%p1 bra EVEN;
  mul.lo.u32 %r0, %lane, 3;
  bra.uni JOIN;
EVEN:
  mov.u32 %r0, %lane;
JOIN:
  shfl.sync.bfly.b32 %q1, %r0, 1, 31, -1;
  add.u32 %r0, %r0, %q1;
)",
                                       {});
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(sum[lane], (lane & ~1u) + 3 * (lane | 1)) << lane;
}

TEST(Control, BranchTable) {
  std::vector<uint32_t> a(32);
  for (unsigned lane = 0; lane < 32; ++lane)
    a[lane] = lane % 3;
  std::vector<uint32_t> result = evaluate(R"(
TABLE: .branchtargets A, B, C;
  brx.idx %r1, TABLE;
A:
  mov.u32 %r0, 10;
  bra.uni END;
B:
  mov.u32 %r0, 20;
  bra.uni END;
C:
  mov.u32 %r0, 30;
END:
)",
                                          a);
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(result[lane], 10 + 10 * (lane % 3));
}

TEST(Control, NestedScopesHideNames) {
  EXPECT_EQ(evaluateOne("mov.u32 %r0, %r1; { .reg .b32 %r<2>; .reg .pred p; mov.u32 %r0, 9; "
                        "setp.eq.u32 p, %r0, 9;"
                        "@!p bra OUT; add.u32 %r1, %r0, 1; OUT: } add.u32 %r0, %r0, 1;",
                        5),
            6u);
}

static const char *callee = R"(
.func (.param .align 8 .b8 result[16]) twice(.param .align 8 .b8 pair[16], .param .b32 more) {
  .reg .b32 %r<6>;
  .reg .b64 %d<3>;
  .reg .pred %p<2>;
  .local .align 8 .b8 scratch[16];
  ld.param.v2.b32 {%r1, %r2}, [pair];
  ld.param.b64 %d1, [pair+8];
  ld.param.b32 %r3, [more];
  setp.gt.s32 %p1, %r3, 15;
  st.local.b32 [scratch+4], %r1;
  add.s64 %d1, %d1, %d1;
  st.param.b64 [result+8], %d1;
  @%p1 bra BIG;
  ld.local.b32 %r4, [scratch+4];
  add.s32 %r4, %r4, %r4;
  st.param.b32 [result], %r4;
  st.param.b32 [result+4], %r3;
  ret;
BIG:
  st.param.b32 [result], %r2;
  st.param.b32 [result+4], 0;
  ret;
}
)";

TEST(Control, CallsAreInlined) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(std::string(callee) + R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<9>;
  .reg .b64 %d<9>;
  mov.u32 %r1, %laneid;
  cvt.u64.u32 %d1, %r1;
  {
  .param .align 8 .b8 param0[16];
  .param .b32 param1;
  .param .align 8 .b8 retval0[16];
  st.param.v2.b32 [param0], {%r1, 77};
  st.param.b64 [param0+8], %d1;
  st.param.b32 [param1], %r1;
  call.uni (retval0), twice, (param0, param1);
  ld.param.b32 %r2, [retval0];
  ld.param.b32 %r3, [retval0+4];
  ld.param.b64 %d2, [retval0+8];
  }
  cvt.u32.u64 %r4, %d2;
  ld.param.u64 %d3, [out];
  mul.wide.u32 %d4, %r1, 16;
  add.s64 %d3, %d3, %d4;
  st.global.v4.b32 [%d3], {%r2, %r3, %r4, %r1};
  ret;
})"),
            "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(128));
  ASSERT_EQ(gpu.run({}, out), "");
  std::vector<uint32_t> got = gpu.download<uint32_t>(out, 128);
  for (unsigned lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(got[4 * lane], lane > 15 ? 77 : 2 * lane);
    EXPECT_EQ(got[4 * lane + 1], lane > 15 ? 0 : lane);
    EXPECT_EQ(got[4 * lane + 2], 2 * lane);
  }
}

TEST(Control, SpecialRegistersOfThreeDimensions) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<12>;
  .reg .b64 %d<4>;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %tid.y;
  mov.u32 %r3, %tid.z;
  mov.u32 %r4, %ntid.x;
  mov.u32 %r5, %ntid.y;
  mad.lo.u32 %r6, %r3, %r5, %r2;
  mad.lo.u32 %r6, %r6, %r4, %r1;
  mov.u32 %r7, %ctaid.y;
  mov.u32 %r8, %nctaid.x;
  mov.u32 %r9, %ctaid.x;
  mad.lo.u32 %r7, %r7, %r8, %r9;
  mad.lo.u32 %r10, %r7, 24, %r6;
  ld.param.u64 %d1, [out];
  mul.wide.u32 %d2, %r10, 4;
  add.s64 %d1, %d1, %d2;
  st.global.b32 [%d1], %r10;
  ret;
})"),
            "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(24 * 6));
  CUfunction function;
  ASSERT_EQ(gpu.cu.moduleGetFunction(&function, gpu.module, "k"), CUDA_SUCCESS);
  void *parameters[] = {&out};
  ASSERT_EQ(gpu.cu.launchKernel(function, 3, 2, 1, 4, 3, 2, 0, nullptr, parameters, nullptr),
            CUDA_SUCCESS);
  std::vector<uint32_t> got = gpu.download<uint32_t>(out, 24 * 6);
  for (unsigned at = 0; at < got.size(); ++at)
    EXPECT_EQ(got[at], at);
}
