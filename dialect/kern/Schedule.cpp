//===- Schedule.cpp - shapes and a target to tile sizes -------------------===//
#include "dialect/kern/Schedule.h"
#include "dialect/kern/GpuSchedule.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

namespace {
struct Tile {
  int64_t rows = 1, vectors = 1;
};
} // namespace

/// Rough cycles of a rows x vectors micro-kernel for one step of the reduction: two FMAs and two
/// loads a cycle, and a latency of four cycles that 2 * 4 accumulators just hide, a few more surely.
static double stepCost(int64_t rows, int64_t vectors) {
  double fma = std::max<double>(rows * vectors, 8.8) / 2.0, load = (rows + vectors) / 2.0;
  return std::max(fma, load);
}

/// The tile of least cost for `count` rows and `channels` channels. Accumulators, one row of
/// weights and a broadcast stay in registers.
static Tile chooseTile(int64_t count, int64_t channels, const TargetFacts &target) {
  Tile best;
  double bestCost = std::numeric_limits<double>::max();
  int64_t vectors = ceilDiv(channels, target.lanes);
  for (int64_t v = 1; v <= std::min<int64_t>(vectors, target.registers > 16 ? 4 : 3); ++v) {
    for (int64_t r = 1; r * v + v + 1 <= target.registers; ++r) {
      if (r > count && r > 1)
        break;
      auto alongRows = [&](int64_t vs) {
        return (count / r) * stepCost(r, vs) + (count % r ? stepCost(count % r, vs) : 0);
      };
      double cost = (vectors / v) * alongRows(v) + (vectors % v ? alongRows(vectors % v) : 0);
      cost *= 1.0 + 0.1 / r; // larger tiles at equal cost: weights are read less often
      if (cost < bestCost * 0.999) {
        bestCost = cost;
        best = {r, v};
      }
    }
  }
  return best;
}

bool netc::kern::isLanewise(GeometryAttr g, int64_t lanes) {
  int64_t in = g.getIc() / g.getGroups(), out = g.getOc() / g.getGroups();
  return g.getGroups() > 1 && in == out && in < lanes && lanes % in == 0;
}

bool netc::kern::isByResidue(ContractKind kind, GeometryAttr g, int64_t lanes) {
  bool strided = g.getSh() > 1 || g.getSw() > 1;
  return kind == ContractKind::InputGrad && strided && g.getDh() == 1 && g.getDw() == 1 && !isLanewise(g, lanes);
}

static bool isFlat(GeometryAttr g) {
  return g.getKh() == 1 && g.getKw() == 1 && g.getSh() == 1 && g.getSw() == 1 && g.getPt() == 0 && g.getPl() == 0 &&
         g.getOh() == g.getIh() && g.getOw() == g.getIw();
}

/// A size of at most `most` in whole blocks, or all where there are few; 0 where neither is possible.
static int64_t evenBlock(int64_t channels, int64_t most) {
  if (channels <= most)
    return channels;
  for (int64_t block = most; block >= 32; block -= 32)
    if (channels % block == 0)
      return block;
  return 0;
}

int64_t netc::kern::winogradDepthBlock(GeometryAttr g) { return evenBlock(g.getIc(), 128); }

static bool isWinogradShape(GeometryAttr g, const TargetFacts &target) {
  return g.getKh() == 3 && g.getKw() == 3 && g.getSh() == 1 && g.getSw() == 1 && g.getDh() == 1 && g.getDw() == 1 &&
         g.getGroups() == 1 && g.getIc() >= target.lanes && g.getOc() >= target.lanes;
}

/// A filter gradient in the transform's domain, or null. Partial gradients, [points, I, O] a chunk, go to memory and back.
static ScheduleAttr scheduleWinogradFilterGrad(GeometryAttr g, const TargetFacts &target) {
  int64_t inputs = winogradDepthBlock(g), outputs = evenBlock(g.getOc(), 64);
  if (!isWinogradShape(g, target) || !inputs || !outputs)
    return {};
  double pairs = static_cast<double>(g.getIc()) * ceilDiv(g.getOc(), target.lanes);
  double least = 1.15 * 9 * g.getOh() * g.getOw() * pairs / 2;
  int64_t best = 0;
  for (int64_t m : {2, 4}) {
    double points = static_cast<double>((m + 2) * (m + 2)), tiles = static_cast<double>(ceilDiv(g.getOh(), m) * ceilDiv(g.getOw(), m));
    double transforms = tiles * points * 5 *
                        (g.getIc() / target.lanes * (g.getOc() / outputs) + g.getOc() / target.lanes * (g.getIc() / inputs));
    double cost = 1.15 * points * tiles * pairs / 2 + transforms + points * 12 * g.getIc() * g.getOc() / 10 / target.batch;
    if (cost < least)
      least = cost, best = m;
  }
  if (!best)
    return {};
  int64_t points = (best + 2) * (best + 2), bytes = 4 * points * g.getIc() * g.getOc();
  int64_t blocks = g.getIc() / inputs * (g.getOc() / outputs), chunks = 1;
  while (chunks < 16 && (chunks * blocks < 4 || 2 * chunks * bytes <= (2 << 20)))
    chunks *= 2;
  Tile tile = chooseTile(inputs, outputs, target);
  while (outputs < g.getOc() && outputs % (target.lanes * tile.vectors)) // tiles don't cross blocks
    --tile.vectors;
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, 24, outputs, chunks, false, best);
}

