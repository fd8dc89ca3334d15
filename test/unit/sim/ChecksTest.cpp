//===- ChecksTest.cpp - planted faults are found, their twins pass --------===//
#include "test/unit/sim/Gpu.h"

#include <set>

using namespace netc::test;

/// A kernel of `body` with %t the thread's number, %out the output's address, room
/// for 64 words in shared memory at %s, and %mine = %s + 4 %t.
static std::string kernel(const std::string &body) {
  return R"(
.extern .shared .align 16 .b8 dynamic[];
.visible .entry k(.param .u64 out) {
  .reg .pred %p<9>;
  .reg .b32 %t, %r<9>;
  .reg .b64 %out, %s, %mine, %there, %d<9>;
  .shared .align 16 .b8 room[256];
  mov.u32 %t, %tid.x;
  ld.param.u64 %out, [out];
  mov.b64 %s, room;
  mul.wide.u32 %d0, %t, 4;
  add.s64 %mine, %s, %d0;
  add.s64 %there, %out, %d0;
)" + body +
         "  ret;\n}\n";
}

/// The report of `body` on one block of 64 threads unless told otherwise.
static std::string check(const std::string &body, Gpu::Shape shape = {1, 64, 0}, uint64_t seed = 1,
                         unsigned words = 64) {
  SimulatorOptions options;
  options.seed = seed;
  Gpu gpu(options);
  EXPECT_EQ(gpu.load(kernel(body)), "");
  return gpu.run(shape, gpu.upload(std::vector<uint32_t>(words)));
}

static void expectFinding(const std::string &report, const std::string &kind,
                          const std::string &text) {
  EXPECT_EQ(report.substr(0, kind.size()), kind);
  EXPECT_NE(report.find(text), std::string::npos) << report;
  EXPECT_NE(report.find("in kernel k, block ("), std::string::npos) << report;
  EXPECT_NE(report.find("PTX line "), std::string::npos) << report;
}

TEST(Checks, ReportNamesEverything) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(R"(
.file 1 "models/some.net"
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<2>;
  .reg .b64 %d<4>;
  .loc 1 40 2
  mov.u32 %r0, %tid.x;
  ld.param.u64 %d1, [out];
  mul.wide.u32 %d2, %r0, 4;
  add.s64 %d1, %d1, %d2;
  .loc 1 23 9
  st.global.b32 [%d1], %r0;
  ret;
})"),
            "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(40));
  std::string report = gpu.run({1, 64}, out);
  expectFinding(report, "out of bounds", "4 bytes at global address");
  EXPECT_NE(report.find("0 bytes behind an allocation of 160 bytes"), std::string::npos) << report;
  EXPECT_NE(report.find("thread (40, 0, 0)"), std::string::npos) << report;
  EXPECT_NE(report.find("block (0, 0, 0)"), std::string::npos) << report;
  EXPECT_NE(report.find("st.global.b32 [%d1], %r0;"), std::string::npos) << report;
  EXPECT_NE(report.find("models/some.net:23"), std::string::npos) << report;
}

TEST(Checks, BoundsOfGlobalMemory) {
  EXPECT_EQ(check("st.global.b32 [%there], %t;"), "");
  expectFinding(check("st.global.b32 [%there+4], %t;"), "out of bounds", "behind an allocation");
  expectFinding(check("ld.global.b32 %r0, [%there+-4];", {1, 32}), "out of bounds",
                "thread (0, 0, 0)");
  expectFinding(check("mov.u64 %d1, 16; ld.global.b32 %r0, [%d1];"), "out of bounds",
                "address 0x10");
  expectFinding(check("mov.u64 %d1, 0; st.b32 [%d1], %t;"), "out of bounds", "address 0x0");
}

TEST(Checks, FreedMemory) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(kernel("ld.global.b32 %r0, [%there];")), "");
  CUdeviceptr gone = gpu.upload(std::vector<uint32_t>(64));
  EXPECT_EQ(gpu.run({1, 64}, gone), "");
  ASSERT_EQ(gpu.cu.memFree(gone), CUDA_SUCCESS);
  gpu.upload(std::vector<uint32_t>(64));
  expectFinding(gpu.run({1, 64}, gone), "out of bounds", "that was freed");
}

