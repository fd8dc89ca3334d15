//===- ArithmeticTest.cpp - integer, bit and floating-point instructions --===//
#include "test/unit/sim/Gpu.h"

#include <cmath>
#include <limits>

using namespace netc::test;

TEST(Integer, WrapsAndSplitsProducts) {
  EXPECT_EQ(evaluateOne("add.s32 %r0, %r1, %r2;", 0x7fffffff, 1), 0x80000000u);
  EXPECT_EQ(evaluateOne("sub.u32 %r0, %r1, %r2;", 1, 2), ~0u);
  EXPECT_EQ(evaluateOne("mul.lo.s32 %r0, %r1, %r2;", 0x10001, 0x10001), 0x20001u);
  EXPECT_EQ(evaluateOne("mul.hi.u32 %r0, %r1, %r2;", ~0u, ~0u), 0xfffffffeu);
  EXPECT_EQ(evaluateOne("mul.hi.s32 %r0, %r1, %r2;", ~0u, 5), ~0u);
  EXPECT_EQ(evaluateOne("mad.lo.u32 %r0, %r1, %r2, %r3;", 3, 4, 5), 17u);
  EXPECT_EQ(evaluateOne("mad.hi.u32 %r0, %r1, %r2, %r3;", ~0u, ~0u, 3), 1u);
  EXPECT_EQ(evaluateOne("mul.wide.s32 %d0, %r1, %r2; shr.u64 %d0, %d0, 32; cvt.u32.u64 %r0, %d0;",
                        ~0u, 1),
            ~0u);
  EXPECT_EQ(evaluateOne("mul.wide.u32 %d0, %r1, %r2; shr.u64 %d0, %d0, 32; cvt.u32.u64 %r0, %d0;",
                        ~0u, 2),
            1u);
  EXPECT_EQ(
      evaluateOne("cvt.u64.u32 %d1, %r3; mad.wide.u32 %d0, %r1, %r2, %d1; cvt.u32.u64 %r0, %d0;", 6,
                  7, 8),
      50u);
  EXPECT_EQ(evaluateOne("cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r2; mul.wide.u16 %r0, %h1, %h2;",
                        0xffff, 0xffff),
            0xfffe0001u);
  EXPECT_EQ(
      evaluateOne("cvt.u16.u32 %h1, %r1; mul.lo.s16 %h1, %h1, %h1; cvt.u32.u16 %r0, %h1;", 0x101),
      0x0201u);
}

TEST(Integer, Divides) {
  EXPECT_EQ(evaluateOne("div.s32 %r0, %r1, %r2;", uint32_t(-7), 2), uint32_t(-3));
  EXPECT_EQ(evaluateOne("rem.s32 %r0, %r1, %r2;", uint32_t(-7), 2), uint32_t(-1));
  EXPECT_EQ(evaluateOne("div.u32 %r0, %r1, %r2;", uint32_t(-7), 2), 0x7ffffffcu);
  EXPECT_EQ(evaluateOne("rem.u32 %r0, %r1, %r2;", 17, 5), 2u);
  EXPECT_EQ(evaluateOne("div.s32 %r0, %r1, %r2;", 0x80000000u, ~0u), 0x80000000u);
  EXPECT_EQ(evaluateOne("cvt.s64.s32 %d1, %r1; cvt.s64.s32 %d2, %r2; div.s64 %d1, %d1, %d2; "
                        "cvt.u32.u64 %r0, %d1;",
                        uint32_t(-100), 7),
            uint32_t(-14));
}

