//===- GpuMoments.cpp - sums about a pivot --------------------------------===//
//
// Squares of values whose mean is large beside their deviation lose it in f32; squares of distances
// from one of the values do not. Moving sums to another pivot takes no difference of large numbers
// either: with d = own pivot - other pivot, sum (x - other) = s + n d and
// sum (x - other)^2 = q + 2 d s + n d^2.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuMoments.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

Moments netc::cuda::addValue(GpuEmitter &k, Moments total, Value x, Value p) {
  Value distance = k.fsub(x, total.pivot);
  if (p)
    distance = k.select(p, distance, k.number(0));
  return {total.pivot, k.fadd(total.sum, distance), k.fma(distance, distance, total.squares)};
}

Moments netc::cuda::joinMoments(GpuEmitter &k, Moments total, Moments part, Value count) {
  Value distance = k.fsub(part.pivot, total.pivot);
  Value moved = k.fadd(part.sum, k.fmul(count, distance));
  Value cross = k.fmul(distance, k.fadd(part.sum, moved));
  return {total.pivot, k.fadd(total.sum, moved),
          k.fadd(total.squares, k.fadd(part.squares, cross))};
}
