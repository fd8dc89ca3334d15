//===- MatrixTest.cpp - mma.sync, ldmatrix, a tiled product ---------------===//
#include "test/unit/sim/Gpu.h"

#include <cmath>
#include <random>

using namespace netc::test;

// Fragments go through memory as they lie in registers: lane after lane.
static std::string fragments(const std::string &shape, unsigned a, unsigned b) {
  auto names = [](const char *letter, unsigned count) {
    std::string text = "{";
    for (unsigned at = 0; at < count; ++at)
      text += (at ? ", %" : "%") + std::string(letter) + std::to_string(at);
    return text + "}";
  };
  std::string body = R"(
.visible .entry k(.param .u64 d, .param .u64 a, .param .u64 b, .param .u64 c) {
  .reg .b32 %a<4>, %b<4>, %c<4>, %x<4>, %r<2>;
  .reg .b64 %p<4>;
  mov.u32 %r0, %laneid;
)";
  auto load = [&](const char *name, unsigned count) {
    body += "  ld.param.u64 %p0, [" + std::string(name) + "];\n  mul.wide.u32 %p1, %r0, " +
            std::to_string(4 * count) + ";\n  add.s64 %p0, %p0, %p1;\n";
    for (unsigned at = 0; at < count; ++at)
      body += "  ld.global.b32 %" + std::string(name) + std::to_string(at) + ", [%p0+" +
              std::to_string(4 * at) + "];\n";
  };
  load("a", a), load("b", b), load("c", 4);
  body += "  mma.sync.aligned." + shape + "\n    " + names("x", 4) + ", " + names("a", a) + ", " +
          names("b", b) + ", " + names("c", 4) + ";\n";
  return body + R"(
  ld.param.u64 %p0, [d];
  mul.wide.u32 %p1, %r0, 16;
  add.s64 %p0, %p0, %p1;
  st.global.v4.b32 [%p0], {%x0, %x1, %x2, %x3};
  ret;
})";
}

namespace {
/// One value of 16 bits, both ways.
struct Narrow {
  bool bfloat;
  uint32_t write(float value) const {
    if (bfloat)
      return bits(value) >> 16; // values are exact
    uint32_t b = bits(value);
    return value == 0 ? 0 : ((b >> 16) & 0x8000) | (((b & 0x7fffffff) >> 13) - (112u << 10));
  }
};
} // namespace

/// Small integers and halves: every product and sum is exact in every format.
static float someValue(std::mt19937 &random) { return float(int(random() % 33) - 16) / 2; }

/// A: 16 x K, B: K x 8, C: 16 x 8, laid out by PTX ISA 9.7.14's tables.
static void compareProduct(const std::string &shape, unsigned k, unsigned perRegister,
                           bool bfloat) {
  std::mt19937 random(k);
  std::vector<float> a(16 * k), b(k * 8), c(128);
  for (auto *matrix : {&a, &b, &c})
    for (float &value : *matrix)
      value = someValue(random);
  unsigned countA = k / 2 / perRegister, countB = k / 4 / perRegister;
  std::vector<uint32_t> fa(32 * countA), fb(32 * countB), fc(128);
  Narrow narrow{bfloat};
  auto element = [&](float value) {
    return perRegister == 1 ? bits(value) | 0x1fff /* ignored bits */ : narrow.write(value);
  };
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned g = lane / 4, t = lane % 4;
    for (unsigned part = 0; part < countA; ++part)
      for (unsigned half = 0; half < perRegister; ++half) {
        unsigned row = g + 8 * (part % 2);
        unsigned column = perRegister == 1 ? t + 4 * (part / 2) : 2 * t + half + 8 * (part / 2);
        fa[lane * countA + part] |= element(a[row * k + column]) << (16 * half);
      }
    for (unsigned part = 0; part < countB; ++part)
      for (unsigned half = 0; half < perRegister; ++half) {
        unsigned row = perRegister == 1 ? t + 4 * part : 2 * t + half + 8 * part;
        fb[lane * countB + part] |= element(b[row * 8 + g]) << (16 * half);
      }
    for (unsigned part = 0; part < 4; ++part)
      fc[lane * 4 + part] = bits(c[(g + 8 * (part / 2)) * 8 + 2 * t + part % 2]);
  }
  Gpu gpu;
  ASSERT_EQ(gpu.load(fragments(shape, countA, countB)), "");
  CUdeviceptr d = gpu.upload(std::vector<uint32_t>(128));
  ASSERT_EQ(gpu.run({}, d, gpu.upload(fa), gpu.upload(fb), gpu.upload(fc)), "");
  std::vector<uint32_t> got = gpu.download<uint32_t>(d, 128);
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned part = 0; part < 4; ++part) {
      unsigned row = lane / 4 + 8 * (part / 2), column = 2 * (lane % 4) + part % 2;
      float sum = c[row * 8 + column];
      for (unsigned at = 0; at < k; ++at)
        sum += a[row * k + at] * b[at * 8 + column];
      ASSERT_EQ(real(got[lane * 4 + part]), sum) << shape << " row " << row << " column " << column;
    }
}

