//===- Contraction.h - any contraction in one form --------------*- C++ -*-===//
#ifndef NETC_PASSES_LOWERING_CONTRACTION_H
#define NETC_PASSES_LOWERING_CONTRACTION_H

#include "passes/Passes.h"

namespace netc::lowering {

/// A contraction as the lowering sees it, whichever op it was.
struct Contraction {
  kern::ContractKind kind;
  kern::GeometryAttr geometry;
  mlir::Value lhs, rhs, filter, bias; ///< values inside the fusion; null where absent
};

/// `op`: a ContractionOpInterface.
Contraction describe(mlir::Operation *op);

} // namespace netc::lowering

#endif // NETC_PASSES_LOWERING_CONTRACTION_H
