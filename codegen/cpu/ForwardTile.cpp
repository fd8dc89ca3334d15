//===- ForwardTile.cpp - micro-kernels of direct convolution --------------===//
//
// P pixels by U vectors of output channels in registers: over the window and the input channels, a
// broadcast a pixel and a load a vector of weights. In pieces, accumulators come from scratch and
// go back there until the last piece, whose end is the epilogue.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ContractForward.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

int64_t netc::cpu::unrollOf(int64_t run) {
  int64_t unroll = 1;
  for (int64_t u : {2, 3, 4})
    if (run % u == 0 && run > u)
      unroll = u;
  return unroll;
}

func::FuncOp ForwardEmitter::tileFunction(TileShape shape) {
  SmallVector<Type> types(prefetches ? 3 : 2, k.pointerType());
  if (piece)
    llvm::append_range(types, std::initializer_list<Type>{k.pointerType(), k.i64()});
  types.append(streams.size(), k.pointerType());
  llvm::append_range(types, epilogue.argumentTypes(k));
  // The destination may share memory with an operand of the epilogue: no noalias there.
  SmallVector<bool> noalias{true, true};
  std::string suffix = "tile_" + std::to_string(shape.pixels) + "x" +
                       std::to_string(shape.vectors) + "_" + std::to_string(shape.lastLanes);
  if (byResidue)
    suffix += "_taps_" + std::to_string(shape.tapsH) + "x" + std::to_string(shape.tapsW);
  return k.helper(suffix, types, noalias, [&](KernelEmitter &t, ValueRange arguments) {
    lanewise ? emitLanewiseTile(t, shape, arguments) : emitTile(t, shape, arguments);
  });
}

/// Small groups: each lane multiplies its own inputs, brought there by a shuffle within its group.
void ForwardEmitter::emitLanewiseTile(KernelEmitter &t, TileShape shape, ValueRange arguments) {
  SmallVector<SmallVector<int64_t>> masks;
  for (int64_t j = 0; j < groupIn; ++j) {
    masks.emplace_back();
    for (int64_t lane = 0; lane < t.lanes; ++lane)
      masks.back().push_back(lane / groupIn * groupIn + j);
  }
  auto tap = [&](TypedPointer source, TypedPointer weight, ValueRange acc) {
    Values next(acc.begin(), acc.end()), w;
    for (int64_t j = 0; j < groupIn; ++j)
      w.push_back(t.loadVector(t.at(weight, j * tile)));
    for (int64_t p = 0; p < shape.pixels; ++p) {
      Value x = t.loadVector(t.at(source, p * strideW * pitch), shape.lastLanes);
      for (int64_t j = 0; j < groupIn; ++j) {
        Value own = groupIn == 1 ? x : Value(vector::ShuffleOp::create(t.b, t.loc, x, x, masks[j]));
        next[p] = t.fma(own, w[j], next[p]);
      }
    }
    return next;
  };
  Values accumulators(shape.pixels, t.zeros());
  accumulators = t.reduce(t.c(0), t.c(g.getKh()), 1, accumulators, [&](Value kh, ValueRange acc) {
    return t.reduce(t.c(0), t.c(g.getKw()), 1, acc, [&](Value kw, ValueRange inside) {
      Value source = t.add(t.mul(kh, g.getDh() * columns * pitch), t.mul(kw, g.getDw() * pitch));
      Value weight = t.mul(t.add(t.mul(kh, g.getKw()), kw), groupIn * tile);
      return tap(t.at(sourceOf(arguments), source), t.at(weightOf(arguments), weight), inside);
    });
  });
  emitEpilogue(t, shape, accumulators, arguments);
}

/// Asks for the part of the next item's pixels that is this tile's, of each stream.
void ForwardEmitter::prefetchInput(KernelEmitter &t, ValueRange arguments, Value iteration) {
  int64_t lines = iteration ? streamSteps : streamLines;
  ValueRange pointers =
      arguments.drop_front((prefetches ? 3 : 2) + (piece ? 2 : 0)).take_front(streams.size());
  for (auto [address, stream] : llvm::zip(pointers, streams)) {
    TypedPointer pointer{address, lhs[stream].element};
    int64_t line = pointer.perLine();
    for (int64_t j = 0; j < lines; ++j)
      t.prefetch(t.at(pointer,
                      iteration ? t.add(t.mul(iteration, line * lines), line * j) : t.c(line * j)));
  }
}

