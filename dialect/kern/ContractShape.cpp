//===- ContractShape.cpp - what a contraction's schedule says of its shapes ===//
#include "dialect/kern/ContractShape.h"

using namespace mlir;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool netc::kern::isLanewise(GeometryAttr g, int64_t lanes) {
  int64_t in = g.getIc() / g.getGroups(), out = g.getOc() / g.getGroups();
  return g.getGroups() > 1 && in == out && in < lanes && lanes % in == 0;
}

bool netc::kern::isByResidue(ContractKind kind, GeometryAttr g, int64_t lanes) {
  bool strided = g.getSh() > 1 || g.getSw() > 1;
  return kind == ContractKind::InputGrad && strided && g.getDh() == 1 && g.getDw() == 1 &&
         !isLanewise(g, lanes);
}

int64_t netc::kern::evenBlock(int64_t channels, int64_t most) {
  if (channels <= most)
    return channels;
  for (int64_t block = most; block >= 32; block -= 32)
    if (channels % block == 0)
      return block;
  return 0;
}

int64_t netc::kern::winogradDepthBlock(GeometryAttr g) { return evenBlock(g.getIc(), 128); }

bool netc::kern::mergesWindowRow(GeometryAttr g) {
  return g.getGroups() == 1 && g.getDw() == 1 && g.getKw() > 1 && g.getIc() < 64;
}

int64_t netc::kern::filterGradDepthBlock(GeometryAttr g, ScheduleAttr s) {
  if (s.getWinograd())
    return winogradDepthBlock(g);
  if (g.getGroups() > 1 || g.getIc() < 64)
    return g.getIc();
  // The block's gradient, 160 KiB at most, stays in L2 while the strips go by.
  int64_t most = (40 << 10) / (g.getKh() * g.getKw() * s.getChannelBlock());
  int64_t block = evenBlock(g.getIc(), std::clamp<int64_t>(most / 32 * 32, 32, 256));
  return block ? block : g.getIc();
}

WinogradCut netc::kern::winogradTiles(GeometryAttr g, int64_t rows, int64_t columns, int64_t m) {
  int64_t d = g.getDh();
  return {ceilDiv(ceilDiv(rows, d), m), ceilDiv(ceilDiv(columns, d), m), d};
}

bool netc::kern::poolsOnStore(GeometryAttr g, ScheduleAttr s, PoolingAttr pool) {
  int64_t m = s.getWinograd();
  return m && g.getDh() == 1 && m % pool.getKh() == 0 && m % pool.getKw() == 0;
}

bool netc::kern::multipliesPairs(ContractKind kind, GeometryAttr g, ScheduleAttr s) {
  int64_t depth = (kind == ContractKind::InputGrad ? g.getOc() : g.getIc()) / g.getGroups();
  // A group's odd channel would meet the first one of the next group.
  return kind != ContractKind::FilterGrad && !s.getWinograd() && !isLanewise(g, s.getLanes()) &&
         (g.getGroups() == 1 || depth % 2 == 0);
}

int64_t netc::kern::stepsPerProduct(ContractKind kind, GeometryAttr g, ScheduleAttr s,
                                    Type operand) {
  if (operand.isBF16())
    return multipliesPairs(kind, g, s) ? 2 : 1;
  if (!isa<IntegerType>(operand) || isLanewise(g, s.getLanes()))
    return 1;
  return 4 / elementBytes(operand);
}

SmallVector<int64_t> netc::kern::packedShape(ContractKind kind, GeometryAttr g, ScheduleAttr s,
                                             int64_t steps) {
  int64_t tile = s.getLanes() * s.getTileVectors();
  if (isLanewise(g, s.getLanes()))
    return {1, ceilDiv(g.getOc(), tile), g.getKh(), g.getKw(), g.getIc() / g.getGroups(), tile};
  int64_t outputs = (kind == ContractKind::InputGrad ? g.getIc() : g.getOc()) / g.getGroups();
  int64_t depth = (kind == ContractKind::InputGrad ? g.getOc() : g.getIc()) / g.getGroups();
  depth = ceilDiv(depth, steps) * steps;
  int64_t window = s.getWinograd() ? s.getWinograd() + 2 : 0;
  return {g.getGroups(),
          ceilDiv(outputs, tile),
          window ? window : g.getKh(),
          window ? window : g.getKw(),
          depth,
          tile};
}

//===----------------------------------------------------------------------===//
// On a GPU
//===----------------------------------------------------------------------===//

int64_t netc::kern::gpuColumnsOfGroup(ContractKind kind, GeometryAttr g) {
  return (kind == ContractKind::InputGrad ? g.getIc() : g.getOc()) / g.getGroups();
}

int64_t netc::kern::gpuFilterRows(GeometryAttr g) {
  return g.getKh() * g.getKw() * (g.getIc() / g.getGroups());
}

bool netc::kern::gpuByResidue(ContractKind kind, GeometryAttr g) {
  return kind == ContractKind::InputGrad && (g.getSh() > 1 || g.getSw() > 1) && g.getDh() == 1 &&
         g.getDw() == 1;
}

ResidueTiles netc::kern::gpuResidueTiles(GeometryAttr g, GpuScheduleAttr gpu) {
  int64_t height = ceilDiv(g.getIh(), g.getSh()), width = ceilDiv(g.getIw(), g.getSw());
  return {height, width, ceilDiv(height * width, gpu.getRows())};
}

int64_t netc::kern::gpuColumnTiles(ContractKind kind, GeometryAttr g, GpuScheduleAttr gpu) {
  int64_t outputs = gpuColumnsOfGroup(kind, g);
  if (gpu.getAlgorithm() == GpuAlgorithm::Direct)
    return ceilDiv(outputs * g.getGroups(), gpu.getColumns());
  return g.getGroups() * ceilDiv(outputs, gpu.getColumns());
}

Grid netc::kern::gpuGrid(ContractKind kind, GeometryAttr g, ScheduleAttr s, GpuScheduleAttr gpu) {
  int64_t tiles = gpuColumnTiles(kind, g, gpu);
  if (kind == ContractKind::FilterGrad) {
    if (gpu.getAlgorithm() == GpuAlgorithm::Direct)
      return {s.getChunks() * ceilDiv(gpuFilterRows(g) * g.getOc(), gpu.getThreads()), 0, 1};
    return {s.getChunks() * tiles * ceilDiv(gpuFilterRows(g), gpu.getRows()), 0, 1};
  }
  if (gpuByResidue(kind, g))
    return {tiles, g.getSh() * g.getSw() * gpuResidueTiles(g, gpu).tiles, 1};
  int64_t pixels = kind == ContractKind::InputGrad ? g.getIh() * g.getIw() : g.getOh() * g.getOw();
  return {tiles, pixels, gpu.getRows()};
}
