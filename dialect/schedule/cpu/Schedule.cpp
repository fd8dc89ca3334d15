//===- Schedule.cpp - shapes and a target to tile sizes -------------------===//
#include "dialect/schedule/cpu/Schedule.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

TargetFacts netc::kern::cpuFacts(int64_t lanes, int64_t registers) {
  TargetFacts target;
  target.lanes = lanes;
  target.registers = registers;
  const target::CpuLevel &level = target::levelOfLanes(lanes);
  target.l1Bytes = level.l1Bytes;
  target.l2Bytes = level.l2Bytes;
  return target;
}

namespace {
struct Tile {
  int64_t rows = 1, vectors = 1;
};
} // namespace

/// Rough cycles of a rows x vectors micro-kernel for one step of the reduction. As many
/// accumulators as products are begun within a product's latency just hide it, a few more surely.
/// In AMX's tiles, of 16 steps: products, as long for few pixels as for 16, and the loads of pixels
/// and weights side by side.
static double stepCost(int64_t rows, int64_t vectors, const TargetFacts &target) {
  const target::CpuCosts &costs = target.costs;
  if (target.matrixTiles) {
    auto products =
        static_cast<double>(ceilDiv(rows, costs.matrixPixels) * costs.matrixPixels * vectors);
    double loads = costs.matrixLoad * static_cast<double>(rows + costs.matrixPixels * vectors);
    return std::max(products, loads) + 0.2 * std::min(products, loads);
  }
  double hiding = 1.1 * costs.fmasPerCycle * costs.fmaLatency;
  double fma = std::max<double>(rows * vectors, hiding) / costs.fmasPerCycle;
  double load = (rows + vectors) / costs.loadsPerCycle;
  return std::max(fma, load);
}

/// Whether a tile's accumulators, one row of weights and a broadcast stay in registers, and one is
/// spare: without it LLVM's scheduler spills (half of the speed).
static bool fitsRegisters(int64_t rows, int64_t vectors, const TargetFacts &target) {
  const target::CpuCosts &costs = target.costs;
  if (target.matrixTiles)
    return rows <= costs.mostMatrixPixels &&
           ceilDiv(rows, costs.matrixPixels) * vectors <= costs.matrixSums;
  return rows * vectors + vectors + 2 <= target.registers;
}

/// The tile of least cost for `count` rows and `channels` channels. `except`: a number of vectors
/// that is not wanted, 0: any.
static Tile chooseTile(int64_t count, int64_t channels, const TargetFacts &target,
                       int64_t except = 0, int64_t mostRows = std::numeric_limits<int64_t>::max()) {
  Tile best;
  double bestCost = std::numeric_limits<double>::max();
  int64_t vectors = ceilDiv(channels, target.lanes);
  for (int64_t v = 1; v <= std::min<int64_t>(vectors, target.registers > 16 ? 4 : 3); ++v) {
    if (v == except && vectors > 1)
      continue;
    for (int64_t r = 1; fitsRegisters(r, v, target) && r <= mostRows; ++r) {
      if (r > count && r > 1)
        break;
      auto alongRows = [&](int64_t vs) {
        double rest = count % r ? stepCost(count % r, vs, target) : 0;
        return (count / r) * stepCost(r, vs, target) + rest;
      };
      double cost = (vectors / v) * alongRows(v) + (vectors % v ? alongRows(vectors % v) : 0);
      // Larger tiles at equal cost: weights are read less often. One vector: each product loads its
      // pixel anew.
      cost *= 1.0 + 0.1 / r + (v == 1 ? 0.02 : 0);
      if (cost < bestCost * 0.999) {
        bestCost = cost;
        best = {r, v};
      }
    }
  }
  return best;
}

static bool isFlat(GeometryAttr g) {
  return g.getKh() == 1 && g.getKw() == 1 && g.getSh() == 1 && g.getSw() == 1 && g.getPt() == 0 &&
         g.getPl() == 0 && g.getOh() == g.getIh() && g.getOw() == g.getIw();
}

