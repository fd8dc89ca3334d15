//===- Sweep.cpp - formulas over runs of pixels ---------------------------===//
#include "codegen/cpu/Sweep.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
/// One block of `vectors` vectors at channel `channel`; the last has `lastLanes` lanes.
class BlockSweep {
public:
  BlockSweep(KernelEmitter &k, const Sweep &sweep, Value channel, int64_t vectors,
             int64_t lastLanes);
  void emit();

private:
  int64_t lanesOf(int64_t v) const { return v == vectors - 1 ? lastLanes : k.lanes; }
  Value offsetOf(int64_t v) { return k.add(channel, v * k.lanes); }
  Values resultsAt(Value pixel, int64_t v);
  Values termsAt(Value pixel, int64_t v);
  void emitPairs();
  Values emitSums();
  Values emitMoments();

  KernelEmitter &k;
  const Sweep &s;
  Value channel;
  int64_t vectors, lastLanes;
  SmallVector<Values> still; ///< operands that do not move, read once
};
} // namespace

BlockSweep::BlockSweep(KernelEmitter &k, const Sweep &sweep, Value channel, int64_t vectors,
                       int64_t lastLanes)
    : k(k), s(sweep), channel(channel), vectors(vectors), lastLanes(lastLanes),
      still(sweep.inputs.size()) {
  for (auto [index, input] : llvm::enumerate(s.inputs))
    if (!input.moves)
      for (int64_t v = 0; v < vectors; ++v)
        still[index].push_back(k.loadVector(k.at(input.pointer, offsetOf(v)), lanesOf(v)));
}

/// What the formula yields for vector `v` of a pixel.
Values BlockSweep::resultsAt(Value pixel, int64_t v) {
  Values arguments;
  for (auto [index, input] : llvm::enumerate(s.inputs)) {
    if (!input.moves) {
      arguments.push_back(still[index][v]);
      continue;
    }
    TypedPointer at = k.at(input.pointer, k.add(k.mul(pixel, input.pitch), offsetOf(v)));
    arguments.push_back(k.loadVector(at, lanesOf(v)));
  }
  RandomSource random = s.random;
  if (random.hyper)
    random.element = k.add(random.element, k.add(k.mul(pixel, s.randomPitch), offsetOf(v)));
  return s.formula ? emitFormula(k, *s.formula, arguments, random) : Values{arguments[0]};
}

/// Stores the value of vector `v` of a pixel and returns its terms.
Values BlockSweep::termsAt(Value pixel, int64_t v) {
  Values results = resultsAt(pixel, v);
  size_t first = 0;
  if (s.output)
    k.storeVector(results[first++], k.at(s.output, k.add(k.mul(pixel, s.outputPitch), offsetOf(v))),
                  lanesOf(v));
  return Values(ArrayRef(results).slice(first, s.terms));
}

/// One sum per term and vector.
Values BlockSweep::emitSums() {
  Values zero(s.terms * vectors, s.terms ? k.zeros() : Value());
  return k.reduce(k.c(0), s.pixels, 1, zero, [&](Value pixel, ValueRange accumulators) {
    Values next(accumulators.begin(), accumulators.end());
    for (int64_t v = 0; v < vectors; ++v)
      for (auto [t, term] : llvm::enumerate(termsAt(pixel, v)))
        next[t * vectors + v] = k.fadd(next[t * vectors + v], term);
    return next;
  });
}

/// Pivots, which are pixel 0's values, then sums and sums of squares of the distances from them.
/// Every kRun pixels have sums of their own, which are added then: a long chain of additions in f32
/// would round more than the pivot saves.
Values BlockSweep::emitMoments() {
  constexpr int64_t kRun = 16;
  Values pivots, zero(2 * vectors, k.zeros());
  for (int64_t v = 0; v < vectors; ++v)
    pivots.push_back(termsAt(k.c(0), v)[0]);
  auto add = [&](Value pixel, ValueRange accumulators) {
    Values next(accumulators.begin(), accumulators.end());
    for (int64_t v = 0; v < vectors; ++v) {
      Value distance = k.fsub(termsAt(pixel, v)[0], pivots[v]);
      next[v] = k.fadd(next[v], distance);
      next[vectors + v] = k.fma(distance, distance, next[vectors + v]);
    }
    return next;
  };
  Values sums = k.reduce(k.c(1), s.pixels, kRun, zero, [&](Value first, ValueRange accumulators) {
    Value end = k.min(k.add(first, kRun), s.pixels);
    Values run = k.reduce(first, end, 1, zero, add);
    for (auto [sum, before] : llvm::zip(run, accumulators))
      sum = k.fadd(before, sum);
    return run;
  });
  pivots.append(sums);
  return pivots;
}

/// Two pixels at a time; beside a last odd one are zeros.
void BlockSweep::emitPairs() {
  auto store = [&](Value pixel, llvm::function_ref<Value(int64_t)> second) {
    for (int64_t v = 0; v < vectors; ++v) {
      Value at = k.add(k.mul(pixel, s.outputPitch), k.mul(offsetOf(v), 2));
      k.storePairs(resultsAt(pixel, v)[0], second(v), k.at(s.output, at), lanesOf(v));
    }
  };
  Value odd = k.rem(s.pixels, 2), whole = k.sub(s.pixels, odd);
  k.loop(k.c(0), whole, 2, [&](Value pixel) {
    store(pixel, [&](int64_t v) { return resultsAt(k.add(pixel, 1), v)[0]; });
  });
  k.when(k.less(k.c(0), odd), [&] { store(whole, [&](int64_t) { return k.zeros(); }); });
}