TEST(Checks, MisalignedVectors) {
  EXPECT_EQ(check("shl.b32 %r1, %t, 4; cvt.u64.u32 %d1, %r1; add.s64 %d1, %d1, %out;"
                  "setp.lt.u32 %p1, %t, 16; @%p1 st.global.v4.b32 [%d1], {%t, %t, %t, %t};"),
            "");
  expectFinding(check("setp.lt.u32 %p1, %t, 2; @%p1 st.global.v4.b32 [%there], {%t, %t, %t, %t};"),
                "misaligned access", "thread (1, 0, 0)");
  expectFinding(check("setp.eq.u32 %p1, %t, 3; @%p1 st.shared.b64 [%mine], %d0;"),
                "misaligned access", "8 bytes at shared");
  expectFinding(check("ld.global.b32 %r0, [%out+2];"), "misaligned access", "4 bytes at global");
}

TEST(Checks, BoundsOfSharedMemory) {
  EXPECT_EQ(check("st.shared.b32 [%mine], %t;"), "");
  expectFinding(check("st.shared.b32 [%mine+4], %t;"), "out of bounds",
                "the block has 256 bytes of it");
  expectFinding(check("ld.shared.b32 %r0, [%mine+-4];", {1, 32}), "out of bounds",
                "thread (0, 0, 0)");
  const char *dynamic = "mov.u64 %d1, dynamic; add.s64 %d1, %d1, %d0; st.shared.b32 [%d1], %t;";
  EXPECT_EQ(check(dynamic, {1, 64, 256}), "");
  expectFinding(check(dynamic, {1, 64, 252}), "out of bounds", "the block has 508 bytes of it");
}

TEST(Checks, UnwrittenSharedMemory) {
  EXPECT_EQ(check("st.shared.b32 [%mine], %t; ld.shared.b32 %r0, [%mine];"), "");
  expectFinding(
      check("setp.ne.u32 %p1, %t, 5; @%p1 st.shared.b32 [%mine], %t; ld.shared.b32 %r0, [%mine];"),
      "read of unwritten shared memory", "thread (5, 0, 0)");
  expectFinding(check("st.shared.b8 [%mine], %t; ld.shared.b16 %r0, [%mine];"),
                "read of unwritten shared memory", "");
}

// Each thread reads what its neighbour in the other warp wrote.
static std::string exchange(const char *between, const char *after) {
  return std::string("st.shared.b32 [%mine], %t;\n") + between +
         "  xor.b32 %r1, %t, 32; mul.wide.u32 %d1, %r1, 4; add.s64 %d1, %d1, %s; ld.shared.b32 "
         "%r2, [%d1];\n" +
         after + "  st.shared.b32 [%mine], %r2; st.global.b32 [%there], %r2;";
}

TEST(Checks, RacesBetweenBarriers) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(check(exchange("bar.sync 0;", "bar.sync 0;"), {1, 64}, seed), "");
    std::string early = check(exchange("", "bar.sync 0;"), {1, 64}, seed);
    // The reader comes before the writer or after it, as the order of warps has it.
    EXPECT_TRUE(early.find("race in shared memory") == 0 || early.find("read of unwritten") == 0)
        << early;
    expectFinding(check(exchange("bar.sync 0;", ""), {1, 64}, seed), "race in shared memory",
                  "with no barrier between");
  }
  expectFinding(check("st.shared.b32 [%s], %t;"), "race in shared memory",
                "wrote with no barrier between");
}

TEST(Checks, RacesWithinAWarp) {
  const char *neighbour = "xor.b32 %r1, %t, 1; mul.wide.u32 %d1, %r1, 4; add.s64 %d1, %d1, %s; "
                          "ld.shared.b32 %r2, [%d1];";
  EXPECT_EQ(check(std::string("st.shared.b32 [%mine], %t; bar.warp.sync -1;") + neighbour), "");
  expectFinding(check(std::string("st.shared.b32 [%mine], %t;") + neighbour),
                "race in shared memory", "wrote");
  // Bytes of one word are different places.
  EXPECT_EQ(check("cvt.u64.u32 %d1, %t; add.s64 %d1, %d1, %s; st.shared.b8 [%d1], %t;"), "");
}

TEST(Checks, AtomicsInSharedMemoryDoNotRace) {
  std::string start =
      "setp.eq.u32 %p1, %t, 0; @%p1 st.shared.b32 [%s], 0; bar.sync 0; red.shared.add.u32 [%s], 1;";
  EXPECT_EQ(check(start + "bar.sync 0; ld.shared.b32 %r1, [%s];"), "");
  expectFinding(check(start + "ld.shared.b32 %r1, [%s];"), "race in shared memory", "");
}