/// The micro-kernel: accumulators[p][u] over window rows and the run of (column, channel).
void ForwardEmitter::emitTile(KernelEmitter &t, TileShape shape, ValueRange arguments) {
  TypedPointer source = sourceOf(arguments), weight = weightOf(arguments);
  bool merged = isMerged();
  int64_t run = merged ? shape.tapsW * groupIn : groupIn, runs = merged ? 1 : shape.tapsW;
  if (piece)
    run = piece, runs = shape.tapsH = 1;
  int64_t unroll = unrollOf(run), line = weight.perLine();
  TypedPointer ahead{prefetches ? arguments[2] : Value(), weight.element};
  auto steps = [&](TypedPointer src, TypedPointer wei, ValueRange init) {
    return t.reduce(t.c(0), t.c(run), unroll, init, [&](Value i, ValueRange acc) {
      Values next(acc.begin(), acc.end());
      TypedPointer at = t.at(src, i), row = t.at(wei, t.mul(i, tile));
      for (int64_t j = 0; j < prefetches; ++j)
        t.prefetch(t.at(ahead, t.add(t.mul(t.div(i, unroll), line * prefetches), line * j)));
      if (streamSteps)
        prefetchInput(t, arguments, t.div(i, unroll));
      for (int64_t j = 0; j < unroll; ++j) {
        Values w;
        for (int64_t u = 0; u < shape.vectors; ++u)
          w.push_back(t.loadVector(t.at(row, j * tile + u * t.lanes)));
        for (int64_t p = 0; p < shape.pixels; ++p) {
          Value x = t.splat(t.load(t.at(at, p * strideW * pitch + j)));
          for (int64_t u = 0; u < shape.vectors; ++u)
            next[p * shape.vectors + u] = t.fma(x, w[u], next[p * shape.vectors + u]);
        }
      }
      return next;
    });
  };
  Values accumulators(shape.pixels * shape.vectors, t.zeros());
  size_t next = prefetches ? 3 : 2;
  auto waiting = [&](size_t i) { // where an accumulator lies between pieces
    int64_t at = static_cast<int64_t>(i), p = at / shape.vectors, u = at % shape.vectors;
    return t.at(t.floats(arguments[next]), p * tile + u * t.lanes);
  };
  // The products take long enough for the epilogue's operands to come; short ones, a few tiles'
  // products.
  SmallVector<int64_t> offsets = pixelOffsets(shape);
  int64_t cycles = shape.tapsH * runs * run * shape.pixels * shape.vectors / 2,
          tilesAhead = 1000 / std::max<int64_t>(cycles, 1);
  for (int64_t &offset : offsets)
    offset += std::min<int64_t>(tilesAhead, 4) * shape.pixels * outStep * outC;
  auto prefetch = [&] {
    epilogue.prefetch(t, epilogueArguments(arguments), shape.vectors * t.lanes, offsets);
  };
  if (piece)
    t.when(t.less(t.c(pieces - 2), arguments[next + 1]), prefetch);
  else
    prefetch();
  if (!streamSteps)
    prefetchInput(t, arguments, {});
  if (piece)
    accumulators = t.chooseValues(
        t.less(t.c(0), arguments[next + 1]),
        [&] {
          Values loaded;
          for (size_t i = 0; i < accumulators.size(); ++i)
            loaded.push_back(t.loadVector(waiting(i)));
          return loaded;
        },
        [&] { return accumulators; });
  auto windowColumns = [&](TypedPointer src, TypedPointer wei, ValueRange init) -> Values {
    if (runs == 1)
      return steps(src, wei, init);
    return t.reduce(t.c(0), t.c(runs), 1, init, [&](Value kw, ValueRange acc) {
      return steps(t.at(src, t.mul(kw, g.getDw() * pitch)),
                   t.at(wei, t.mul(kw, tapStepW * run * tile)), acc);
    });
  };
  if (shape.tapsH == 1)
    accumulators = windowColumns(source, weight, accumulators);
  else
    accumulators =
        t.reduce(t.c(0), t.c(shape.tapsH), 1, accumulators, [&](Value kh, ValueRange acc) {
          return windowColumns(t.at(source, t.mul(kh, g.getDh() * columns * pitch)),
                               t.at(weight, t.mul(kh, tapStepH * g.getKw() * groupIn * tile)), acc);
        });
  if (!piece)
    return emitEpilogue(t, shape, accumulators, arguments);
  t.choose(
      t.less(arguments[next + 1], t.c(pieces - 1)),
      [&] {
        for (auto [i, value] : llvm::enumerate(accumulators))
          t.storeVector(value, waiting(i));
      },
      [&] { emitEpilogue(t, shape, accumulators, arguments); });
}

/// A micro-kernel's arguments behind source, weights, what to prefetch and what a piece has.
ValueRange ForwardEmitter::epilogueArguments(ValueRange arguments) const {
  return arguments.drop_front((prefetches ? 3 : 2) + (piece ? 2 : 0) + streams.size());
}

/// Elements from the first pixel's result to each.
SmallVector<int64_t> ForwardEmitter::pixelOffsets(TileShape shape) const {
  SmallVector<int64_t> offsets;
  for (int64_t p = 0; p < shape.pixels; ++p)
    offsets.push_back(p * outStep * outC);
  return offsets;
}

void ForwardEmitter::emitEpilogue(KernelEmitter &t, TileShape shape, ArrayRef<Value> accumulators,
                                  ValueRange arguments) {
  SmallVector<int64_t> offsets = pixelOffsets(shape);
  for (int64_t u = 0; u < shape.vectors; ++u) {
    Values values;
    for (int64_t p = 0; p < shape.pixels; ++p)
      values.push_back(accumulators[p * shape.vectors + u]);
    epilogue.emit(t, epilogueArguments(arguments), u * t.lanes,
                  u == shape.vectors - 1 ? shape.lastLanes : t.lanes, values, offsets);
  }
}
