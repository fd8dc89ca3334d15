//===- PtxTest.cpp - what does not load, and why --------------------------===//
#include "test/unit/sim/Gpu.h"

#include "runtime/device/sim/Ptx.h"

#include <random>

using namespace netc::test;

static std::string why(const std::string &body) {
  Gpu gpu;
  return gpu.load(".visible .entry k(.param .u64 out) {\n.reg .pred %p<4>;\n.reg .b16 %h<4>;\n.reg "
                  ".b32 %r<4>;\n.reg .b64 %d<4>;\n" +
                  body + "\n}");
}

TEST(Ptx, UnknownInstructionsAreNamedWithTheirLine) {
  EXPECT_EQ(why("tcgen05.fence.sync.aligned;"),
            "PTX line 9: instruction 'tcgen05.fence.sync.aligned' is not simulated");
  EXPECT_EQ(why("add.rz.f32 %r0, %r1, %r2;"),
            "PTX line 9: instruction 'add.rz.f32' is not simulated: only rounding to nearest even");
  EXPECT_EQ(
      why("ld.global.unknown.b32 %r0, [%d0];"),
      "PTX line 9: instruction 'ld.global.unknown.b32' is not simulated: modifier '.unknown'");
  EXPECT_EQ(
      why("add.s32 %r0, %r1, %d1;"),
      "PTX line 9: instruction 'add.s32' is not simulated: register %d1 has 64 bits, expected 32");
  EXPECT_EQ(why("add.s32 %r0, %r1, %r9;"),
            "PTX line 9: instruction 'add.s32' is not simulated: register %r9 is not declared, or "
            "a special register that is not simulated");
  EXPECT_EQ(why("bra NOWHERE;"), "PTX line 9: no label 'NOWHERE'");
  EXPECT_EQ(why("call.uni other;"), "PTX line 9: instruction 'call.uni' is not simulated: function "
                                    "'other' has no body in this module");
  EXPECT_EQ(why("ld.global.v4.b32 {%r0, %r1}, [%d0];"),
            "PTX line 9: instruction 'ld.global.v4.b32' is not simulated: it names 2 registers, "
            "expected 4");
  EXPECT_EQ(why("@%r0 ret;"), "PTX line 9: '%r0' is no predicate register");
  EXPECT_EQ(why("mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 "
                "{%r0,%r0,%r0,%r0},{%r0,%r0,%r0,%r0,%r0,%r0,%r0,%r0},"
                "{%r0,%r0,%r0,%r0},{%r0,%r0,%r0,%r0};")
                .substr(0, 24),
            "PTX line 9: instruction ");
}

TEST(Ptx, BrokenTextsAreRefused) {
  Gpu gpu;
  EXPECT_EQ(gpu.loadText("hello"), "PTX line 1: expected a directive of a module, found 'hello'");
  EXPECT_EQ(gpu.loadText(""), "PTX line 1: no .version: this is not PTX");
  EXPECT_EQ(gpu.loadText("\x7f"
                         "ELF"),
            "the simulator runs PTX text, not cubins");
  EXPECT_EQ(gpu.loadText(".version 8.0\n.target sm_80\n.address_size 32\n"),
            "PTX line 4: only 64-bit addresses are simulated");
  EXPECT_EQ(gpu.load(".visible .entry k() { ret;"), "PTX line 4: function 'k' does not end");
  EXPECT_EQ(gpu.load(".visible .entry k() { mov.u32 %r0, 0x; }"), "PTX line 4: a malformed number");
  EXPECT_EQ(gpu.load(".func a() { call.uni a; ret; }\n.visible .entry k() { call.uni a; ret; }"),
            "PTX line 4: 'a' calls itself: recursion is not simulated");
  EXPECT_EQ(gpu.load(".visible .entry k() { ret; }"), "");
  CUfunction function;
  EXPECT_EQ(gpu.cu.moduleGetFunction(&function, gpu.module, "j"), CUDA_ERROR_NOT_FOUND);
}