TEST(Integer, ComparesAndTakesExtremes) {
  EXPECT_EQ(evaluateOne("min.s32 %r0, %r1, %r2;", uint32_t(-1), 1), uint32_t(-1));
  EXPECT_EQ(evaluateOne("min.u32 %r0, %r1, %r2;", uint32_t(-1), 1), 1u);
  EXPECT_EQ(evaluateOne("max.s32 %r0, %r1, %r2;", uint32_t(-1), 1), 1u);
  EXPECT_EQ(evaluateOne("abs.s32 %r0, %r1;", uint32_t(-9)), 9u);
  EXPECT_EQ(evaluateOne("neg.s32 %r0, %r1;", 9), uint32_t(-9));
  EXPECT_EQ(evaluateOne("sad.s32 %r0, %r1, %r2, %r3;", uint32_t(-3), 4, 10), 17u);
  EXPECT_EQ(evaluateOne("setp.lt.s32 %p1, %r1, %r2; selp.b32 %r0, 1, 2, %p1;", uint32_t(-1), 1),
            1u);
  EXPECT_EQ(evaluateOne("setp.lt.u32 %p1, %r1, %r2; selp.b32 %r0, 1, 2, %p1;", uint32_t(-1), 1),
            2u);
  EXPECT_EQ(evaluateOne("setp.hs.u32 %p1, %r1, %r2; selp.b32 %r0, 1, 2, %p1;", 4, 4), 1u);
  EXPECT_EQ(evaluateOne("set.gt.u32.s32 %r0, %r1, %r2;", 3, uint32_t(-3)), ~0u);
  EXPECT_EQ(evaluateOne("slct.b32.s32 %r0, %r1, %r2, %r3;", 10, 20, uint32_t(-1)), 20u);
}

TEST(Integer, CombinesPredicates) {
  const char *both = "setp.eq.s32 %p1, %r2, 0; setp.gt.and.s32 %p2|%p3, %r1, 5, %p1;"
                     "selp.b32 %r0, 1, 0, %p2; selp.b32 %q0, 2, 0, %p3; or.b32 %r0, %r0, %q0;";
  EXPECT_EQ(evaluateOne(both, 6, 0), 1u);
  EXPECT_EQ(evaluateOne(both, 5, 0), 2u);
  EXPECT_EQ(evaluateOne(both, 6, 1), 0u); // q is the negated comparison, and p1
  const char *negated =
      "setp.eq.s32 %p1, %r2, 0; setp.gt.or.s32 %p2, %r1, 5, !%p1; selp.b32 %r0, 1, 0, %p2;";
  EXPECT_EQ(evaluateOne(negated, 0, 1), 1u);
  EXPECT_EQ(evaluateOne(negated, 0, 0), 0u);
  EXPECT_EQ(evaluateOne("setp.ne.s32 %p1, %r1, 0; not.pred %p2, %p1; xor.pred %p3, %p1, %p2; "
                        "and.pred %p3, %p3, %p1;"
                        "mov.pred %p4, %p3; selp.b32 %r0, 1, 0, %p4;",
                        1),
            1u);
}

TEST(Bits, Logic) {
  EXPECT_EQ(evaluateOne("and.b32 %r0, %r1, %r2;", 12, 10), 8u);
  EXPECT_EQ(evaluateOne("or.b32 %r0, %r1, %r2;", 12, 10), 14u);
  EXPECT_EQ(evaluateOne("xor.b32 %r0, %r1, %r2;", 12, 10), 6u);
  EXPECT_EQ(evaluateOne("not.b32 %r0, %r1;", 0), ~0u);
  EXPECT_EQ(evaluateOne("cnot.b32 %r0, %r1;", 0), 1u);
  EXPECT_EQ(evaluateOne("lop3.b32 %r0, %r1, %r2, %r3, 0x96;", 0xf0f0, 0xcccc, 0xaaaa),
            (0xf0f0u ^ 0xccccu ^ 0xaaaau));
  EXPECT_EQ(evaluateOne("lop3.b32 %r0, %r1, %r2, %r3, 0xE8;", 12, 10, 6),
            ((12u & 10u) | (12u & 6u) | (10u & 6u)));
}

