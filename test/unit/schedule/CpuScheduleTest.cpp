//===- CpuScheduleTest.cpp - tiles and algorithms of contractions on a CPU ===//
#include "test/unit/schedule/Shapes.h"

#include <gtest/gtest.h>

#include <set>

namespace netc::kern {

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Every layer, direction, level of the CPU and batch.
template <typename Visit> static void forEachCase(Visit visit) {
  for (const target::CpuLevel &level : target::cpuLevels())
    for (int64_t batch : {int64_t(1), target::CpuCosts().trainingBatch})
      for (const Shape &shape : layers())
        for (ContractKind kind : kinds()) {
          TargetFacts facts = cpuFacts(level.lanes, level.registers);
          facts.batch = batch;
          SCOPED_TRACE(describe(kind, shape) + " " + level.name.str() + " batch " +
                       std::to_string(batch));
          visit(kind, geometry(shape), facts);
        }
}

static TargetFacts avx2(int64_t batch = 1) {
  TargetFacts facts = cpuFacts(8, 16);
  facts.batch = batch;
  return facts;
}

static ScheduleAttr direct(ContractKind kind, Shape shape, TargetFacts facts) {
  return scheduleContraction(kind, geometry(shape), facts);
}

/// The largest number of rows that one of `threads` computes, where each takes the next strip.
static int64_t busiest(int64_t rows, int64_t strip, int64_t blocks, size_t threads) {
  std::vector<int64_t> busy(threads, 0);
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t row = 0; row < rows; row += strip)
      *std::min_element(busy.begin(), busy.end()) += std::min(strip, rows - row);
  return *std::max_element(busy.begin(), busy.end());
}

// Accumulators, a row of weights, a broadcast and one to spare: what is more spills.
TEST(CpuSchedule, TilesFitTheRegisters) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    for (ScheduleAttr s : scheduleCandidates(kind, g, facts)) {
      if (isLanewise(g, facts.lanes))
        continue; // no row of weights to keep
      EXPECT_EQ(s.getLanes(), facts.lanes);
      EXPECT_GE(s.getTilePixels(), 1);
      EXPECT_GE(s.getTileVectors(), 1);
      EXPECT_LE(s.getTilePixels() * s.getTileVectors() + s.getTileVectors() + 2, facts.registers);
    }
  });
}

static TargetFacts amx(bool integers, int64_t batch = 1) {
  TargetFacts facts = cpuFacts(16, 32);
  facts.batch = batch;
  facts.matrixTiles = true;
  facts.integers = integers;
  facts.elementBytes = integers ? 1 : 2;
  return facts;
}

// Four registers of AMX are sums, 16 pixels by a vector each; tiles of vectors fit those too.
TEST(CpuSchedule, MatrixTilesFitTheirRegisters) {
  for (bool integers : {false, true})
    for (int64_t batch : {1, 8})
      for (const Shape &shape : layers())
        for (ContractKind kind : {ContractKind::Forward, ContractKind::InputGrad})
          for (ScheduleAttr s : scheduleCandidates(kind, geometry(shape), amx(integers, batch))) {
            if (s.getWinograd() || isLanewise(geometry(shape), 16))
              continue;
            SCOPED_TRACE(describe(kind, shape));
            EXPECT_LE(s.getTilePixels(), 32);
            EXPECT_LE(ceilDiv(s.getTilePixels(), 16) * s.getTileVectors(), 4);
          }
  ScheduleAttr large = direct(ContractKind::Forward, {56, 64, 256, 1}, amx(false, 8));
  EXPECT_EQ(large.getTilePixels(), 32);
  EXPECT_EQ(large.getTileVectors(), 2);
  // Vectors of f32 would be slower.
  EXPECT_EQ(direct(ContractKind::Forward, {56, 64, 64}, amx(false, 8)).getWinograd(), 0);
}

