//===- GpuAttention.cpp - softmax(q k^T) v in blocks on the GPU -----------===//
//
// A block of threads has 64 queries of one matrix and walks over the keys with a running maximum
// and sum of each query (Dao, Fu, Ermon, Rudra, Ré 2022), as on the CPU: scores are registers, and
// probabilities pass through shared memory as operands of the second product.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuAttention.h"

#include "codegen/cuda/GpuKernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

//===----------------------------------------------------------------------===//
// Both directions
//===----------------------------------------------------------------------===//

Value AttentionBlock::exp(Value x) { return math::ExpOp::create(k.b, k.loc, x); }

/// Stage by stage, as they lie in shared memory.
void AttentionBlock::bringRows(const GpuMatrix &from, Value first, TypedPointer to) {
  for (int64_t stage = 0; stage < stages(from.columns); ++stage) {
    MatrixPart part{from, first, k.c(stage * schedule.getDepth()), rows(), schedule.getDepth(),
                    false};
    TypedPointer tile = k.at(to, stage * scores.aElements());
    storePart(k, scores, part, loadPart(k, part),
              [&](Value r, Value c) { return scores.placeOfA(tile, r, c); });
  }
}

void AttentionBlock::bringTurned(const GpuMatrix &from, Value first, TypedPointer to) {
  MatrixPart part{from, first, k.c(0), columns(), deep(from.columns), true};
  storePart(k, scores, part, loadPart(k, part),
            [&](Value r, Value c) { return scores.placeOfB(to, c, r); });
}

void AttentionBlock::bringStraight(const GpuMatrix &from, Value first, TypedPointer to) {
  GpuTile tile = resultTile(from.columns);
  MatrixPart part{from, first, k.c(0), columns(), wide(from.columns), false};
  storePart(k, tile, part, loadPart(k, part),
            [&](Value r, Value c) { return tile.placeOfB(to, r, c); });
}

void AttentionBlock::storeScores(ValueRange values, TypedPointer to) {
  int64_t depth = schedule.getDepth();
  for (const Fragment &fragment : scores.fragments(values)) {
    Value stage = k.div(fragment.column, depth);
    TypedPointer tile = k.at(to, k.mul(stage, scores.aElements()));
    k.storeChunk(asOperands(k, scores, fragment.values),
                 scores.placeOfA(tile, fragment.row, k.rem(fragment.column, depth)));
  }
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

namespace {
class AttentionEmitter {
public:
  AttentionEmitter(GpuEmitter &k, kern::AttentionOp op, const Launch &launch)
      : k(k), launch(launch),
        shape{static_cast<int64_t>(op.getMatrices()), static_cast<int64_t>(op.getBiases()),
              static_cast<int64_t>(op.getQueries()),  static_cast<int64_t>(op.getKeys()),
              static_cast<int64_t>(op.getDepth()),    static_cast<int64_t>(op.getWidth())},
        block(k, op.getGpuAttr(), shape), result(block.resultTile(shape.width)) {}
  void emit();

private:
  /// What a walk over the keys carries: sums of the result, then of each of the thread's rows the
  /// maximum so far and this thread's part of the sum.
  struct Walk {
    Values result, maxima, sums;
  };
  Walk split(ValueRange carried) const;
  Values keysOf(Value first, Walk walk);
  void addBias(Value key, MutableArrayRef<Value> scores);
  void softmax(Value key, MutableArrayRef<Value> scores, Walk &walk);
  void finish(Walk walk);
  Value larger(Value x, Value y) {
    return k.select(arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGE, x, y), x, y);
  }

  GpuEmitter &k;
  const Launch &launch;
  AttentionShape shape;
  AttentionBlock block;
  GpuTile result;
  Value matrix, firstQuery;
  TypedPointer queries, others, probabilities; ///< in shared memory
};
} // namespace

AttentionEmitter::Walk AttentionEmitter::split(ValueRange carried) const {
  auto rows = static_cast<size_t>(result.rowsOfThread()), sums = carried.size() - 2 * rows;
  return {Values(carried.take_front(sums)), Values(carried.slice(sums, rows)),
          Values(carried.take_back(rows))};
}

void AttentionEmitter::addBias(Value key, MutableArrayRef<Value> scores) {
  GpuMatrix bias = block.biasOf(launch.buffers[3], matrix);
  for (const Fragment &fragment : block.scores.fragments(scores)) {
    Values added = loadBeside(k, fragment, bias, firstQuery, key);
    for (auto [i, value] : llvm::enumerate(added))
      scores[fragment.first + i] = k.fadd(scores[fragment.first + i], value);
  }
}