TEST(Bits, ShiftsClampTheirCount) {
  EXPECT_EQ(evaluateOne("shl.b32 %r0, %r1, %r2;", 3, 4), 48u);
  EXPECT_EQ(evaluateOne("shl.b32 %r0, %r1, %r2;", 3, 32), 0u);
  EXPECT_EQ(evaluateOne("shr.u32 %r0, %r1, %r2;", 0x80000000u, 31), 1u);
  EXPECT_EQ(evaluateOne("shr.u32 %r0, %r1, %r2;", 0x80000000u, 40), 0u);
  EXPECT_EQ(evaluateOne("shr.s32 %r0, %r1, %r2;", 0x80000000u, 40), ~0u);
  EXPECT_EQ(evaluateOne("shf.l.wrap.b32 %r0, %r1, %r2, %r3;", 0x80000000u, 1, 33), 3u);
  EXPECT_EQ(evaluateOne("shf.r.clamp.b32 %r0, %r1, %r2, %r3;", 0x12345678, 0x9abcdef0, 40),
            0x9abcdef0u);
}

TEST(Bits, Fields) {
  EXPECT_EQ(evaluateOne("popc.b32 %r0, %r1;", 0xf0f0), 8u);
  EXPECT_EQ(evaluateOne("clz.b32 %r0, %r1;", 0), 32u);
  EXPECT_EQ(evaluateOne("clz.b32 %r0, %r1;", 0x00010000), 15u);
  EXPECT_EQ(evaluateOne("cvt.u64.u32 %d0, %r1; clz.b64 %r0, %d0;", 1), 63u);
  EXPECT_EQ(evaluateOne("brev.b32 %r0, %r1;", 1), 0x80000000u);
  EXPECT_EQ(evaluateOne("bfind.u32 %r0, %r1;", 0x1000), 12u);
  EXPECT_EQ(evaluateOne("bfind.s32 %r0, %r1;", ~0u), ~0u);
  EXPECT_EQ(evaluateOne("bfind.shiftamt.u32 %r0, %r1;", 0x1000), 19u);
  EXPECT_EQ(evaluateOne("bfe.u32 %r0, %r1, %r2, %r3;", 0x12345678, 8, 12), 0x456u);
  EXPECT_EQ(evaluateOne("bfe.s32 %r0, %r1, %r2, %r3;", 0x00000800, 8, 4), 0xfffffff8u);
  EXPECT_EQ(evaluateOne("bfi.b32 %r0, %r1, %r2, 8, 12;", 0xabc, 0xffffffff), 0xfffabcffu);
  EXPECT_EQ(evaluateOne("prmt.b32 %r0, %r1, %r2, %r3;", 0x33221100, 0x77665544, 0x0167),
            0x00116677u);
  EXPECT_EQ(evaluateOne("prmt.b32 %r0, %r1, %r2, %r3;", 0x00008000, 0, 0x9999), ~0u);
}

TEST(Moves, PartsOfRegisters) {
  EXPECT_EQ(evaluateOne("mov.b64 %d0, {%r1, %r2}; mov.b64 {%q0, %r0}, %d0;", 1, 2), 2u);
  EXPECT_EQ(evaluateOne("mov.b32 {%h1, %h2}, %r1; mov.b32 %r0, {%h2, %h1};", 0x12345678),
            0x56781234u);
  EXPECT_EQ(evaluateOne("mov.b64 %d0, {%r1, %r2}; mov.b64 {_, %r0}, %d0;", 1, 2), 2u);
}

