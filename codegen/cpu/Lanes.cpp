//===- Lanes.cpp - lanes of a vector against each other -------------------===//
#include "codegen/cpu/Lanes.h"

using namespace mlir;
using namespace netc;

Value netc::cpu::larger(KernelEmitter &k, Value x, Value y) {
  Value first = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGE, x, y);
  return arith::SelectOp::create(k.b, k.loc, first, x, y);
}

/// Each lane meets all others.
Value netc::cpu::largestLane(KernelEmitter &k, Value vector) {
  for (int64_t distance = 1; distance < k.lanes; distance *= 2) {
    SmallVector<int64_t> turned;
    for (int64_t lane = 0; lane < k.lanes; ++lane)
      turned.push_back((lane + distance) % k.lanes);
    vector = larger(k, vector, vector::ShuffleOp::create(k.b, k.loc, vector, vector, turned));
  }
  return vector;
}