TEST(CpuSchedule, BlocksAndStripsCoverTheResult) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    for (ScheduleAttr s : scheduleCandidates(kind, g, facts)) {
      EXPECT_GE(s.getStripRows(), 1);
      EXPECT_GE(s.getChannelBlock(), 1);
      EXPECT_GE(s.getChunks(), 1);
      bool splits = s.getChannelBlock() < (kind == ContractKind::InputGrad ? g.getIc() : g.getOc());
      // A tile crosses no border of a block.
      if (splits && kind != ContractKind::FilterGrad) {
        EXPECT_EQ(s.getChannelBlock() % (s.getLanes() * s.getTileVectors()), 0);
      }
    }
  });
}

// The same bits with any number of threads: nothing but a gradient has chunks, and they are few.
TEST(CpuSchedule, PartialGradientsStaySmall) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    ScheduleAttr s = scheduleContraction(kind, g, facts);
    if (kind != ContractKind::FilterGrad) {
      EXPECT_EQ(s.getChunks(), 1);
      return;
    }
    EXPECT_LE(s.getChunks(), 16);
    int64_t points =
        s.getWinograd() ? (s.getWinograd() + 2) * (s.getWinograd() + 2) : g.getKh() * g.getKw();
    int64_t bytes = 4 * points * (g.getIc() / g.getGroups()) * g.getOc();
    if (s.getChunks() > 1 && !s.getWinograd()) {
      EXPECT_LE(s.getChunks() * bytes, facts.costs.partialGradientBytes);
    }
  });
}

TEST(CpuSchedule, PackedWeightsHoldEveryWeight) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    ScheduleAttr s = scheduleContraction(kind, g, facts);
    int64_t floats = 1;
    for (int64_t size : packedShape(kind, g, s))
      floats *= size;
    int64_t weights = g.getKh() * g.getKw() * g.getIc() / g.getGroups() * g.getOc();
    EXPECT_GE(floats, weights);
  });
  // [groups, blocks, taps, taps, depth, lanes of a tile], and with Winograd m + 2 taps.
  GeometryAttr g = geometry({56, 64, 64});
  auto schedule = [&](int64_t winograd) {
    return ScheduleAttr::get(&testContext(), 8, 6, 2, 4, 64, 1, false, winograd);
  };
  EXPECT_EQ(packedShape(ContractKind::Forward, g, schedule(0)),
            (llvm::SmallVector<int64_t>{1, 4, 3, 3, 64, 16}));
  EXPECT_EQ(packedShape(ContractKind::Forward, g, schedule(4)),
            (llvm::SmallVector<int64_t>{1, 4, 6, 6, 64, 16}));
}

TEST(CpuSchedule, OneImageIsSharedEvenlyByTheThreadsOfTheTarget) {
  // Strips of a 1x1 convolution: no more than a tenth of the threads' time is spent waiting.
  for (Shape shape : {Shape{14, 256, 1024, 1}, Shape{28, 128, 512, 1}, Shape{56, 64, 256, 1}}) {
    ScheduleAttr s = direct(ContractKind::Forward, shape, avx2());
    ASSERT_TRUE(s.getFlat());
    int64_t pixels = shape.side * shape.side, blocks = ceilDiv(shape.out, s.getChannelBlock());
    for (int64_t threads : target::CpuCosts().balancedThreads)
      EXPECT_LE(threads * busiest(pixels, s.getStripRows(), blocks, size_t(threads)),
                1.1 * pixels * blocks)
          << shape.side << " with " << threads << " threads";
  }
}

// Sequences have odd numbers of tokens: no item is a single one, for which all weights are read
// again.
TEST(CpuSchedule, OddNumbersOfTokensLeaveNoSmallItem) {
  for (int64_t depth : {768, 3072}) {
    GeometryAttr g =
        GeometryAttr::get(&testContext(), 1, 197, depth, 1, 197, 768, 1, 1, 1, 1, 0, 0, 1, 1, 1);
    for (const target::CpuLevel &level : target::cpuLevels()) {
      ScheduleAttr s =
          scheduleContraction(ContractKind::Forward, g, cpuFacts(level.lanes, level.registers));
      ASSERT_TRUE(s.getFlat());
      int64_t last = 197 % s.getStripRows();
      EXPECT_TRUE(last == 0 || 2 * last >= s.getStripRows()) << s.getStripRows();
    }
  }
}

