//===- ForwardTile.cpp - micro-kernels of direct convolution --------------===//
//
// P pixels by U vectors of output channels in registers: over the window and the input channels, a
// broadcast per pixel and a load per vector of weights. In pieces, accumulators come from scratch
// and go back there until the last piece, whose end is the epilogue.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ForwardTile.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

Values TileArguments::all() const {
  Values values{source, weights};
  if (start)
    values.push_back(start);
  if (nextWeights)
    values.push_back(nextWeights);
  if (partials)
    values.push_back(partials);
  if (piece)
    values.push_back(piece);
  if (configurations)
    values.push_back(configurations);
  for (TypedPointer input : inputs)
    values.push_back(input);
  llvm::append_range(values, epilogue);
  return values;
}

ForwardTile::ForwardTile(const ForwardShape &shape, const ReductionPieces &pieces,
                         const TilePrefetches &prefetches, ArrayRef<TypedPointer> input,
                         TypedPointer source, TypedPointer weights, bool hasStart,
                         Epilogue &epilogue)
    : shape(shape), pieces(pieces), prefetches(prefetches), sourceElement(source.element),
      weightElement(weights.element), hasStart(hasStart), epilogue(epilogue) {
  for (unsigned index : prefetches.inputs)
    inputElements.push_back(input[index].element);
}

/// The reverse of TileArguments::all, inside the micro-kernel.
TileArguments ForwardTile::named(KernelEmitter &t, ValueRange arguments) const {
  auto take = [&] {
    Value front = arguments.front();
    arguments = arguments.drop_front();
    return front;
  };
  TileArguments result;
  result.source = {take(), sourceElement};
  result.weights = {take(), weightElement};
  if (hasStart)
    result.start = {take(), t.b.getI32Type()};
  if (prefetches.weightLines)
    result.nextWeights = {take(), weightElement};
  if (pieces || shape.inMatrices)
    result.partials = {take(), shape.isOfIntegers() ? Type(t.b.getI32Type()) : t.f32()};
  if (pieces)
    result.piece = take();
  if (shape.inMatrices)
    result.configurations = take();
  for (Type element : inputElements)
    result.inputs.push_back({take(), element});
  result.epilogue = arguments;
  return result;
}

func::FuncOp ForwardTile::functionOf(KernelEmitter &k, TileShape tile) {
  SmallVector<Type> types(2 + (hasStart ? 1 : 0) + (prefetches.weightLines ? 1 : 0),
                          k.pointerType());
  if (pieces || shape.inMatrices)
    types.push_back(k.pointerType());
  if (pieces)
    types.push_back(k.i64());
  if (shape.inMatrices)
    types.push_back(k.pointerType());
  types.append(inputElements.size(), k.pointerType());
  llvm::append_range(types, epilogue.argumentTypes(k));
  // The destination may share memory with an operand of the epilogue: no noalias there.
  SmallVector<bool> noalias{true, true};
  std::string suffix = "tile_" + std::to_string(tile.pixels) + "x" + std::to_string(tile.vectors) +
                       "_" + std::to_string(tile.lastLanes);
  if (shape.byResidue)
    suffix += "_taps_" + std::to_string(tile.tapsH) + "x" + std::to_string(tile.tapsW);
  return k.helper(suffix, types, noalias, [&](KernelEmitter &t, ValueRange arguments) {
    shape.lanewise     ? emitLanewise(t, tile, named(t, arguments))
    : shape.inMatrices ? emitInMatrices(t, tile, named(t, arguments))
                       : emit(t, tile, named(t, arguments));
  });
}

void ForwardTile::call(KernelEmitter &k, TileShape tile, const TileArguments &arguments) {
  TileArguments all = arguments;
  all.configurations = configurations;
  k.call(functionOf(k, tile), all.all());
}

/// Small groups: each lane multiplies its own inputs, brought there by a shuffle within its group.
void ForwardTile::emitLanewise(KernelEmitter &t, TileShape tile, const TileArguments &arguments) {
  kern::GeometryAttr g = shape.g;
  int64_t groupIn = shape.groupIn, pitch = shape.pitch;
  SmallVector<SmallVector<int64_t>> masks;
  for (int64_t j = 0; j < groupIn; ++j) {
    masks.emplace_back();
    for (int64_t lane = 0; lane < t.lanes; ++lane)
      masks.back().push_back(lane / groupIn * groupIn + j);
  }
  auto tap = [&](TypedPointer source, TypedPointer weight, ValueRange acc) {
    Values next(acc.begin(), acc.end()), w;
    for (int64_t j = 0; j < groupIn; ++j)
      w.push_back(t.loadVector(t.at(weight, j * shape.tile)));
    for (int64_t p = 0; p < tile.pixels; ++p) {
      Value x = t.loadVector(t.at(source, p * shape.strideW * pitch), tile.lastLanes);
      for (int64_t j = 0; j < groupIn; ++j) {
        Value own = groupIn == 1 ? x : Value(vector::ShuffleOp::create(t.b, t.loc, x, x, masks[j]));
        next[p] = t.fma(own, w[j], next[p]);
      }
    }
    return next;
  };
  Values accumulators(tile.pixels, t.zeros());
  accumulators = t.reduce(t.c(0), t.c(g.getKh()), 1, accumulators, [&](Value kh, ValueRange acc) {
    return t.reduce(t.c(0), t.c(g.getKw()), 1, acc, [&](Value kw, ValueRange inside) {
      Value source =
          t.add(t.mul(kh, g.getDh() * shape.columns * pitch), t.mul(kw, g.getDw() * pitch));
      Value weight = t.mul(t.add(t.mul(kh, g.getKw()), kw), groupIn * shape.tile);
      return tap(t.at(arguments.source, source), t.at(arguments.weights, weight), inside);
    });
  });
  emitEpilogue(t, tile, accumulators, arguments);
}

