//===- WindowShape.h - sizes of sliding windows -----------------*- C++ -*-===//
//
// The only place that computes how many positions a window has; front end and
// dialect both use it. Plain arithmetic, no MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_INTERFACES_WINDOWSHAPE_H
#define NETC_DIALECT_INTERFACES_WINDOWSHAPE_H

#include <cstdint>

namespace netc {

/// Positions of a window of `kernel` taps, `dilation` apart, over `input` elements
/// with `padLow` and `padHigh` zeros, moved by `stride`; 0 or less: it does not fit.
/// With `roundUp` a last, partial window counts if it starts inside the input or
/// its leading padding (PyTorch's ceil_mode, Caffe's pooling), even where it is the only one: a
/// window of 3 with stride 2 has one place over 2 elements.
inline int64_t windowOutputSize(int64_t input, int64_t kernel, int64_t stride, int64_t padLow,
                                int64_t padHigh, int64_t dilation = 1, bool roundUp = false) {
  int64_t span = dilation * (kernel - 1) + 1;
  int64_t room = input + padLow + padHigh - span;
  if (roundUp)
    room += stride - 1;
  if (room < 0)
    return 0;
  int64_t size = room / stride + 1;
  if (!roundUp)
    return size;
  if ((size - 1) * stride >= input + padLow)
    --size;
  return size;
}

} // namespace netc

#endif // NETC_DIALECT_INTERFACES_WINDOWSHAPE_H
