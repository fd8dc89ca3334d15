//===- WarpgroupTest.cpp - wgmma and its planted faults -------------------===//
//
// Operands lie in shared memory as the canonical layouts of PTX ISA 9.7.15.5.1.2 say, which this
// file writes down from the side of the elements.
//
//===----------------------------------------------------------------------===//
#include "test/unit/sim/Gpu.h"

#include <random>

using namespace netc::test;

namespace {
/// One operand in shared memory: `rows` (of A or columns of B) by 16 depths of bf16.
struct Layout {
  unsigned swizzle = 128; // bytes; 0: none
  bool transposed = false;
  unsigned rows = 64;

  unsigned width() const { return swizzle ? swizzle : 16; } // bytes of a line of a core matrix
  // Core matrices of 8 lines; those along the lines are `eights` apart, others `beside`.
  unsigned eights() const { return 8 * width(); }
  unsigned lines() const { return transposed ? 16 : rows; }
  unsigned across() const { return 2 * (transposed ? rows : 16); } // bytes
  unsigned beside() const { return lines() / 8 * eights(); }
  unsigned bytes() const { return beside() * ((across() + width() - 1) / width()); }
  unsigned place(unsigned row, unsigned depth) const {
    unsigned line = transposed ? depth : row, at = 2 * (transposed ? row : depth);
    unsigned address =
        line / 8 * eights() + line % 8 * width() + at / width() * beside() + at % width();
    unsigned mask = swizzle ? swizzle / 16 - 1 : 0;
    return address ^ ((address >> 7 & mask) << 4);
  }
  /// Without the start address.
  uint64_t descriptor() const {
    bool exchanged = transposed && !swizzle; // leading: along the depth
    uint64_t leading = exchanged ? eights() : beside(), stride = exchanged ? beside() : eights();
    uint64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    return leading / 16 << 16 | stride / 16 << 32 | mode << 62;
  }
};
} // namespace

static std::string list(const std::string &prefix, unsigned count) {
  std::string text = "{";
  for (unsigned at = 0; at < count; ++at)
    text += (at ? ", %" : "%") + prefix + std::to_string(at);
  return text + "}";
}

/// D = A B + D for `columns` columns; A from registers or at the start of shared memory, B behind
/// it. Texts of the parts that tests take away or add.
static std::string kernel(unsigned columns, bool registers, bool transposedA, bool transposedB,
                          unsigned bytesOfA, unsigned bytes) {
  std::string text = R"(
.visible .entry k(.param .u64 out, .param .u64 image, .param .u64 ina, .param .u64 desca, .param .u64 descb) {
  .reg .pred %p<9>, %scale;
  .reg .b32 %t, %r<9>, %a<4>;
  .reg .f32 %f<COUNT>, %g<2>;
  .reg .b64 %d<9>;
  .shared .align 1024 .b8 tile[BYTES];
  mov.u32 %t, %tid.x;
  mov.u32 %r0, tile;
  ld.param.u64 %d0, [image];
  shl.b32 %r1, %t, 2;
COPY:
  cvt.u64.u32 %d1, %r1;
  add.s64 %d1, %d1, %d0;
  ld.global.b32 %r2, [%d1];
  add.u32 %r3, %r0, %r1;
  st.shared.b32 [%r3], %r2;
  add.u32 %r1, %r1, 512;
  setp.lt.u32 %p1, %r1, BYTES;
  @%p1 bra COPY;
  ld.param.u64 %d0, [ina];
  mul.wide.u32 %d1, %t, 16;
  add.s64 %d0, %d0, %d1;
  ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%d0];
  ld.param.u64 %d2, [desca];
  ld.param.u64 %d3, [descb];
  shr.u32 %r4, %r0, 4;
  cvt.u64.u32 %d4, %r4;
  add.s64 %d2, %d2, %d4;
  add.s64 %d3, %d3, %d4;
  add.s64 %d3, %d3, OFFSET;
  ld.param.u64 %d5, [out];
  mul.wide.u32 %d6, %t, STRIDE;
  add.s64 %d5, %d5, %d6;
  setp.ne.b32 %scale, %r0, -1;
  fence.proxy.async;
  bar.sync 0;
)";
  std::string store;
  for (unsigned at = 0; at < columns / 2; ++at) {
    std::string f = "%f" + std::to_string(at), place = "[%d5+" + std::to_string(4 * at) + "]";
    text += "  ld.global.f32 " + f + ", " + place + ";\n";
    store += "  st.global.f32 " + place + ", " + f + ";\n";
  }
  text += "  wgmma.fence.sync.aligned;\n  wgmma.mma_async.sync.aligned.m64n" +
          std::to_string(columns) + "k16.f32.bf16.bf16 " + list("f", columns / 2) + ", " +
          (registers ? list("a", 4) : "%d2") + ", %d3, %scale, 1, 1, " +
          (registers     ? ""
           : transposedA ? "1, "
                         : "0, ") +
          (transposedB ? "1" : "0") +
          ";\n  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n" + store +
          "  ret;\n}\n";
  auto replace = [&](const std::string &what, unsigned by) {
    for (size_t at; (at = text.find(what)) != std::string::npos;)
      text.replace(at, what.size(), std::to_string(by));
  };
  replace("COUNT", columns / 2), replace("BYTES", bytes), replace("OFFSET", bytesOfA / 16);
  replace("STRIDE", 2 * columns);
  return text;
}

