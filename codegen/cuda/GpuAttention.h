//===- GpuAttention.h - what both directions of attention share -*- C++ -*-===//
#ifndef NETC_CODEGEN_CUDA_GPUATTENTION_H
#define NETC_CODEGEN_CUDA_GPUATTENTION_H

#include "codegen/cuda/GpuMatrix.h"
#include "dialect/schedule/gpu/GpuSchedule.h"

namespace netc::cuda {

/// The sizes of an attention's matrices; of each image as many `matrices` and `biases`.
struct AttentionShape {
  int64_t matrices, biases, queries, keys, depth, width;
};

/// One block of threads: rows of one side against blocks of columns of the other. Products are
/// tiles of scores [rows, columns], whose operands lie as [rows, features] and [features, columns]
/// in shared memory, and results [rows, features], whose operands are a tile of scores and
/// [columns, features].
class AttentionBlock {
public:
  AttentionBlock(GpuEmitter &k, kern::GpuScheduleAttr schedule, const AttentionShape &shape)
      : k(k), shape(shape), schedule(schedule), scores(k, schedule, /*deepRows=*/true) {}

  int64_t rows() const { return schedule.getRows(); }
  int64_t columns() const { return schedule.getColumns(); }
  /// Features, rounded up to whole stages of a product's depth.
  int64_t deep(int64_t features) const { return stages(features) * schedule.getDepth(); }
  int64_t stages(int64_t depth) const {
    return (depth + schedule.getDepth() - 1) / schedule.getDepth();
  }
  /// Columns of a result with so many features.
  int64_t wide(int64_t features) const {
    return kern::gpuTileColumns(schedule.getAlgorithm(), features);
  }
  /// The tile of a result with so many features.
  GpuTile resultTile(int64_t features) {
    auto tile = kern::gpuRowSchedule(k.b.getContext(), schedule.getAlgorithm(), wide(features));
    return {k, tile, /*deepRows=*/true};
  }
  TypedPointer shared(int64_t elements) { return k.shared(elements, scores.element()); }

  /// Matrix number `matrix` of a buffer of matrices.
  GpuMatrix matrixOf(TypedPointer buffer, Value matrix, int64_t rows, int64_t columns) {
    return {k.at(buffer, k.element(matrix, rows * columns, k.c(0))), rows, columns};
  }
  /// Rows of `from` from `first` on as a left operand.
  void bringRows(const GpuMatrix &from, Value first, TypedPointer to);
  /// As many rows as a tile of scores has columns, as the right operand of scores.
  void bringTurned(const GpuMatrix &from, Value first, TypedPointer to);
  /// The same as the right operand of a result.
  void bringStraight(const GpuMatrix &from, Value first, TypedPointer to);
  /// Values for scores() as the left operand of a result.
  void storeScores(ValueRange values, TypedPointer to);
  /// left [rows, features] times right [features, columns].
  Values multiplyScores(TypedPointer left, TypedPointer right, int64_t features) {
    return scores.multiplyStages(left, right, scores.zeros(), stages(features));
  }
  /// sums + a tile of scores times right [columns, features].
  Values multiplyResult(GpuTile &tile, TypedPointer left, TypedPointer right, ValueRange sums) {
    return tile.multiplyStages(left, right, sums, stages(columns()));
  }
  Value exp(Value x);
  /// The bias of matrix number `matrix`, in a buffer of those of all images.
  GpuMatrix biasOf(TypedPointer buffer, Value matrix) {
    Value image = k.div(matrix, shape.matrices),
          own = k.rem(k.rem(matrix, shape.matrices), shape.biases);
    return matrixOf(buffer, k.add(k.mul(image, shape.biases), own), shape.queries, shape.keys);
  }

  GpuEmitter &k;
  const AttentionShape shape;
  kern::GpuScheduleAttr schedule;
  GpuTile scores;
};

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUATTENTION_H
