//===- MemoryBarrierTest.cpp - mbarriers and their planted faults ---------===//
#include "test/unit/sim/Gpu.h"

using namespace netc::test;

/// A kernel of `body` with %t the thread's number, %there the thread's word of the output, room for
/// 64 words in shared memory at %s (%mine: the thread's, %others: that of the thread 32 beside it)
/// and two places for mbarriers; %first: thread 0.
static std::string kernel(const std::string &body) {
  return R"(
.visible .entry k(.param .u64 out) {
  .reg .pred %p<9>, %first;
  .reg .b32 %t, %r<9>;
  .reg .b64 %out, %s, %mine, %others, %there, %d<9>;
  .shared .align 16 .b8 room[256];
  .shared .align 8 .b64 full;
  .shared .align 8 .b64 empty;
  mov.u32 %t, %tid.x;
  setp.eq.u32 %first, %t, 0;
  ld.param.u64 %out, [out];
  mov.b64 %s, room;
  mul.wide.u32 %d0, %t, 4;
  add.s64 %mine, %s, %d0;
  add.s64 %there, %out, %d0;
  xor.b64 %others, %d0, 128;
  add.s64 %others, %s, %others;
)" + body +
         "  ret;\n}\n";
}

static std::string check(const std::string &body, uint64_t seed = 1, bool assembles = false) {
  SimulatorOptions options;
  options.seed = seed;
  options.chip = 90;
  Gpu gpu(options);
  std::string why = gpu.load(kernel(body), "sm_90", assembles);
  if (!why.empty())
    return why;
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(64));
  std::string report = gpu.run({1, 64}, out);
  if (!report.empty())
    return report;
  std::string text;
  for (uint32_t word : gpu.download<uint32_t>(out, 64))
    text += std::to_string(word) + " ";
  return text;
}

static void expectFinding(const std::string &report, const std::string &kind,
                          const std::string &text) {
  EXPECT_EQ(report.substr(0, kind.size()), kind) << report;
  EXPECT_NE(report.find(text), std::string::npos) << report;
}

/// `text` with its first `what` replaced.
static std::string with(std::string text, const std::string &what, const std::string &by) {
  size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

// Warp 0 hands 32 words to warp 1, twice, through one place: `full` and `empty` take turns.
static const char *handOver = R"(
  @%first mbarrier.init.shared.b64 [full], 32;
  @%first mbarrier.init.shared.b64 [empty], 32;
  bar.sync 0;
  setp.ge.u32 %p1, %t, 32;
  mov.u32 %r1, 0;
  mov.u32 %r4, 0;
  @%p1 bra READ;
WRITE:
  xor.b32 %r2, %r1, 1;
EMPTY:
  mbarrier.try_wait.parity.shared.b64 %p2, [empty], %r2;
  @!%p2 bra EMPTY;
  mad.lo.u32 %r3, %r1, 100, %t;
  st.shared.b32 [%mine], %r3;
  mbarrier.arrive.shared.b64 %d1, [full];
  add.u32 %r1, %r1, 1;
  setp.lt.u32 %p3, %r1, 2;
  @%p3 bra WRITE;
  bra DONE;
READ:
  mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 %p2, [full], %r1;
  @!%p2 bra READ;
  ld.shared.b32 %r3, [%others];
  mbarrier.arrive.release.cta.shared::cta.b64 %d1, [empty];
  add.u32 %r4, %r4, %r3;
  add.u32 %r1, %r1, 1;
  setp.lt.u32 %p3, %r1, 2;
  @%p3 bra READ;
DONE:
  st.global.b32 [%there], %r4;
)";

TEST(MemoryBarriers, PhasesTakeTurns) {
  std::string wanted;
  for (unsigned thread = 0; thread < 64; ++thread)
    wanted += std::to_string(thread < 32 ? 0 : 2 * (thread - 32) + 100) + " ";
  for (uint64_t seed = 1; seed <= 20; ++seed)
    ASSERT_EQ(check(handOver, seed, true), wanted);
}

