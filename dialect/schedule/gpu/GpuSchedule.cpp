//===- GpuSchedule.cpp - tiles of contractions on a GPU -------------------===//
#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Output channels of a group in this direction.
static int64_t columnsOfGroup(ContractKind kind, GeometryAttr g) {
  return (kind == ContractKind::InputGrad ? g.getIc() : g.getOc()) / g.getGroups();
}

static int64_t filterRows(GeometryAttr g) {
  return g.getKh() * g.getKw() * (g.getIc() / g.getGroups());
}

/// Groups so small that a tile of one would be mostly empty.
static bool isDirect(ContractKind kind, GeometryAttr g) {
  return g.getGroups() > 1 && columnsOfGroup(kind, g) < 16;
}

bool netc::kern::gpuByResidue(ContractKind kind, GeometryAttr g) {
  return kind == ContractKind::InputGrad && (g.getSh() > 1 || g.getSw() > 1) && g.getDh() == 1 &&
         g.getDw() == 1;
}

ResidueTiles netc::kern::gpuResidueTiles(GeometryAttr g, GpuScheduleAttr gpu) {
  int64_t height = ceilDiv(g.getIh(), g.getSh()), width = ceilDiv(g.getIw(), g.getSw());
  return {height, width, ceilDiv(height * width, gpu.getRows())};
}

GpuScheduleAttr netc::kern::gpuSchedule(ContractKind kind, GeometryAttr g,
                                        const TargetFacts &target) {
  if (!target.gpu)
    return {};
  auto make = [&](GpuAlgorithm algorithm, int64_t rows, int64_t columns, int64_t threads,
                  int64_t threadRows) {
    return GpuScheduleAttr::get(g.getContext(), algorithm, rows, columns, /*depth=*/16, threads,
                                threadRows, /*stages=*/3);
  };
  if (isDirect(kind, g)) {
    int64_t outputs = kind == ContractKind::InputGrad ? g.getIc() : g.getOc();
    int64_t columns = outputs >= 32 ? 32 : outputs > 8 ? 16 : 8;
    return make(GpuAlgorithm::Direct, 32, columns, 128, 1);
  }
  int64_t outputs = columnsOfGroup(kind, g);
  int64_t pixels = kind == ContractKind::InputGrad ? g.getIh() * g.getIw() : g.getOh() * g.getOw();
  bool isFilterGrad = kind == ContractKind::FilterGrad;
  int64_t rows = isFilterGrad ? filterRows(g) : pixels;
  // Tiles as wide as the channels; tall where there are rows enough to fill the largest chips.
  int64_t columns = outputs > 64 ? 128 : outputs > 32 ? 64 : outputs > 16 ? 32 : 16;
  const target::GpuFacts &device = target.device;
  bool many = isFilterGrad
                  ? rows >= 512
                  : pixels * device.batch / 128 * ceilDiv(outputs, 128) >= device.blocksToFill;
  if (columns == 128 && !many)
    columns = 64;
  int64_t tall = columns == 128 || (columns == 64 && many) ? 128 : 64;
  if (!isFilterGrad && pixels == 1)
    tall = 64,
    columns = std::min<int64_t>(columns, 32); // linear layers: as many blocks as there can be
  if (target.tensorCores) {
    // Warps of 64x32, 32x32 or 16x16.
    int64_t warpRows = tall == 128 ? 64 : columns >= 64 ? 32 : 16;
    int64_t warpColumns = columns >= 32 ? 32 : 16;
    return make(GpuAlgorithm::Mma, tall, columns, 32 * (tall / warpRows) * (columns / warpColumns),
                warpRows);
  }
  // Threads of 8x8, 8x4 or 4x4.
  int64_t threadRows = columns >= 64 ? 8 : 4, threadColumns = tall == 128 ? 8 : 4;
  return make(GpuAlgorithm::Fma, tall, columns, (tall / threadRows) * (columns / threadColumns),
              threadRows);
}

ScheduleAttr netc::kern::packForGpu(ContractKind kind, GeometryAttr g, const TargetFacts &target) {
  int64_t outputs = columnsOfGroup(kind, g);
  bool direct = isDirect(kind, g);
  int64_t tile = direct ? outputs : ceilDiv(outputs, 4) * 4;
  int64_t chunks = 1;
  if (kind == ContractKind::FilterGrad) {
    GpuScheduleAttr gpu = gpuSchedule(kind, g, target);
    int64_t blocks = direct ? ceilDiv(filterRows(g) * g.getOc(), gpu.getThreads())
                            : ceilDiv(filterRows(g), gpu.getRows()) * gpuColumnTiles(kind, g, gpu);
    int64_t bytes = 4 * filterRows(g) * tile * g.getGroups();
    // Enough blocks, but few partial gradients. Few pixels: few chunks.
    chunks = std::min<int64_t>(ceilDiv(target.device.filterGradBlocks, blocks),
                               std::max<int64_t>(1, target.device.partialGradientBytes / bytes));
    chunks = std::clamp<int64_t>(chunks, 1, std::max<int64_t>(1, g.getOh() * g.getOw() / 4));
  }
  return ScheduleAttr::get(g.getContext(), /*lanes=*/1, /*tile_pixels=*/1, /*tile_vectors=*/tile,
                           /*strip_rows=*/1,
                           /*channel_block=*/outputs, chunks, /*flat=*/false, /*winograd=*/0);
}

int64_t netc::kern::gpuColumnTiles(ContractKind kind, GeometryAttr g, GpuScheduleAttr gpu) {
  int64_t outputs = columnsOfGroup(kind, g);
  if (gpu.getAlgorithm() == GpuAlgorithm::Direct)
    return ceilDiv(outputs * g.getGroups(), gpu.getColumns());
  return g.getGroups() * ceilDiv(outputs, gpu.getColumns());
}

int64_t netc::kern::gpuBlocksPerProcessor(GpuScheduleAttr gpu) {
  return std::max<int64_t>(1, target::GpuFacts().threadsAtFullRegisters / gpu.getThreads());
}

Grid netc::kern::gpuGrid(ContractKind kind, GeometryAttr g, ScheduleAttr s, GpuScheduleAttr gpu) {
  int64_t tiles = gpuColumnTiles(kind, g, gpu);
  if (kind == ContractKind::FilterGrad) {
    if (gpu.getAlgorithm() == GpuAlgorithm::Direct)
      return {s.getChunks() * ceilDiv(filterRows(g) * g.getOc(), gpu.getThreads()), 0, 1};
    return {s.getChunks() * tiles * ceilDiv(filterRows(g), gpu.getRows()), 0, 1};
  }
  if (gpuByResidue(kind, g))
    return {tiles, g.getSh() * g.getSw() * gpuResidueTiles(g, gpu).tiles, 1};
  int64_t pixels = kind == ContractKind::InputGrad ? g.getIh() * g.getIw() : g.getOh() * g.getOw();
  return {tiles, pixels, gpu.getRows()};
}