TEST(Float, RoundsOnce) {
  auto f = [](const char *body, float a, float b = 0, float c = 0) {
    return real(evaluateOne(body, bits(a), bits(b), bits(c)));
  };
  EXPECT_EQ(f("add.rn.f32 %r0, %r1, %r2;", 1.0f, 0x1p-24f), 1.0f);
  EXPECT_EQ(f("fma.rn.f32 %r0, %r1, %r2, %r3;", 1 + 0x1p-23f, 1 - 0x1p-23f, -1), -0x1p-46f);
  EXPECT_EQ(f("mul.rn.f32 %r0, %r1, %r2;", 0x1p-100f, 0x1p-40f), 0x1p-140f);
  EXPECT_EQ(f("mul.rn.ftz.f32 %r0, %r1, %r2;", 0x1p-100f, 0x1p-40f), 0.0f);
  EXPECT_EQ(f("add.sat.f32 %r0, %r1, %r2;", 0.75f, 0.5f), 1.0f);
  EXPECT_EQ(f("div.rn.f32 %r0, %r1, %r2;", 1, 3), 1.0f / 3);
  EXPECT_EQ(f("sqrt.rn.f32 %r0, %r1;", 2), std::sqrt(2.0f));
  EXPECT_EQ(f("rcp.rn.f32 %r0, %r1;", 3), 1.0f / 3);
  EXPECT_EQ(f("neg.f32 %r0, %r1;", 3), -3.0f);
  EXPECT_EQ(f("abs.f32 %r0, %r1;", -3), 3.0f);
  EXPECT_EQ(f("copysign.f32 %r0, %r1, %r2;", -1, 5), -5.0f);
  EXPECT_EQ(f("sub.f32 %r0, %r1, 0f3F800000;", 3), 2.0f);
}

TEST(Float, Extremes) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  auto f = [](const char *body, float a, float b) {
    return real(evaluateOne(body, bits(a), bits(b)));
  };
  EXPECT_EQ(f("max.f32 %r0, %r1, %r2;", nan, 2), 2.0f);
  EXPECT_EQ(f("min.f32 %r0, %r1, %r2;", 2, nan), 2.0f);
  EXPECT_TRUE(std::isnan(f("max.NaN.f32 %r0, %r1, %r2;", nan, 2)));
  EXPECT_TRUE(std::signbit(f("min.f32 %r0, %r1, %r2;", 0.0f, -0.0f)));
  EXPECT_FALSE(std::signbit(f("max.f32 %r0, %r1, %r2;", -0.0f, 0.0f)));
  const char *ne = "setp.ne.f32 %p1, %r1, %r2; selp.b32 %r0, 1, 0, %p1;";
  const char *neu = "setp.neu.f32 %p1, %r1, %r2; selp.b32 %r0, 1, 0, %p1;";
  EXPECT_EQ(evaluateOne(ne, bits(nan), bits(1)), 0u);
  EXPECT_EQ(evaluateOne(neu, bits(nan), bits(1)), 1u);
  EXPECT_EQ(evaluateOne(ne, bits(2), bits(1)), 1u);
  EXPECT_EQ(evaluateOne("setp.ltu.f32 %p1, %r1, %r2; selp.b32 %r0, 1, 0, %p1;", bits(nan), bits(1)),
            1u);
  EXPECT_EQ(evaluateOne("setp.nan.f32 %p1, %r1, %r2; selp.b32 %r0, 1, 0, %p1;", bits(nan), bits(1)),
            1u);
  EXPECT_EQ(evaluateOne("setp.num.f32 %p1, %r1, %r2; selp.b32 %r0, 1, 0, %p1;", bits(3), bits(1)),
            1u);
}

TEST(Float, ApproximateFunctionsAreNear) {
  auto f = [](const char *body, float a) { return real(evaluateOne(body, bits(a))); };
  EXPECT_FLOAT_EQ(f("ex2.approx.f32 %r0, %r1;", 1.5f), std::exp2(1.5f));
  EXPECT_FLOAT_EQ(f("lg2.approx.f32 %r0, %r1;", 10), std::log2(10.0f));
  EXPECT_FLOAT_EQ(f("rsqrt.approx.f32 %r0, %r1;", 10), 1 / std::sqrt(10.0f));
  EXPECT_FLOAT_EQ(f("rcp.approx.ftz.f32 %r0, %r1;", 10), 0.1f);
  EXPECT_FLOAT_EQ(f("sqrt.approx.f32 %r0, %r1;", 10), std::sqrt(10.0f));
  EXPECT_FLOAT_EQ(f("sin.approx.f32 %r0, %r1;", 1), std::sin(1.0f));
  EXPECT_FLOAT_EQ(f("cos.approx.f32 %r0, %r1;", 1), std::cos(1.0f));
  EXPECT_FLOAT_EQ(f("tanh.approx.f32 %r0, %r1;", 0.3f), std::tanh(0.3f));
  EXPECT_FLOAT_EQ(f("div.full.f32 %r0, 0f3F800000, %r1;", 7), 1.0f / 7);
}

