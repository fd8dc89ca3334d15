//===- Attention.cpp - softmax(q k^T) v in blocks on the CPU --------------===//
//
// Scores are never stored: an item is a block of rows of one matrix, which walks over the other
// side in blocks with a running maximum and sum (Dao, Fu, Ermon, Rudra, Ré 2022). The backward pass
// computes the scores again from the logarithm of each row's sum: once with rows of queries for
// their gradient, once with rows of keys for those of keys and values, so that every sum has an
// order of its own that does not depend on threads.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Lanes.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
/// Elements row * rowPitch + column * columnPitch from a pointer.
struct Matrix {
  TypedPointer pointer;
  int64_t rowPitch, columnPitch;
};

/// A block of rows against a block of the other side.
class Blocks {
public:
  explicit Blocks(KernelEmitter &k)
      : k(k), step((k.lanes >= 16 ? 4 : 2) * k.lanes), columns(step), valid(step) {}

  /// Calls body(first) for each block of the other side, with `columns` and `valid` set.
  void overBlocks(int64_t count, llvm::function_ref<void(Value)> body);
  void turn(TypedPointer from, TypedPointer to, int64_t width);
  /// out [rows, columns] = left [rows, depth] right [depth, columns], or added to what is there.
  void product(Matrix left, Matrix right, Matrix out, Value rows, int64_t columns, Value depth,
               bool add);
  /// Calls body(column, valid lanes) and adds up what it yields.
  Value sumOver(int64_t columns, llvm::function_ref<Value(Value, int64_t)> term);
  Value exp(Value x) { return math::ExpOp::create(k.b, k.loc, x); }
  /// A row of a block of scores: the offset of each of its vectors from the row's first element.
  void overStep(llvm::function_ref<void(int64_t)> body) {
    for (int64_t i = 0; i < columns; i += k.lanes)
      body(i);
  }
  /// Lanes from `offset` on as far as the block's columns are valid; zero beyond.
  Value keep(Value vector, int64_t offset) {
    return offset + k.lanes <= valid ? vector : k.keepLanes(vector, k.c(valid - offset));
  }

  KernelEmitter &k;
  const int64_t step; ///< columns of a whole block of scores, and elements between its rows
  int64_t columns;    ///< of the block at hand, whole vectors
  int64_t valid;      ///< those of them that there are

private:
  void tile(Matrix left, Matrix right, Matrix out, Value first, Value rows, Value column,
            ArrayRef<int64_t> valid, Value depth, int64_t tileRows, bool add);
};
} // namespace

void Blocks::overBlocks(int64_t count, llvm::function_ref<void(Value)> body) {
  int64_t whole = count / step * step, rest = count - whole;
  if (whole)
    k.loop(0, whole, step, [&](Value first) { body(first); });
  if (rest) {
    columns = (rest + k.lanes - 1) / k.lanes * k.lanes, valid = rest;
    body(k.c(whole));
    columns = valid = step;
  }
}

