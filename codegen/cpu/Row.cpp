//===- Row.cpp - functions of one pixel's channels on the CPU -------------===//
//
// Softmax and cross entropy go channel by channel: a row of classes is short. Losses of
// regressions go by vectors, added in f64. LRN squares a pixel into scratch with zeros at
// both ends and slides vectors over it.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/BinaryTarget.h"
#include "codegen/cpu/Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class RowEmitter {
public:
  RowEmitter(KernelEmitter &k, kern::RowOp op, const Launch &launch)
      : k(k), op(op), launch(launch), channels(static_cast<int64_t>(op.getChannels())) {}
  void emit();

private:
  void crossEntropy(Value row);
  void crossEntropyGrad(Value row);
  void softmax(Value row);
  void softmaxGrad(Value row);
  void difference(Value row, bool squared);
  void differenceGrad(Value row, bool squared);
  void binaryCrossEntropy(Value row);
  void binaryCrossEntropyGrad(Value row);
  void diceSums(Value row);
  void dice(Value row);
  void diceGrad(Value row);
  void lrn(Value row);
  void lrnGrad(Value row);

  Value exp(Value x) { return math::ExpOp::create(k.b, k.loc, x); }
  Value log(Value x) { return math::LogOp::create(k.b, k.loc, x); }
  TypedPointer input(int64_t index, Value row) {
    return k.at(launch.buffers[index], k.mul(row, channels));
  }
  TypedPointer output(Value row) { return k.at(launch.buffers.back(), k.mul(row, channels)); }
  /// Labels are distributions rather than classes.
  bool isSoft() { return isa<FloatType>(launch.buffers[1].element); }
  Value label(Value row) {
    return k.load(k.at(launch.buffers[1], row)); // i64
  }
  /// How much labels are smoothed: the last input.
  Value smoothing() { return k.load(launch.buffers[launch.buffers.size() - 2]); }
  /// Whether a label counts, where `numbers` beyond the first `before` name one that does not;
  /// null: all do.
  Value counts(Value label, size_t before) {
    if (op.getNumbers().size() <= before)
      return {};
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, label,
                                 k.c(static_cast<int64_t>(op.getNumbers()[before])));
  }
  /// `value` times the share of labels that count, or 0 where this one does not.
  Value ofCounted(Value value, Value counted) {
    return counted ? k.select(counted, k.fmul(value, k.load(launch.buffers[2])), k.number(0))
                   : value;
  }
  Value wide(double v) { return arith::ConstantOp::create(k.b, k.loc, k.b.getF64FloatAttr(v)); }
  Value widen(Value x) { return arith::ExtFOp::create(k.b, k.loc, k.b.getF64Type(), x); }
  Value narrow(Value x) { return arith::TruncFOp::create(k.b, k.loc, k.f32(), x); }
  Value isEqual(Value x, Value y) {
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, x, y);
  }
  Value binaryTarget(Value target, size_t classes);
  Value fold(Value start, llvm::function_ref<Value(Value channel, Value acc)> body) {
    return k.reduce(k.c(0), k.c(channels), 1, start,
                    [&](Value i, ValueRange acc) { return Values{body(i, acc[0])}; })[0];
  }
  /// max x, and the sum of exp(x - max).
  std::pair<Value, Value> maxAndSum(TypedPointer x);
  /// k + alpha times the window sums of the squares in scratch, one vector of channels.
  Value denominator(Value channel);
  Value power(Value x, double exponent) { return exp(k.fmul(log(x), k.splat(exponent))); }
  void squareInto(TypedPointer scratch,
                  llvm::function_ref<Value(Value channel, int64_t valid)> value);
  Value windowSum(TypedPointer scratch, Value channel);
  int64_t lrnSize() { return static_cast<int64_t>(op.getNumbers()[0]); }
  int64_t before() { return lrnSize() / 2; } ///< channels of a window before its own

  KernelEmitter &k;
  kern::RowOp op;
  const Launch &launch;
  int64_t channels;
};
} // namespace

