//===- RowNorm.cpp - functions of long rows by vectors on the CPU ---------===//
//
// Norms, means of groups, and the softmax of an attention. A row is read three times (for its mean,
// for its variance about the mean, for the result; for its maximum, the sum, the result); it stays
// in the nearest cache.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/Lanes.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class RowNormEmitter {
public:
  RowNormEmitter(KernelEmitter &k, kern::RowOp op, const Launch &launch)
      : k(k), op(op), launch(launch), channels(static_cast<int64_t>(op.getChannels())) {}
  void norm(Value row);
  void normGrad(Value row);
  void groupMean(Value row);
  void softmax(Value row);
  void softmaxGrad(Value row);

private:
  TypedPointer at(int64_t buffer, Value row) {
    return k.at(launch.buffers[buffer], k.mul(row, channels));
  }
  /// The sum over the row of vectors of terms, in all lanes; lanes beyond the row don't count.
  Value sum(llvm::function_ref<Value(Value channel, int64_t valid)> term);
  /// The largest of the row, in all lanes.
  Value largest(TypedPointer x);
  /// The mean over the row.
  Value mean(llvm::function_ref<Value(Value channel, int64_t valid)> term);
  /// Mean and 1 / sqrt(variance + eps) of a row, in all lanes.
  std::pair<Value, Value> statistics(TypedPointer x);

  KernelEmitter &k;
  kern::RowOp op;
  const Launch &launch;
  int64_t channels;
};
} // namespace

Value RowNormEmitter::mean(llvm::function_ref<Value(Value, int64_t)> term) {
  return k.fmul(sum(term), k.splat(1.0 / static_cast<double>(channels)));
}

Value RowNormEmitter::sum(llvm::function_ref<Value(Value, int64_t)> term) {
  int64_t whole = channels / k.lanes * k.lanes;
  Value sum = k.reduce(k.c(0), k.c(whole), k.lanes, k.zeros(), [&](Value i, ValueRange acc) {
    return Values{k.fadd(acc[0], term(i, k.lanes))};
  })[0];
  if (whole < channels)
    sum = k.fadd(sum, k.keepLanes(term(k.c(whole), channels - whole), k.c(channels - whole)));
  Value total = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, sum);
  return k.splat(total);
}

/// Lanes beyond the row repeat its first value; then each lane meets all others.
Value RowNormEmitter::largest(TypedPointer x) {
  int64_t whole = channels / k.lanes * k.lanes;
  Value first = k.splat(k.load(x));
  Value best = k.reduce(k.c(0), k.c(whole), k.lanes, first, [&](Value i, ValueRange acc) {
    return Values{larger(k, acc[0], k.loadVector(k.at(x, i)))};
  })[0];
  if (whole < channels) {
    int64_t valid = channels - whole;
    SmallVector<bool> inside(k.lanes, false);
    std::fill_n(inside.begin(), valid, true);
    auto type = VectorType::get({k.lanes}, k.b.getI1Type());
    Value mask = arith::ConstantOp::create(k.b, k.loc, DenseElementsAttr::get(type, inside));
    best = larger(k, best, k.select(mask, k.loadVector(k.at(x, whole), valid), first));
  }
  return largestLane(k, best);
}

void RowNormEmitter::softmax(Value row) {
  TypedPointer x = at(0, row), out = at(1, row);
  Value high = largest(x);
  auto power = [&](Value i, int64_t valid) -> Value {
    return math::ExpOp::create(k.b, k.loc, k.fsub(k.loadVector(k.at(x, i), valid), high));
  };
  Value inverse = k.fdiv(k.splat(1.0), sum(power));
  k.overChannels(channels, [&](Value i, int64_t valid) {
    k.storeVector(k.fmul(power(i, valid), inverse), k.at(out, i), valid);
  });
}

void RowNormEmitter::softmaxGrad(Value row) {
  TypedPointer g = at(0, row), y = at(1, row), out = at(2, row);
  auto load = [&](TypedPointer from, Value i, int64_t valid) {
    return k.loadVector(k.at(from, i), valid);
  };
  Value dot =
      sum([&](Value i, int64_t valid) { return k.fmul(load(g, i, valid), load(y, i, valid)); });
  k.overChannels(channels, [&](Value i, int64_t valid) {
    Value d = k.fmul(load(y, i, valid), k.fsub(load(g, i, valid), dot));
    k.storeVector(d, k.at(out, i), valid);
  });
}