/// A dilated convolution is one of its pixels of equal residue each: those must be whole tiles
/// high.
static bool isWinogradShape(GeometryAttr g, int64_t m, const TargetFacts &target) {
  int64_t dilation = g.getDh();
  bool dilates = dilation > 1;
  bool cuts = !dilates || (g.getOh() == g.getIh() && g.getOw() == g.getIw() &&
                           g.getOh() % (dilation * m) == 0 && g.getOw() % dilation == 0);
  return g.getKh() == 3 && g.getKw() == 3 && g.getSh() == 1 && g.getSw() == 1 &&
         g.getDw() == dilation && cuts && g.getGroups() == 1 && g.getIc() >= target.lanes &&
         g.getOc() >= target.lanes;
}

/// Whole blocks of a filter gradient in the transform's domain; inputs 0: there are none.
static std::pair<int64_t, int64_t> winogradBlocks(GeometryAttr g, int64_t m,
                                                  const TargetFacts &target) {
  int64_t inputs = winogradDepthBlock(g), outputs = evenBlock(g.getOc(), 64);
  if (!isWinogradShape(g, m, target) || !inputs || !outputs)
    return {0, 0};
  return {inputs, outputs};
}

/// A filter gradient in the domain of F(m x m, 3x3)'s transform, or null. Partial gradients,
/// [points, I, O] a chunk, go to memory and back.
static ScheduleAttr winogradFilterGrad(GeometryAttr g, int64_t m, const TargetFacts &target) {
  auto [inputs, outputs] = winogradBlocks(g, m, target);
  if (!inputs)
    return {};
  int64_t points = (m + 2) * (m + 2), bytes = kSumBytes * points * g.getIc() * g.getOc();
  int64_t blocks = g.getIc() / inputs * (g.getOc() / outputs), chunks = 1;
  while (chunks < 16 && (chunks * blocks < target.costs.balancedThreads.back() ||
                         2 * chunks * bytes <= target.costs.partialGradientBytes))
    chunks *= 2;
  Tile tile = chooseTile(inputs, outputs, target);
  while (outputs < g.getOc() && outputs % (target.lanes * tile.vectors)) // tiles don't cross blocks
    --tile.vectors;
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, 24, outputs,
                           chunks, false, m);
}

/// The m that pays for a filter gradient, 0: the direct algorithm.
static int64_t chooseWinogradFilterGrad(GeometryAttr g, const TargetFacts &target) {
  double pairs = static_cast<double>(g.getIc()) * ceilDiv(g.getOc(), target.lanes);
  double least = 1.15 * 9 * g.getOh() * g.getOw() * pairs / target.costs.fmasPerCycle;
  int64_t best = 0;
  for (int64_t m : {2, 4}) {
    auto [inputs, outputs] = winogradBlocks(g, m, target);
    if (!inputs)
      continue;
    double points = static_cast<double>((m + 2) * (m + 2)),
           tiles = static_cast<double>(winogradTiles(g, g.getOh(), g.getOw(), m).ofImage());
    double transforms = tiles * points * target.costs.transformCycles *
                        (g.getIc() / target.lanes * (g.getOc() / outputs) +
                         g.getOc() / target.lanes * (g.getIc() / inputs));
    // Partial gradients: written, read and added.
    double cost = 1.15 * points * tiles * pairs / target.costs.fmasPerCycle + transforms +
                  points * 3 * kSumBytes * g.getIc() * g.getOc() /
                      target.costs.lastCacheBytesPerCycle / target.batch;
    if (cost < least)
      least = cost, best = m;
  }
  return best;
}

static bool isFlatProduct(GeometryAttr g) { return isFlat(g) && g.getGroups() == 1; }