// A kernel with something of everything, to be damaged.
static const char *victim = R"(.version 8.0
.target sm_80
.address_size 64
.file 1 "x.net"
.const .align 4 .b32 table[4] = {1, -2, 0x3, 4};
.extern .shared .align 16 .b8 dynamic[];
.func (.param .b32 result) f(.param .b32 x) {
  .reg .b32 %r<3>;
  ld.param.b32 %r1, [x];
  st.param.b32 [result], %r1;
  ret;
}
.visible .entry k(.param .u64 .ptr .global .align 16 a, .param .align 8 .b8 b[16]) .reqntid 32, 1, 1 {
  .reg .pred %p<4>;
  .reg .b16 %h<4>;
  .reg .b32 %r<20>;
  .reg .b64 %d<9>;
  .shared .align 16 .b8 room[512];
  .loc 1 2 3, function_name $L, inlined_at 1 4 5
  mov.u32 %r1, %tid.x;
  ld.param.u64 %d1, [a];
  mov.b64 %d2, room;
  setp.lt.and.s32 %p1|%p2, %r1, 3, !%p3;
  @!%p1 bra $L1;
  { .reg .b32 %r<2>; .param .b32 p0; .param .b32 q0; st.param.b32 [p0], 5; call.uni (q0), f, (p0); ld.param.b32 %r1, [q0]; }
  cp.async.cg.shared.global [%d2+16], [%d1+-16], 16, %r1;
$L1:
  ld.global.nc.v4.b32 {%r2, %r3, %r4, _}, [%d1+4];
  mov.b32 {%h1, %h2}, %r2;
  cvt.rn.bf16x2.f32 %r5, %r6, 0f3F800000;
  mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r2,%r3,%r4,%r5}, {%r2,%r3,%r4,%r5}, {%r6,%r7}, {%r2,%r3,%r4,%r5};
  ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r2,%r3,%r4,%r5}, [%d2];
  bar.sync 0, 64;
  shfl.sync.idx.b32 %r1|%p1, %r2, %r3, 31, -1;
  atom.global.cas.b32 %r1, [%d1], 0b101, 017;
T: .branchtargets $L1, E;
  brx.idx %r1, T;
E: ret; /* end */
}
)";

TEST(Ptx, DamagedTextsNeverCrash) {
  ASSERT_EQ(Gpu().loadText(victim), "");
  std::mt19937 random(1);
  std::string text = victim;
  const char *pieces[] = {"{",
                          "}",
                          "[",
                          "]",
                          ";",
                          ",",
                          "<",
                          ">",
                          ":",
                          ".v4",
                          ".b64",
                          "%r1",
                          "%d1",
                          "%p1",
                          "-1",
                          "4294967296",
                          "0f00000000",
                          "ld.param.b32",
                          "$L1",
                          "room",
                          "@",
                          "!",
                          "|",
                          "(",
                          ")",
                          ".param",
                          ".reg .b32 %r<2>;",
                          "99999999999999999999",
                          "\"",
                          "/*",
                          "[4]",
                          ".align 3",
                          "call.uni",
                          "f",
                          "_"};
  unsigned loaded = 0;
  Gpu gpu;
  for (unsigned round = 0; round < 3000; ++round) {
    std::string damaged = text;
    for (unsigned change = 0, changes = 1 + random() % 3; change < changes; ++change) {
      size_t at = random() % damaged.size();
      switch (random() % 5) {
      case 0:
        damaged.erase(at, 1 + random() % 12);
        break;
      case 1:
        damaged.insert(at, pieces[random() % std::size(pieces)]);
        break;
      case 2:
        damaged[at] = char(32 + random() % 95);
        break;
      case 3:
        damaged.resize(at);
        break;
      default: { // a word changes places with another
        size_t other = random() % damaged.size(),
               length = std::min<size_t>(1 + random() % 8, damaged.size() - std::max(at, other));
        for (size_t each = 0; each < length; ++each)
          std::swap(damaged[at + each], damaged[other + each]);
      }
      }
      if (damaged.empty())
        damaged = ";";
    }
    loaded += gpu.loadText(damaged).empty();
  }
  EXPECT_LT(loaded, 2900u); // most of it is noticed
}
