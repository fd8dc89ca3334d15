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

/// Whether copies of bf16 operands take four channels or more at once. Others, such as images of
/// three channels, are multiplied as tf32: of bf16, a thread would bring 16 single elements per
/// stage, for which it has no registers.
static bool hasChunks(ContractKind kind, GeometryAttr g) {
  auto divides = [&](int64_t channels) { return channels / g.getGroups() % 4 == 0; };
  switch (kind) {
  case ContractKind::Forward:
    return divides(g.getIc());
  case ContractKind::InputGrad:
    return divides(g.getOc());
  case ContractKind::FilterGrad:
    return divides(g.getIc()) && divides(g.getOc());
  }
  llvm_unreachable("a kind of contraction that has no operands");
}

GpuScheduleAttr netc::kern::gpuSchedule(ContractKind kind, GeometryAttr g,
                                        const TargetFacts &target) {
  if (!target.gpu)
    return {};
  auto make = [&](GpuAlgorithm algorithm, int64_t rows, int64_t columns, int64_t threads,
                  int64_t threadRows) {
    // A stage's rows of the depth are 64 bytes.
    int64_t depth = algorithm == GpuAlgorithm::MmaBf16 ? 32 : 16,
            stages =
                algorithm == GpuAlgorithm::MmaBf16 || algorithm == GpuAlgorithm::MmaTf32 ? 5 : 3;
    return GpuScheduleAttr::get(g.getContext(), algorithm, rows, columns, depth, threads,
                                threadRows, stages);
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
  int64_t batch = target.batch > 1 ? device.trainingBatch : device.batch;
  bool many = isFilterGrad ? rows >= 512
                           : pixels * batch / 128 * ceilDiv(outputs, 128) >= device.blocksToFill;
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
    bool bf16 = target.elementBytes == 2 && hasChunks(kind, g);
    return make(bf16 ? GpuAlgorithm::MmaBf16 : GpuAlgorithm::MmaTf32, tall, columns,
                32 * (tall / warpRows) * (columns / warpColumns), warpRows);
  }
  // Threads of 8x8, 8x4 or 4x4.
  int64_t threadRows = columns >= 64 ? 8 : 4, threadColumns = tall == 128 ? 8 : 4;
  return make(GpuAlgorithm::Fma, tall, columns, (tall / threadRows) * (columns / threadColumns),
              threadRows);
}

/// Into how many chunks a filter gradient divides the batch's pixels: blocks run in waves, as many
/// at once as the chip holds, and a wave takes as long as a chunk has stages, and what each block
/// spends besides. `tile`: columns of a packed row.
static int64_t chunksOfPixels(GeometryAttr g, const TargetFacts &target, int64_t tile) {
  GpuScheduleAttr gpu = gpuSchedule(ContractKind::FilterGrad, g, target);
  const target::GpuFacts &device = target.device;
  bool direct = gpu.getAlgorithm() == GpuAlgorithm::Direct;
  int64_t tiles = direct ? ceilDiv(gpuFilterRows(g) * g.getOc(), gpu.getThreads())
                         : ceilDiv(gpuFilterRows(g), gpu.getRows()) *
                               gpuColumnTiles(ContractKind::FilterGrad, g, gpu);
  int64_t bytes = kSumBytes * gpuFilterRows(g) * tile * g.getGroups();
  int64_t pixels = g.getOh() * g.getOw();
  // Few partial gradients; few pixels: few chunks.
  int64_t most = std::min(device.partialGradientBytes / bytes, pixels / 4);
  int64_t atOnce = device.processors * gpuBlocksPerProcessor(gpu);
  int64_t stages = ceilDiv(pixels * device.trainingBatch, gpu.getDepth());
  auto cost = [&](int64_t chunks) {
    return ceilDiv(tiles * chunks, atOnce) * (ceilDiv(stages, chunks) + device.stagesOfBlock);
  };
  int64_t best = 1;
  for (int64_t chunks = 2; chunks <= most && tiles * chunks <= device.waves * atOnce; ++chunks)
    if (cost(chunks) < cost(best))
      best = chunks;
  return best;
}

ScheduleAttr netc::kern::packForGpu(ContractKind kind, GeometryAttr g, const TargetFacts &target) {
  int64_t outputs = gpuColumnsOfGroup(kind, g);
  bool direct = isDirect(kind, g);
  int64_t chunk = 16 / target.elementBytes; // 16-byte rows
  int64_t tile = direct ? outputs : ceilDiv(outputs, chunk) * chunk;
  int64_t chunks = kind == ContractKind::FilterGrad ? chunksOfPixels(g, target, tile) : 1;
  return ScheduleAttr::get(g.getContext(), /*lanes=*/1, /*tile_pixels=*/1, /*tile_vectors=*/tile,
                           /*strip_rows=*/1,
                           /*channel_block=*/outputs, chunks, /*flat=*/false, /*winograd=*/0);
}