/// [valid, width] as [width, columns]; columns beyond the last repeat it.
void Blocks::turn(TypedPointer from, TypedPointer to, int64_t width) {
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
void Blocks::tile(Matrix left, Matrix right, Matrix out, Value first, Value rows, Value column,
                  ArrayRef<int64_t> valid, Value depth, int64_t tileRows, bool add) {
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

void Blocks::product(Matrix left, Matrix right, Matrix out, Value rows, int64_t columns,
                     Value depth, bool add) {
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

Value Blocks::sumOver(int64_t columns, llvm::function_ref<Value(Value, int64_t)> term) {
  int64_t whole = columns / k.lanes * k.lanes;
  Value sum = k.reduce(k.c(0), k.c(whole), k.lanes, k.zeros(), [&](Value i, ValueRange acc) {
    return Values{k.fadd(acc[0], term(i, k.lanes))};
  })[0];
  if (whole < columns)
    sum = k.fadd(sum, term(k.c(whole), columns - whole));
  return vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, sum);
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

namespace {
class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &k, kern::AttentionOp op, const Launch &launch)
      : k(k), blocks(k), op(op), launch(launch), queries(static_cast<int64_t>(op.getQueries())),
        keys(static_cast<int64_t>(op.getKeys())), depth(static_cast<int64_t>(op.getDepth())),
        width(static_cast<int64_t>(op.getWidth())) {
    turned = launch.scratch;
    constexpr int64_t rows = kern::AttentionOp::kRows;
    scores = k.at(turned, depth * blocks.step);
    maxima = k.at(scores, rows * blocks.step);
    sums = k.at(maxima, rows * k.lanes);
    k.reserveScratch((depth + rows) * blocks.step + 2 * rows * k.lanes, 64);
  }
  void emit();

private:
  void addBias(Value matrix, Value first, Value rows, Value key);
  void softmax(Value rows, TypedPointer out);
  void finish(Value rows, TypedPointer out, TypedPointer logarithms);
  TypedPointer at(int64_t buffer, Value offset) { return k.at(launch.buffers[buffer], offset); }

  KernelEmitter &k;
  Blocks blocks;
  kern::AttentionOp op;
  const Launch &launch;
  int64_t queries, keys, depth, width;
  TypedPointer turned, scores, maxima, sums; ///< of the last two a vector per row
};
} // namespace

/// Starts a block of scores with the bias, minus infinity in columns that there are not.
void AttentionEmitter::addBias(Value matrix, Value first, Value rows, Value key) {
  auto biases = static_cast<int64_t>(op.getBiases());
  auto matrices = static_cast<int64_t>(op.getMatrices());
  Value image = k.div(matrix, matrices), own = k.rem(k.rem(matrix, matrices), biases);
  Value row = k.add(k.mul(k.add(k.mul(image, biases), own), queries), first);
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer to = k.at(scores, k.mul(r, blocks.step));
    blocks.overStep([&](int64_t i) {
      k.storeVector(k.splat(-std::numeric_limits<double>::infinity()), k.at(to, i));
    });
    k.copy(to, at(3, k.add(k.mul(k.add(row, r), keys), key)), k.c(blocks.valid));
  });
}

/// Scores to exp(score - maximum so far); what was summed before shrinks as the maximum grows.
void AttentionEmitter::softmax(Value rows, TypedPointer out) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer row = k.at(scores, k.mul(r, blocks.step)), result = k.at(out, k.mul(r, width));
    TypedPointer largest = k.at(maxima, k.mul(r, k.lanes)), sum = k.at(sums, k.mul(r, k.lanes));
    Value before = k.loadVector(largest), maximum = before;
    blocks.overStep([&](int64_t i) { maximum = larger(k, maximum, k.loadVector(k.at(row, i))); });
    maximum = largestLane(k, maximum);
    Value factor = blocks.exp(k.fsub(before, maximum)), total = k.fmul(k.loadVector(sum), factor);
    blocks.overStep([&](int64_t i) {
      Value p = blocks.exp(k.fsub(k.loadVector(k.at(row, i)), maximum));
      p = blocks.keep(p, i);
      k.storeVector(p, k.at(row, i));
      total = k.fadd(total, p);
    });
    k.storeVector(total, sum);
    k.storeVector(maximum, largest);
    k.overChannels(width, [&](Value i, int64_t valid) {
      Value v = k.fmul(k.loadVector(k.at(result, i), valid), factor);
      k.storeVector(v, k.at(result, i), valid);
    });
  });
}

void AttentionEmitter::finish(Value rows, TypedPointer out, TypedPointer logarithms) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer result = k.at(out, k.mul(r, width));
    Value sum = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD,
                                            k.loadVector(k.at(sums, k.mul(r, k.lanes))));
    Value inverse = k.splat(k.fdiv(k.number(1), sum));
    k.overChannels(width, [&](Value i, int64_t valid) {
      Value v = k.fmul(k.loadVector(k.at(result, i), valid), inverse);
      k.storeVector(v, k.at(result, i), valid);
    });
    Value log = math::LogOp::create(k.b, k.loc, sum);
    k.store(k.fadd(k.load(k.at(maxima, k.mul(r, k.lanes))), log), k.at(logarithms, r));
  });
}