TEST(Float, Doubles) {
  EXPECT_EQ(evaluateOne("cvt.f64.f32 %d1, %r1; cvt.f64.f32 %d2, %r2; fma.rn.f64 %d0, %d1, %d2, "
                        "0d3FF0000000000000;"
                        "sqrt.rn.f64 %d0, %d0; div.rn.f64 %d0, %d0, %d2; cvt.rn.f32.f64 %r0, %d0;",
                        bits(2), bits(4)),
            bits(0.75f));
}

TEST(Convert, BetweenIntegers) {
  EXPECT_EQ(evaluateOne("cvt.s32.s8 %r0, %r1;", 0x180), uint32_t(-128));
  EXPECT_EQ(evaluateOne("cvt.u32.u8 %r0, %r1;", 0x180), 0x80u);
  EXPECT_EQ(evaluateOne("cvt.s32.s16 %r0, %r1;", 0x18000), 0xffff8000u);
  EXPECT_EQ(evaluateOne("cvt.sat.s8.s32 %r0, %r1;", 300), 127u);
  EXPECT_EQ(evaluateOne("cvt.sat.u8.s32 %r0, %r1;", uint32_t(-5)), 0u);
  EXPECT_EQ(evaluateOne("cvt.s64.s32 %d0, %r1; shr.u64 %d0, %d0, 32; cvt.u32.u64 %r0, %d0;",
                        uint32_t(-1)),
            ~0u);
  EXPECT_EQ(evaluateOne("cvt.u64.u32 %d0, %r1; shr.u64 %d0, %d0, 32; cvt.u32.u64 %r0, %d0;",
                        uint32_t(-1)),
            0u);
  EXPECT_EQ(evaluateOne("cvt.u16.u32 %h1, %r1; cvt.s32.s16 %r0, %h1;", 0xfffe), uint32_t(-2));
}

TEST(Convert, BetweenRealsAndIntegers) {
  auto toInt = [](const char *body, float a) { return int32_t(evaluateOne(body, bits(a))); };
  EXPECT_EQ(toInt("cvt.rzi.s32.f32 %r0, %r1;", -2.7f), -2);
  EXPECT_EQ(toInt("cvt.rni.s32.f32 %r0, %r1;", 2.5f), 2);
  EXPECT_EQ(toInt("cvt.rmi.s32.f32 %r0, %r1;", -2.1f), -3);
  EXPECT_EQ(toInt("cvt.rpi.s32.f32 %r0, %r1;", 2.1f), 3);
  EXPECT_EQ(toInt("cvt.rzi.s32.f32 %r0, %r1;", 3e9f), INT32_MAX);
  EXPECT_EQ(toInt("cvt.rzi.u32.f32 %r0, %r1;", -1), 0);
  EXPECT_EQ(toInt("cvt.rzi.s32.f32 %r0, %r1;", std::nanf("")), 0);
  EXPECT_EQ(evaluateOne("cvt.rn.f32.s32 %r0, %r1;", uint32_t(-5)), bits(-5));
  EXPECT_EQ(evaluateOne("cvt.rn.f32.u32 %r0, %r1;", 0xffffff80u), bits(4294967168.0f + 128.0f));
  EXPECT_EQ(evaluateOne("cvt.rz.f32.u32 %r0, %r1;", 0xffffffffu), bits(4294967040.0f));
  EXPECT_EQ(evaluateOne("cvt.rpi.f32.f32 %r0, %r1;", bits(1.25f)), bits(2));
  EXPECT_EQ(evaluateOne("cvt.rni.f32.f32 %r0, %r1;", bits(3.5f)), bits(4));
  EXPECT_EQ(evaluateOne("cvt.s64.s32 %d1, %r1; shl.b64 %d1, %d1, 30; cvt.rn.f32.s64 %r0, %d1;",
                        uint32_t(-3)),
            bits(-3 * 0x1p30f));
}

