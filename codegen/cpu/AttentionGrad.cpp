//===- AttentionGrad.cpp - gradients of attention on the CPU --------------===//
//
// Scores are computed again from the logarithm of each row's sum: once with rows of queries for
// their gradient, once with rows of keys for those of keys and values, so that every sum has an
// order of its own that does not depend on threads. A bias's gradient is the sum over the matrices
// that share the bias: the item that has a block of its rows walks through them.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/AttentionBlocks.h"
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

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
    deepSums = k.at(shares, rows + blocks.step);
    wideSums = k.at(deepSums, rows * depth);
    k.reserveScratch((depth + width + 2 * rows) * blocks.step + 2 * (rows + blocks.step) +
                         rows * (depth + width),
                     64);
  }
  void emitQueries();
  void emitKeys();

private:
  void describeQueries(Value row, Value count);
  void slope(Value rows);
  void queriesOf(Value matrix, Value first, Value rows);
  void addToBias(Value row, Value rows, Value key);
  /// The first element of matrix number `matrix`'s bias, in a buffer of those of all images.
  Value biasOf(Value matrix) {
    auto biases = static_cast<int64_t>(op.getBiases());
    auto matrices = static_cast<int64_t>(op.getMatrices());
    Value image = k.div(matrix, matrices), own = k.rem(k.rem(matrix, matrices), biases);
    return k.mul(k.add(k.mul(image, biases), own), queries * keys);
  }
  /// Result number `index`.
  TypedPointer out(int64_t index, Value offset) {
    return at(static_cast<int64_t>(op.getInputs().size()) + index, offset);
  }
  TypedPointer at(int64_t buffer, Value offset) { return k.at(launch.buffers[buffer], offset); }

  KernelEmitter &k;
  AttentionBlocks blocks;
  kern::AttentionGradOp op;
  const Launch &launch;
  int64_t queries, keys, depth, width;
  /// Of the other side's block; of scores and their gradients; of queries.
  TypedPointer turned, turnedValues, scores, slopes, logarithms, shares;
  TypedPointer deepSums, wideSums; ///< of results that are not stored as f32
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

/// Adds gradients of a block of scores to those of the bias, whose place `row` begins.
void AttentionGradEmitter::addToBias(Value row, Value rows, Value key) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer from = k.at(slopes, k.mul(r, blocks.step)),
                 to = out(1, k.add(row, k.add(k.mul(r, keys), key)));
    k.overChannels(blocks.valid, [&](Value i, int64_t lanes) {
      Value sum = k.fadd(k.loadVector(k.at(to, i), lanes), k.loadVector(k.at(from, i), lanes));
      k.storeVector(sum, k.at(to, i), lanes);
    });
  });
}

/// The gradient of queries [first, first + rows) of one matrix.
void AttentionGradEmitter::queriesOf(Value matrix, Value first, Value rows) {
  Value row = k.add(k.mul(matrix, queries), first), key = k.mul(matrix, keys);
  TypedPointer stored = out(0, k.mul(row, depth)), sums = blocks.sumsOf(stored, deepSums);
  bool biased = op.getBiases() > 0;
  Value bias = biased ? k.add(biasOf(matrix), k.mul(first, keys)) : Value();
  k.fillZero(sums, k.mul(rows, depth));
  describeQueries(row, rows);
  blocks.overBlocks(keys, [&](Value block) {
    Value other = k.add(key, block), count = k.c(blocks.valid);
    blocks.turn(at(1, k.mul(other, depth)), turned, depth);
    blocks.turn(at(2, k.mul(other, width)), turnedValues, width);
    if (biased)
      blocks.startWith(at(6, k.add(bias, block)), keys, scores, rows);
    blocks.product({at(0, k.mul(row, depth)), depth, 1}, {turned, blocks.step, 1},
                   {scores, blocks.step, 1}, rows, blocks.columns, k.c(depth), biased);
    blocks.product({at(5, k.mul(row, width)), width, 1}, {turnedValues, blocks.step, 1},
                   {slopes, blocks.step, 1}, rows, blocks.columns, k.c(width), false);
    slope(rows);
    if (biased)
      addToBias(bias, rows, block);
    blocks.product({slopes, blocks.step, 1}, {at(1, k.mul(other, depth)), depth, 1},
                   {sums, depth, 1}, rows, depth, count, true);
  });
  blocks.storeSums(sums, stored, rows, depth);
}

void AttentionGradEmitter::emitQueries() {
  auto biases = static_cast<int64_t>(op.getBiases());
  int64_t repeats = op.getMatricesOfItem();
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value group = k.div(item, op.getRowBlocks());
    Value first = k.mul(k.rem(item, op.getRowBlocks()), kern::AttentionGradOp::kRows);
    Value rows = k.min(k.sub(k.c(queries), first), k.c(kern::AttentionGradOp::kRows));
    if (!biases)
      return queriesOf(group, first, rows);
    // Of an image, every biases-th matrix from the group's on; their sum is the bias's gradient.
    Value image = k.div(group, biases), own = k.rem(group, biases);
    Value matrix = k.add(k.mul(image, static_cast<int64_t>(op.getMatrices())), own);
    k.fillZero(out(1, k.add(biasOf(matrix), k.mul(first, keys))), k.mul(rows, keys));
    k.loop(0, repeats, 1,
           [&](Value repeat) { queriesOf(k.add(matrix, k.mul(repeat, biases)), first, rows); });
  });
}

void AttentionGradEmitter::emitKeys() {
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value matrix = k.div(item, op.getRowBlocks());
    Value first = k.mul(k.rem(item, op.getRowBlocks()), kern::AttentionGradOp::kRows);
    Value rows = k.min(k.sub(k.c(keys), first), k.c(kern::AttentionGradOp::kRows));
    Value key = k.add(k.mul(matrix, keys), first), query = k.mul(matrix, queries);
    TypedPointer keyStored = out(0, k.mul(key, depth)), valueStored = out(1, k.mul(key, width));
    TypedPointer keyOut = blocks.sumsOf(keyStored, deepSums),
                 valueOut = blocks.sumsOf(valueStored, wideSums);
    bool biased = op.getBiases() > 0;
    Value bias = biased ? k.add(biasOf(matrix), first) : Value();
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
      if (biased)
        blocks.startWithTurned(at(6, k.add(bias, k.mul(block, keys))), keys, scores, rows);
      blocks.product({at(1, k.mul(key, depth)), depth, 1}, {turned, blocks.step, 1},
                     {scores, blocks.step, 1}, rows, blocks.columns, k.c(depth), biased);
      blocks.product({at(2, k.mul(key, width)), width, 1}, {turnedValues, blocks.step, 1},
                     {slopes, blocks.step, 1}, rows, blocks.columns, k.c(width), false);
      slope(rows);
      blocks.product({scores, blocks.step, 1}, {at(5, k.mul(other, width)), width, 1},
                     {valueOut, width, 1}, rows, width, count, true);
      blocks.product({slopes, blocks.step, 1}, {at(0, k.mul(other, depth)), depth, 1},
                     {keyOut, depth, 1}, rows, depth, count, true);
    });
    blocks.storeSums(keyOut, keyStored, rows, depth);
    blocks.storeSums(valueOut, valueStored, rows, width);
  });
}

void netc::cpu::emitAttentionGrad(KernelEmitter &k, kern::AttentionGradOp op,
                                  const Launch &launch) {
  AttentionGradEmitter emitter(k, op, launch);
  op.getOfKeys() ? emitter.emitKeys() : emitter.emitQueries();
}
