//===- Explain.h - what became of each layer --------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_EXPLAIN_H
#define NETC_CODEGEN_COMMON_EXPLAIN_H

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace netc {

/// The tables of `--explain`, one a program of the planned module: a row a launch with its
/// source line, the layers in it, the algorithm, MFLOP and KiB an image. For the training step
/// also a row a layer: where it is computed, and whether it is saved for the backward pass or
/// computed again.
std::string explain(mlir::ModuleOp module);

} // namespace netc

#endif // NETC_CODEGEN_COMMON_EXPLAIN_H