static uint16_t narrow(float value) { return uint16_t(bits(value) >> 16); }

namespace {
struct Product {
  unsigned columns = 64;
  bool registers = false;
  Layout a, b;
  std::vector<uint32_t> image, fragments;
  std::vector<float> sums, wanted; // [thread][columns / 2]

  Product(unsigned columns, bool registers, Layout ofA, Layout ofB)
      : columns(columns), registers(registers), a(ofA), b(ofB) {
    a.rows = 64, b.rows = columns;
    std::mt19937 random(columns);
    auto some = [&] { return float(int(random() % 33) - 16) / 2; };
    std::vector<float> x(64 * 16), y(16 * columns), c(64 * columns);
    for (auto *matrix : {&x, &y, &c})
      for (float &value : *matrix)
        value = some();
    std::vector<uint16_t> bytes(bytesInAll() / 2, 0x7f7f);
    for (unsigned row = 0; row < 64; ++row)
      for (unsigned k = 0; k < 16; ++k)
        bytes[a.place(row, k) / 2] = narrow(x[row * 16 + k]);
    for (unsigned column = 0; column < columns; ++column)
      for (unsigned k = 0; k < 16; ++k)
        bytes[(bytesOfA() + b.place(column, k)) / 2] = narrow(y[k * columns + column]);
    image.resize(bytes.size() / 2);
    std::memcpy(image.data(), bytes.data(), 2 * bytes.size());
    for (unsigned thread = 0; thread < 128; ++thread) {
      unsigned first = thread / 32 * 16, g = thread % 32 / 4, q = thread % 4;
      for (unsigned part = 0; part < 4; ++part) {
        unsigned row = first + g + part % 2 * 8, k = 2 * q + part / 2 * 8;
        fragments.push_back(uint32_t(narrow(x[row * 16 + k + 1])) << 16 | narrow(x[row * 16 + k]));
      }
      for (unsigned at = 0; at < columns / 2; ++at) {
        unsigned row = first + g + at / 2 % 2 * 8, column = at / 4 * 8 + 2 * q + at % 2;
        float sum = c[row * columns + column];
        sums.push_back(sum);
        for (unsigned k = 0; k < 16; ++k)
          sum += x[row * 16 + k] * y[k * columns + column];
        wanted.push_back(sum);
      }
    }
  }
  // Swizzles repeat after 1024 bytes.
  unsigned bytesOfA() const { return (a.bytes() + 1023) / 1024 * 1024; }
  unsigned bytesInAll() const { return (bytesOfA() + b.bytes() + 511) / 512 * 512; }
  std::string text() const {
    return kernel(columns, registers, a.transposed, b.transposed, bytesOfA(), bytesInAll());
  }
  /// The report, and what was computed.
  std::string run(const std::string &text, std::vector<float> &got, bool checks = true,
                  uint64_t seed = 1, unsigned threads = 128, bool assembles = false) const {
    SimulatorOptions options;
    options.chip = 90, options.checks = checks, options.seed = seed;
    Gpu gpu(options);
    if (std::string why = gpu.load(text, "sm_90a", assembles); !why.empty())
      return why;
    CUdeviceptr out = gpu.upload(sums);
    std::string report = gpu.run({1, threads}, out, gpu.upload(image), gpu.upload(fragments),
                                 a.descriptor(), b.descriptor());
    if (report.empty())
      got = gpu.download<float>(out, sums.size());
    return report;
  }
};
} // namespace

static void compare(const Product &product, const std::string &what) {
  std::vector<float> got;
  ASSERT_EQ(product.run(product.text(), got, true, 1, 128, product.columns != 64), "") << what;
  ASSERT_EQ(got, product.wanted) << what;
}

TEST(Warpgroup, EveryLayout) {
  for (unsigned swizzle : {0, 32, 64, 128})
    for (bool transposed : {false, true}) {
      Layout layout{swizzle, transposed};
      std::string what = std::to_string(swizzle) + (transposed ? " transposed" : "");
      compare(Product(64, false, layout, Layout()), "A " + what);
      compare(Product(128, false, Layout(), layout), "B " + what);
    }
}

TEST(Warpgroup, EveryWidth) {
  for (unsigned columns : {8, 24, 136, 256}) {
    compare(Product(columns, true, Layout(), Layout()), "A in registers");
    compare(Product(columns, false, Layout(), Layout{32}), "A in shared memory");
  }
}

TEST(Warpgroup, FastModeAndOtherOrdersGiveTheSameBits) {
  Product product(128, false, Layout(), Layout{128, true});
  std::vector<float> got;
  for (uint64_t seed : {2, 3}) {
    EXPECT_EQ(product.run(product.text(), got, true, seed), "");
    EXPECT_EQ(got, product.wanted);
  }
  EXPECT_EQ(product.run(product.text(), got, false), "");
  EXPECT_EQ(got, product.wanted);
}

