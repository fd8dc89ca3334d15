//===- FusionFormula.h - the formulas inside a fusion -----------*- C++ -*-===//
#ifndef NETC_PASSES_LOWERING_FUSIONFORMULA_H
#define NETC_PASSES_LOWERING_FUSIONFORMULA_H

#include "passes/Passes.h"

#include "llvm/ADT/SetVector.h"

namespace netc::lowering {

/// The scalar of each value whose formula was built.
using Scalars = llvm::DenseMap<mlir::Value, mlir::Value>;

/// What the formula of `value` reads: arguments of the fusion, or `product`.
void collectLeaves(mlir::Value value, mlir::Value product, llvm::SetVector<mlir::Value> &leaves);
void collectLeaves(const ChannelTerm &term, mlir::Value product,
                   llvm::SetVector<mlir::Value> &leaves);

/// Builds the formula of `value`, or of a term, on scalars.
mlir::Value buildFormula(mlir::OpBuilder &b, mlir::Value value, Scalars &scalars);
mlir::Value buildTerm(mlir::OpBuilder &b, mlir::Location loc, const ChannelTerm &term,
                      Scalars &scalars);

/// A kern region over `leaves` that yields the formulas of `results` and of `terms`.
void buildRegion(mlir::OpBuilder &b, mlir::Region &region, mlir::Location loc,
                 llvm::ArrayRef<mlir::Value> leaves, llvm::ArrayRef<mlir::Value> results,
                 llvm::ArrayRef<ChannelTerm> terms = {});

/// The layers that the formulas of `values` and `terms` compute from leaves, without `own`.
LayerNames layersIn(llvm::ArrayRef<mlir::Value> values, llvm::ArrayRef<ChannelTerm> terms,
                    mlir::Value product, const LayerNames &own);

} // namespace netc::lowering

#endif // NETC_PASSES_LOWERING_FUSIONFORMULA_H