int64_t netc::kern::gpuBlocksPerProcessor(GpuScheduleAttr gpu) {
  int64_t full = std::max<int64_t>(1, target::GpuFacts().threadsAtFullRegisters / gpu.getThreads());
  if (!gpu.isMma())
    return full;
  // Tensor cores: more blocks, so that one multiplies while another waits. Half of the registers
  // hold 64 sums and their fragments; where blocks are small, a third leaves room for prologues.
  bool tall = gpu.getRows() * gpu.getColumns() / gpu.getThreads() >= 64;
  return full == 2 && tall ? 3 : 2 * full;
}

//===----------------------------------------------------------------------===//
// Products of two activations
//===----------------------------------------------------------------------===//

/// Rows and threads of their blocks.
static constexpr int64_t kProductRows = 64, kProductThreads = 128;

GpuAlgorithm netc::kern::gpuAlgorithm(Type operand) {
  return operand.isBF16()   ? GpuAlgorithm::MmaBf16
         : operand.isTF32() ? GpuAlgorithm::MmaTf32
                            : GpuAlgorithm::Fma;
}

int64_t netc::kern::gpuTileColumns(GpuAlgorithm algorithm, int64_t columns) {
  // Rows in shared memory are swizzled in blocks of 32 floats, or of 64 elements of bf16.
  bool bf16 = algorithm == GpuAlgorithm::MmaBf16;
  int64_t step = !bf16 ? 32 : columns <= 16 ? 16 : columns <= 32 ? 32 : 64;
  return ceilDiv(columns, step) * step;
}

static GpuScheduleAttr productTile(MLIRContext *context, GpuAlgorithm algorithm, int64_t columns,
                                   int64_t threadRows) {
  int64_t depth = algorithm == GpuAlgorithm::MmaBf16 ? 32 : 16;
  return GpuScheduleAttr::get(context, algorithm, kProductRows, columns, depth, kProductThreads,
                              threadRows, /*stages=*/2);
}

GpuScheduleAttr netc::kern::gpuRowSchedule(MLIRContext *context, GpuAlgorithm algorithm,
                                           int64_t columns) {
  return productTile(context, algorithm, columns, algorithm == GpuAlgorithm::Fma ? 4 : 16);
}

GpuScheduleAttr netc::kern::gpuMatmulSchedule(MLIRContext *context, GpuAlgorithm algorithm,
                                              int64_t columns) {
  columns = std::min<int64_t>(64, gpuTileColumns(algorithm, columns));
  // Warps of 32x32 read each other's operands less often than those of 16x64.
  bool square = algorithm != GpuAlgorithm::Fma && columns == 64;
  return square ? productTile(context, algorithm, columns, 32)
                : gpuRowSchedule(context, algorithm, columns);
}

/// Shared memory of a block: rows of one side (backward: of two matrices), a block of the other
/// side, and the scores or their gradients.
static int64_t attentionBytes(GpuAlgorithm algorithm, int64_t depth, int64_t width, bool backward,
                              int64_t columns) {
  bool bf16 = algorithm == GpuAlgorithm::MmaBf16;
  int64_t stage = bf16 ? 32 : 16, deep = ceilDiv(depth, stage) * stage,
          wide = ceilDiv(width, stage) * stage;
  int64_t rows = deep + (backward ? wide : 0);
  int64_t across = std::max({deep, wide, gpuTileColumns(algorithm, width),
                             backward ? gpuTileColumns(algorithm, depth) : 0});
  int64_t elements = kProductRows * rows + columns * across + kProductRows * columns;
  return elements * (bf16 ? 2 : 4);
}

GpuScheduleAttr netc::kern::gpuAttentionSchedule(MLIRContext *context, GpuAlgorithm algorithm,
                                                 int64_t depth, int64_t width, bool backward) {
  int64_t room = target::GpuFacts().staticSharedBytes;
  int64_t columns = 64;
  if (attentionBytes(algorithm, depth, width, backward, columns) > room)
    columns = 32;
  return gpuRowSchedule(context, algorithm, columns);
}

bool netc::kern::fitsGpuAttention(int64_t depth, int64_t width) {
  // What a block takes besides: a logarithm and a share per query.
  int64_t others = 2 * kProductRows * kSumBytes;
  return attentionBytes(GpuAlgorithm::Fma, depth, width, /*backward=*/true, /*columns=*/32) +
             others <=
         target::GpuFacts().leastSharedBytes;
}
