//===- GpuSchedule.cpp - tiles of contractions on a GPU -------------------===//
#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Groups so small that a tile of one would be mostly empty.
static bool isDirect(ContractKind kind, GeometryAttr g) {
  return g.getGroups() > 1 && gpuColumnsOfGroup(kind, g) < 16;
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
  int64_t outputs = gpuColumnsOfGroup(kind, g);
  int64_t pixels = kind == ContractKind::InputGrad ? g.getIh() * g.getIw() : g.getOh() * g.getOw();
  bool isFilterGrad = kind == ContractKind::FilterGrad;
  int64_t rows = isFilterGrad ? gpuFilterRows(g) : pixels;
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
  int64_t outputs = gpuColumnsOfGroup(kind, g);
  bool direct = isDirect(kind, g);
  int64_t tile = direct ? outputs : ceilDiv(outputs, 4) * 4;
  int64_t chunks = 1;
  if (kind == ContractKind::FilterGrad) {
    GpuScheduleAttr gpu = gpuSchedule(kind, g, target);
    int64_t blocks = direct
                         ? ceilDiv(gpuFilterRows(g) * g.getOc(), gpu.getThreads())
                         : ceilDiv(gpuFilterRows(g), gpu.getRows()) * gpuColumnTiles(kind, g, gpu);
    int64_t bytes = kSumBytes * gpuFilterRows(g) * tile * g.getGroups();
    // Enough blocks, but few partial gradients. Few pixels: few chunks.
    chunks = std::min<int64_t>(ceilDiv(target.device.filterGradBlocks, blocks),
                               std::max<int64_t>(1, target.device.partialGradientBytes / bytes));
    chunks = std::clamp<int64_t>(chunks, 1, std::max<int64_t>(1, g.getOh() * g.getOw() / 4));
  }
  return ScheduleAttr::get(g.getContext(), /*lanes=*/1, /*tile_pixels=*/1, /*tile_vectors=*/tile,
                           /*strip_rows=*/1,
                           /*channel_block=*/outputs, chunks, /*flat=*/false, /*winograd=*/0);
}

int64_t netc::kern::gpuBlocksPerProcessor(GpuScheduleAttr gpu) {
  return std::max<int64_t>(1, target::GpuFacts().threadsAtFullRegisters / gpu.getThreads());
}