std::pair<Value, Value> RowEmitter::maxAndSum(TypedPointer x) {
  Value max = fold(k.load(x), [&](Value i, Value acc) {
    Value v = k.load(k.at(x, i));
    return k.select(arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGE, acc, v), acc, v);
  });
  Value sum = fold(k.number(0), [&](Value i, Value acc) {
    return k.fadd(acc, exp(k.fsub(k.load(k.at(x, i)), max)));
  });
  return {max, sum};
}

void RowEmitter::crossEntropy(Value row) {
  TypedPointer x = input(0, row);
  Value smoothing = this->smoothing();
  auto [max, sum] = maxAndSum(x);
  Value logSum = k.fadd(log(sum), max);
  Value wanted, counted;
  if (isSoft()) {
    TypedPointer targets = input(1, row);
    wanted = fold(k.number(0), [&](Value i, Value acc) {
      return k.fadd(acc, k.fmul(k.load(k.at(targets, i)), k.load(k.at(x, i))));
    });
  } else {
    Value own = label(row);
    if ((counted = counts(own, 0)))
      own = k.select(counted, own, k.c(0));
    wanted = k.load(k.at(x, own));
  }
  Value loss = k.fsub(logSum, wanted);
  Value total =
      fold(k.number(0), [&](Value i, Value acc) { return k.fadd(acc, k.load(k.at(x, i))); });
  Value uniform = k.fsub(logSum, k.fmul(total, k.number(1.0 / static_cast<double>(channels))));
  loss = k.fadd(k.fmul(loss, k.fsub(k.number(1), smoothing)), k.fmul(uniform, smoothing));
  k.store(ofCounted(loss, counted), k.at(launch.buffers.back(), row));
}

void RowEmitter::crossEntropyGrad(Value row) {
  double weight = op.getNumbers()[0];
  Value smoothing = this->smoothing(),
        rest = k.fmul(smoothing, k.number(1.0 / static_cast<double>(channels)));
  Value sharp = k.fsub(k.number(1), smoothing), hit = k.fadd(sharp, rest);
  TypedPointer x = input(0, row), out = output(row);
  auto [max, sum] = maxAndSum(x);
  Value inverse = k.fdiv(k.number(1), sum);
  Value scale =
      k.fdiv(k.number(weight), arith::SIToFPOp::create(k.b, k.loc, k.f32(), launch.images));
  TypedPointer targets;
  Value target;
  if (isSoft())
    targets = input(1, row);
  else
    target = label(row);
  if (target)
    scale = ofCounted(scale, counts(target, 1));
  k.loop(0, channels, 1, [&](Value i) {
    Value p = k.fmul(exp(k.fsub(k.load(k.at(x, i)), max)), inverse);
    Value wanted;
    if (isSoft()) {
      wanted = k.fadd(k.fmul(k.load(k.at(targets, i)), sharp), rest);
    } else {
      Value isTarget = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, i, target);
      wanted = k.select(isTarget, hit, rest);
    }
    k.store(k.fmul(scale, k.fsub(p, wanted)), k.at(out, i));
  });
}

void RowEmitter::softmax(Value row) {
  TypedPointer x = input(0, row), out = output(row);
  auto [max, sum] = maxAndSum(x);
  Value inverse = k.fdiv(k.number(1), sum);
  k.loop(0, channels, 1, [&](Value i) {
    k.store(k.fmul(exp(k.fsub(k.load(k.at(x, i)), max)), inverse), k.at(out, i));
  });
}

void RowEmitter::softmaxGrad(Value row) {
  TypedPointer g = input(0, row), y = input(1, row), out = output(row);
  Value dot = fold(k.number(0), [&](Value i, Value acc) {
    return k.fadd(acc, k.fmul(k.load(k.at(g, i)), k.load(k.at(y, i))));
  });
  k.loop(0, channels, 1, [&](Value i) {
    k.store(k.fmul(k.load(k.at(y, i)), k.fsub(k.load(k.at(g, i)), dot)), k.at(out, i));
  });
}

