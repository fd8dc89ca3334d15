//===- AttentionBlocks.cpp - blocks of an attention's scores --------------===//
#include "codegen/cpu/AttentionBlocks.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

void AttentionBlocks::overBlocks(int64_t count, llvm::function_ref<void(Value)> body) {
  int64_t whole = count / step * step, rest = count - whole;
  if (whole)
    k.loop(0, whole, step, [&](Value first) { body(first); });
  if (rest) {
    columns = (rest + k.lanes - 1) / k.lanes * k.lanes, valid = rest;
    body(k.c(whole));
    columns = valid = step;
  }
}

void AttentionBlocks::startWith(TypedPointer bias, int64_t pitch, TypedPointer scores, Value rows) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer from = k.at(bias, k.mul(r, pitch)), to = k.at(scores, k.mul(r, step));
    overStep([&](int64_t i) {
      k.storeVector(k.splat(-std::numeric_limits<double>::infinity()), k.at(to, i));
    });
    k.overChannels(valid, [&](Value i, int64_t lanes) {
      k.storeVector(k.loadVector(k.at(from, i), lanes), k.at(to, i), lanes);
    });
  });
}

void AttentionBlocks::startWithTurned(TypedPointer bias, int64_t pitch, TypedPointer scores,
                                      Value rows) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer from = k.at(bias, r), to = k.at(scores, k.mul(r, step));
    overStep([&](int64_t i) { k.storeVector(k.zeros(), k.at(to, i)); });
    k.loop(0, valid, 1,
           [&](Value i) { k.store(k.load(k.at(from, k.mul(i, pitch))), k.at(to, i)); });
  });
}

void AttentionBlocks::storeSums(TypedPointer sums, TypedPointer buffer, Value rows, int64_t width) {
  if (buffer.element.isF32())
    return;
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer from = k.at(sums, k.mul(r, width)), to = k.at(buffer, k.mul(r, width));
    k.overChannels(width, [&](Value i, int64_t lanes) {
      k.storeVector(k.loadVector(k.at(from, i), lanes), k.at(to, i), lanes);
    });
  });
}

/// [valid, width] as [width, columns]; columns beyond the last repeat it.
void AttentionBlocks::turn(TypedPointer from, TypedPointer to, int64_t width) {
  k.loop(0, columns, k.lanes, [&](Value column) {
    k.overChannels(width, [&](Value first, int64_t lanes) {
      Values vectors;
      for (int64_t i = 0; i < k.lanes; ++i) {
        Value row = k.min(k.add(column, i), k.c(valid - 1));
        vectors.push_back(k.loadVector(k.at(from, k.add(k.mul(row, width), first)), lanes));
      }
      vectors = k.transpose(vectors);
      for (int64_t i = 0; i < lanes; ++i)
        k.storeVector(vectors[i], k.at(to, k.add(k.mul(k.add(first, i), step), column)));
    });
  });
}

/// Rows [first, first + tileRows); those beyond the last are computed as the last one, again.
void AttentionBlocks::tile(AttentionMatrix left, AttentionMatrix right, AttentionMatrix out,
                           Value first, Value rows, Value column, ArrayRef<int64_t> valid,
                           Value depth, int64_t tileRows, bool add) {
  SmallVector<Value> place;
  for (int64_t r = 0; r < tileRows; ++r)
    place.push_back(k.min(k.add(first, r), k.add(rows, -1)));
  auto vectors = static_cast<int64_t>(valid.size());
  auto target = [&](int64_t r, int64_t v) {
    return k.at(out.pointer, k.add(k.mul(place[r], out.rowPitch), k.add(column, v * k.lanes)));
  };
  Values sums;
  for (int64_t r = 0; r < tileRows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      sums.push_back(add ? k.loadVector(target(r, v), valid[v]) : k.zeros());
  sums = k.reduce(k.c(0), depth, 1, sums, [&](Value d, ValueRange acc) {
    Values loaded, next;
    TypedPointer from = k.at(right.pointer, k.add(k.mul(d, right.rowPitch), column));
    for (int64_t v = 0; v < vectors; ++v)
      loaded.push_back(k.loadVector(k.at(from, v * k.lanes), valid[v]));
    for (int64_t r = 0; r < tileRows; ++r) {
      Value at = k.add(k.mul(place[r], left.rowPitch), k.mul(d, left.columnPitch));
      Value x = k.splat(k.load(k.at(left.pointer, at)));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(k.fma(x, loaded[v], acc[r * vectors + v]));
    }
    return next;
  });
  for (int64_t r = 0; r < tileRows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      k.storeVector(sums[r * vectors + v], target(r, v), valid[v]);
}

void AttentionBlocks::product(AttentionMatrix left, AttentionMatrix right, AttentionMatrix out,
                              Value rows, int64_t columns, Value depth, bool add) {
  bool wide = k.lanes >= 16; // of 32 registers, else of 16
  int64_t all = (columns + k.lanes - 1) / k.lanes, most = wide ? 4 : 2;
  int64_t vectors = std::min(all, all % 3 == 0 && wide ? 3 : most);
  int64_t width = vectors * k.lanes, whole = columns / width * width;
  auto overRows = [&](Value column, ArrayRef<int64_t> valid) {
    int64_t tileRows = std::min<int64_t>((wide ? 24 : 8) / static_cast<int64_t>(valid.size()), 8);
    k.loop(k.c(0), rows, tileRows, [&](Value row) {
      tile(left, right, out, row, rows, column, valid, depth, tileRows, add);
    });
  };
  SmallVector<int64_t> full(vectors, k.lanes), tail;
  for (int64_t rest = columns - whole; rest > 0; rest -= k.lanes)
    tail.push_back(std::min(rest, k.lanes));
  if (whole)
    k.loop(0, whole, width, [&](Value column) { overRows(column, full); });
  if (!tail.empty())
    overRows(k.c(whole), tail);
}

Value AttentionBlocks::sumOver(int64_t columns, llvm::function_ref<Value(Value, int64_t)> term) {
  int64_t whole = columns / k.lanes * k.lanes;
  Value sum = k.reduce(k.c(0), k.c(whole), k.lanes, k.zeros(), [&](Value i, ValueRange acc) {
    return Values{k.fadd(acc[0], term(i, k.lanes))};
  })[0];
  if (whole < columns)
    sum = k.fadd(sum, term(k.c(whole), columns - whole));
  return vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, sum);
}

Value AttentionBlocks::exp(Value x) { return math::ExpOp::create(k.b, k.loc, x); }