// 16 bytes a thread through cp.async; 16 threads fill the room.
static std::string asyncCopy(const char *wait) {
  return std::string("setp.lt.u32 %p1, %t, 16; shl.b32 %r1, %t, 4; cvt.u64.u32 %d1, %r1; add.s64 "
                     "%d2, %d1, %out;"
                     "add.s64 %d3, %d1, %s; @%p1 cp.async.cg.shared.global [%d3], [%d2], 16; "
                     "cp.async.commit_group;\n") +
         wait + " ld.shared.b32 %r2, [%mine]; st.global.b32 [%there], %r2;";
}

TEST(Checks, AsyncCopiesAreWaitedFor) {
  EXPECT_EQ(check(asyncCopy("cp.async.wait_group 0; bar.sync 0;")), "");
  EXPECT_EQ(check(asyncCopy("cp.async.wait_all; bar.sync 0;")), "");
  expectFinding(check(asyncCopy("bar.sync 0;")), "cp.async not waited for", "reads bytes");
  expectFinding(check(asyncCopy("cp.async.wait_group 1; bar.sync 0;")), "cp.async not waited for",
                "reads bytes");
  // Each thread waits for its own copies: without a barrier others are not there.
  std::string alone = check(asyncCopy("cp.async.wait_group 0;"));
  EXPECT_TRUE(alone.find("race in shared memory") == 0 ||
              alone.find("cp.async not waited for") == 0 || alone.find("read of unwritten") == 0)
      << alone;
}

TEST(Checks, AsyncCopyIntoWhatOthersStillRead) {
  std::string body =
      "st.shared.b32 [%mine], %t; bar.sync 0; xor.b32 %r1, %t, 32; mul.wide.u32 %d1, %r1, 4;"
      "add.s64 %d1, %d1, %s; ld.shared.b32 %r2, [%d1]; @BARRIER@"
      "cp.async.ca.shared.global [%mine], [%there], 4; cp.async.wait_all;";
  auto with = [&](const std::string &text) {
    return std::string(body).replace(body.find("@BARRIER@"), 9, text);
  };
  EXPECT_EQ(check(with("bar.sync 0;")), "");
  expectFinding(check(with("")), "race in shared memory", "with no barrier between");
}

TEST(Checks, DivergentBarriers) {
  expectFinding(check("setp.lt.u32 %p1, %t, 40; @%p1 bar.sync 0;"), "divergent barrier",
                "has exited");
  expectFinding(check("setp.lt.u32 %p1, %t, 40; @%p1 bra A; bar.sync 1; A: bar.sync 0;"),
                "divergent barrier", "lanes");
  expectFinding(check("setp.lt.u32 %p1, %t, 32; @%p1 bar.sync 0;"), "divergent barrier",
                "has exited");
  expectFinding(check("setp.lt.u32 %p1, %t, 32; @%p1 bra A; bar.sync 1; bra B; A: bar.sync 0; B:"),
                "divergent barrier", "deadlock");
  expectFinding(check("bar.sync 0, 96;"), "divergent barrier", "deadlock");
  EXPECT_EQ(check("setp.lt.u32 %p1, %t, 32; @%p1 bar.sync 0, 32; bar.sync 1;"), "");
  expectFinding(check("mov.u32 %r1, 48; bar.sync 0, %r1;"), "bad barrier", "multiple of 32");
  expectFinding(check("mov.u32 %r1, 16; bar.sync %r1;"), "bad barrier", "barrier 16 of 16");
}

TEST(Checks, WarpInstructionsNeedTheirLanes) {
  expectFinding(check("setp.lt.u32 %p1, %t, 8; @%p1 shfl.sync.bfly.b32 %r1, %t, 1, 31, -1;"),
                "bad member mask", "exited");
  EXPECT_EQ(check("setp.lt.u32 %p1, %t, 8; @%p1 shfl.sync.bfly.b32 %r1, %t, 1, 31, 255;"), "");
  expectFinding(check("shfl.sync.bfly.b32 %r1, %t, 1, 31, 255;"), "bad member mask",
                "not in its own member mask");
  expectFinding(check("setp.lt.u32 %p1, %t, 8; @%p1 shfl.sync.bfly.b32 %r1, %t, 8, 31, 255;"),
                "shuffle from an inactive lane", "");
  expectFinding(check("setp.lt.u32 %p1, %t, 40; @%p1 bra A; bar.sync 0; A: bar.warp.sync -1; "
                      "setp.lt.u32 %p2, %t, 3; @%p2 bra B; bar.warp.sync -1; B: bar.sync 0;"),
                "divergent", "wait for lanes");
}