/// Mean of (x - t)^2, or of |x - t|, over the row.
void RowEmitter::difference(Value row, bool squared) {
  TypedPointer x = input(0, row), target = input(1, row);
  auto wide = VectorType::get({k.lanes}, k.b.getF64Type());
  Value zero = arith::ConstantOp::create(
      k.b, k.loc, wide, DenseElementsAttr::get(wide, k.b.getF64FloatAttr(0).getValue()));
  // Lanes beyond the row read as zero in both.
  auto term = [&](Value i, int64_t valid) {
    Value d = k.fsub(k.loadVector(k.at(x, i), valid), k.loadVector(k.at(target, i), valid));
    Value v = squared ? k.fmul(d, d) : Value(math::AbsFOp::create(k.b, k.loc, d));
    return Value(arith::ExtFOp::create(k.b, k.loc, wide, v));
  };
  int64_t whole = channels / k.lanes * k.lanes;
  Value total = k.reduce(k.c(0), k.c(whole), k.lanes, zero, [&](Value i, ValueRange acc) {
    return Values{k.fadd(acc[0], term(i, k.lanes))};
  })[0];
  if (whole < channels)
    total = k.fadd(total, term(k.c(whole), channels - whole));
  Value sum = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, total);
  Value mean =
      k.fmul(sum, arith::ConstantOp::create(
                      k.b, k.loc, k.b.getF64FloatAttr(1.0 / static_cast<double>(channels))));
  k.store(arith::TruncFOp::create(k.b, k.loc, k.f32(), mean), k.at(launch.buffers.back(), row));
}

/// weight / images times 2 (x - t), or times its sign, which is zero at zero.
void RowEmitter::differenceGrad(Value row, bool squared) {
  TypedPointer x = input(0, row), target = input(1, row), out = output(row);
  double weight = op.getNumbers()[0] * (squared ? 2 : 1);
  Value scale = k.splat(
      k.fdiv(k.number(weight), arith::SIToFPOp::create(k.b, k.loc, k.f32(), launch.images)));
  k.overChannels(channels, [&](Value i, int64_t valid) {
    Value d = k.fsub(k.loadVector(k.at(x, i), valid), k.loadVector(k.at(target, i), valid));
    if (!squared) {
      Value isZero = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, d, k.zeros());
      Value sign = math::CopySignOp::create(k.b, k.loc, k.splat(1.0), d);
      d = arith::SelectOp::create(k.b, k.loc, isZero, k.zeros(), sign);
    }
    k.storeVector(k.fmul(scale, d), k.at(out, i), valid);
  });
}

/// `classes`: where they stand among the numbers; a threshold may follow.
Value RowEmitter::binaryTarget(Value target, size_t classes) {
  return netc::binaryTarget(k, target, smoothing(), op.getNumbers().drop_front(classes));
}

/// Mean over the row of max(x, 0) - x t + log(1 + exp -|x|).
void RowEmitter::binaryCrossEntropy(Value row) {
  TypedPointer x = input(0, row), target = input(1, row);
  Value sum = fold(wide(0), [&](Value i, Value acc) {
    Value v = k.load(k.at(x, i)), t = binaryTarget(k.load(k.at(target, i)), 0);
    Value size = math::AbsFOp::create(k.b, k.loc, v);
    Value positive = k.fmul(k.fadd(v, size), k.number(0.5));
    Value rest = log(k.fadd(k.number(1), exp(k.fsub(k.number(0), size))));
    return k.fadd(acc, widen(k.fadd(k.fsub(positive, k.fmul(v, t)), rest)));
  });
  Value mean = k.fmul(sum, wide(1.0 / static_cast<double>(channels)));
  k.store(narrow(mean), k.at(launch.buffers.back(), row));
}

