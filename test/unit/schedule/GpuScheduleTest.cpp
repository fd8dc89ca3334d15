//===- GpuScheduleTest.cpp - tiles of contractions on a GPU ---------------===//
#include "dialect/schedule/gpu/GpuSchedule.h"
#include "test/unit/schedule/Shapes.h"

#include <gtest/gtest.h>

namespace netc::kern {

static TargetFacts gpu(bool tensorCores = false) {
  TargetFacts facts = cpuFacts(8, 16);
  facts.gpu = true;
  facts.tensorCores = tensorCores;
  facts.lanes = 1;
  return facts;
}

template <typename Visit> static void forEachCase(Visit visit) {
  for (bool tensorCores : {false, true})
    for (const Shape &shape : layers())
      for (ContractKind kind : kinds()) {
        SCOPED_TRACE(describe(kind, shape) + (tensorCores ? " tf32" : " f32"));
        visit(kind, geometry(shape), gpu(tensorCores));
      }
}

TEST(GpuSchedule, IsNoneOnACpu) {
  EXPECT_FALSE(gpuSchedule(ContractKind::Forward, geometry({56, 64, 64}), cpuFacts(8, 16)));
}

TEST(GpuSchedule, BlocksAreWholeWarpsWithinTheChipsBounds) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    GpuScheduleAttr s = gpuSchedule(kind, g, facts);
    ASSERT_TRUE(s);
    EXPECT_EQ(s.getThreads() % 32, 0);
    EXPECT_GE(s.getThreads(), 32);
    EXPECT_LE(s.getThreads(), 1024);
    // Both operands of three stages fit where no opt-in is needed, or a launch asks for more.
    int64_t bytes = 4 * s.getStages() * s.getDepth() * (s.getRows() + s.getColumns());
    EXPECT_LE(bytes, 2 * facts.device.staticSharedBytes);
    // f32: all registers that a thread may have. Tensor cores: at least half of them.
    int64_t most = facts.device.threadsAtFullRegisters * (facts.tensorCores ? 2 : 1);
    EXPECT_LE(s.getThreads() * gpuBlocksPerProcessor(s), std::max(most, s.getThreads()));
  });
}

// Small blocks with many sums per thread have a third of the registers, for prologues.
TEST(GpuSchedule, BlocksLeaveRegistersForSums) {
  auto blocks = [](int64_t rows, int64_t columns, int64_t threads, GpuAlgorithm algorithm) {
    return gpuBlocksPerProcessor(GpuScheduleAttr::get(
        geometry({56, 64, 64}).getContext(), algorithm, rows, columns, 16, threads, 64, 3));
  };
  EXPECT_EQ(blocks(128, 128, 256, GpuAlgorithm::MmaTf32), 2);
  EXPECT_EQ(blocks(128, 64, 128, GpuAlgorithm::MmaTf32), 3);
  EXPECT_EQ(blocks(64, 64, 128, GpuAlgorithm::MmaTf32), 4);
  EXPECT_EQ(blocks(128, 128, 256, GpuAlgorithm::Fma), 1);
}

TEST(GpuSchedule, TrainingFillsTheChipWithTallerTiles) {
  TargetFacts facts = gpu(/*tensorCores=*/true);
  GeometryAttr g = geometry({14, 256, 256});
  EXPECT_EQ(gpuSchedule(ContractKind::Forward, g, facts).getColumns(), 64);
  facts.batch = 8;
  EXPECT_EQ(gpuSchedule(ContractKind::Forward, g, facts).getColumns(), 128);
}

// 36 tiles: seven chunks are one wave of 264 blocks, eight would be two.
TEST(GpuSchedule, ChunksOfAFilterGradientFillWholeWaves) {
  TargetFacts facts = gpu(/*tensorCores=*/true);
  facts.batch = 8;
  GeometryAttr g = geometry({14, 256, 256});
  GpuScheduleAttr s = gpuSchedule(ContractKind::FilterGrad, g, facts);
  ASSERT_EQ(gpuFilterRows(g) / s.getRows() * (256 / s.getColumns()), 36);
  int64_t blocks = 36 * packForGpu(ContractKind::FilterGrad, g, facts).getChunks();
  int64_t atOnce = facts.device.processors * gpuBlocksPerProcessor(s);
  EXPECT_GE(blocks % atOnce, atOnce * 9 / 10) << blocks;
}

