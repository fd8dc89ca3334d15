//===- KernBuilder.h - state of the lowering from net to kern ---*- C++ -*-===//
#ifndef NETC_PASSES_LOWERING_KERNBUILDER_H
#define NETC_PASSES_LOWERING_KERNBUILDER_H

#include "dialect/schedule/cpu/Schedule.h"
#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"

namespace netc::lowering {

/// Channel sums that are still partial: term `index` of `tensor` [N, strips, terms, C]. Of moments,
/// index 0 is the mean and 1 the sum of squared deviations.
struct PartialSums {
  mlir::Value tensor;
  int64_t index = 0;
  mlir::Operation *reduction = nullptr; ///< the op inside the fusion that asks for them
  kern::Grid grid;                      ///< rows of partials, as the producing launch counts them
  kern::CoverageAttr moments; ///< their pixels where the partials are of moments, else null
};

/// The module's timed schedules (`kern.choices`), by kind, batch and geometry.
using Choices =
    llvm::DenseMap<std::pair<std::pair<unsigned, int64_t>, mlir::Attribute>, kern::ScheduleAttr>;

/// Lowers one function: net values on the left, kern tensors on the right.
class KernBuilder {
public:
  KernBuilder(mlir::OpBuilder &builder, mlir::SymbolTable &symbols, const kern::TargetFacts &target,
              const Choices &choices)
      : b(builder), symbols(symbols), target(target), choices(choices) {}

  mlir::OpBuilder &b;
  mlir::SymbolTable &symbols; ///< of the module: its parameters
  const kern::TargetFacts target;
  const Choices &choices;
  mlir::IRMapping values;                        ///< net value -> kern tensor
  llvm::DenseMap<mlir::Value, PartialSums> sums; ///< channel sums not yet added up

  net::ParameterOp parameter(mlir::FlatSymbolRefAttr symbol) const {
    return symbols.lookup<net::ParameterOp>(symbol.getAttr());
  }

  /// The kern tensor of `value`; adds up partial sums if a reader needs the vector.
  mlir::Value get(mlir::Value value);
  llvm::SmallVector<mlir::Value> getAll(mlir::ValueRange values) {
    return llvm::map_to_vector(values, [&](mlir::Value value) { return get(value); });
  }
  void set(mlir::Value value, mlir::Value lowered) { values.map(value, lowered); }

  /// As it was timed, else as dialect/schedule/cpu/Schedule.h says.
  /// `facts`: of the target, for this contraction's operands.
  kern::ScheduleAttr schedule(kern::ContractKind kind, kern::GeometryAttr geometry,
                              const kern::TargetFacts &facts) const;

  /// A fresh destination.
  mlir::Value empty(mlir::Type type, mlir::Location loc);

  /// Physical type of a net value: [N, H, W, C] where it is channels last.
  mlir::RankedTensorType physicalType(mlir::Type type) const;

  /// A kern.reduce over the partials behind `summed` (empty: none) with `body` building
  /// one f32 per result from (images f64, sums f64, vectors f32).
  llvm::SmallVector<mlir::Value> reduce(
      mlir::Location loc, mlir::ValueRange summed, mlir::ValueRange vectors,
      mlir::TypeRange results,
      llvm::function_ref<llvm::SmallVector<mlir::Value>(
          mlir::OpBuilder &, mlir::Value images, mlir::ValueRange sums, mlir::ValueRange vectors)>
          body);
};

/// One net.fusion to one kern.contract or kern.pointwise.
mlir::LogicalResult lowerFusion(KernBuilder &builder, net::FusionOp fusion);

/// The families of ops outside a fusion. Each lowers `op` where it is one of the family, and says
/// whether it is.
bool lowerNorm(KernBuilder &builder, mlir::Operation *op); ///< vectors of batch norm
bool lowerMove(KernBuilder &builder, mlir::Operation *op); ///< layouts, moves, joins, reshapes
bool lowerMatmul(KernBuilder &builder, mlir::Operation *op);
bool lowerPool(KernBuilder &builder, mlir::Operation *op);
bool lowerQuantize(KernBuilder &builder, mlir::Operation *op); ///< scales, quantised weights
bool lowerRow(KernBuilder &builder, mlir::Operation *op);      ///< softmax, losses, LRN
/// Optimizers' steps, the norm of all gradients and their accumulation.
bool lowerOptimizer(KernBuilder &builder, mlir::Operation *op);

/// Of what is built here, launches alone belong to layers.
inline bool isLaunch(mlir::Operation *op) { return mlir::isa<kern::KernelOpInterface>(op); }

} // namespace netc::lowering

#endif // NETC_PASSES_LOWERING_KERNBUILDER_H