void AttentionEmitter::emit() {
  int64_t last = static_cast<int64_t>(launch.buffers.size()) - 1;
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value matrix = k.div(item, op.getRowBlocks());
    Value first = k.mul(k.rem(item, op.getRowBlocks()), kern::AttentionOp::kRows);
    Value rows = k.min(k.sub(k.c(queries), first), k.c(kern::AttentionOp::kRows));
    Value row = k.add(k.mul(matrix, queries), first), key = k.mul(matrix, keys);
    TypedPointer out = at(last - 1, k.mul(row, width));
    k.fillZero(out, k.mul(rows, width));
    k.fillZero(sums, k.mul(rows, k.lanes));
    k.loop(k.c(0), rows, 1, [&](Value r) {
      k.storeVector(k.splat(static_cast<double>(std::numeric_limits<float>::lowest())),
                    k.at(maxima, k.mul(r, k.lanes)));
    });
    blocks.overBlocks(keys, [&](Value block) {
      blocks.turn(at(1, k.mul(k.add(key, block), depth)), turned, depth);
      bool biased = op.getBiases() > 0;
      if (biased)
        addBias(matrix, first, rows, block);
      blocks.product({at(0, k.mul(row, depth)), depth, 1}, {turned, blocks.step, 1},
                     {scores, blocks.step, 1}, rows, blocks.columns, k.c(depth), biased);
      softmax(rows, out);
      blocks.product({scores, blocks.step, 1}, {at(2, k.mul(k.add(key, block), width)), width, 1},
                     {out, width, 1}, rows, width, k.c(blocks.valid), true);
    });
    finish(rows, out, at(last, row));
  });
}

void netc::cpu::emitAttention(KernelEmitter &k, kern::AttentionOp op, const Launch &launch) {
  AttentionEmitter(k, op, launch).emit();
}

//===----------------------------------------------------------------------===//
// Backward
//===----------------------------------------------------------------------===//

namespace {
/// With s = q k^T, p = exp(s - logarithm), g the cotangent of the output o and d = sum(g o) of each
/// query: ds = p (g v^T - d), dq = ds k, dk = ds^T q, dv = p^T g.
class AttentionGradEmitter {
public:
  AttentionGradEmitter(KernelEmitter &k, kern::AttentionGradOp op, const Launch &launch)
      : k(k), blocks(k), op(op), launch(launch), queries(static_cast<int64_t>(op.getQueries())),
        keys(static_cast<int64_t>(op.getKeys())), depth(static_cast<int64_t>(op.getDepth())),
        width(static_cast<int64_t>(op.getWidth())) {
    constexpr int64_t rows = kern::AttentionGradOp::kRows;
    turned = launch.scratch;
    turnedValues = k.at(turned, depth * blocks.step);
    scores = k.at(turnedValues, width * blocks.step);
    slopes = k.at(scores, rows * blocks.step);
    logarithms = k.at(slopes, rows * blocks.step);
    shares = k.at(logarithms, rows + blocks.step);
    k.reserveScratch((depth + width + 2 * rows) * blocks.step + 2 * (rows + blocks.step), 64);
  }
  void emitQueries();
  void emitKeys();

private:
  void describeQueries(Value row, Value count);
  void slope(Value rows);
  TypedPointer at(int64_t buffer, Value offset) { return k.at(launch.buffers[buffer], offset); }

  KernelEmitter &k;
  Blocks blocks;
  kern::AttentionGradOp op;
  const Launch &launch;
  int64_t queries, keys, depth, width;
  /// Of the other side's block; of scores and their gradients; of queries.
  TypedPointer turned, turnedValues, scores, slopes, logarithms, shares;
};
} // namespace

/// The logarithm and sum(g o) of `count` queries from `row` on.
void AttentionGradEmitter::describeQueries(Value row, Value count) {
  k.copy(logarithms, at(4, row), count);
  k.loop(k.c(0), count, 1, [&](Value r) {
    TypedPointer o = at(3, k.mul(k.add(row, r), width)), g = at(5, k.mul(k.add(row, r), width));
    Value share = blocks.sumOver(width, [&](Value i, int64_t valid) {
      return k.fmul(k.loadVector(k.at(g, i), valid), k.loadVector(k.at(o, i), valid));
    });
    k.store(share, k.at(shares, r));
  });
}

