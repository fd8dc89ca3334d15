//===- MemoryTest.cpp - loads, stores, spaces, atomics, cp.async ----------===//
#include "test/unit/sim/Gpu.h"

#include <numeric>

using namespace netc::test;

TEST(Memory, VectorsAndBytes) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b16 %h<9>;
  .reg .b32 %r<9>;
  .reg .b64 %d<9>;
  mov.u32 %r0, %tid.x;
  ld.param.u64 %d1, [in];
  ld.param.u64 %d2, [out];
  mul.wide.u32 %d3, %r0, 16;
  add.s64 %d1, %d1, %d3;
  add.s64 %d2, %d2, %d3;
  ld.global.nc.L1::no_allocate.v4.b32 {%r1, %r2, %r3, %r4}, [%d1];
  ld.global.v2.b64 {%d4, %d5}, [%d1];
  cvt.u32.u64 %r5, %d5;
  ld.global.s8 %r6, [%d1+3];
  ld.global.u16 %h1, [%d1+4];
  cvt.u32.u16 %r7, %h1;
  st.global.v2.b32 [%d2], {%r2, %r5};
  st.global.b32 [%d2+8], %r6;
  st.global.b16 [%d2+12], %h1;
  st.global.b8 [%d2+14], %r4;
  st.global.b8 [%d2+15], %r4;
  ret;
})"),
            "");
  std::vector<uint32_t> in(128);
  for (unsigned at = 0; at < 128; ++at)
    in[at] = at * 0x01030507u + 0x80000000u * (at & 1) + 0xf0000000;
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(128));
  ASSERT_EQ(gpu.run({}, out, gpu.upload(in)), "");
  std::vector<uint32_t> got = gpu.download<uint32_t>(out, 128);
  for (unsigned lane = 0; lane < 32; ++lane) {
    const uint32_t *from = &in[4 * lane], *to = &got[4 * lane];
    EXPECT_EQ(to[0], from[1]);
    EXPECT_EQ(to[1], from[2]);
    EXPECT_EQ(int32_t(to[2]), int8_t(from[0] >> 24));
    EXPECT_EQ(to[3], (from[1] & 0xffff) | (from[3] & 0xff) * 0x01010000u);
  }
}

TEST(Memory, EverySpaceAndGenericAddresses) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(R"(
.const .align 4 .b32 table[4] = {10, 20, 30, 0x28};
.global .align 4 .f32 scale = 0f40000000;
.global .align 1 .b8 marks[4] = {1, 2};
.visible .entry k(.param .u64 out, .param .align 4 .b8 record[12]) {
  .reg .b32 %r<12>;
  .reg .b64 %d<12>;
  .local .align 8 .b8 depot[64];
  .shared .align 4 .b8 room[128];
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %d1, %r0, 4;
  mov.b64 %d2, room;
  add.s64 %d3, %d2, %d1;
  cvta.shared.u64 %d4, %d3;
  st.b32 [%d4], %r0;
  mov.b64 %d5, depot;
  cvta.local.u64 %d6, %d5;
  st.b32 [%d6+8], %r0;
  ld.local.b32 %r1, [%d5+8];
  ld.shared.b32 %r2, [%d3];
  and.b32 %r3, %r0, 3;
  mul.wide.u32 %d7, %r3, 4;
  mov.b64 %d8, table;
  add.s64 %d8, %d8, %d7;
  ld.const.b32 %r4, [%d8];
  ld.global.b32 %r5, [scale];
  ld.global.b8 %r6, [marks+1];
  mov.b64 %d9, record;
  cvta.param.u64 %d10, %d9;
  ld.b32 %r7, [%d10+8];
  ld.param.b32 %r8, [record+4];
  cvta.to.shared.u64 %d11, %d4;
  sub.s64 %d11, %d11, %d3;
  cvt.u32.u64 %r9, %d11;
  add.u32 %r1, %r1, %r2;
  add.u32 %r1, %r1, %r4;
  add.u32 %r1, %r1, %r6;
  add.u32 %r1, %r1, %r7;
  add.u32 %r1, %r1, %r8;
  add.u32 %r1, %r1, %r9;
  xor.b32 %r1, %r1, %r5;
  ld.param.u64 %d1, [out];
  mul.wide.u32 %d2, %r0, 4;
  add.s64 %d1, %d1, %d2;
  st.global.b32 [%d1], %r1;
  ret;
})"),
            "");
  struct Record {
    uint32_t words[3];
  } record = {{1, 100, 1000}};
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(32));
  ASSERT_EQ(gpu.run({}, out, record), "");
  std::vector<uint32_t> got = gpu.download<uint32_t>(out, 32);
  const uint32_t table[] = {10, 20, 30, 40};
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(got[lane], (2 * lane + table[lane % 4] + 2 + 1100) ^ 0x40000000u);
}