std::pair<Value, Value> RowNormEmitter::statistics(TypedPointer x) {
  Value center = mean([&](Value i, int64_t valid) { return k.loadVector(k.at(x, i), valid); });
  Value variance = mean([&](Value i, int64_t valid) {
    Value d = k.fsub(k.loadVector(k.at(x, i), valid), center);
    return k.fmul(d, d);
  });
  Value root = math::SqrtOp::create(k.b, k.loc, k.fadd(variance, k.splat(op.getNumbers()[0])));
  return {center, k.fdiv(k.splat(1.0), root)};
}

void RowNormEmitter::norm(Value row) {
  TypedPointer x = at(0, row), out = at(1, row);
  std::pair<Value, Value> own = statistics(x);
  k.overChannels(channels, [&](Value i, int64_t valid) {
    Value d = k.fsub(k.loadVector(k.at(x, i), valid), own.first);
    k.storeVector(k.fmul(d, own.second), k.at(out, i), valid);
  });
}

/// dx = (g - mean(g) - y mean(g y)) / sqrt(variance + eps), y the normalised row.
void RowNormEmitter::normGrad(Value row) {
  TypedPointer g = at(0, row), x = at(1, row), out = at(2, row);
  std::pair<Value, Value> own = statistics(x);
  auto cotangent = [&](Value i, int64_t valid) { return k.loadVector(k.at(g, i), valid); };
  auto normal = [&](Value i, int64_t valid) {
    return k.fmul(k.fsub(k.loadVector(k.at(x, i), valid), own.first), own.second);
  };
  Value offset = mean(cotangent);
  Value slope =
      mean([&](Value i, int64_t valid) { return k.fmul(cotangent(i, valid), normal(i, valid)); });
  k.overChannels(channels, [&](Value i, int64_t valid) {
    Value d = k.fsub(k.fsub(cotangent(i, valid), offset), k.fmul(normal(i, valid), slope));
    k.storeVector(k.fmul(d, own.second), k.at(out, i), valid);
  });
}

void RowNormEmitter::groupMean(Value row) {
  TypedPointer x = at(0, row), out = at(1, row);
  auto groups = static_cast<int64_t>(op.getNumbers()[0]);
  int64_t width = channels / groups;
  k.loop(0, channels, width, [&](Value first) {
    Value end = k.add(first, width);
    Value sum = k.reduce(first, end, 1, k.number(0), [&](Value i, ValueRange acc) {
      return Values{k.fadd(acc[0], k.load(k.at(x, i)))};
    })[0];
    Value mean = k.fmul(sum, k.number(1.0 / static_cast<double>(width)));
    k.loop(first, end, 1, [&](Value i) { k.store(mean, k.at(out, i)); });
  });
}

bool netc::cpu::emitRowNorm(KernelEmitter &k, kern::RowOp op, const Launch &launch) {
  void (RowNormEmitter::*body)(Value) = nullptr;
  bool isMatrix = kern::shapedType(op.getOuts()[0]).getRank() > 2; // class scores are short rows
  if (op.getKind() == kern::RowKind::Norm)
    body = &RowNormEmitter::norm;
  else if (op.getKind() == kern::RowKind::NormGrad)
    body = &RowNormEmitter::normGrad;
  else if (op.getKind() == kern::RowKind::GroupMean)
    body = &RowNormEmitter::groupMean;
  else if (op.getKind() == kern::RowKind::Softmax && isMatrix)
    body = &RowNormEmitter::softmax;
  else if (op.getKind() == kern::RowKind::SoftmaxGrad && isMatrix)
    body = &RowNormEmitter::softmaxGrad;
  else
    return false;
  RowNormEmitter emitter(k, op, launch);
  k.loop(launch.begin, launch.end, 1, [&](Value row) { (emitter.*body)(row); });
  return true;
}