//===----------------------------------------------------------------------===//
// Planted faults
//===----------------------------------------------------------------------===//

/// The report when the first `what` of the kernel is replaced.
static std::string planted(const std::string &what, const std::string &by, bool registers = false,
                           uint64_t seed = 1) {
  Product product(8, registers, Layout(), Layout());
  std::string text = product.text();
  size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  std::vector<float> got;
  return product.run(text.replace(at, what.size(), by), got, true, seed);
}

static void expectFinding(const std::string &report, const std::string &kind,
                          const std::string &text) {
  EXPECT_EQ(report.substr(0, kind.size()), kind) << report;
  EXPECT_NE(report.find(text), std::string::npos) << report;
}

static const std::string waiting = "wgmma.wait_group.sync.aligned 0;",
                         commit = "wgmma.commit_group.sync.aligned;",
                         fence = "wgmma.fence.sync.aligned;";

TEST(WarpgroupFaults, RegistersUnderWay) {
  expectFinding(planted(waiting, ""), "wgmma not waited for", "writes");
  expectFinding(planted(waiting, "wgmma.wait_group.sync.aligned 1;"), "wgmma not waited for",
                "writes");
  expectFinding(planted(commit, ""), "wgmma not waited for", "writes");
  expectFinding(planted(waiting, "mov.b32 %a2, 0; " + waiting, true), "wgmma not waited for",
                "reads as A");
  EXPECT_EQ(planted(waiting, waiting + " mov.b32 %a2, 0;", true), "");
}

TEST(WarpgroupFaults, RegistersNotFenced) {
  expectFinding(planted(fence, ""), "wgmma.fence missing", "before the first");
  expectFinding(planted(fence, fence + " mov.b32 %f2, 0f00000000;"), "wgmma.fence missing",
                "register 2 of the sums");
  expectFinding(planted(fence, fence + " mov.b32 %a1, 0;", true), "wgmma.fence missing",
                "register 1 of A");
}

TEST(WarpgroupFaults, SharedMemory) {
  expectFinding(planted("fence.proxy.async;", ""), "fence.proxy.async missing", "wrote with no");
  // The fence of the thread that reads does not do for the one that wrote.
  expectFinding(planted("fence.proxy.async;\n  bar.sync 0;", "bar.sync 0; fence.proxy.async;"),
                "fence.proxy.async missing", "wrote with no");
  std::string race = planted("bar.sync 0;", "", false, 4);
  EXPECT_TRUE(race.find("race in shared memory") == 0 || race.find("read of unwritten") == 0)
      << race;
  // B's first word, which all warps read.
  std::string write = "setp.eq.u32 %p2, %t, 0; @%p2 st.shared.b32 [%r0+8192], %r1; ";
  expectFinding(planted(waiting, write + waiting), "asynchronous read not waited for",
                "may still read");
  for (uint64_t seed = 1; seed <= 5; ++seed) // other warps may still multiply
    expectFinding(planted(waiting, waiting + write, false, seed), "", "read");
  EXPECT_EQ(planted(waiting, waiting + "bar.sync 0; " + write), "");
}

TEST(WarpgroupFaults, WarpsOfAWarpgroup) {
  std::string other = "setp.ge.u32 %p2, %t, 96; @%p2 add.s64 %d3, %d3, 2; ";
  expectFinding(planted(fence, other + fence), "divergent warpgroup", "other matrix descriptors");
  Product product(8, false, Layout(), Layout());
  std::vector<float> got;
  std::string text = product.text();
  expectFinding(product.run(text, got, true, 1, 96), "bad wgmma", "no whole warpgroup");
  size_t at = text.find(fence);
  text.insert(at, "setp.ge.u32 %p2, %t, 96; @%p2 bra END; ");
  text.insert(text.find("ret;"), "END: ");
  expectFinding(product.run(text, got), "divergent warpgroup", "different numbers");
}

TEST(WarpgroupFaults, WhereItRuns) {
  Product product(8, true, Layout(), Layout());
  SimulatorOptions options;
  options.chip = 100;
  {
    Gpu other(options);
    EXPECT_NE(other.load(product.text(), "sm_90a").find("for sm_90a alone"), std::string::npos);
  }
  options.chip = 90;
  Gpu gpu(options);
  EXPECT_NE(gpu.load(product.text(), "sm_90").find("it needs .target sm_90a"), std::string::npos);
  std::string set = ".visible .entry k() { setmaxnreg.inc.sync.aligned.u32 @; ret; }";
  EXPECT_EQ(gpu.load(std::string(set).replace(set.find('@'), 1, "240"), "sm_90a"), "");
  EXPECT_NE(gpu.load(std::string(set).replace(set.find('@'), 1, "250"), "sm_90a")
                .find("expected a multiple of 8"),
            std::string::npos);
}