TEST(Convert, HalfPrecisions) {
  auto half = [](float a) {
    return evaluateOne("cvt.rn.f16.f32 %h1, %r1; mov.b32 %r0, {%h1, %h1}; and.b32 %r0, %r0, 65535;",
                       bits(a));
  };
  EXPECT_EQ(half(1), 0x3c00u);
  EXPECT_EQ(half(65520), 0x7c00u);
  EXPECT_EQ(half(65519), 0x7bffu);
  EXPECT_EQ(half(0x1p-24f), 1u);
  EXPECT_EQ(half(0x1p-25f), 0u);
  EXPECT_EQ(half(-2.0009766f), 0xc000u); // a tie: to even
  auto bfloat = [](float a) {
    return evaluateOne(
        "cvt.rn.bf16.f32 %h1, %r1; mov.b32 %r0, {%h1, %h1}; and.b32 %r0, %r0, 65535;", bits(a));
  };
  EXPECT_EQ(bfloat(1), 0x3f80u);
  EXPECT_EQ(bfloat(1.00390625f), 0x3f80u);
  EXPECT_EQ(bfloat(1.01171875f), 0x3f82u);
  EXPECT_EQ(evaluateOne("cvt.rn.f16.f32 %h1, %r1; cvt.f32.f16 %r0, %h1;", bits(0.333251953125f)),
            bits(0.333251953125f));
  EXPECT_EQ(evaluateOne("cvt.rn.bf16x2.f32 %r0, %r1, %r2;", bits(1), bits(2)), 0x3f804000u);
  EXPECT_EQ(evaluateOne("cvt.rn.relu.f16x2.f32 %r0, %r1, %r2;", bits(-1), bits(2)), 0x00004000u);
  EXPECT_EQ(evaluateOne("cvt.rna.tf32.f32 %r0, %r1;", 0x3f801000), 0x3f802000u);
  EXPECT_EQ(evaluateOne("cvt.rna.tf32.f32 %r0, %r1;", 0x3f800fff), 0x3f800000u);
}

TEST(Half, ArithmeticInPairs) {
  EXPECT_EQ(evaluateOne("fma.rn.f16x2 %r0, %r1, %r2, %r3;", 0x3c004000, 0x40004000, 0x3c000000),
            0x42004400u); // 1*2+1, 2*2+0
  EXPECT_EQ(evaluateOne("fma.rn.bf16x2 %r0, %r1, %r2, %r3;", 0x3f804000, 0x40004000, 0x3f800000),
            0x40404080u);
  EXPECT_EQ(evaluateOne("add.f16x2 %r0, %r1, %r2;", 0x3c003c00, 0x40003c00), 0x42004000u);
  EXPECT_EQ(evaluateOne("neg.bf16x2 %r0, %r1;", 0x3f80bf80), 0xbf803f80u);
}

TEST(Lanes, AllThirtyTwoCompute) {
  std::vector<uint32_t> a(32), b(32);
  for (unsigned lane = 0; lane < 32; ++lane)
    a[lane] = lane * 7, b[lane] = 1000 - lane;
  std::vector<uint32_t> sum = evaluate(
      "add.u32 %r0, %r1, %r2; setp.gt.u32 %p1, %lane, 20; @%p1 mul.lo.u32 %r0, %r1, %r2;", a, b);
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(sum[lane], lane > 20 ? a[lane] * b[lane] : a[lane] + b[lane]);
}