/// Scores to probabilities, and g v^T to gradients of scores. Queries are rows or, where rows are
/// keys, columns.
void AttentionGradEmitter::slope(Value rows) {
  bool ofKeys = op.getOfKeys();
  k.loop(k.c(0), rows, 1, [&](Value r) {
    Value place = k.mul(r, blocks.step), log, share;
    if (!ofKeys) {
      log = k.splat(k.load(k.at(logarithms, r)));
      share = k.splat(k.load(k.at(shares, r)));
    }
    blocks.overStep([&](int64_t i) {
      TypedPointer score = k.at(scores, k.add(place, i)), slope = k.at(slopes, k.add(place, i));
      if (ofKeys) {
        log = k.loadVector(k.at(logarithms, i));
        share = k.loadVector(k.at(shares, i));
      }
      Value p = blocks.keep(blocks.exp(k.fsub(k.loadVector(score), log)), i);
      k.storeVector(p, score);
      Value s = k.fmul(p, k.fsub(k.loadVector(slope), share));
      k.storeVector(blocks.keep(s, i), slope);
    });
  });
}

void AttentionGradEmitter::emitQueries() {
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value matrix = k.div(item, op.getRowBlocks());
    Value first = k.mul(k.rem(item, op.getRowBlocks()), kern::AttentionGradOp::kRows);
    Value rows = k.min(k.sub(k.c(queries), first), k.c(kern::AttentionGradOp::kRows));
    Value row = k.add(k.mul(matrix, queries), first), key = k.mul(matrix, keys);
    TypedPointer out = at(6, k.mul(row, depth));
    k.fillZero(out, k.mul(rows, depth));
    describeQueries(row, rows);
    blocks.overBlocks(keys, [&](Value block) {
      Value other = k.add(key, block), count = k.c(blocks.valid);
      blocks.turn(at(1, k.mul(other, depth)), turned, depth);
      blocks.turn(at(2, k.mul(other, width)), turnedValues, width);
      blocks.product({at(0, k.mul(row, depth)), depth, 1}, {turned, blocks.step, 1},
                     {scores, blocks.step, 1}, rows, blocks.columns, k.c(depth), false);
      blocks.product({at(5, k.mul(row, width)), width, 1}, {turnedValues, blocks.step, 1},
                     {slopes, blocks.step, 1}, rows, blocks.columns, k.c(width), false);
      slope(rows);
      blocks.product({slopes, blocks.step, 1}, {at(1, k.mul(other, depth)), depth, 1},
                     {out, depth, 1}, rows, depth, count, true);
    });
  });
}

void AttentionGradEmitter::emitKeys() {
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value matrix = k.div(item, op.getRowBlocks());
    Value first = k.mul(k.rem(item, op.getRowBlocks()), kern::AttentionGradOp::kRows);
    Value rows = k.min(k.sub(k.c(keys), first), k.c(kern::AttentionGradOp::kRows));
    Value key = k.add(k.mul(matrix, keys), first), query = k.mul(matrix, queries);
    TypedPointer keyOut = at(6, k.mul(key, depth)), valueOut = at(7, k.mul(key, width));
    k.fillZero(keyOut, k.mul(rows, depth));
    k.fillZero(valueOut, k.mul(rows, width));
    // Lanes beyond a block's queries are read as numbers, and their results dropped.
    k.fillZero(logarithms, k.c(blocks.step));
    k.fillZero(shares, k.c(blocks.step));
    blocks.overBlocks(queries, [&](Value block) {
      Value other = k.add(query, block), count = k.c(blocks.valid);
      describeQueries(other, count);
      blocks.turn(at(0, k.mul(other, depth)), turned, depth);
      blocks.turn(at(5, k.mul(other, width)), turnedValues, width);
      blocks.product({at(1, k.mul(key, depth)), depth, 1}, {turned, blocks.step, 1},
                     {scores, blocks.step, 1}, rows, blocks.columns, k.c(depth), false);
      blocks.product({at(2, k.mul(key, width)), width, 1}, {turnedValues, blocks.step, 1},
                     {slopes, blocks.step, 1}, rows, blocks.columns, k.c(width), false);
      slope(rows);
      blocks.product({scores, blocks.step, 1}, {at(5, k.mul(other, width)), width, 1},
                     {valueOut, width, 1}, rows, width, count, true);
      blocks.product({slopes, blocks.step, 1}, {at(0, k.mul(other, depth)), depth, 1},
                     {keyOut, depth, 1}, rows, depth, count, true);
    });
  });
}

void netc::cpu::emitAttentionGrad(KernelEmitter &k, kern::AttentionGradOp op,
                                  const Launch &launch) {
  AttentionGradEmitter emitter(k, op, launch);
  op.getOfKeys() ? emitter.emitKeys() : emitter.emitQueries();
}