void BlockSweep::emit() {
  if (s.pairs)
    return emitPairs();
  Values sums = s.moments ? emitMoments() : emitSums();
  for (auto [index, sum] : llvm::enumerate(sums)) {
    int64_t row = static_cast<int64_t>(index) / vectors, v = static_cast<int64_t>(index) % vectors;
    k.storeVector(sum, k.at(s.partials, k.add(offsetOf(v), row * s.sumPitch)), lanesOf(v));
  }
}

void netc::cpu::emitSweep(KernelEmitter &k, const Sweep &s) {
  constexpr int64_t kVectors = 4;
  int64_t block = kVectors * k.lanes, whole = s.channels / block * block;
  if (whole == block)
    BlockSweep(k, s, k.c(0), kVectors, k.lanes).emit();
  else if (whole)
    k.loop(0, whole, block,
           [&](Value channel) { BlockSweep(k, s, channel, kVectors, k.lanes).emit(); });
  int64_t rest = s.channels - whole;
  if (!rest)
    return;
  int64_t vectors = (rest + k.lanes - 1) / k.lanes;
  BlockSweep(k, s, k.c(whole), vectors, rest - (vectors - 1) * k.lanes).emit();
}

/// `count` pixels of a source row from column `column`, to `to`.
static void emitRun(KernelEmitter &k, const Strip &s, TypedPointer to, Value image, Value row,
                    Value column, Value count, Value channelShift) {
  Value pixel = k.add(k.mul(k.add(k.mul(image, s.height), row), s.width), column);
  Value first = k.c(s.firstChannel);
  if (channelShift)
    first = k.add(first, channelShift);
  Value element = k.add(k.mul(pixel, s.channels), first);
  bool whole = s.count == s.channels && s.pitch == s.channels && s.gatherColumns == 1;
  if (!s.prologue && whole && s.sources[0].element == to.element) {
    k.copy(to, k.at(s.sources[0], element), k.mul(count, s.channels));
    return;
  }
  Sweep sweep;
  sweep.formula = s.prologue;
  for (auto [source, access] : llvm::zip(s.sources, s.accesses)) {
    if (access == Access::Full)
      sweep.inputs.push_back({k.at(source, element), true, s.channels * s.gatherColumns});
    else
      sweep.inputs.push_back(
          {k.at(source, offsetOf(k, access, pixel, image, s.channels, first)), false, 0});
  }
  sweep.output = to;
  sweep.outputPitch = s.pitch;
  sweep.pixels = count;
  sweep.channels = s.count;
  sweep.random = {s.random.hyper, element};
  sweep.randomPitch = s.channels * s.gatherColumns;
  emitSweep(k, sweep);
}

/// One row without spread: zeros, a run of pixels, zeros.
static void emitDenseRow(KernelEmitter &k, const Strip &s, TypedPointer to, Value image, Value row,
                         Value channelShift) {
  // Columns [low, high) of the strip lie inside the source.
  int64_t low =
      std::clamp<int64_t>((s.padLeft + s.gatherColumns - 1) / s.gatherColumns, 0, s.columns);
  int64_t high =
      std::clamp<int64_t>((s.width - 1 + s.padLeft) / s.gatherColumns + 1, low, s.columns);
  if (s.padLeft < 0)
    low = 0;
  k.fillZero(to, low * s.pitch);
  if (high > low)
    emitRun(k, s, k.at(to, low * s.pitch), image, row, k.c(low * s.gatherColumns - s.padLeft),
            k.c(high - low), channelShift);
  k.fillZero(k.at(to, high * s.pitch), (s.columns - high) * s.pitch);
}

/// One row with zeros between pixels.
static void emitSpreadRow(KernelEmitter &k, const Strip &s, TypedPointer to, Value image, Value row,
                          Value channelShift) {
  k.fillZero(to, s.columns * s.pitch);
  // Source columns j with 0 <= j * spread + padLeft < columns.
  int64_t low = s.padLeft >= 0 ? 0 : (-s.padLeft + s.spreadColumns - 1) / s.spreadColumns;
  int64_t room = s.columns - 1 - s.padLeft;
  int64_t high = std::min(s.width, room < 0 ? 0 : room / s.spreadColumns + 1);
  k.loop(low, high, 1, [&](Value column) {
    Value at = k.mul(k.add(k.mul(column, s.spreadColumns), s.padLeft), s.pitch);
    emitRun(k, s, k.at(to, at), image, row, column, k.c(1), channelShift);
  });
}

void netc::cpu::emitStrip(KernelEmitter &k, const Strip &s, TypedPointer to, Value image,
                          Value firstRow, Value rows, Value channelShift) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer out = k.at(to, k.mul(r, s.columns * s.pitch));
    Value row = k.add(k.mul(k.add(firstRow, r), s.gather), -s.padTop);
    if (s.spread == 1 && s.spreadColumns == 1) {
      Value inside = k.both(k.less(k.c(-1), row), k.less(row, k.c(s.height)));
      k.choose(
          inside,
          [&] {
            if (s.isPadded)
              k.fillZero(out, k.c(s.columns * s.pitch));
            emitDenseRow(k, s, out, image, row, channelShift);
          },
          [&] { k.fillZero(out, k.c(s.columns * s.pitch)); });
      return;
    }
    // Between source rows lie spread - 1 rows of zeros. Unsigned division needs row >= 0 first.
    Value positive = k.max(row, k.c(0));
    Value source = k.div(positive, s.spread);
    Value onRow = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq,
                                        k.rem(positive, s.spread), k.c(0));
    Value inside = k.both(k.both(k.less(k.c(-1), row), onRow), k.less(source, k.c(s.height)));
    k.choose(
        inside, [&] { emitSpreadRow(k, s, out, image, source, channelShift); },
        [&] { k.fillZero(out, k.c(s.columns * s.pitch)); });
  });
}