/// Asks for the part of the next item's pixels that is this tile's, of each operand.
void ForwardTile::prefetchInput(KernelEmitter &t, const TileArguments &arguments, Value iteration) {
  int64_t lines = iteration ? prefetches.inputSteps : prefetches.inputLines;
  for (TypedPointer pointer : arguments.inputs) {
    int64_t line = pointer.perLine();
    for (int64_t j = 0; j < lines; ++j)
      t.prefetch(t.at(pointer,
                      iteration ? t.add(t.mul(iteration, line * lines), line * j) : t.c(line * j)));
  }
}

/// The products take long enough for the epilogue's operands to come; short ones, a few tiles'
/// products. `cycles`: of the tile's products.
void ForwardTile::prefetchEpilogue(KernelEmitter &t, TileShape tile, int64_t cycles,
                                   const TileArguments &arguments) {
  SmallVector<int64_t> offsets = pixelOffsets(tile);
  int64_t tilesAhead = 1000 / std::max<int64_t>(cycles, 1);
  for (int64_t &offset : offsets)
    offset += std::min<int64_t>(tilesAhead, 4) * tile.pixels * shape.outStep * shape.outC;
  auto prefetch = [&] {
    epilogue.prefetch(t, arguments.epilogue, tile.vectors * t.lanes, offsets);
  };
  if (pieces)
    t.when(t.less(t.c(pieces.count - 2), arguments.piece), prefetch);
  else
    prefetch();
}

Values ForwardTile::products(KernelEmitter &t, TileShape tile, int64_t run, TypedPointer source,
                             TypedPointer weights, ValueRange accumulators,
                             const TileArguments &arguments) {
  int64_t steps = shape.stepsOf(run), wide = shape.wide;
  int64_t unroll = unrollOf(steps), line = arguments.weights.perLine(),
          lines = prefetches.weightLines;
  return t.reduce(t.c(0), t.c(steps), unroll, accumulators, [&](Value i, ValueRange acc) {
    Values next(acc.begin(), acc.end());
    TypedPointer at = t.at(source, t.mul(i, wide)),
                 row = t.at(weights, t.mul(i, wide * shape.tile));
    for (int64_t j = 0; j < lines; ++j)
      t.prefetch(
          t.at(arguments.nextWeights, t.add(t.mul(t.div(i, unroll), line * lines), line * j)));
    if (prefetches.inputSteps)
      prefetchInput(t, arguments, t.div(i, unroll));
    for (int64_t j = 0; j < unroll; ++j) {
      Values w;
      for (int64_t u = 0; u < tile.vectors; ++u) {
        TypedPointer vector = t.at(row, wide * (j * shape.tile + u * t.lanes));
        w.push_back(wide > 1 ? t.loadSteps(vector) : t.loadVector(vector));
      }
      for (int64_t p = 0; p < tile.pixels; ++p) {
        TypedPointer pixel = t.at(at, p * shape.strideW * shape.pitch + wide * j);
        Value x = wide > 1 ? t.splatSteps(pixel) : t.splat(t.load(pixel));
        for (int64_t u = 0; u < tile.vectors; ++u) {
          Value &sum = next[p * tile.vectors + u];
          sum = wide > 1 ? t.addProducts(sum, w[u], x) : t.fma(x, w[u], sum);
        }
      }
    }
    return next;
  });
}

/// What the accumulators are before the first product.
Values ForwardTile::beginSums(KernelEmitter &t, TileShape tile,
                              const TileArguments &arguments) const {
  Values sums;
  for (int64_t u = 0; u < tile.vectors; ++u) {
    int64_t valid = u == tile.vectors - 1 ? tile.lastLanes : t.lanes;
    sums.push_back(hasStart               ? t.loadVector(t.at(arguments.start, u * t.lanes), valid)
                   : shape.isOfIntegers() ? t.integerZeros()
                                          : t.zeros());
  }
  Values accumulators;
  for (int64_t p = 0; p < tile.pixels; ++p)
    llvm::append_range(accumulators, sums);
  return accumulators;
}