/// `except`: as in chooseTile.
static ScheduleAttr directFilterGrad(GeometryAttr g, const TargetFacts &target,
                                     int64_t except = 0) {
  bool flat = isFlatProduct(g);
  int64_t inner =
      (g.getDw() == 1 && g.getGroups() == 1 ? g.getKw() : 1) * (g.getIc() / g.getGroups());
  int64_t outputs = g.getOc() / g.getGroups();
  Tile tile = chooseTile(inner, outputs, target, except);
  if (isLanewise(g, target.lanes))
    tile = {1, 1};
  bool compact = g.getKh() == 1 && g.getKw() == 1; // packs no pixel that it does not use
  int64_t most = compact ? 256 : 64;
  int64_t block =
      g.getGroups() > 1
          ? g.getOc()
          : std::min<int64_t>(g.getOc(), std::max<int64_t>(most, target.lanes * tile.vectors));
  block = ceilDiv(block, target.lanes * tile.vectors) * target.lanes * tile.vectors;
  if (g.getGroups() > 1 || block > g.getOc())
    block = g.getOc();
  // As many chunks as keep the partial gradients small: enough items for any number of threads.
  int64_t bytes = kSumBytes * g.getOc() * (g.getIc() / g.getGroups()) * g.getKh() * g.getKw();
  int64_t chunks =
      std::clamp<int64_t>(target.costs.partialGradientBytes / std::max<int64_t>(bytes, 1), 1, 16);
  auto ofRows = [&](int64_t rows) {
    return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, rows, block,
                             chunks, flat, 0);
  };
  // A strip of x and of the cotangent stays in L2, what a tile reads of it in L1.
  int64_t depths = filterGradDepthBlock(g, ofRows(1));
  int64_t xPixels = compact ? g.getOw() : (g.getIw() + 2 * g.getPl()) * g.getSh();
  int64_t rowBytes =
      target.elementBytes * (flat ? depths + block : xPixels * depths + g.getOw() * block);
  int64_t limit =
      flat ? std::clamp<int64_t>(target.l1Bytes / 8 / (target.lanes * tile.vectors + 16), 32, 256)
           : g.getOh();
  return ofRows(std::clamp<int64_t>(target.l2Bytes / 4 / rowBytes, 1, limit));
}

/// Cycles in which a core reads the weights of one image's share. One image reads weights that no
/// cache holds; in a batch they come from the last cache.
static double streamCost(double bytes, const TargetFacts &target) {
  double rate =
      target.batch == 1 ? target.costs.memoryBytesPerCycle : target.costs.lastCacheBytesPerCycle;
  return bytes / rate / static_cast<double>(target.batch);
}

/// Cycles of one core for an image by Winograd F(m x m, 3x3): products and both transforms.
/// Weights stream from memory where few tiles share them; whatever operands are stored as, they are
/// transformed and multiplied in f32.
static double winogradCost(GeometryAttr g, int64_t m, int64_t depth, int64_t channels,
                           int64_t tiles, const TargetFacts &target) {
  double points = static_cast<double>((m + 2) * (m + 2)), lanes = static_cast<double>(target.lanes);
  double depthVectors = std::ceil(depth / lanes), channelVectors = std::ceil(channels / lanes);
  double products = points * tiles * depth * channelVectors / target.costs.fmasPerCycle;
  double stream = streamCost(kSumBytes * points * depth * channels, target);
  return std::max(products, stream) + 0.2 * std::min(products, stream) +
         tiles * points * target.costs.transformCycles * (depthVectors + channelVectors);
}

static double directCost(GeometryAttr g, int64_t depth, int64_t channels, int64_t pixels,
                         const TargetFacts &target) {
  double products = 9.0 * pixels * depth * std::ceil(channels / static_cast<double>(target.lanes)) /
                    target.costs.fmasPerCycle * target.elementBytes / kSumBytes;
  if (target.matrixTiles)
    products /= target.costs.matrixSpeedup;
  double stream = streamCost(9.0 * target.elementBytes * depth * channels, target);
  return 1.1 * (std::max(products, stream) + 0.2 * std::min(products, stream));
}

namespace {
/// A forward contraction or input gradient, turned to its own direction.
struct Direction {
  int64_t channels, depth, rows, columns; ///< of what is computed; depth: channels of the reduction
  Direction(ContractKind kind, GeometryAttr g) {
    bool forward = kind == ContractKind::Forward;
    channels = forward ? g.getOc() : g.getIc(), depth = forward ? g.getIc() : g.getOc();
    rows = forward ? g.getOh() : g.getIh(), columns = forward ? g.getOw() : g.getIw();
  }
};
} // namespace

