//===- Coverage.h - pixels of rows of partial sums --------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_COVERAGE_H
#define NETC_CODEGEN_COMMON_COVERAGE_H

#include "dialect/kern/KernDialect.h"

namespace netc {

/// Pixels that the rows of partial sums before `row` cover, of `images` images (see kern.coverage).
/// Emitter: the vocabulary of either target's kernels.
template <typename Emitter>
mlir::Value emitPixelsBefore(Emitter &k, kern::ReduceOp op, mlir::Value images, mlir::Value row) {
  kern::CoverageAttr c = *op.getMoments();
  int64_t across = c.unitsAcross(), ofImage = c.unitsOfImage();
  mlir::Value unit = k.mul(row, static_cast<int64_t>(op.getRowsPerItem()));
  unit = k.min(unit, k.mul(images, ofImage));
  mlir::Value image = k.div(unit, ofImage), rest = k.rem(unit, ofImage);
  mlir::Value top = k.mul(k.div(rest, across), c.getUnitHeight());
  mlir::Value left = k.min(k.mul(k.rem(rest, across), c.getUnitWidth()), k.c(c.getWidth()));
  mlir::Value height = k.min(k.c(c.getUnitHeight()), k.sub(k.c(c.getHeight()), top));
  mlir::Value inImage = k.add(k.mul(top, c.getWidth()), k.mul(left, height));
  return k.add(k.mul(image, c.getHeight() * c.getWidth()), inImage);
}

} // namespace netc

#endif // NETC_CODEGEN_COMMON_COVERAGE_H
