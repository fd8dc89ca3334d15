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
    llvm::append_range(values, Values{partials, piece});
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
  if (pieces) {
    result.partials = {take(), shape.isOfIntegers() ? Type(t.b.getI32Type()) : t.f32()};
    result.piece = take();
  }
  for (Type element : inputElements)
    result.inputs.push_back({take(), element});
  result.epilogue = arguments;
  return result;
}

func::FuncOp ForwardTile::functionOf(KernelEmitter &k, TileShape tile) {
  SmallVector<Type> types(2 + (hasStart ? 1 : 0) + (prefetches.weightLines ? 1 : 0),
                          k.pointerType());
  if (pieces)
    llvm::append_range(types, std::initializer_list<Type>{k.pointerType(), k.i64()});
  types.append(inputElements.size(), k.pointerType());
  llvm::append_range(types, epilogue.argumentTypes(k));
  // The destination may share memory with an operand of the epilogue: no noalias there.
  SmallVector<bool> noalias{true, true};
  std::string suffix = "tile_" + std::to_string(tile.pixels) + "x" + std::to_string(tile.vectors) +
                       "_" + std::to_string(tile.lastLanes);
  if (shape.byResidue)
    suffix += "_taps_" + std::to_string(tile.tapsH) + "x" + std::to_string(tile.tapsW);
  return k.helper(suffix, types, noalias, [&](KernelEmitter &t, ValueRange arguments) {
    shape.lanewise ? emitLanewise(t, tile, named(t, arguments))
                   : emit(t, tile, named(t, arguments));
  });
}

void ForwardTile::call(KernelEmitter &k, TileShape tile, const TileArguments &arguments) {
  k.call(functionOf(k, tile), arguments.all());
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

/// The micro-kernel: accumulators[p][u] over window rows and the run of (column, channel).
void ForwardTile::emit(KernelEmitter &t, TileShape tile, const TileArguments &arguments) {
  kern::GeometryAttr g = shape.g;
  int64_t depth = shape.groupDepth, pitch = shape.pitch;
  bool merged = shape.isMerged();
  int64_t run = merged ? tile.tapsW * depth : depth, runs = merged ? 1 : tile.tapsW;
  if (pieces)
    run = pieces.steps, runs = tile.tapsH = 1;
  Values accumulators = beginSums(t, tile, arguments);
  prefetchEpilogue(t, tile, tile.tapsH * runs * shape.stepsOf(run) * tile.pixels * tile.vectors / 2,
                   arguments);
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
  auto windowColumns = [&](TypedPointer src, TypedPointer wei, ValueRange init) -> Values {
    if (runs == 1)
      return products(t, tile, run, src, wei, init, arguments);
    return t.reduce(t.c(0), t.c(runs), 1, init, [&](Value kw, ValueRange acc) {
      return products(t, tile, run, t.at(src, t.mul(kw, g.getDw() * pitch)),
                      t.at(wei, t.mul(kw, shape.tapStepW * run * shape.tile)), acc, arguments);
    });
  };
  TypedPointer source = arguments.source, weight = arguments.weights;
  if (tile.tapsH == 1)
    accumulators = windowColumns(source, weight, accumulators);
  else
    accumulators =
        t.reduce(t.c(0), t.c(tile.tapsH), 1, accumulators, [&](Value kh, ValueRange acc) {
          return windowColumns(
              t.at(source, t.mul(kh, g.getDh() * shape.columns * pitch)),
              t.at(weight, t.mul(kh, shape.tapStepH * g.getKw() * depth * shape.tile)), acc);
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

/// Sums of integers as the epilogue takes them.
static Value inF32(KernelEmitter &t, Value sums) {
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
