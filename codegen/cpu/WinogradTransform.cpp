//===- WinogradTransform.cpp - the transforms of F(m x m, 3x3) ------------===//
//
// With points in pairs +-p, a pair's rows of each matrix are the sum and the difference of an
// even and an odd part.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/WinogradTransform.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

// The points of m = 4: 0, +-a, +-b, infinity.
static constexpr double a = 0.75, b = 1.5;
static constexpr double a2 = a * a, b2 = b * b;
// prod of (p - q) over the other finite points q.
static constexpr double norm0 = a2 * b2, normA = 2 * a2 * (a2 - b2), normB = 2 * b2 * (b2 - a2);

/// c x + y
static Value scaleAdd(KernelEmitter &k, double c, Value x, Value y) {
  return k.fma(x, k.splat(c), y);
}
static Value scale(KernelEmitter &k, double c, Value x) { return k.fmul(x, k.splat(c)); }

Values netc::cpu::inputTransform(KernelEmitter &k, int64_t m, ArrayRef<Value> d) {
  if (m == 2)
    return {k.fsub(d[0], d[2]), k.fadd(d[1], d[2]), k.fsub(d[2], d[1]), k.fsub(d[1], d[3])};
  // Rows are the coefficients of prod (x - q) over the points but one.
  Value evenA = scaleAdd(k, -b2, d[2], d[4]), oddA = scaleAdd(k, -b2, d[1], d[3]);
  Value evenB = scaleAdd(k, -a2, d[2], d[4]), oddB = scaleAdd(k, -a2, d[1], d[3]);
  return {scaleAdd(k, a2 * b2, d[0], scaleAdd(k, -(a2 + b2), d[2], d[4])),
          scaleAdd(k, a, oddA, evenA),
          scaleAdd(k, -a, oddA, evenA),
          scaleAdd(k, b, oddB, evenB),
          scaleAdd(k, -b, oddB, evenB),
          scaleAdd(k, a2 * b2, d[1], scaleAdd(k, -(a2 + b2), d[3], d[5]))};
}

Values netc::cpu::outputTransform(KernelEmitter &k, int64_t m, ArrayRef<Value> p) {
  if (m == 2)
    return {k.fadd(k.fadd(p[0], p[1]), p[2]), k.fsub(k.fsub(p[1], p[2]), p[3])};
  Value sumA = k.fadd(p[1], p[2]), differenceA = k.fsub(p[1], p[2]);
  Value sumB = k.fadd(p[3], p[4]), differenceB = k.fsub(p[3], p[4]);
  return {k.fadd(k.fadd(p[0], sumA), sumB), scaleAdd(k, b, differenceB, scale(k, a, differenceA)),
          scaleAdd(k, b2, sumB, scale(k, a2, sumA)),
          scaleAdd(k, b * b2, differenceB, scaleAdd(k, a * a2, differenceA, p[5]))};
}

Values netc::cpu::filterTransform(KernelEmitter &k, int64_t m, ArrayRef<Value> g) {
  if (m == 2) {
    Value even = k.fadd(g[0], g[2]);
    return {g[0], scale(k, 0.5, k.fadd(even, g[1])), scale(k, 0.5, k.fsub(even, g[1])), g[2]};
  }
  auto pair = [&](double p, double norm) -> std::pair<Value, Value> {
    Value even = scale(k, 1 / norm, scaleAdd(k, p * p, g[2], g[0]));
    return {scaleAdd(k, p / norm, g[1], even), scaleAdd(k, -p / norm, g[1], even)};
  };
  auto [plusA, minusA] = pair(a, normA);
  auto [plusB, minusB] = pair(b, normB);
  return {scale(k, 1 / norm0, g[0]), plusA, minusA, plusB, minusB, g[2]};
}

Values netc::cpu::outputAdjoint(KernelEmitter &k, int64_t m, ArrayRef<Value> y) {
  if (m == 2)
    return {y[0], k.fadd(y[0], y[1]), k.fsub(y[0], y[1]), k.fsub(k.zeros(), y[1])};
  auto pair = [&](double p) -> std::pair<Value, Value> {
    Value even = scaleAdd(k, p * p, y[2], y[0]),
          odd = scaleAdd(k, p * p * p, y[3], scale(k, p, y[1]));
    return {k.fadd(even, odd), k.fsub(even, odd)};
  };
  auto [plusA, minusA] = pair(a);
  auto [plusB, minusB] = pair(b);
  return {y[0], plusA, minusA, plusB, minusB, y[3]};
}

Values netc::cpu::filterAdjoint(KernelEmitter &k, int64_t m, ArrayRef<Value> u) {
  if (m == 2) {
    Value even = scale(k, 0.5, k.fadd(u[1], u[2]));
    return {k.fadd(u[0], even), scale(k, 0.5, k.fsub(u[1], u[2])), k.fadd(even, u[3])};
  }
  Value sumA = scale(k, 1 / normA, k.fadd(u[1], u[2])), differenceA = k.fsub(u[1], u[2]);
  Value sumB = scale(k, 1 / normB, k.fadd(u[3], u[4])), differenceB = k.fsub(u[3], u[4]);
  return {k.fadd(scaleAdd(k, 1 / norm0, u[0], sumA), sumB),
          scaleAdd(k, b / normB, differenceB, scale(k, a / normA, differenceA)),
          k.fadd(scaleAdd(k, a2, sumA, scale(k, b2, sumB)), u[5])};
}

Values netc::cpu::transformTile(KernelEmitter &k, int64_t m, Transform transform, int64_t size,
                                ArrayRef<Value> values) {
  SmallVector<Values> columns;
  for (int64_t x = 0; x < size; ++x) {
    Values column;
    for (int64_t y = 0; y < size; ++y)
      column.push_back(values[y * size + x]);
    columns.push_back(transform(k, m, column));
  }
  Values result;
  for (size_t y = 0; y < columns[0].size(); ++y) {
    Values row;
    for (int64_t x = 0; x < size; ++x)
      row.push_back(columns[x][y]);
    llvm::append_range(result, transform(k, m, row));
  }
  return result;
}
