//===- GpuAttentionGrad.cpp - gradients of attention on the GPU -----------===//
//
// Scores are computed again from the logarithm of each query's sum: once by blocks of queries for
// their gradient, once by blocks of keys for those of keys and values, so that each sum has one
// block and an order of its own (Dao 2023, FlashAttention-2, section 3.1). A bias's gradient is the
// sum over the matrices that share the bias, which one block walks through one after the other.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuAttention.h"
#include "codegen/cuda/GpuKernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
/// Operands of the launch.
enum Buffer { Queries, Keys, ValuesOf, Saved, Logarithms, Cotangent, Bias };

/// With s = q k^T, p = exp(s - logarithm), g the cotangent of the output o and d = sum(g o) of each
/// query: ds = p (g v^T - d), dq = ds k, dk = ds^T q, dv = p^T g.
class AttentionGradEmitter {
public:
  AttentionGradEmitter(GpuEmitter &k, kern::AttentionGradOp op, const Launch &launch)
      : k(k), op(op), launch(launch),
        shape{static_cast<int64_t>(op.getMatrices()), static_cast<int64_t>(op.getBiases()),
              static_cast<int64_t>(op.getQueries()),  static_cast<int64_t>(op.getKeys()),
              static_cast<int64_t>(op.getDepth()),    static_cast<int64_t>(op.getWidth())},
        block(k, op.getGpuAttr(), shape), deepResult(block.resultTile(shape.depth)),
        wideResult(block.resultTile(shape.width)), ofKeys(op.getOfKeys()),
        rows(ofKeys ? shape.keys : shape.queries), columns(ofKeys ? shape.queries : shape.keys) {}
  void emit();

private:
  void takeMemory();
  void emitMatrix(Value repeat);
  void describeQueries(Value first, int64_t count);
  Values columnsOf(Value first, ValueRange sums, Value repeat);
  void addBias(Value column, MutableArrayRef<Value> scores);
  void slope(Value column, MutableArrayRef<Value> scores, MutableArrayRef<Value> gradients);
  void addToBias(Value column, ValueRange gradients, Value repeat);
  GpuMatrix operand(Buffer buffer) {
    bool isOfQueries = buffer == Queries || buffer == Saved || buffer == Cotangent;
    bool isDeep = buffer == Queries || buffer == Keys;
    return block.matrixOf(launch.buffers[buffer], matrix, isOfQueries ? shape.queries : shape.keys,
                          isDeep ? shape.depth : shape.width);
  }
  GpuMatrix result(int64_t index, int64_t features) {
    return block.matrixOf(launch.buffers[op.getInputs().size() + index], matrix, rows, features);
  }

  GpuEmitter &k;
  kern::AttentionGradOp op;
  const Launch &launch;
  AttentionShape shape;
  AttentionBlock block;
  GpuTile deepResult, wideResult;
  bool ofKeys; ///< rows are keys and columns queries
  int64_t rows, columns;
  Value matrix, firstRow;
  // In shared memory: of this block's rows; of the other side's; scores or their gradients; of
  // queries.
  TypedPointer own, ownWide, others, slopes, logarithms, shares;
};
} // namespace

void AttentionGradEmitter::takeMemory() {
  int64_t deep = block.deep(shape.depth), wide = block.deep(shape.width);
  own = block.shared(block.rows() * deep);
  ownWide = block.shared(block.rows() * wide);
  others = block.shared(block.columns() *
                        std::max({deep, wide, block.wide(shape.depth), block.wide(shape.width)}));
  slopes = block.shared(block.rows() * block.columns());
  logarithms = k.shared(ofKeys ? block.columns() : block.rows());
  shares = k.shared(ofKeys ? block.columns() : block.rows());
}

/// The logarithm and sum(g o) of `count` queries from `first` on; neighbours share a query.
void AttentionGradEmitter::describeQueries(Value first, int64_t count) {
  int64_t neighbours = k.threads / count, width = chunkWidth(shape.width);
  Value query = k.div(k.thread(), neighbours), part = k.rem(k.thread(), neighbours);
  Value row = k.add(first, query), valid = k.less(row, shape.queries);
  GpuMatrix o = operand(Saved), g = operand(Cotangent);
  auto load = [&](const GpuMatrix &from, Value column) {
    return k.loadGuarded(valid, from.pointer, k.element(row, shape.width, column), width);
  };
  Value sum = k.reduce(k.mul(part, width), k.c(shape.width), neighbours * width, k.number(0),
                       [&](Value column, ValueRange now) {
                         Value next = now[0];
                         for (auto [x, y] : llvm::zip_equal(load(o, column), load(g, column)))
                           next = k.fma(x, y, next);
                         return Values{next};
                       })[0];
  sum = k.acrossLanes(sum, neighbours, [&](Value x, Value y) { return k.fadd(x, y); });
  GpuMatrix logs = block.matrixOf(launch.buffers[Logarithms], matrix, shape.queries, 1);
  Value log = k.loadGuarded(valid, logs.pointer, row, 1)[0];
  k.when(k.equal(part, 0), [&] {
    k.store(sum, k.at(shares, query));
    k.store(log, k.at(logarithms, query));
  });
}

void AttentionGradEmitter::addBias(Value column, MutableArrayRef<Value> scores) {
  GpuMatrix bias = block.biasOf(launch.buffers[Bias], matrix);
  for (const Fragment &fragment : block.scores.fragments(scores)) {
    Values added = loadBeside(k, fragment, bias, ofKeys ? column : firstRow,
                              ofKeys ? firstRow : column, /*turned=*/ofKeys);
    for (auto [i, value] : llvm::enumerate(added))
      scores[fragment.first + i] = k.fadd(scores[fragment.first + i], value);
  }
}