TEST(Matrix, Tf32) {
  compareProduct("m16n8k8.row.col.f32.tf32.tf32.f32", 8, 1, false);
  compareProduct("m16n8k4.row.col.f32.tf32.tf32.f32", 4, 1, false);
}

TEST(Matrix, HalfPrecisions) {
  compareProduct("m16n8k16.row.col.f32.bf16.bf16.f32", 16, 2, true);
  compareProduct("m16n8k8.row.col.f32.bf16.bf16.f32", 8, 2, true);
  compareProduct("m16n8k16.row.col.f32.f16.f16.f32", 16, 2, false);
  compareProduct("m16n8k8.row.col.f32.f16.f16.f32", 8, 2, false);
}

static void compareLdmatrix(const std::string &modifiers, unsigned count, bool transposed) {
  Gpu gpu;
  std::string registers = "{%x0", store;
  for (unsigned at = 1; at < count; ++at)
    registers += ", %x" + std::to_string(at);
  for (unsigned at = 0; at < count; ++at)
    store +=
        "  st.global.b32 [%d3+" + std::to_string(4 * at) + "], %x" + std::to_string(at) + ";\n";
  ASSERT_EQ(gpu.load(R"(
.visible .entry k(.param .u64 out) {
  .reg .b16 %h<2>;
  .reg .b32 %r<9>, %x<4>;
  .reg .b64 %d<9>;
  .shared .align 16 .b8 room[512];
  mov.u32 %r0, %tid.x;
  mov.b64 %d0, room;
  mul.wide.u32 %d1, %r0, 16;
  add.s64 %d1, %d1, %d0;
  shl.b32 %r1, %r0, 3;
  mul.lo.u32 %r2, %r1, 65537;
  add.u32 %r2, %r2, 65536;
  add.u32 %r3, %r2, 131074;
  add.u32 %r4, %r3, 131074;
  add.u32 %r5, %r4, 131074;
  st.shared.v4.b32 [%d1], {%r2, %r3, %r4, %r5};
  bar.warp.sync -1;
  cvt.u32.u64 %r6, %d1;
  ldmatrix.sync.aligned.m8n8.)" +
                     modifiers + R"(.shared.b16 )" + registers + R"(}, [%r6];
  ld.param.u64 %d3, [out];
  mul.wide.u32 %d1, %r0, 16;
  add.s64 %d3, %d3, %d1;
)" + store + "  ret;\n}"),
            "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(128));
  ASSERT_EQ(gpu.run({}, out), "");
  std::vector<uint32_t> got = gpu.download<uint32_t>(out, 128);
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned matrix = 0; matrix < count; ++matrix) {
      // Element (row, column) of matrix m holds 8 * (8 m + row) + column.
      unsigned g = lane / 4, t = lane % 4;
      auto cell = [&](unsigned row, unsigned column) { return 8 * (8 * matrix + row) + column; };
      uint32_t low = transposed ? cell(2 * t, g) : cell(g, 2 * t),
               high = transposed ? cell(2 * t + 1, g) : cell(g, 2 * t + 1);
      EXPECT_EQ(got[4 * lane + matrix], high << 16 | low) << modifiers;
    }
}

TEST(Matrix, Ldmatrix) {
  compareLdmatrix("x1", 1, false);
  compareLdmatrix("x2", 2, false);
  compareLdmatrix("x4", 4, false);
  compareLdmatrix("x4.trans", 4, true);
  compareLdmatrix("x2.trans", 2, true);
}

