//===- BinaryTarget.h - what binary cross entropy compares with -*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_BINARYTARGET_H
#define NETC_CODEGEN_COMMON_BINARYTARGET_H

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace netc {

/// A target of binary cross entropy, smoothed towards 1 / numbers[0] and, if there is a second
/// number, cut at it to 0 or 1. For the kernels of CPU and GPU.
template <typename Emitter>
mlir::Value binaryTarget(Emitter &k, mlir::Value target, mlir::Value smoothing,
                         llvm::ArrayRef<double> numbers) {
  using namespace mlir;
  Value smoothed = k.fadd(k.fmul(target, k.fsub(k.number(1), smoothing)),
                          k.fmul(smoothing, k.number(1.0 / numbers[0])));
  if (numbers.size() < 2)
    return smoothed;
  Value above =
      arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, smoothed, k.number(numbers[1]));
  return k.select(above, k.number(1), k.number(0));
}

} // namespace netc

#endif // NETC_CODEGEN_COMMON_BINARYTARGET_H