/// The m of Winograd's algorithm that pays, 0: the direct algorithm.
static int64_t chooseWinograd(ContractKind kind, GeometryAttr g, const TargetFacts &target) {
  if (target.integers)
    return 0;
  Direction d(kind, g);
  int64_t best = 0;
  double least = directCost(g, d.depth, d.channels, d.rows * d.columns, target);
  for (int64_t m : {2, 4}) {
    if (!isWinogradShape(g, m, target))
      continue;
    int64_t tiles = winogradTiles(g, d.rows, d.columns, m).ofImage();
    if (double cost = 1.1 * winogradCost(g, m, d.depth, d.channels, tiles, target); cost < least)
      best = m, least = cost;
  }
  return best;
}

/// A schedule for F(m x m, 3x3), or null where the shape has none.
static ScheduleAttr scheduleWinograd(ContractKind kind, GeometryAttr g, int64_t m,
                                     const TargetFacts &target) {
  if (!isWinogradShape(g, m, target))
    return {};
  Direction d(kind, g);
  int64_t channels = d.channels, depth = d.depth, points = (m + 2) * (m + 2),
          tiles = winogradTiles(g, d.rows, d.columns, m).ofImage();
  // The transformed tiles of an item take about half of L2; no fewer than 16, or the weights'
  // traffic shows.
  int64_t pitch = (ceilDiv(depth, target.lanes) + 1) * target.lanes;
  int64_t chunk = std::clamp<int64_t>(target.l2Bytes / 2 / (points * pitch * kSumBytes), 16, 64);
  int64_t chunks = ceilDiv(tiles, chunk);
  auto [few, many] = target.costs.balancedThreads;
  if (chunks > 1) { // equal work for either number of threads
    int64_t threads = chunks > many ? many : few;
    chunks = ceilDiv(chunks, threads) * threads;
    chunk = ceilDiv(tiles, chunks);
  } else {
    chunk = chunk / tiles * tiles;
  }
  TargetFacts vectors = target;
  vectors.matrixTiles = false;
  Tile tile = chooseTile(std::min(chunk, std::max<int64_t>(tiles, 1)), channels, vectors);
  // One image keeps several threads busy, at the price of transforming the input once for each
  // block.
  int64_t block = channels, lanesOfTile = target.lanes * tile.vectors;
  while (ceilDiv(tiles, chunk) * ceilDiv(channels, block) < many && block >= 256)
    block /= 2;
  block = ceilDiv(block, lanesOfTile) * lanesOfTile;
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, chunk,
                           std::min(block, ceilDiv(channels, lanesOfTile) * lanesOfTile), 1, false,
                           m);
}

/// When `threads` that take the next item whenever they are done end: `blocks` times `rows` in
/// strips of `strip`, the last one of a block maybe shorter; costOf(rows of a strip).
template <typename CostOf>
static double makespan(int64_t rows, int64_t strip, int64_t blocks, int64_t threads,
                       CostOf costOf) {
  SmallVector<double, 4> busy(static_cast<size_t>(threads), 0);
  double whole = costOf(strip), rest = rows % strip ? costOf(rows % strip) : 0;
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t row = 0; row < rows; row += strip)
      *llvm::min_element(busy) += row + strip <= rows ? whole : rest;
  return *llvm::max_element(busy);
}

/// The time of all threads of `costs`, waiting included, for one image.
template <typename CostOf>
static double busyTime(int64_t rows, int64_t strip, int64_t blocks, const target::CpuCosts &costs,
                       CostOf costOf) {
  double busy = 0;
  for (int64_t threads : costs.balancedThreads)
    busy += static_cast<double>(threads) * makespan(rows, strip, blocks, threads, costOf);
  return busy;
}

/// Rows of a strip: at most `limit`, or somewhat more where that gives the numbers of threads of
/// `costs` equal work on one image. `each` is what a strip costs besides its rows, in rows: packing
/// its halo, reading the weights once more.
static int64_t balancedStrip(int64_t rows, int64_t limit, int64_t blocks, double each,
                             const target::CpuCosts &costs) {
  int64_t best = std::min(limit, rows);
  double least = std::numeric_limits<double>::max();
  for (int64_t strip = 1; strip <= std::min(rows, std::max<int64_t>(limit * 7 / 4, 1)); ++strip) {
    double busy = busyTime(rows, strip, blocks, costs,
                           [](int64_t count) { return static_cast<double>(count); });
    double cost = busy * (1 + each / static_cast<double>(strip));
    if (cost < least * 0.999)
      least = cost, best = strip;
  }
  return best;
}