// C[16 i + .., 8] = A[.., K] B[8, K]^T, a warp a tile, two stages of cp.async.
static const char *tiledProduct = R"(
.visible .entry k(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 depth) {
  .reg .pred %p<6>;
  .reg .b32 %r<30>, %f<16>;
  .reg .b64 %d<20>;
  .shared .align 16 .b8 tiles[1536];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, %ctaid.x;
  ld.param.u32 %r2, [depth];
  shr.u32 %r3, %r0, 1;
  and.b32 %r4, %r0, 1;
  shl.b32 %r4, %r4, 2;
  shl.b32 %r5, %r1, 4;
  add.u32 %r5, %r5, %r3;
  mad.lo.u32 %r5, %r5, %r2, %r4;
  mul.wide.u32 %d1, %r5, 4;
  ld.param.u64 %d2, [a];
  add.s64 %d2, %d2, %d1;
  mad.lo.u32 %r6, %r3, %r2, %r4;
  mul.wide.u32 %d1, %r6, 4;
  ld.param.u64 %d3, [b];
  add.s64 %d3, %d3, %d1;
  setp.lt.u32 %p1, %r0, 16;
  mov.u32 %r7, tiles;
  shl.b32 %r8, %r0, 4;
  add.u32 %r8, %r8, %r7;
  cp.async.cg.shared.global [%r8], [%d2], 16;
  @%p1 cp.async.cg.shared.global [%r8+512], [%d3], 16;
  cp.async.commit_group;
  and.b32 %r9, %r0, 15;
  shl.b32 %r9, %r9, 5;
  shr.u32 %r10, %r0, 4;
  shl.b32 %r10, %r10, 4;
  add.u32 %r9, %r9, %r10;
  add.u32 %r9, %r9, %r7;
  and.b32 %r11, %r0, 7;
  shl.b32 %r11, %r11, 5;
  shr.u32 %r12, %r0, 3;
  and.b32 %r12, %r12, 1;
  shl.b32 %r12, %r12, 4;
  add.u32 %r11, %r11, %r12;
  add.u32 %r11, %r11, %r7;
  mov.u32 %r13, 0;
  mov.u32 %r14, 0;
  mov.b32 %f8, 0f00000000;
  mov.b32 %f9, 0f00000000;
  mov.b32 %f10, 0f00000000;
  mov.b32 %f11, 0f00000000;
LOOP:
  add.u32 %r13, %r13, 8;
  xor.b32 %r15, %r14, 768;
  setp.lt.u32 %p2, %r13, %r2;
  and.pred %p3, %p1, %p2;
  mul.wide.u32 %d5, %r13, 4;
  add.s64 %d6, %d2, %d5;
  add.s64 %d7, %d3, %d5;
  add.u32 %r16, %r8, %r15;
  @%p2 cp.async.cg.shared.global [%r16], [%d6], 16;
  @%p3 cp.async.cg.shared.global [%r16+512], [%d7], 16;
  cp.async.commit_group;
  cp.async.wait_group 1;
  bar.warp.sync -1;
  add.u32 %r17, %r9, %r14;
  add.u32 %r18, %r11, %r14;
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%f0, %f1, %f2, %f3}, [%r17];
  ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%f4, %f5}, [%r18+512];
  mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f8, %f9, %f10, %f11}, {%f0, %f1, %f2, %f3}, {%f4, %f5}, {%f8, %f9, %f10, %f11};
  bar.warp.sync -1;
  mov.u32 %r14, %r15;
  @%p2 bra LOOP;
  shr.u32 %r20, %r0, 2;
  and.b32 %r21, %r0, 3;
  shl.b32 %r22, %r1, 4;
  add.u32 %r22, %r22, %r20;
  shl.b32 %r22, %r22, 3;
  shl.b32 %r21, %r21, 1;
  add.u32 %r22, %r22, %r21;
  mul.wide.u32 %d8, %r22, 4;
  ld.param.u64 %d9, [c];
  add.s64 %d9, %d9, %d8;
  st.global.v2.b32 [%d9], {%f8, %f9};
  st.global.v2.b32 [%d9+256], {%f10, %f11};
  ret;
})";

static std::vector<uint32_t> runProduct(const SimulatorOptions &options,
                                        const std::vector<float> &a, const std::vector<float> &b,
                                        unsigned tiles, unsigned depth) {
  Gpu gpu(options);
  EXPECT_EQ(gpu.load(tiledProduct), "");
  CUdeviceptr c = gpu.upload(std::vector<float>(tiles * 128));
  EXPECT_EQ(gpu.run({tiles, 32}, gpu.upload(a), gpu.upload(b), c, depth), "");
  return gpu.download<uint32_t>(c, tiles * 128);
}

TEST(Matrix, TiledProductThroughAPipeline) {
  constexpr unsigned tiles = 9, depth = 72;
  std::mt19937 random(7);
  std::vector<float> a(tiles * 16 * depth), b(8 * depth);
  for (auto *matrix : {&a, &b})
    for (float &value : *matrix)
      value = someValue(random);
  SimulatorOptions options;
  std::vector<uint32_t> got = runProduct(options, a, b, tiles, depth);
  for (unsigned row = 0; row < tiles * 16; ++row)
    for (unsigned column = 0; column < 8; ++column) {
      float sum = 0;
      for (unsigned at = 0; at < depth; ++at)
        sum += a[row * depth + at] * b[column * depth + at];
      ASSERT_EQ(real(got[row * 8 + column]), sum) << row << " " << column;
    }
}

TEST(Matrix, FastModeAndOtherOrdersGiveTheSameBits) {
  constexpr unsigned tiles = 5, depth = 40;
  std::mt19937 random(11);
  std::uniform_real_distribution<float> any(-1, 1);
  std::vector<float> a(tiles * 16 * depth), b(8 * depth);
  for (auto *matrix : {&a, &b})
    for (float &value : *matrix)
      value = any(random);
  SimulatorOptions options;
  std::vector<uint32_t> first = runProduct(options, a, b, tiles, depth);
  for (uint64_t seed : {2, 3, 99}) {
    options.seed = seed;
    EXPECT_EQ(runProduct(options, a, b, tiles, depth), first);
  }
  options.threads = 1;
  EXPECT_EQ(runProduct(options, a, b, tiles, depth), first);
  options.checks = false;
  EXPECT_EQ(runProduct(options, a, b, tiles, depth), first);
  for (unsigned level : {1, 2}) {
    options.level = level;
    EXPECT_EQ(runProduct(options, a, b, tiles, depth), first);
  }
}
