//===- Random.h - the random numbers of kernels -----------------*- C++ -*-===//
//
// Dropout's numbers: a 32-bit mix of element, id of the draw, step and seed (lowbias32, Wellons,
// applied twice), the same on CPU and GPU. What the runtime draws (augmentation, initial weights)
// is Philox (runtime/base/Philox.h), which no kernel computes.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_COMMON_RANDOM_H
#define NETC_CODEGEN_COMMON_RANDOM_H

#include "dialect/kern/KernDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Region.h"

#include <cstdint>

namespace netc {

/// Where a formula's random numbers come from; null where there are none.
struct RandomSource {
  mlir::Value hyper;   ///< NetcHyper
  mlir::Value element; ///< i64 index in its tensor; of lane 0 in vectors
};

/// Whether a formula draws random numbers.
bool usesRandom(mlir::Region &region);

/// Uniform in [0, 1) for a draw: an f32, or a vector of `lanes` where that is not 0, whose
/// elements follow each other; 1 where NetcHyper::dropout is off. `wordAt`: the address of a word
/// of NetcHyper (dialect/interfaces/Hyper.h).
mlir::Value emitUniform(mlir::OpBuilder &b, mlir::Location loc, kern::RandomOp draw,
                        mlir::Value element, int64_t lanes,
                        llvm::function_ref<mlir::Value(int64_t)> wordAt);

} // namespace netc

#endif // NETC_CODEGEN_COMMON_RANDOM_H