/// The same for one image's 1x1 contraction, with tiles of at most `tile.rows` pixels: they may
/// have fewer, so that what is left of a strip is no tile of few rows, whose products wait for each
/// other. Sets `tile.rows`.
static int64_t balancedPixels(int64_t pixels, int64_t limit, int64_t blocks, double each,
                              Tile &tile, const TargetFacts &target) {
  int64_t best = std::min(limit, pixels), most = tile.rows, vectors = tile.vectors,
          longest = std::max(limit * 7 / 4, most);
  double least = std::numeric_limits<double>::max();
  auto consider = [&](int64_t rows, int64_t strip) {
    double step = stepCost(rows, vectors, target);
    auto costOf = [&](int64_t count) {
      double rest = count % rows ? stepCost(count % rows, vectors, target) : 0;
      return step * (static_cast<double>(count / rows) + each / static_cast<double>(rows)) + rest;
    };
    // Larger tiles at equal cost: weights are read less often.
    double cost = busyTime(pixels, strip, blocks, target.costs, costOf) *
                  (1 + 0.1 / static_cast<double>(rows));
    if (cost < least * 0.999)
      least = cost, best = strip, tile.rows = rows;
  };
  for (int64_t rows = most; rows > most / 2; --rows) {
    for (int64_t strip = rows; strip < pixels + rows && strip <= longest; strip += rows)
      consider(rows, std::min(strip, pixels));
    for (int64_t strip = std::min(longest, pixels); strip >= rows;
         strip = std::min(strip - 1, ceilDiv(pixels, ceilDiv(pixels, strip) + 1)))
      consider(rows, ceilDiv(pixels, ceilDiv(pixels, strip))); // equal strips
  }
  return best;
}

/// `wanted` with matrixTiles where the direct kernel of these operands multiplies several steps at
/// once.
static TargetFacts directFacts(ContractKind kind, GeometryAttr g, const TargetFacts &wanted) {
  TargetFacts target = wanted;
  MLIRContext *context = g.getContext();
  auto direct = ScheduleAttr::get(context, target.lanes, 1, 1, 1, 1, 1, false, 0);
  Type operand = target.integers ? Type(IntegerType::get(context, 8)) : BFloat16Type::get(context);
  target.matrixTiles &= stepsPerProduct(kind, g, direct, operand) > 1;
  return target;
}