// Rows that lie on whole pages are read in place, by tiles of no more rows than the first cache has
// ways: copies of them would be made for each block of channels.
TEST(CpuSchedule, TilesOfRowsOnPagesAreSmall) {
  GeometryAttr g =
      GeometryAttr::get(&testContext(), 1, 197, 3072, 1, 197, 768, 1, 1, 1, 1, 0, 0, 1, 1, 1);
  for (int64_t batch : {1, 8}) {
    TargetFacts facts = cpuFacts(16, 32);
    facts.batch = batch;
    ScheduleAttr s = scheduleContraction(ContractKind::Forward, g, facts);
    EXPECT_LE(s.getTilePixels(), kRowsOnPages);
    EXPECT_GE(s.getTilePixels() * s.getTileVectors(), 16);
  }
}

TEST(CpuSchedule, OtherNumbersOfThreadsGiveOtherStrips) {
  TargetFacts facts = avx2();
  int different = 0;
  for (const Shape &shape : layers()) {
    facts.costs.balancedThreads = {2, 4};
    ScheduleAttr usual = direct(ContractKind::Forward, shape, facts);
    facts.costs.balancedThreads = {3, 7};
    different += direct(ContractKind::Forward, shape, facts) != usual;
  }
  EXPECT_GE(different, 3);
}

TEST(CpuSchedule, WinogradIsChosenWhereItSavesProducts) {
  EXPECT_NE(direct(ContractKind::Forward, {56, 64, 64}, avx2(8)).getWinograd(), 0);
  // With dilation where the pixels of equal residue are whole tiles high: 56 / 2.
  EXPECT_NE(direct(ContractKind::Forward, {56, 64, 64, 3, 1, 1, 2}, avx2(8)).getWinograd(), 0);
  // Not where it does not exist: 1x1, strides, groups, dilation of odd sizes, fewer channels than
  // lanes.
  for (Shape shape : {Shape{56, 64, 64, 1}, Shape{56, 64, 64, 3, 2}, Shape{56, 64, 64, 3, 1, 4},
                      Shape{57, 64, 64, 3, 1, 1, 2}, Shape{56, 4, 64}, Shape{56, 64, 4}})
    for (ContractKind kind : kinds())
      for (ScheduleAttr s : scheduleCandidates(kind, geometry(shape), avx2(8)))
        EXPECT_EQ(s.getWinograd(), 0) << describe(kind, shape);
}

TEST(CpuSchedule, SlowTransformsMakeWinogradLose) {
  TargetFacts facts = avx2(8);
  facts.costs.transformCycles = 1000;
  for (ContractKind kind : kinds())
    EXPECT_EQ(direct(kind, {56, 64, 64}, facts).getWinograd(), 0);
}

TEST(CpuSchedule, CandidatesBeginWithTheRuleAndDiffer) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    llvm::SmallVector<ScheduleAttr> all = scheduleCandidates(kind, g, facts);
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all[0], scheduleContraction(kind, g, facts));
    std::set<const void *> distinct;
    for (ScheduleAttr s : all)
      distinct.insert(s.getAsOpaquePointer());
    EXPECT_EQ(distinct.size(), all.size());
  });
}

TEST(CpuSchedule, GroupsSmallerThanAVectorAreLanewise) {
  EXPECT_TRUE(isLanewise(geometry({14, 64, 64, 3, 1, 64}), 8));   // depthwise
  EXPECT_TRUE(isLanewise(geometry({14, 64, 64, 3, 1, 16}), 8));   // ResNeXt's groups of 4
  EXPECT_FALSE(isLanewise(geometry({14, 64, 64, 3, 1, 8}), 8));   // a group fills the vector
  EXPECT_FALSE(isLanewise(geometry({14, 64, 128, 3, 1, 64}), 8)); // two outputs an input
  EXPECT_FALSE(isLanewise(geometry({14, 60, 60, 3, 1, 20}), 8));  // groups of 3 cross vectors
  EXPECT_FALSE(isLanewise(geometry({14, 64, 64}), 8));
}