/// weight / images times sigmoid(x) - t.
void RowEmitter::binaryCrossEntropyGrad(Value row) {
  TypedPointer x = input(0, row), target = input(1, row), out = output(row);
  Value scale = k.fdiv(k.number(op.getNumbers()[0]),
                       arith::SIToFPOp::create(k.b, k.loc, k.f32(), launch.images));
  k.loop(0, channels, 1, [&](Value i) {
    Value v = k.load(k.at(x, i)), t = binaryTarget(k.load(k.at(target, i)), 1);
    Value p = k.fdiv(k.number(1), k.fadd(k.number(1), exp(k.fsub(k.number(0), v))));
    k.store(k.fmul(scale, k.fsub(p, t)), k.at(out, i));
  });
}

/// One class of one image: sum p t, and sum p + t, over its pixels.
void RowEmitter::diceSums(Value row) {
  int64_t classes = static_cast<int64_t>(op.getPixels());
  Value image = k.div(row, classes), own = k.rem(row, classes);
  TypedPointer p = k.at(launch.buffers[0], k.add(k.mul(image, channels * classes), own));
  TypedPointer labels = k.at(launch.buffers[1], k.mul(image, channels));
  Value zero = wide(0);
  Values sums = k.reduce(k.c(0), k.c(channels), 1, {zero, zero}, [&](Value i, ValueRange acc) {
    Value v = widen(k.load(k.at(p, k.mul(i, classes)))), label = k.load(k.at(labels, i));
    Value hit = isEqual(label, own);
    Value both = k.fadd(v, k.select(hit, wide(1), zero));
    if (Value counted = counts(label, 0))
      both = k.select(counted, both, zero);
    return Values{k.fadd(acc[0], k.select(hit, v, zero)), k.fadd(acc[1], both)};
  });
  TypedPointer out = k.at(launch.buffers.back(), k.mul(row, 2));
  k.store(narrow(sums[0]), out);
  k.store(narrow(sums[1]), k.at(out, 1));
}

/// 1 - mean over classes of (2 sum p t + smooth) / (sum (p + t) + smooth).
void RowEmitter::dice(Value row) {
  TypedPointer sums = k.at(launch.buffers[0], k.mul(row, 2 * channels));
  Value smooth = wide(op.getNumbers()[0]);
  Value total = fold(wide(0), [&](Value i, Value acc) {
    TypedPointer own = k.at(sums, k.mul(i, 2));
    Value both = k.fmul(widen(k.load(own)), wide(2));
    return k.fadd(acc, k.fdiv(k.fadd(both, smooth), k.fadd(widen(k.load(k.at(own, 1))), smooth)));
  });
  Value mean = k.fmul(total, wide(1.0 / static_cast<double>(channels)));
  k.store(narrow(k.fsub(wide(1), mean)), k.at(launch.buffers.back(), row));
}

/// With a = 2 sum p t + smooth and b = sum (p + t) + smooth: (a - 2 b t) / b^2, times weight over
/// images and classes.
void RowEmitter::diceGrad(Value row) {
  double weight = op.getNumbers()[0] / static_cast<double>(channels);
  TypedPointer out = output(row);
  Value own = label(row);
  TypedPointer sums = k.at(launch.buffers[2], k.mul(k.div(row, op.getPixels()), 2 * channels));
  Value scale =
      k.fdiv(k.number(weight), arith::SIToFPOp::create(k.b, k.loc, k.f32(), launch.images));
  if (Value counted = counts(own, 2))
    scale = k.select(counted, scale, k.number(0));
  Value smooth = k.number(op.getNumbers()[1]);
  k.loop(0, channels, 1, [&](Value i) {
    TypedPointer pair = k.at(sums, k.mul(i, 2));
    Value a = k.fadd(k.fmul(k.load(pair), k.number(2)), smooth);
    Value b = k.fadd(k.load(k.at(pair, 1)), smooth);
    Value hit = k.select(isEqual(i, own), k.fmul(b, k.number(2)), k.number(0));
    k.store(k.fmul(scale, k.fdiv(k.fdiv(k.fsub(a, hit), b), b)), k.at(out, i));
  });
}

