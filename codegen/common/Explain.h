//===- Explain.h - what became of each layer --------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_EXPLAIN_H
#define NETC_CODEGEN_COMMON_EXPLAIN_H

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <string>

namespace netc {

/// The tables of `--explain`, one per program of the planned module. Each has one row per launch:
/// source line, layers, algorithm, MFLOP and KiB per image. The training step has a second table
/// with one row per layer: where it is computed, and whether the backward pass uses its saved value
/// or recomputes it. `more`: what else is to be said of a launch, or "".
std::string explain(mlir::ModuleOp module,
                    const std::function<std::string(mlir::Operation *)> &more = {});

} // namespace netc

#endif // NETC_CODEGEN_COMMON_EXPLAIN_H