/// Scores to probabilities, and g v^T to gradients of scores; both zero in columns that there are
/// not.
void AttentionGradEmitter::slope(Value column, MutableArrayRef<Value> scores,
                                 MutableArrayRef<Value> gradients) {
  bool ragged = columns % block.columns() != 0;
  for (const Fragment &fragment : block.scores.fragments(scores)) {
    for (auto [i, score] : llvm::enumerate(fragment.values)) {
      Value inBlock = k.add(fragment.column, static_cast<int64_t>(i));
      Value query = ofKeys ? inBlock : fragment.row;
      Value p = block.exp(k.fsub(score, k.load(k.at(logarithms, query))));
      if (ragged)
        p = k.select(k.less(k.add(column, inBlock), columns), p, k.number(0));
      Value &gradient = gradients[fragment.first + i];
      gradient = k.fmul(p, k.fsub(gradient, k.load(k.at(shares, query))));
      scores[fragment.first + i] = p;
    }
  }
}

/// The first of the matrices that share the bias stores its gradient, the others add to it: the
/// same thread for the same element, in their order.
void AttentionGradEmitter::addToBias(Value column, ValueRange gradients, Value repeat) {
  GpuMatrix bias = block.biasOf(launch.buffers[op.getInputs().size() + 1], matrix);
  Value later = k.less(k.c(0), repeat);
  for (const Fragment &fragment : block.scores.fragments(gradients))
    for (auto [i, gradient] : llvm::enumerate(fragment.values)) {
      Value r = k.add(firstRow, fragment.row),
            c = k.add(k.add(column, fragment.column), static_cast<int64_t>(i));
      k.when(k.both(k.less(r, bias.rows), k.less(c, bias.columns)), [&] {
        TypedPointer place = k.at(bias.pointer, k.element(r, bias.columns, c));
        Value before = k.where(later, 1, [&] { return Values{k.load(place)}; })[0];
        k.store(k.fadd(before, gradient), place);
      });
    }
}

/// A block of columns from `first` on: what it adds to the results.
Values AttentionGradEmitter::columnsOf(Value first, ValueRange sums, Value repeat) {
  block.bringTurned(operand(ofKeys ? Queries : Keys), first, others);
  if (ofKeys)
    describeQueries(first, block.columns());
  k.barrier();
  Values scores = block.multiplyScores(own, others, shape.depth);
  if (shape.biases)
    addBias(first, scores);
  k.barrier();
  block.bringTurned(operand(ofKeys ? Cotangent : ValuesOf), first, others);
  k.barrier();
  Values gradients = block.multiplyScores(ownWide, others, shape.width);
  slope(first, scores, gradients);
  k.barrier();
  Values next;
  auto multiply = [&](ValueRange left, Buffer right, GpuTile &tile, ValueRange before) {
    block.storeScores(left, slopes);
    block.bringStraight(operand(right), first, others);
    k.barrier();
    next.append(block.multiplyResult(tile, slopes, others, before));
    k.barrier();
  };
  size_t deep = deepResult.zeros().size();
  if (!ofKeys && shape.biases)
    addToBias(first, gradients, repeat);
  multiply(gradients, ofKeys ? Queries : Keys, deepResult, sums.take_front(deep));
  if (ofKeys)
    multiply(scores, Cotangent, wideResult, sums.drop_front(deep));
  return next;
}

/// The results of one matrix's rows.
void AttentionGradEmitter::emitMatrix(Value repeat) {
  block.bringRows(operand(ofKeys ? Keys : Queries), firstRow, own);
  block.bringRows(operand(ofKeys ? ValuesOf : Cotangent), firstRow, ownWide);
  if (!ofKeys)
    describeQueries(firstRow, block.rows());
  Values sums = deepResult.zeros();
  size_t deep = sums.size();
  if (ofKeys)
    sums.append(wideResult.zeros());
  sums = k.reduce(k.c(0), k.c(columns), block.columns(), sums,
                  [&](Value first, ValueRange now) { return columnsOf(first, now, repeat); });
  ValueRange done(sums);
  storeFragments(k, deepResult.fragments(done.take_front(deep)), result(0, shape.depth), firstRow,
                 k.c(0));
  if (ofKeys)
    storeFragments(k, wideResult.fragments(done.drop_front(deep)), result(1, shape.width), firstRow,
                   k.c(0));
}

void AttentionGradEmitter::emit() {
  int64_t blocks = (rows + block.rows() - 1) / block.rows();
  int64_t repeats = op.getMatricesOfItem();
  k.grid = {1, shape.matrices / repeats * blocks, 1};
  takeMemory();
  Value group = k.div(k.block(), blocks);
  firstRow = k.mul(k.rem(k.block(), blocks), block.rows());
  if (repeats == 1) {
    matrix = group;
    return emitMatrix(k.c(0));
  }
  // Of an image, every biases-th matrix from the group's on.
  Value image = k.div(group, shape.biases), ownBias = k.rem(group, shape.biases);
  k.loop(k.c(0), k.c(repeats), 1, [&](Value repeat) {
    matrix = k.add(k.mul(image, shape.matrices), k.add(k.mul(repeat, shape.biases), ownBias));
    emitMatrix(repeat);
  });
}

void netc::cuda::emitAttentionGrad(GpuEmitter &k, kern::AttentionGradOp op, const Launch &launch) {
  k.threads = op.getGpuAttr().getThreads();
  AttentionGradEmitter(k, op, launch).emit();
}