/// Stores values in scratch behind `before` zeros, with zeros after them.
void RowEmitter::squareInto(TypedPointer scratch, llvm::function_ref<Value(Value, int64_t)> value) {
  k.fillZero(scratch, k.c(channels + lrnSize() + k.lanes));
  k.overChannels(channels, [&](Value channel, int64_t valid) {
    k.storeVector(value(channel, valid), k.at(scratch, k.add(channel, before())), valid);
  });
}

Value RowEmitter::windowSum(TypedPointer scratch, Value channel) {
  return k.reduce(k.c(0), k.c(lrnSize()), 1, k.zeros(), [&](Value j, ValueRange acc) {
    return Values{k.fadd(acc[0], k.loadVector(k.at(scratch, k.add(channel, j))))};
  })[0];
}

Value RowEmitter::denominator(Value channel) {
  return k.fadd(k.splat(op.getNumbers()[3]),
                k.fmul(k.splat(op.getNumbers()[1]), windowSum(launch.scratch, channel)));
}

void RowEmitter::lrn(Value row) {
  TypedPointer x = input(0, row), out = output(row);
  auto load = [&](Value channel, int64_t valid) { return k.loadVector(k.at(x, channel), valid); };
  squareInto(launch.scratch, [&](Value channel, int64_t valid) {
    Value v = load(channel, valid);
    return k.fmul(v, v);
  });
  k.overChannels(channels, [&](Value channel, int64_t valid) {
    Value y = k.fmul(load(channel, valid), power(denominator(channel), -op.getNumbers()[2]));
    k.storeVector(y, k.at(out, channel), valid);
  });
}

/// dx_i = g_i D_i^-beta - 2 alpha beta x_i sum_j g_j x_j D_j^(-beta - 1) over windows j that hold
/// i.
void RowEmitter::lrnGrad(Value row) {
  TypedPointer g = input(0, row), x = input(1, row), out = output(row);
  double alpha = op.getNumbers()[1], beta = op.getNumbers()[2];
  int64_t span = channels + lrnSize() + k.lanes;
  TypedPointer products = k.at(launch.scratch, (span + 15) / 16 * 16);
  auto at = [&](TypedPointer base, Value channel, int64_t valid) {
    return k.loadVector(k.at(base, channel), valid);
  };
  squareInto(launch.scratch, [&](Value channel, int64_t valid) {
    Value v = at(x, channel, valid);
    return k.fmul(v, v);
  });
  // Windows that hold channel i run from i - after to i + before: shift by the other half.
  int64_t after = lrnSize() - 1 - before();
  k.fillZero(products, k.c(span));
  k.overChannels(channels, [&](Value channel, int64_t valid) {
    Value v = k.fmul(k.fmul(at(g, channel, valid), at(x, channel, valid)),
                     power(denominator(channel), -beta - 1));
    k.storeVector(v, k.at(products, k.add(channel, after)), valid);
  });
  k.overChannels(channels, [&](Value channel, int64_t valid) {
    Value direct = k.fmul(at(g, channel, valid), power(denominator(channel), -beta));
    Value across = k.fmul(k.fmul(at(x, channel, valid), k.splat(2 * alpha * beta)),
                          windowSum(products, channel));
    k.storeVector(k.fsub(direct, across), k.at(out, channel), valid);
  });
}

