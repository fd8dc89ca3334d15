//===- LayerOps.h - layers that are several ops -----------------*- C++ -*-===//
//
// Compositions of the net dialect's ops. Shapes are without the batch, axes count from 0 behind it.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_EMIT_LAYEROPS_H
#define NETC_FRONTEND_EMIT_LAYEROPS_H

#include "mlir/IR/Builders.h"

namespace netc::frontend {

/// Builds ops at one place.
class LayerOps {
public:
  LayerOps(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  using Value = mlir::Value;
  using Sizes = llvm::ArrayRef<int64_t>;

  /// The same values, in logical order, under another shape.
  Value reshape(Value x, Sizes shape);
  /// Sizes of 1 repeated to those of `shape`.
  Value expand(Value x, Sizes shape);
  Value permute(Value x, Sizes order);
  Value slice(Value x, int64_t axis, int64_t begin, int64_t size);
  Value concat(mlir::ValueRange xs, int64_t axis);
  /// Each axis turned by its shift, from 0 to below its size.
  Value roll(Value x, Sizes shift);
  Value mean(Value x, int64_t axis);
  Value softmax(Value x, int64_t axis);
  Value matmul(Value a, Value b, bool transposeRight, Sizes result);
  /// Sums and products of two activations, or of one and a parameter's vector of elements.
  Value add(Value x, Value y);
  Value multiply(Value x, Value y);
  /// max(x, 0) + weight min(x, 0).
  Value prelu(Value x, Value weight);
  Value groupNorm(Value x, int64_t groups, double eps);
  Value rowNorm(Value x, double eps);
  /// A parameter's elements as a vector.
  Value vectorOf(Value parameter);
  /// A parameter as an activation that is the same for all images.
  Value repeat(Value parameter, Sizes shape);

private:
  mlir::RankedTensorType typeOf(Sizes shape);
  Value flatten(Value x);
  Value negate(Value x);

  mlir::OpBuilder &b;
  mlir::Location loc;
};

/// Sizes of an activation behind the batch.
llvm::ArrayRef<int64_t> sizesOf(mlir::Value activation);

} // namespace netc::frontend

#endif // NETC_FRONTEND_EMIT_LAYEROPS_H