TEST(MemoryBarriers, RacesAcrossThem) {
  // Who does not wait races, or runs so far ahead that the other misses a phase.
  for (const char *loop : {"@!%p2 bra READ;", "@!%p2 bra EMPTY;"}) {
    unsigned races = 0;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      std::string report = check(with(handOver, loop, ""), seed);
      bool isRace = report.find("race in shared memory") == 0 || report.find("read of unw") == 0;
      races += isRace;
      EXPECT_TRUE(isRace || report.find("mbarrier deadlock") == 0) << report;
    }
    EXPECT_GT(races, 0u) << loop;
  }
  expectFinding(check(with(handOver, "bar.sync 0;", "bar.warp.sync -1;"), 3), "", "mbarrier");
  std::string late = "  @%first mbarrier.init.shared.b64 [full], 64;\n  bar.warp.sync -1;\n"
                     "  mbarrier.arrive.shared.b64 %d1, [full];\n";
  bool found = false;
  for (uint64_t seed = 1; seed <= 20 && !found; ++seed)
    found = check(late, seed).find("with no barrier after its mbarrier.init") != std::string::npos;
  EXPECT_TRUE(found);
}

TEST(MemoryBarriers, Misuse) {
  std::string init = "  @%first mbarrier.init.shared.b64 [full], 1;\n  bar.sync 0;\n";
  expectFinding(check("mbarrier.arrive.shared.b64 %d1, [full];"), "bad mbarrier",
                "no mbarrier was initialised");
  expectFinding(check(init + "@%first mbarrier.init.shared.b64 [full], 1;"), "bad mbarrier",
                "initialised again without mbarrier.inval");
  EXPECT_NE(check(init + "@%first mbarrier.inval.shared.b64 [full]; @%first "
                         "mbarrier.init.shared.b64 [full], 1;")
                .find("0 0"),
            std::string::npos);
  expectFinding(check("@%first mbarrier.init.shared.b64 [full], 0;"), "bad mbarrier",
                "expected 1 to 1048575");
  expectFinding(check("@%first mbarrier.init.shared.b64 [full+4], 1;"), "misaligned access", "");
  expectFinding(check(init + "@%first mbarrier.arrive.shared.b64 %d1, [full], 2;"), "bad mbarrier",
                "2 arrivals");
  expectFinding(check(init + "mov.u64 %d1, full; @%first ld.shared.b32 %r1, [%d1];"),
                "bad mbarrier", "belong to an mbarrier");
  expectFinding(check(init + "mov.u64 %d1, full; @%first st.shared.b64 [%d1], %d1;"),
                "bad mbarrier", "belong to an mbarrier");
  expectFinding(
      check(init + "mov.u32 %r1, 2; mbarrier.test_wait.parity.shared.b64 %p1, [full], %r1;"),
      "bad mbarrier", "a phase parity of 2");
  std::string behind = init + "@!%first bra END; mbarrier.arrive.shared.b64 %d1, [full];"
                              "mbarrier.arrive.shared.b64 %d2, [full]; "
                              "mbarrier.test_wait.shared.b64 %p1, [full], STATE; END:";
  EXPECT_NE(check(with(behind, "STATE", "%d2")).find("0 0"), std::string::npos);
  std::string report = check(with(behind, "STATE", "%d1"));
  expectFinding(report, "bad mbarrier", "only the current phase and the one before");
  expectFinding(check(init + "@%first mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [full], "
                             "1048576;"),
                "bad mbarrier", "a transaction count of 1048576");
}

TEST(MemoryBarriers, Deadlocks) {
  std::string wait = "WAIT: mbarrier.try_wait.parity.shared.b64 %p1, [full], 0; @!%p1 bra WAIT;";
  expectFinding(check("@%first mbarrier.init.shared.b64 [full], 65; bar.sync 0;"
                      "mbarrier.arrive.shared.b64 %d1, [full];" +
                      wait),
                "mbarrier deadlock", "phase 0, 1 of 65 arrivals and 0 bytes pending");
  // Bytes that no copy brings.
  expectFinding(check("@%first mbarrier.init.shared.b64 [full], 1; bar.sync 0;"
                      "@%first mbarrier.arrive.expect_tx.shared.b64 %d1, [full], 128;" +
                      wait),
                "mbarrier deadlock", "128 bytes pending");
}

TEST(MemoryBarriers, OneLaneIsElected) {
  EXPECT_EQ(check("elect.sync %r1|%p1, -1; selp.u32 %r2, 7, 0, %p1; add.u32 %r2, %r2, %r1;"
                  "st.global.b32 [%there], %r2;",
                  1, true)
                .substr(0, 6),
            "7 0 0 ");
}