void RowEmitter::emit() {
  if (emitRowNorm(k, op, launch))
    return;
  bool isLrn = op.getKind() == kern::RowKind::Lrn || op.getKind() == kern::RowKind::LrnGrad;
  if (isLrn)
    k.reserveScratch(2 * (channels + lrnSize() + k.lanes + 16), 64);
  k.loop(launch.begin, launch.end, 1, [&](Value row) {
    switch (op.getKind()) {
    case kern::RowKind::CrossEntropy:
      return crossEntropy(row);
    case kern::RowKind::CrossEntropyGrad:
      return crossEntropyGrad(row);
    case kern::RowKind::Softmax:
      return softmax(row);
    case kern::RowKind::SoftmaxGrad:
      return softmaxGrad(row);
    case kern::RowKind::Squared:
    case kern::RowKind::Absolute:
      return difference(row, op.getKind() == kern::RowKind::Squared);
    case kern::RowKind::SquaredGrad:
    case kern::RowKind::AbsoluteGrad:
      return differenceGrad(row, op.getKind() == kern::RowKind::SquaredGrad);
    case kern::RowKind::Bce:
      return binaryCrossEntropy(row);
    case kern::RowKind::BceGrad:
      return binaryCrossEntropyGrad(row);
    case kern::RowKind::DiceSums:
      return diceSums(row);
    case kern::RowKind::Dice:
      return dice(row);
    case kern::RowKind::DiceGrad:
      return diceGrad(row);
    case kern::RowKind::Lrn:
      return lrn(row);
    case kern::RowKind::LrnGrad:
      return lrnGrad(row);
    default:
      llvm_unreachable("emitRowNorm has the others");
    }
  });
}

void netc::cpu::emitRow(KernelEmitter &k, kern::RowOp op, const Launch &launch) {
  RowEmitter(k, op, launch).emit();
}

/// Sum over heads of weight times mean, over images and what each has of losses; one item.
void netc::cpu::emitMeanLoss(KernelEmitter &k, kern::MeanLossOp op, const Launch &launch) {
  Type f64 = k.b.getF64Type();
  auto wide = [&](double v) -> Value {
    return arith::ConstantOp::create(k.b, k.loc, k.b.getF64FloatAttr(v));
  };
  k.loop(launch.begin, launch.end, 1, [&](Value) {
    Value total = wide(0);
    for (auto [index, weight] : llvm::enumerate(op.getWeights())) {
      TypedPointer losses = launch.buffers[index];
      int64_t each = kern::lossesOf(op.getInputs()[index]);
      Value count = k.mul(launch.images, each);
      Value sum = k.reduce(k.c(0), count, 1, wide(0), [&](Value i, ValueRange acc) {
        return Values{
            k.fadd(acc[0], arith::ExtFOp::create(k.b, k.loc, f64, k.load(k.at(losses, i))))};
      })[0];
      total = k.fadd(total, k.fmul(sum, wide(weight / static_cast<double>(each))));
    }
    Value mean = k.fdiv(total, arith::SIToFPOp::create(k.b, k.loc, f64, launch.images));
    k.store(arith::TruncFOp::create(k.b, k.loc, k.f32(), mean), launch.buffers.back());
  });
}

/// All labels over those that count; 1 over one where none does.
void netc::cpu::emitLabelShare(KernelEmitter &k, kern::LabelShareOp op, const Launch &launch) {
  k.loop(launch.begin, launch.end, 1, [&](Value) {
    Value count = k.mul(launch.images, static_cast<int64_t>(op.getLabels()));
    Value ignored = k.c(static_cast<int64_t>(op.getIgnore()));
    Value counted = k.reduce(k.c(0), count, 1, k.c(0), [&](Value i, ValueRange acc) {
      Value label = k.load(k.at(launch.buffers[0], i));
      Value own = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, label, ignored);
      return Values{k.add(acc[0], k.select(own, k.c(1), k.c(0)))};
    })[0];
    auto wide = [&](Value x) {
      return Value(arith::SIToFPOp::create(k.b, k.loc, k.b.getF64Type(), x));
    };
    Value share = k.fdiv(wide(count), wide(k.max(counted, k.c(1))));
    k.store(arith::TruncFOp::create(k.b, k.loc, k.f32(), share), launch.buffers.back());
  });
}
