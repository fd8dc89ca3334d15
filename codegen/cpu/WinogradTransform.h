//===- WinogradTransform.h - the transforms of F(m x m, 3x3) ----*- C++ -*-===//
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015:
// y = A^T [(G g G^T) * (B^T d B)] A for an output tile of m x m, m = 2 or 4, from m + 2 points.
// m = 4 takes the points 0, +-3/4, +-3/2 and infinity: exact in f32, and a third of the rounding
// error of the customary 0, +-1, +-2 (docs/reference/cpu-kernels.md).
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CPU_WINOGRADTRANSFORM_H
#define NETC_CODEGEN_CPU_WINOGRADTRANSFORM_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

/// One dimension of a transform, on vectors of channels; `m` is the edge of the output tile.
using Transform = Values (*)(KernelEmitter &k, int64_t m, llvm::ArrayRef<Value> values);

Values inputTransform(KernelEmitter &k, int64_t m,
                      llvm::ArrayRef<Value> d); ///< B^T d: m + 2 to m + 2
Values outputTransform(KernelEmitter &k, int64_t m, llvm::ArrayRef<Value> p); ///< A^T p: m + 2 to m
Values filterTransform(KernelEmitter &k, int64_t m, llvm::ArrayRef<Value> g); ///< G g: 3 to m + 2
Values outputAdjoint(KernelEmitter &k, int64_t m, llvm::ArrayRef<Value> y);   ///< A y: m to m + 2
Values filterAdjoint(KernelEmitter &k, int64_t m, llvm::ArrayRef<Value> u);   ///< G^T u: m + 2 to 3

/// Applies `transform` to the columns and then the rows of `values`, size x size, row by row.
Values transformTile(KernelEmitter &k, int64_t m, Transform transform, int64_t size,
                     llvm::ArrayRef<Value> values);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_WINOGRADTRANSFORM_H