static ScheduleAttr scheduleFilterGrad(GeometryAttr g, const TargetFacts &target, bool flat) {
  int64_t inner = (g.getDw() == 1 && g.getGroups() == 1 ? g.getKw() : 1) * (g.getIc() / g.getGroups());
  int64_t outputs = g.getOc() / g.getGroups();
  Tile tile = chooseTile(inner, outputs, target);
  if (isLanewise(g, target.lanes))
    tile = {1, 1};
  int64_t block = g.getGroups() > 1 ? g.getOc() : std::min<int64_t>(g.getOc(), std::max<int64_t>(64, target.lanes * tile.vectors));
  block = ceilDiv(block, target.lanes * tile.vectors) * target.lanes * tile.vectors;
  if (g.getGroups() > 1 || block > g.getOc())
    block = g.getOc();
  // As many chunks as keep the partial gradients below 2 MiB: enough items for any number of threads.
  int64_t bytes = 4 * g.getOc() * (g.getIc() / g.getGroups()) * g.getKh() * g.getKw();
  int64_t chunks = std::clamp<int64_t>((2 << 20) / std::max<int64_t>(bytes, 1), 1, 16);
  // A strip of x and of the cotangent stays in L2.
  int64_t columns = flat ? 1 : g.getOw();
  int64_t rowBytes = 4 * (flat ? g.getIc() + block
                               : (g.getIw() + 2 * g.getPl()) * g.getSh() * g.getIc() + columns * block);
  int64_t limit = flat ? 256 : g.getOh();
  int64_t rows = std::clamp<int64_t>(target.l2Bytes / 4 / rowBytes, 1, limit);
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, rows, block, chunks, flat, 0);
}

/// Cycles of one core for an image by Winograd F(m x m, 3x3): products and both transforms. Transforming a vector of
/// a tile takes some five cycles a value; weights stream from memory where few tiles share them.
static double winogradCost(GeometryAttr g, int64_t m, int64_t depth, int64_t channels, int64_t tiles,
                           const TargetFacts &target) {
  double points = static_cast<double>((m + 2) * (m + 2)), lanes = static_cast<double>(target.lanes);
  double depthVectors = std::ceil(depth / lanes), channelVectors = std::ceil(channels / lanes);
  double products = points * tiles * depth * channelVectors / 2;
  double stream = points * 4 * depth * channels / 10 / target.batch;
  return std::max(products, stream) + 0.2 * std::min(products, stream) +
         tiles * points * 5 * (depthVectors + channelVectors);
}

static double directCost(GeometryAttr g, int64_t depth, int64_t channels, int64_t pixels, const TargetFacts &target) {
  double products = 9.0 * pixels * depth * std::ceil(channels / static_cast<double>(target.lanes)) / 2;
  double stream = 9.0 * 4 * depth * channels / 10 / target.batch;
  return 1.1 * (std::max(products, stream) + 0.2 * std::min(products, stream));
}

/// A schedule for Winograd's algorithm, or null where direct convolution is as good.
static ScheduleAttr scheduleWinograd(ContractKind kind, GeometryAttr g, const TargetFacts &target) {
  bool forward = kind == ContractKind::Forward;
  if (!isWinogradShape(g, target))
    return {};
  int64_t channels = forward ? g.getOc() : g.getIc(), depth = forward ? g.getIc() : g.getOc();
  int64_t rows = forward ? g.getOh() : g.getIh(), columns = forward ? g.getOw() : g.getIw();
  auto tilesOf = [&](int64_t m) { return ceilDiv(rows, m) * ceilDiv(columns, m); };
  int64_t best = 0;
  double least = directCost(g, depth, channels, rows * columns, target);
  for (int64_t m : {2, 4})
    if (double cost = 1.1 * winogradCost(g, m, depth, channels, tilesOf(m), target); cost < least)
      best = m, least = cost;
  if (!best)
    return {};
  int64_t tiles = tilesOf(best), points = (best + 2) * (best + 2);
  // The transformed tiles of an item take about half of L2; no fewer than 16, or the weights' traffic shows.
  int64_t pitch = (ceilDiv(depth, target.lanes) + 1) * target.lanes;
  int64_t chunk = std::clamp<int64_t>(target.l2Bytes / 2 / (points * pitch * 4), 16, 64);
  int64_t chunks = ceilDiv(tiles, chunk);
  if (chunks > 1) {
    chunks = ceilDiv(chunks, chunks > 4 ? 4 : 2) * (chunks > 4 ? 4 : 2); // equal work for 2 and 4 threads
    chunk = ceilDiv(tiles, chunks);
  } else {
    chunk = chunk / tiles * tiles;
  }
  Tile tile = chooseTile(std::min(chunk, std::max<int64_t>(tiles, 1)), channels, target);
  // One image keeps several threads busy, at the price of transforming the input once for each block.
  int64_t block = channels, lanesOfTile = target.lanes * tile.vectors;
  while (ceilDiv(tiles, chunk) * ceilDiv(channels, block) < 4 && block >= 256)
    block /= 2;
  block = ceilDiv(block, lanesOfTile) * lanesOfTile;
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, chunk, std::min(block, ceilDiv(channels, lanesOfTile) * lanesOfTile), 1, false,
                           best);
}