TEST(Checks, RacesBetweenBlocks) {
  expectFinding(check("st.global.b32 [%there], %t;", {2, 64}), "race in global memory",
                "wrote in the same launch");
  std::string own = "mov.u32 %r1, %ctaid.x; mul.wide.u32 %d1, %r1, 256; add.s64 %there, %there, "
                    "%d1; st.global.b32 [%there], %t;";
  EXPECT_EQ(check(own, {2, 64}, 1, 128), "");
  expectFinding(check(own + "ld.global.b32 %r2, [%out];", {2, 64}, 1, 128), "race in global memory",
                "in the same launch");
  EXPECT_EQ(check("red.global.add.u32 [%there], 1;", {8, 64}), "");
  // Blocks may write parts of one word.
  EXPECT_EQ(check("mov.u32 %r1, %ctaid.x; cvt.u64.u32 %d1, %r1; add.s64 %there, %there, %d1; "
                  "st.global.b8 [%there], %t;",
                  {4, 64}),
            "");
  // The last block to arrive reads what the others wrote before their fence.
  EXPECT_EQ(check(own + "membar.gl; bar.sync 0; setp.eq.u32 %p1, %t, 0; @%p1 atom.global.add.u32 "
                        "%r4, [%out+2048], 1; bar.sync 0;"
                        "ld.global.b32 %r2, [%out];",
                  {2, 64}, 1, 600),
            "");
}

TEST(Checks, EndlessLoops) {
  for (bool checks : {true, false}) {
    SimulatorOptions options;
    options.checks = checks;
    options.instructionLimit = 100000;
    Gpu gpu(options);
    ASSERT_EQ(gpu.load(kernel("L: add.u32 %r1, %r1, 1; setp.ne.u32 %p1, %r1, %r1; @!%p1 bra L;")),
              "");
    expectFinding(gpu.run({1, 64}, gpu.upload(std::vector<uint32_t>(64))), "endless loop",
                  "more than 100000 instructions");
  }
}

// A lane waits for another of its warp: both must go on in turn.
TEST(Checks, LanesThatSpinLetOthersGoOn) {
  EXPECT_EQ(
      check(
          "setp.eq.u32 %p1, %t, 0; @%p1 st.shared.b32 [%s], 0; bar.sync 0; setp.eq.u32 %p2, %t, 1; "
          "@!%p2 bra SECOND;"
          "SPIN: atom.shared.add.u32 %r1, [%s], 0; setp.eq.u32 %p3, %r1, 0; @%p3 bra SPIN; bra END;"
          "SECOND: @%p1 atom.shared.exch.b32 %r2, [%s], 1; END:"),
      "");
}

TEST(Checks, Traps) {
  expectFinding(check("setp.eq.u32 %p1, %t, 9; @%p1 trap;"), "trap", "thread (9, 0, 0)");
}

TEST(Checks, FindingsAreSticky) {
  Gpu gpu;
  ASSERT_EQ(gpu.load(kernel("st.global.b32 [%there], %t;")), "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(32));
  EXPECT_NE(gpu.run({1, 64}, out), "");
  uint32_t word = 0;
  EXPECT_EQ(gpu.cu.memcpyDtoH(&word, out, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_NE(std::string(gpu.cu.lastReport()).find("out of bounds"), std::string::npos);
}

TEST(Checks, FastModeSurvivesFaults) {
  SimulatorOptions options;
  options.checks = false;
  options.memoryBytes = 1 << 20;
  Gpu gpu(options);
  ASSERT_EQ(gpu.load(kernel(
                "st.shared.b32 [%s], %t; ld.shared.b32 %r1, [%mine]; st.global.b32 [%there+4], %t;"
                "mov.u64 %d1, 0; setp.eq.u32 %p1, %r1, -5; @%p1 st.global.b32 [%d1], %t;")),
            "");
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(64));
  EXPECT_EQ(gpu.run({1, 64}, out), "");
  EXPECT_EQ(gpu.download<uint32_t>(out, 64)[63], 62u);
  ASSERT_EQ(gpu.load(kernel("mov.u64 %d1, 0; st.global.b32 [%d1], %t;")), "");
  EXPECT_NE(gpu.run({1, 64}, out), "");
}

TEST(Checks, OrderOfWarpsVaries) {
  // Without a barrier two warps append in the order in which they come.
  std::set<std::string> reports;
  for (uint64_t seed = 1; seed <= 30; ++seed)
    reports.insert(check("st.shared.b32 [%s], %t;", {1, 256}, seed));
  EXPECT_GT(reports.size(), 2u);
}
