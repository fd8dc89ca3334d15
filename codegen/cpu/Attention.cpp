//===- Attention.cpp - softmax(q k^T) v in blocks on the CPU --------------===//
//
// Scores are never stored: an item is a block of rows of one matrix, which walks over the other
// side in blocks with a running maximum and sum (Dao, Fu, Ermon, Rudra, Ré 2022).
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/AttentionBlocks.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Lanes.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

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
    wide = k.at(sums, rows * k.lanes);
    k.reserveScratch((depth + rows) * blocks.step + rows * (2 * k.lanes + width), 64);
  }
  void emit();

private:
  void addBias(Value matrix, Value first, Value rows, Value key);
  void softmax(Value rows, TypedPointer out);
  void finish(Value rows, TypedPointer out, TypedPointer stored, TypedPointer logarithms);
  TypedPointer at(int64_t buffer, Value offset) { return k.at(launch.buffers[buffer], offset); }

  KernelEmitter &k;
  AttentionBlocks blocks;
  kern::AttentionOp op;
  const Launch &launch;
  int64_t queries, keys, depth, width;
  TypedPointer turned, scores, maxima, sums; ///< of the last two a vector per row
  TypedPointer wide;                         ///< sums of results that are not stored as f32
};
} // namespace

/// Starts a block of scores with the bias.
void AttentionEmitter::addBias(Value matrix, Value first, Value rows, Value key) {
  auto biases = static_cast<int64_t>(op.getBiases());
  auto matrices = static_cast<int64_t>(op.getMatrices());
  Value image = k.div(matrix, matrices), own = k.rem(k.rem(matrix, matrices), biases);
  Value row = k.add(k.mul(k.add(k.mul(image, biases), own), queries), first);
  blocks.startWith(at(3, k.add(k.mul(row, keys), key)), keys, scores, rows);
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

void AttentionEmitter::finish(Value rows, TypedPointer out, TypedPointer stored,
                              TypedPointer logarithms) {
  k.loop(k.c(0), rows, 1, [&](Value r) {
    TypedPointer result = k.at(out, k.mul(r, width)), to = k.at(stored, k.mul(r, width));
    Value sum = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD,
                                            k.loadVector(k.at(sums, k.mul(r, k.lanes))));
    Value inverse = k.splat(k.fdiv(k.number(1), sum));
    k.overChannels(width, [&](Value i, int64_t valid) {
      Value v = k.fmul(k.loadVector(k.at(result, i), valid), inverse);
      k.storeVector(v, k.at(to, i), valid);
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
    TypedPointer stored = at(last - 1, k.mul(row, width)), out = blocks.sumsOf(stored, wide);
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
    finish(rows, out, stored, at(last, row));
  });
}

void netc::cpu::emitAttention(KernelEmitter &k, kern::AttentionOp op, const Launch &launch) {
  AttentionEmitter(k, op, launch).emit();
}