// Every thread has the same share of the tile.
TEST(GpuSchedule, ThreadsDivideTheTile) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    GpuScheduleAttr s = gpuSchedule(kind, g, facts);
    if (s.getAlgorithm() == GpuAlgorithm::Direct)
      return;
    EXPECT_EQ(s.getAlgorithm(), facts.tensorCores ? GpuAlgorithm::MmaTf32 : GpuAlgorithm::Fma);
    EXPECT_EQ(s.getRows() % s.getThreadRows(), 0);
    EXPECT_EQ(s.getRows() * s.getColumns() % s.getThreads(), 0);
  });
}

TEST(GpuSchedule, TheGridCoversEveryResult) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    GpuScheduleAttr s = gpuSchedule(kind, g, facts);
    ScheduleAttr packed = packForGpu(kind, g, facts);
    Grid grid = gpuGrid(kind, g, packed, s);
    int64_t images = 5, blocks = grid.outer;
    if (grid.rowsPerImage)
      blocks *= (images * grid.rowsPerImage + grid.rowsPerItem - 1) / grid.rowsPerItem;
    bool byFilter = kind == ContractKind::FilterGrad;
    int64_t results =
        byFilter
            ? packed.getChunks() * g.getKh() * g.getKw() * (g.getIc() / g.getGroups()) * g.getOc()
        : kind == ContractKind::InputGrad ? images * g.getIh() * g.getIw() * g.getIc()
                                          : images * g.getOh() * g.getOw() * g.getOc();
    int64_t each = byFilter && s.getAlgorithm() == GpuAlgorithm::Direct
                       ? s.getThreads()
                       : s.getRows() * s.getColumns();
    EXPECT_GE(blocks * each, results);
  });
}

TEST(GpuSchedule, TallTilesWantALaunchThatFillsTheChip) {
  TargetFacts facts = gpu();
  GeometryAttr g = geometry({14, 256, 256});
  facts.device.blocksToFill = 1;
  EXPECT_EQ(gpuSchedule(ContractKind::Forward, g, facts).getColumns(), 128);
  facts.device.blocksToFill = 1 << 20;
  EXPECT_EQ(gpuSchedule(ContractKind::Forward, g, facts).getColumns(), 64);
}

TEST(GpuSchedule, GradientsAreSummedInBoundedChunks) {
  forEachCase([](ContractKind kind, GeometryAttr g, const TargetFacts &facts) {
    ScheduleAttr s = packForGpu(kind, g, facts);
    if (kind != ContractKind::FilterGrad) {
      EXPECT_EQ(s.getChunks(), 1);
      return;
    }
    int64_t bytes = 4 * g.getKh() * g.getKw() * g.getIc() * s.getTileVectors();
    EXPECT_LE(s.getChunks(), std::max<int64_t>(1, g.getOh() * g.getOw() / 4));
    EXPECT_LE((s.getChunks() - 1) * bytes, facts.device.partialGradientBytes);
  });
}

TEST(GpuSchedule, ResiduesOfAStrideCoverTheImage) {
  GeometryAttr g = geometry({27, 32, 48, 3, 2});
  ASSERT_TRUE(gpuByResidue(ContractKind::InputGrad, g));
  EXPECT_FALSE(gpuByResidue(ContractKind::Forward, g));
  GpuScheduleAttr s = gpuSchedule(ContractKind::InputGrad, g, gpu());
  ResidueTiles tiles = gpuResidueTiles(g, s);
  EXPECT_EQ(tiles.height, 14);
  EXPECT_EQ(tiles.width, 14);
  EXPECT_GE(tiles.tiles * s.getRows(), 14 * 14);
}

} // namespace netc::kern