TEST(Memory, AtomicsOfManyBlocks) {
  Gpu gpu;
  std::string body = R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<9>;
  .reg .b64 %d<9>;
  .reg .pred %p<3>;
  .shared .align 4 .b32 local;
  mov.u32 %r0, %tid.x;
  setp.eq.u32 %p0, %r0, 0;
  @%p0 st.shared.b32 [local], 0;
  bar.sync 0;
  atom.shared.add.u32 %r1, [local], 1;
  bar.sync 0;
  ld.shared.b32 %r2, [local];
  ld.param.u64 %d1, [out];
  atom.global.add.u32 %r3, [%d1], %r2;
  red.global.add.f32 [%d1+4], 0f3F800000;
  red.relaxed.gpu.global.max.s32 [%d1+8], %r0;
  atom.global.cas.b32 %r4, [%d1+12], 5, 6;
  red.global.or.b32 [%d1+16], %r0;
  atom.global.exch.b32 %r5, [%d1+20], 9;
  atom.global.inc.u32 %r6, [%d1+24], 99;
  ret;
})";
  ASSERT_EQ(gpu.load(body), "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>{0, 0, 0, 5, 0, 0, 0});
  ASSERT_EQ(gpu.run({20, 64}, out), "");
  std::vector<uint32_t> expected = {20 * 64 * 64, bits(1280), 63, 6, 63, 9, 1280 % 100};
  EXPECT_EQ(gpu.download<uint32_t>(out, 7), expected);
}

// Each lane copies 16 bytes with as many of them from memory as `sizes` says.
static const char *asyncCopy = R"(
.visible .entry k(.param .u64 out, .param .u64 in, .param .u64 sizes) {
  .reg .b32 %r<9>;
  .reg .b64 %d<9>;
  .shared .align 16 .b8 room[512];
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %d1, %r0, 16;
  mov.b64 %d2, room;
  add.s64 %d2, %d2, %d1;
  ld.param.u64 %d3, [in];
  add.s64 %d3, %d3, %d1;
  ld.param.u64 %d4, [sizes];
  mul.wide.u32 %d5, %r0, 4;
  add.s64 %d4, %d4, %d5;
  ld.global.b32 %r1, [%d4];
  cp.async.cg.shared.global [%d2], [%d3], 16, %r1;
  cp.async.commit_group;
  cp.async.wait_group 0;
  ld.shared.v4.b32 {%r2, %r3, %r4, %r5}, [%d2];
  ld.param.u64 %d6, [out];
  add.s64 %d6, %d6, %d1;
  st.global.v4.b32 [%d6], {%r2, %r3, %r4, %r5};
  ret;
})";

TEST(Memory, AsyncCopyFillsWithZeros) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(asyncCopy), "");
  std::vector<uint32_t> in(128), sizes(32);
  std::iota(in.begin(), in.end(), 1000u);
  for (unsigned lane = 0; lane < 32; ++lane)
    sizes[lane] = lane % 5 * 4;
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(128));
  ASSERT_EQ(gpu.run({}, out, gpu.upload(in), gpu.upload(sizes)), "");
  std::vector<uint32_t> got = gpu.download<uint32_t>(out, 128);
  for (unsigned at = 0; at < 128; ++at)
    EXPECT_EQ(got[at], at % 4 < at / 4 % 5 ? in[at] : 0) << at;
}