/// Rows of a strip: at most `limit`, or somewhat more where that gives two and four threads equal work on one image.
/// `halo` rows are packed for each strip besides its own; strips are multiples of `multiple`.
static int64_t balancedStrip(int64_t rows, int64_t limit, int64_t multiple, int64_t blocks, int64_t halo) {
  int64_t best = std::min(limit, rows);
  double least = std::numeric_limits<double>::max();
  for (int64_t strip = multiple; strip < rows + multiple && strip <= std::max(limit * 7 / 4, multiple); strip += multiple) {
    int64_t taken = std::min(strip, rows), items = ceilDiv(rows, taken) * blocks;
    double work = static_cast<double>(rows * blocks);
    double idle = 0.5 * (ceilDiv(items, 2) * 2 * taken / work + ceilDiv(items, 4) * 4 * taken / work);
    double cost = idle * (1 + 0.03 * (halo + 1) / taken);
    if (cost < least * 0.999)
      least = cost, best = taken;
  }
  return best;
}

ScheduleAttr netc::kern::scheduleContraction(ContractKind kind, GeometryAttr g, const TargetFacts &target) {
  if (target.gpu)
    return packForGpu(kind, g, target);
  bool flat = isFlat(g) && g.getGroups() == 1;
  if (kind == ContractKind::FilterGrad) {
    ScheduleAttr winograd = scheduleWinogradFilterGrad(g, target);
    return winograd ? winograd : scheduleFilterGrad(g, target, flat);
  }
  if (ScheduleAttr winograd = scheduleWinograd(kind, g, target))
    return winograd;
  bool forward = kind == ContractKind::Forward;
  int64_t channels = forward ? g.getOc() : g.getIc(), depth = forward ? g.getIc() : g.getOc();
  int64_t rows = forward ? g.getOh() : g.getIh(), columns = forward ? g.getOw() : g.getIw();
  bool byResidue = isByResidue(kind, g, target.lanes);
  bool run = forward && g.getKh() == 1 && g.getKw() == 1 && g.getGroups() == 1; // tiles go on over rows
  Tile tile = chooseTile(flat ? 1 << 20 : run ? rows * columns : byResidue ? ceilDiv(columns, g.getSw()) : columns, channels / g.getGroups(), target);
  if (isLanewise(g, target.lanes))
    tile = {std::min<int64_t>(columns, 8), 1};
  int64_t lanesOfTile = target.lanes * tile.vectors;
  // Small images: split the output channels, so that one image keeps several threads busy.
  int64_t block = channels;
  if (g.getGroups() == 1 && channels > 128 && rows * columns <= 1024)
    block = ceilDiv(128, lanesOfTile) * lanesOfTile;
  int64_t blocks = ceilDiv(channels, block);
  if (flat) {
    int64_t pixels = std::max<int64_t>(tile.rows, 96 / tile.rows * tile.rows);
    if (target.batch == 1 && rows * columns > 1)
      pixels = balancedStrip(rows * columns, pixels, tile.rows, blocks, 0);
    return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, pixels, block, 1, true, 0);
  }
  int64_t rowBytes = 4 * (columns * (forward ? g.getSw() : 1) + g.getKw() * g.getDw()) * depth * (forward ? g.getSh() : 1);
  int64_t strip = std::clamp<int64_t>(target.l2Bytes / 4 / rowBytes, 1, rows);
  // A whole number of equal strips.
  strip = ceilDiv(rows, ceilDiv(rows, strip));
  if (target.batch == 1 && !byResidue)
    strip = balancedStrip(rows, strip, 1, blocks, (g.getKh() - 1) * g.getDh());
  if (byResidue) // strips start at residue 0
    strip = ceilDiv(strip, g.getSh()) * g.getSh();
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, strip, block, 1, false, 0);
}

SmallVector<int64_t> netc::kern::packedShape(ContractKind kind, GeometryAttr g, ScheduleAttr s) {
  int64_t tile = s.getLanes() * s.getTileVectors();
  if (isLanewise(g, s.getLanes()))
    return {1, ceilDiv(g.getOc(), tile), g.getKh(), g.getKw(), g.getIc() / g.getGroups(), tile};
  int64_t outputs = (kind == ContractKind::InputGrad ? g.getIc() : g.getOc()) / g.getGroups();
  int64_t depth = (kind == ContractKind::InputGrad ? g.getOc() : g.getIc()) / g.getGroups();
  int64_t window = s.getWinograd() ? s.getWinograd() + 2 : 0;
  return {g.getGroups(), ceilDiv(outputs, tile), window ? window : g.getKh(), window ? window : g.getKw(), depth, tile};
}