TEST(CpuSchedule, StridedInputGradientsGoByResidue) {
  EXPECT_TRUE(isByResidue(ContractKind::InputGrad, geometry({56, 64, 64, 3, 2}), 8));
  EXPECT_FALSE(isByResidue(ContractKind::Forward, geometry({56, 64, 64, 3, 2}), 8));
  EXPECT_FALSE(isByResidue(ContractKind::InputGrad, geometry({56, 64, 64}), 8));
  EXPECT_FALSE(isByResidue(ContractKind::InputGrad, geometry({56, 64, 64, 3, 2, 1, 2}), 8));
  EXPECT_FALSE(isByResidue(ContractKind::InputGrad, geometry({56, 64, 64, 3, 2, 64}), 8));
  // Strips then begin at residue 0.
  for (Shape shape : {Shape{56, 64, 64, 3, 2}, Shape{27, 32, 48, 5, 3}}) {
    ScheduleAttr s = direct(ContractKind::InputGrad, shape, avx2(8));
    EXPECT_EQ(s.getStripRows() % shape.stride, 0);
  }
}

TEST(CpuSchedule, DepthBlocksDivideTheChannels) {
  for (const Shape &shape : layers()) {
    GeometryAttr g = geometry(shape);
    if (int64_t block = winogradDepthBlock(g)) {
      EXPECT_EQ(shape.in % block, 0) << shape.in;
      EXPECT_LE(block, 128);
    }
    ScheduleAttr s = scheduleContraction(ContractKind::FilterGrad, g, avx2(8));
    EXPECT_EQ(shape.in % filterGradDepthBlock(g, s), 0) << shape.in;
  }
  EXPECT_EQ(winogradDepthBlock(geometry({14, 130, 64})), 0); // no multiple of 32 divides 130
}

TEST(CpuSchedule, FewChannelsMergeAWindowsRow) {
  EXPECT_TRUE(mergesWindowRow(geometry({224, 3, 64, 7, 2})));
  EXPECT_FALSE(mergesWindowRow(geometry({56, 64, 64})));
  EXPECT_FALSE(mergesWindowRow(geometry({56, 16, 64, 1})));
  EXPECT_FALSE(mergesWindowRow(geometry({56, 16, 64, 3, 1, 2})));
}

TEST(CpuSchedule, PoolsRideAlongWhereTilesHoldWholeWindows) {
  auto schedule = [](int64_t winograd) {
    return ScheduleAttr::get(&testContext(), 8, 6, 2, 4, 64, 1, false, winograd);
  };
  auto pool = [](int64_t side) {
    return PoolingAttr::get(&testContext(), PoolKind::Max, side, side);
  };
  EXPECT_TRUE(poolsOnStore(geometry({56, 64, 64}), schedule(4), pool(2)));
  EXPECT_FALSE(poolsOnStore(geometry({56, 64, 64}), schedule(4), pool(3)));
  EXPECT_FALSE(poolsOnStore(geometry({56, 64, 64}), schedule(0), pool(2)));
  // 2.25 windows a pixel are computed again on load, nine are not.
  EXPECT_TRUE(computesOnLoad(geometry({56, 64, 64, 3, 2})));
  EXPECT_FALSE(computesOnLoad(geometry({56, 64, 64})));
}

TEST(CpuSchedule, InferenceSeesOneImage) {
  EXPECT_EQ(likelyBatch(/*inference=*/true), 1);
  EXPECT_EQ(likelyBatch(/*inference=*/false), target::CpuCosts().trainingBatch);
}

} // namespace netc::kern