/// Scores to exp(score - maximum so far); what was summed before shrinks as the maximum grows.
void AttentionEmitter::softmax(Value key, MutableArrayRef<Value> scores, Walk &walk) {
  SmallVector<Fragment> fragments = block.scores.fragments(scores);
  bool ragged = shape.keys % block.columns() != 0;
  auto isKey = [&](const Fragment &fragment, size_t i) -> Value {
    return ragged ? k.less(k.add(k.add(key, fragment.column), static_cast<int64_t>(i)), shape.keys)
                  : Value();
  };
  Values maxima = walk.maxima;
  for (const Fragment &fragment : fragments)
    for (auto [i, score] : llvm::enumerate(fragment.values)) {
      Value &maximum = maxima[fragment.rowIndex];
      Value valid = isKey(fragment, i), next = larger(maximum, score);
      maximum = valid ? k.select(valid, next, maximum) : next;
    }
  Values factors;
  for (auto [maximum, before, sum] : llvm::zip_equal(maxima, walk.maxima, walk.sums)) {
    maximum = result.acrossRow(maximum, [&](Value x, Value y) { return larger(x, y); });
    factors.push_back(block.exp(k.fsub(before, maximum)));
    sum = k.fmul(sum, factors.back());
  }
  walk.maxima = maxima;
  for (const Fragment &fragment : fragments)
    for (auto [i, score] : llvm::enumerate(fragment.values)) {
      Value p = block.exp(k.fsub(score, maxima[fragment.rowIndex]));
      if (Value valid = isKey(fragment, i))
        p = k.select(valid, p, k.number(0));
      scores[fragment.first + i] = p;
      walk.sums[fragment.rowIndex] = k.fadd(walk.sums[fragment.rowIndex], p);
    }
  for (const Fragment &fragment : result.fragments(walk.result))
    for (auto [i, value] : llvm::enumerate(fragment.values))
      walk.result[fragment.first + i] = k.fmul(value, factors[fragment.rowIndex]);
}

/// A block of keys from `first` on.
Values AttentionEmitter::keysOf(Value first, Walk walk) {
  block.bringTurned(block.matrixOf(launch.buffers[1], matrix, shape.keys, shape.depth), first,
                    others);
  k.barrier();
  Values scores = block.multiplyScores(queries, others, shape.depth);
  if (shape.biases)
    addBias(first, scores);
  k.barrier();
  block.bringStraight(block.matrixOf(launch.buffers[2], matrix, shape.keys, shape.width), first,
                      others);
  softmax(first, scores, walk);
  block.storeScores(scores, probabilities);
  k.barrier();
  Values next = block.multiplyResult(result, probabilities, others, walk.result);
  k.barrier();
  next.append(walk.maxima);
  next.append(walk.sums);
  return next;
}

void AttentionEmitter::finish(Walk walk) {
  auto last = launch.buffers.size() - 1;
  Values inverse, logarithms;
  for (auto [maximum, sum] : llvm::zip_equal(walk.maxima, walk.sums)) {
    Value whole = result.acrossRow(sum, [&](Value x, Value y) { return k.fadd(x, y); });
    inverse.push_back(k.fdiv(k.number(1), whole));
    logarithms.push_back(k.fadd(maximum, math::LogOp::create(k.b, k.loc, whole)));
  }
  SmallVector<Fragment> fragments = result.fragments(walk.result);
  GpuMatrix rows = block.matrixOf(launch.buffers[last], matrix, shape.queries, 1);
  for (Fragment &fragment : fragments) {
    for (Value &value : fragment.values)
      value = k.fmul(value, inverse[fragment.rowIndex]);
    if (fragment.columnIndex != 0)
      continue;
    // One of the threads that share a row has its first column.
    Value row = k.add(firstQuery, fragment.row);
    k.when(k.both(k.less(row, shape.queries), k.equal(fragment.column, 0)),
           [&] { k.store(logarithms[fragment.rowIndex], k.at(rows.pointer, row)); });
  }
  storeFragments(k, fragments,
                 block.matrixOf(launch.buffers[last - 1], matrix, shape.queries, shape.width),
                 firstQuery, k.c(0));
}

void AttentionEmitter::emit() {
  int64_t blocks = (shape.queries + block.rows() - 1) / block.rows();
  matrix = k.div(k.block(), blocks);
  firstQuery = k.mul(k.rem(k.block(), blocks), block.rows());
  queries = block.shared(block.rows() * block.deep(shape.depth));
  others =
      block.shared(block.columns() * std::max(block.deep(shape.depth), block.wide(shape.width)));
  probabilities = block.shared(block.rows() * block.columns());
  block.bringRows(block.matrixOf(launch.buffers[0], matrix, shape.queries, shape.depth), firstQuery,
                  queries);
  Values carried = result.zeros();
  carried.append(result.rowsOfThread(),
                 k.number(static_cast<double>(std::numeric_limits<float>::lowest())));
  carried.append(result.rowsOfThread(), k.number(0));
  Values done = k.reduce(k.c(0), k.c(shape.keys), block.columns(), carried,
                         [&](Value first, ValueRange now) { return keysOf(first, split(now)); });
  finish(split(done));
}

void netc::cuda::emitAttention(GpuEmitter &k, kern::AttentionOp op, const Launch &launch) {
  k.threads = op.getGpuAttr().getThreads();
  int64_t rows = op.getGpuAttr().getRows();
  k.grid = {1,
            static_cast<int64_t>(op.getMatrices()) *
                ((static_cast<int64_t>(op.getQueries()) + rows - 1) / rows),
            1};
  AttentionEmitter(k, op, launch).emit();
}