/// Where an accumulator lies between pieces.
TypedPointer ForwardTile::waiting(KernelEmitter &t, TileShape tile, size_t accumulator,
                                  const TileArguments &arguments) const {
  int64_t at = static_cast<int64_t>(accumulator), p = at / tile.vectors, u = at % tile.vectors;
  return t.at(arguments.partials, p * shape.tile + u * t.lanes);
}

ForwardTile::Run ForwardTile::runOf(TileShape tile) const {
  if (pieces)
    return {pieces.steps, 1, 1};
  if (shape.isMerged())
    return {tile.tapsW * shape.groupDepth, 1, tile.tapsH};
  return {shape.groupDepth, tile.tapsW, tile.tapsH};
}

Values ForwardTile::overRuns(
    KernelEmitter &t, Run run, const TileArguments &arguments, ValueRange init,
    llvm::function_ref<Values(TypedPointer, TypedPointer, ValueRange)> body) const {
  kern::GeometryAttr g = shape.g;
  auto columns = [&](TypedPointer source, TypedPointer weights, ValueRange sums) -> Values {
    if (run.count == 1)
      return body(source, weights, sums);
    return t.reduce(t.c(0), t.c(run.count), 1, sums, [&](Value kw, ValueRange acc) {
      return body(t.at(source, t.mul(kw, g.getDw() * shape.pitch)),
                  t.at(weights, t.mul(kw, shape.tapStepW * run.elements * shape.tile)), acc);
    });
  };
  if (run.rows == 1)
    return columns(arguments.source, arguments.weights, init);
  return t.reduce(t.c(0), t.c(run.rows), 1, init, [&](Value kh, ValueRange acc) {
    int64_t weightsOfRow = shape.tapStepH * g.getKw() * shape.groupDepth * shape.tile;
    return columns(t.at(arguments.source, t.mul(kh, g.getDh() * shape.columns * shape.pitch)),
                   t.at(arguments.weights, t.mul(kh, weightsOfRow)), acc);
  });
}

/// The micro-kernel: accumulators[p][u] over window rows and the run of (column, channel).
void ForwardTile::emit(KernelEmitter &t, TileShape tile, const TileArguments &arguments) {
  Run run = runOf(tile);
  Values accumulators = beginSums(t, tile, arguments);
  int64_t steps = run.rows * run.count * shape.stepsOf(run.elements);
  prefetchEpilogue(t, tile, steps * tile.pixels * tile.vectors / 2, arguments);
  if (!prefetches.inputSteps)
    prefetchInput(t, arguments, {});
  if (pieces)
    accumulators = t.chooseValues(
        t.less(t.c(0), arguments.piece),
        [&] {
          Values loaded;
          for (size_t i = 0; i < accumulators.size(); ++i)
            loaded.push_back(t.loadVector(waiting(t, tile, i, arguments)));
          return loaded;
        },
        [&] { return accumulators; });
  accumulators = overRuns(t, run, arguments, accumulators,
                          [&](TypedPointer source, TypedPointer weights, ValueRange acc) {
                            return products(t, tile, run.elements, source, weights, acc, arguments);
                          });
  if (!pieces)
    return emitEpilogue(t, tile, accumulators, arguments);
  t.choose(
      t.less(arguments.piece, t.c(pieces.count - 1)),
      [&] {
        for (auto [i, value] : llvm::enumerate(accumulators))
          t.storeVector(value, waiting(t, tile, i, arguments));
      },
      [&] { emitEpilogue(t, tile, accumulators, arguments); });
}

/// Elements from the first pixel's result to each.
SmallVector<int64_t> ForwardTile::pixelOffsets(TileShape tile) const {
  SmallVector<int64_t> offsets;
  for (int64_t p = 0; p < tile.pixels; ++p)
    offsets.push_back(p * shape.outStep * shape.outC);
  return offsets;
}

Value ForwardTile::inF32(KernelEmitter &t, Value sums) {
  return getElementTypeOrSelf(sums).isInteger()
             ? Value(arith::SIToFPOp::create(t.b, t.loc, t.vec(), sums))
             : sums;
}

void ForwardTile::emitEpilogue(KernelEmitter &t, TileShape tile, ArrayRef<Value> accumulators,
                               const TileArguments &arguments) {
  SmallVector<int64_t> offsets = pixelOffsets(tile);
  for (int64_t u = 0; u < tile.vectors; ++u) {
    Values values;
    for (int64_t p = 0; p < tile.pixels; ++p)
      values.push_back(inF32(t, accumulators[p * tile.vectors + u]));
    epilogue.emit(t, arguments.epilogue, u * t.lanes,
                  u == tile.vectors - 1 ? tile.lastLanes : t.lanes, values, offsets);
  }
}