/// The direct algorithm for a forward contraction or an input gradient; `except`: as in chooseTile.
static ScheduleAttr scheduleDirect(ContractKind kind, GeometryAttr g, const TargetFacts &wanted,
                                   int64_t except = 0) {
  TargetFacts target = directFacts(kind, g, wanted);
  bool forward = kind == ContractKind::Forward, flat = isFlatProduct(g);
  auto [channels, depth, rows, columns] = Direction(kind, g);
  bool byResidue = isByResidue(kind, g, target.lanes);
  bool run =
      forward && g.getKh() == 1 && g.getKw() == 1 && g.getGroups() == 1; // tiles go on over rows
  int64_t count = flat        ? 1 << 20
                  : run       ? rows * columns
                  : byResidue ? ceilDiv(columns, g.getSw())
                              : columns;
  bool inPlace = flat && lieOnPages(depth * target.elementBytes) && !target.matrixTiles;
  int64_t mostRows = inPlace ? kRowsOnPages : count;
  Tile tile = chooseTile(count, channels / g.getGroups(), target, except, mostRows);
  if (isLanewise(g, target.lanes))
    tile = {std::min<int64_t>(columns, 8), 1};
  int64_t lanesOfTile = target.lanes * tile.vectors;
  // Small images: split the output channels, so that one image, or a small batch, keeps several
  // threads busy. Each block packs the input again, so a batch is split no further than that.
  int64_t block = channels;
  auto splitChannels = [&](int64_t strips) {
    if (g.getGroups() > 1 || channels <= 128 || rows * columns > 1024)
      return;
    int64_t least =
        target.batch == 1
            ? 128
            : std::max<int64_t>(128, channels / ceilDiv(target.costs.itemsOfBatch, strips));
    block = ceilDiv(least, lanesOfTile) * lanesOfTile;
  };
  if (flat) {
    int64_t pixels = std::max<int64_t>(tile.rows, 96 / tile.rows * tile.rows);
    splitChannels(ceilDiv(target.batch * rows * columns, pixels));
    // Weights that L2 does not hold come from the last cache again for each strip.
    bool far = target.elementBytes * depth * block > target.l2Bytes / 2;
    if (target.batch == 1 && rows * columns > 1)
      pixels = balancedPixels(rows * columns, pixels, ceilDiv(channels, block), far ? 1.1 : 0.03,
                              tile, target);
    return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, pixels, block,
                             1, true, 0);
  }
  int64_t rowPixels =
      (columns * (forward ? g.getSw() : 1) + g.getKw() * g.getDw()) * (forward ? g.getSh() : 1);
  if (run) // packs no pixel that it does not use
    rowPixels = columns;
  int64_t rowBytes = target.elementBytes * rowPixels * depth;
  // Large weights pass by once a strip: longer strips then.
  bool heavy =
      target.elementBytes * g.getKh() * g.getKw() * depth * lanesOfTile > target.l2Bytes / 4;
  int64_t strip = std::clamp<int64_t>(target.l2Bytes / (heavy ? 2 : 4) / rowBytes, 1, rows);
  // A whole number of equal strips.
  strip = ceilDiv(rows, ceilDiv(rows, strip));
  splitChannels(target.batch * ceilDiv(rows, strip));
  if (target.batch == 1 && !byResidue)
    strip =
        balancedStrip(rows, strip, ceilDiv(channels, block),
                      0.03 * ((g.getKh() - 1) * g.getDh() + 1) + (heavy ? 0.3 : 0), target.costs);
  if (byResidue) // strips start at residue 0
    strip = ceilDiv(strip, g.getSh()) * g.getSh();
  return ScheduleAttr::get(g.getContext(), target.lanes, tile.rows, tile.vectors, strip, block, 1,
                           false, 0);
}

ScheduleAttr netc::kern::scheduleContraction(ContractKind kind, GeometryAttr g,
                                             const TargetFacts &target) {
  if (kind == ContractKind::FilterGrad) {
    int64_t m = chooseWinogradFilterGrad(g, target);
    return m ? winogradFilterGrad(g, m, target) : directFilterGrad(g, target);
  }
  int64_t m = chooseWinograd(kind, g, target);
  return m ? scheduleWinograd(kind, g, m, target) : scheduleDirect(kind, g, target);
}

bool netc::kern::computesOnLoad(GeometryAttr pool) {
  // Each element again for 2.25 windows (3x3, stride 2) is cheaper than memory; for nine (stride 1)
  // it is not.
  return pool.getKh() * pool.getKw() <= 3 * pool.getSh() * pool.getSw();
}

SmallVector<ScheduleAttr> netc::kern::scheduleCandidates(ContractKind kind, GeometryAttr g,
                                                         const TargetFacts &target) {
  llvm::SmallSetVector<ScheduleAttr, 8> candidates;
  candidates.insert(scheduleContraction(kind, g, target));
  auto consider = [&](ScheduleAttr schedule) {
    if (schedule)
      candidates.insert(schedule);
  };
  bool gradient = kind == ContractKind::FilterGrad;
  auto direct = [&](int64_t except) {
    return gradient ? directFilterGrad(g, target, except) : scheduleDirect(kind, g, target, except);
  };
  ScheduleAttr first = direct(0);
  consider(first);
  consider(direct(first.getTileVectors()));
  // One image's pixels by single tiles, which threads share evenly, or by strips that read weights
  // less often.
  if (!gradient && first.getFlat() && target.batch == 1)
    for (int64_t tiles : {1, 16})
      if (tiles * first.getTilePixels() < g.getOh() * g.getOw() &&
          !isByResidue(kind, g, target.lanes))
        consider(ScheduleAttr::get(g.getContext(), first.getLanes(), first.getTilePixels(),
                                   first.getTileVectors(), tiles * first.getTilePixels(),
                                   first.getChannelBlock(), 1, true, 0));
  for (int64_t m : {2, 4})
    consider(gradient ? winogradFilterGrad(g, m, target) : scheduleWinograd(kind, g, m, target));
  return candidates.takeVector();
}
