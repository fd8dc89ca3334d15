//===- GpuRow.cpp - functions of one pixel's channels on the GPU ----------===//
//
// Softmax and cross entropy: one block per row; its threads take every 128th class, then a
// fixed tree. LRN: a thread a channel, which reads the windows that it needs.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/BinaryTarget.h"
#include "codegen/cuda/GpuKernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
class RowEmitter {
public:
  RowEmitter(GpuEmitter &k, kern::RowOp op, const Launch &launch)
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
  void lrn(bool gradient);
  void norm(Value row);
  void normGrad(Value row);
  void groupMean();
  std::pair<Value, Value> statistics(TypedPointer x);
  Value mean(llvm::function_ref<Value(Value)> term) {
    return k.fmul(sum(term), k.number(1.0 / static_cast<double>(channels)));
  }

  Value exp(Value x) { return math::ExpOp::create(k.b, k.loc, x); }
  Value log(Value x) { return math::LogOp::create(k.b, k.loc, x); }
  Value power(Value x, double exponent) { return exp(k.fmul(log(x), k.number(exponent))); }
  TypedPointer rowOf(TypedPointer pointer, Value row) {
    return k.at(pointer, k.element(row, channels, k.c(0)));
  }
  TypedPointer input(int64_t index, Value row) { return rowOf(launch.buffers[index], row); }
  TypedPointer output(Value row) { return rowOf(launch.buffers.back(), row); }
  Value larger(Value x, Value y) {
    return k.select(arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGE, x, y), x, y);
  }
  bool isSoft() { return isa<FloatType>(launch.buffers[1].element); }
  /// The label as i32; classes fit.
  Value label(Value row) {
    return arith::TruncIOp::create(k.b, k.loc, k.i32(), k.load(k.at(launch.buffers[1], row)));
  }
  /// How much labels are smoothed: the last input.
  Value smoothing() { return k.load(launch.buffers[launch.buffers.size() - 2]); }
  /// Whether a label counts, where `numbers` beyond the first `before` name one that does not;
  /// null: all do.
  Value counts(Value label, size_t before) {
    if (op.getNumbers().size() <= before)
      return {};
    Value ignored = arith::ConstantOp::create(
        k.b, k.loc, k.b.getI32IntegerAttr(static_cast<int32_t>(op.getNumbers()[before])));
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, label, ignored);
  }
  /// `value` times the share of labels that count, or 0 where this one does not.
  Value ofCounted(Value value, Value counted) {
    return counted ? k.select(counted, k.fmul(value, k.load(launch.buffers[2])), k.number(0))
                   : value;
  }
  Value binaryTarget(Value target, size_t classes);
  /// Over the whole row in f64, by all threads of the block.
  Value sum64(llvm::function_ref<Value(Value)> term) {
    return fold(k.number64(0), [&](Value x, Value y) { return k.fadd(x, y); }, term);
  }
  void overChannels(llvm::function_ref<void(Value)> body) {
    k.loop(k.thread(), k.c(channels), k.threads, body);
  }
  /// Over all channels of the row, by all threads of the block.
  Value fold(Value start, llvm::function_ref<Value(Value, Value)> combine,
             llvm::function_ref<Value(Value)> term) {
    Value own = k.reduce(k.thread(), k.c(channels), k.threads, start, [&](Value i, ValueRange acc) {
      return Values{combine(acc[0], term(i))};
    })[0];
    return k.blockReduce(own, k.threads, combine);
  }
  Value sum(llvm::function_ref<Value(Value)> term) {
    return fold(k.number(0), [&](Value x, Value y) { return k.fadd(x, y); }, term);
  }
  /// max x, and the sum of exp(x - max).
  std::pair<Value, Value> maxAndSum(TypedPointer x) {
    Value max = fold(
        k.load(x), [&](Value a, Value v) { return larger(a, v); },
        [&](Value i) { return k.load(k.at(x, i)); });
    return {max, sum([&](Value i) { return exp(k.fsub(k.load(k.at(x, i)), max)); })};
  }
  int64_t lrnSize() { return static_cast<int64_t>(op.getNumbers()[0]); }
  int64_t before() { return lrnSize() / 2; } ///< channels of a window before its own
  /// Sum of term(j) for |j| in the window that begins at `first`, where it lies in the row.
  Value windowSum(Value first, llvm::function_ref<Value(Value)> term) {
    Value low = k.max(first, k.c(0)), high = k.min(k.add(first, lrnSize()), k.c(channels));
    return k.reduce(low, high, 1, k.number(0),
                    [&](Value j, ValueRange acc) { return Values{k.fadd(acc[0], term(j))}; })[0];
  }

  GpuEmitter &k;
  kern::RowOp op;
  const Launch &launch;
  int64_t channels;
};
} // namespace

void RowEmitter::crossEntropy(Value row) {
  TypedPointer x = input(0, row);
  Value smoothing = this->smoothing();
  auto [max, total] = maxAndSum(x);
  Value logSum = k.fadd(log(total), max);
  Value wanted, counted;
  if (isSoft()) {
    TypedPointer targets = input(1, row);
    wanted = sum([&](Value i) { return k.fmul(k.load(k.at(targets, i)), k.load(k.at(x, i))); });
  } else {
    Value own = label(row);
    if ((counted = counts(own, 0)))
      own = k.select(counted, own, k.c(0));
    wanted = k.load(k.at(x, own));
  }
  Value loss = k.fsub(logSum, wanted);
  Value all = sum([&](Value i) { return k.load(k.at(x, i)); });
  Value uniform = k.fsub(logSum, k.fmul(all, k.number(1.0 / static_cast<double>(channels))));
  loss = k.fadd(k.fmul(loss, k.fsub(k.number(1), smoothing)), k.fmul(uniform, smoothing));
  loss = ofCounted(loss, counted);
  k.when(k.equal(k.thread(), 0), [&] { k.store(loss, k.at(launch.buffers.back(), row)); });
}

void RowEmitter::crossEntropyGrad(Value row) {
  double weight = op.getNumbers()[0];
  Value smoothing = this->smoothing(),
        rest = k.fmul(smoothing, k.number(1.0 / static_cast<double>(channels)));
  Value sharp = k.fsub(k.number(1), smoothing), hit = k.fadd(sharp, rest);
  TypedPointer x = input(0, row), out = output(row);
  auto [max, total] = maxAndSum(x);
  Value m = max, inverse = k.fdiv(k.number(1), total);
  Value scale = k.fdiv(k.number(weight), k.toF32(launch.images)), target;
  TypedPointer targets;
  if (isSoft())
    targets = input(1, row);
  else
    target = label(row);
  if (target)
    scale = ofCounted(scale, counts(target, 1));
  overChannels([&](Value i) {
    Value p = k.fmul(exp(k.fsub(k.load(k.at(x, i)), m)), inverse);
    Value wanted = targets ? k.fadd(k.fmul(k.load(k.at(targets, i)), sharp), rest)
                           : k.select(k.equal(i, target), hit, rest);
    k.store(k.fmul(scale, k.fsub(p, wanted)), k.at(out, i));
  });
}

void RowEmitter::softmax(Value row) {
  TypedPointer x = input(0, row), out = output(row);
  auto [max, total] = maxAndSum(x);
  Value m = max, inverse = k.fdiv(k.number(1), total);
  overChannels(
      [&](Value i) { k.store(k.fmul(exp(k.fsub(k.load(k.at(x, i)), m)), inverse), k.at(out, i)); });
}

void RowEmitter::softmaxGrad(Value row) {
  TypedPointer g = input(0, row), y = input(1, row), out = output(row);
  Value dot = sum([&](Value i) { return k.fmul(k.load(k.at(g, i)), k.load(k.at(y, i))); });
  overChannels([&](Value i) {
    k.store(k.fmul(k.load(k.at(y, i)), k.fsub(k.load(k.at(g, i)), dot)), k.at(out, i));
  });
}

/// Mean of (x - t)^2, or of |x - t|, over the row.
void RowEmitter::difference(Value row, bool squared) {
  TypedPointer x = input(0, row), target = input(1, row);
  Value own =
      k.reduce(k.thread(), k.c(channels), k.threads, k.number64(0), [&](Value i, ValueRange acc) {
        Value d = k.fsub(k.load(k.at(x, i)), k.load(k.at(target, i)));
        Value v = squared ? k.fmul(d, d) : Value(math::AbsFOp::create(k.b, k.loc, d));
        return Values{k.fadd(acc[0], k.extend(v))};
      })[0];
  Value sum = k.blockReduce(own, k.threads, [&](Value a, Value b) { return k.fadd(a, b); });
  Value mean = k.fmul(sum, k.number64(1.0 / static_cast<double>(channels)));
  k.when(k.equal(k.thread(), 0),
         [&] { k.store(k.truncate(mean), k.at(launch.buffers.back(), row)); });
}

/// weight / images times 2 (x - t), or times its sign, which is zero at zero.
void RowEmitter::differenceGrad(Value row, bool squared) {
  TypedPointer x = input(0, row), target = input(1, row), out = output(row);
  Value scale = k.fdiv(k.number(op.getNumbers()[0] * (squared ? 2 : 1)), k.toF32(launch.images));
  overChannels([&](Value i) {
    Value d = k.fsub(k.load(k.at(x, i)), k.load(k.at(target, i)));
    if (!squared) {
      auto holds = [&](arith::CmpFPredicate predicate) {
        return arith::CmpFOp::create(k.b, k.loc, predicate, d, k.number(0));
      };
      d = k.select(holds(arith::CmpFPredicate::OGT), k.number(1),
                   k.select(holds(arith::CmpFPredicate::OLT), k.number(-1), k.number(0)));
    }
    k.store(k.fmul(scale, d), k.at(out, i));
  });
}

/// `classes`: where they stand among the numbers; a threshold may follow.
Value RowEmitter::binaryTarget(Value target, size_t classes) {
  return netc::binaryTarget(k, target, smoothing(), op.getNumbers().drop_front(classes));
}

/// Mean over the row of max(x, 0) - x t + log(1 + exp -|x|).
void RowEmitter::binaryCrossEntropy(Value row) {
  TypedPointer x = input(0, row), target = input(1, row);
  Value sum = sum64([&](Value i) {
    Value v = k.load(k.at(x, i)), t = binaryTarget(k.load(k.at(target, i)), 0);
    Value size = math::AbsFOp::create(k.b, k.loc, v);
    Value positive = k.fmul(k.fadd(v, size), k.number(0.5));
    Value rest = log(k.fadd(k.number(1), exp(k.fsub(k.number(0), size))));
    return k.extend(k.fadd(k.fsub(positive, k.fmul(v, t)), rest));
  });
  Value mean = k.fmul(sum, k.number64(1.0 / static_cast<double>(channels)));
  k.when(k.equal(k.thread(), 0),
         [&] { k.store(k.truncate(mean), k.at(launch.buffers.back(), row)); });
}

/// weight / images times sigmoid(x) - t.
void RowEmitter::binaryCrossEntropyGrad(Value row) {
  TypedPointer x = input(0, row), target = input(1, row), out = output(row);
  Value scale = k.fdiv(k.number(op.getNumbers()[0]), k.toF32(launch.images));
  overChannels([&](Value i) {
    Value v = k.load(k.at(x, i)), t = binaryTarget(k.load(k.at(target, i)), 1);
    Value p = k.fdiv(k.number(1), k.fadd(k.number(1), exp(k.fsub(k.number(0), v))));
    k.store(k.fmul(scale, k.fsub(p, t)), k.at(out, i));
  });
}

/// One class of one image: sum p t, and sum p + t, over its pixels.
void RowEmitter::diceSums(Value row) {
  int64_t classes = static_cast<int64_t>(op.getPixels());
  Value image = k.div(row, classes), own = k.rem(row, classes);
  TypedPointer p = k.at(launch.buffers[0], k.element(image, channels * classes, own));
  TypedPointer labels = k.at(launch.buffers[1], k.element(image, channels, k.c(0)));
  auto labelOf = [&](Value i) -> Value {
    return arith::TruncIOp::create(k.b, k.loc, k.i32(), k.load(k.at(labels, i)));
  };
  auto probability = [&](Value i) { return k.load(k.at(p, k.element(i, classes, k.c(0)))); };
  Value hits = sum64([&](Value i) {
    return k.extend(k.select(k.equal(labelOf(i), own), probability(i), k.number(0)));
  });
  Value all = sum64([&](Value i) {
    Value label = labelOf(i);
    Value hit = k.select(k.equal(label, own), k.number64(1), k.number64(0));
    Value both = k.fadd(k.extend(probability(i)), hit);
    Value counted = counts(label, 0);
    return counted ? k.select(counted, both, k.number64(0)) : both;
  });
  TypedPointer out = k.at(launch.buffers.back(), k.element(row, 2, k.c(0)));
  k.when(k.equal(k.thread(), 0), [&] {
    k.store(k.truncate(hits), out);
    k.store(k.truncate(all), k.at(out, k.c(1)));
  });
}

/// 1 - mean over classes of (2 sum p t + smooth) / (sum (p + t) + smooth).
void RowEmitter::dice(Value row) {
  TypedPointer sums = k.at(launch.buffers[0], k.element(row, 2 * channels, k.c(0)));
  Value smooth = k.number64(op.getNumbers()[0]);
  Value total = sum64([&](Value i) {
    Value hits = k.extend(k.load(k.at(sums, k.element(i, 2, k.c(0)))));
    Value all = k.extend(k.load(k.at(sums, k.element(i, 2, k.c(1)))));
    return k.fdiv(k.fadd(k.fmul(hits, k.number64(2)), smooth), k.fadd(all, smooth));
  });
  Value loss =
      k.fsub(k.number64(1), k.fmul(total, k.number64(1.0 / static_cast<double>(channels))));
  k.when(k.equal(k.thread(), 0),
         [&] { k.store(k.truncate(loss), k.at(launch.buffers.back(), row)); });
}

/// With a = 2 sum p t + smooth and b = sum (p + t) + smooth: (a - 2 b t) / b^2, times weight over
/// images and classes.
void RowEmitter::diceGrad(Value row) {
  double weight = op.getNumbers()[0] / static_cast<double>(channels);
  TypedPointer out = output(row);
  Value own = label(row), image = k.div(row, static_cast<int64_t>(op.getPixels()));
  TypedPointer sums = k.at(launch.buffers[2], k.element(image, 2 * channels, k.c(0)));
  Value scale = k.fdiv(k.number(weight), k.toF32(launch.images));
  if (Value counted = counts(own, 2))
    scale = k.select(counted, scale, k.number(0));
  Value smooth = k.number(op.getNumbers()[1]);
  overChannels([&](Value i) {
    Value a = k.fadd(k.fmul(k.load(k.at(sums, k.element(i, 2, k.c(0)))), k.number(2)), smooth);
    Value b = k.fadd(k.load(k.at(sums, k.element(i, 2, k.c(1)))), smooth);
    Value hit = k.select(k.equal(i, own), k.fmul(b, k.number(2)), k.number(0));
    k.store(k.fmul(scale, k.fdiv(k.fdiv(k.fsub(a, hit), b), b)), k.at(out, i));
  });
}

/// y = x D^-beta with D = k + alpha times the window's sum of squares;
/// dx_i = g_i D_i^-beta - 2 alpha beta x_i sum_j g_j x_j D_j^(-beta - 1) over windows j that hold
/// i.
void RowEmitter::lrn(bool gradient) {
  double alpha = op.getNumbers()[1], beta = op.getNumbers()[2];
  int64_t after = lrnSize() - 1 - before();
  forEachItem(k, launch, static_cast<int64_t>(op.getPixels()) * channels, 0, [&](Value item) {
    Value channel = k.rem(item, channels), row = k.div(item, channels);
    TypedPointer x = input(gradient ? 1 : 0, row);
    auto denominator = [&](Value j) {
      Value squares = windowSum(k.add(j, -before()), [&](Value i) {
        Value v = k.load(k.at(x, i));
        return k.fmul(v, v);
      });
      return k.fadd(k.number(op.getNumbers()[3]), k.fmul(k.number(alpha), squares));
    };
    Value own = k.load(k.at(x, channel));
    TypedPointer out = k.at(output(row), channel);
    if (!gradient)
      return k.store(k.fmul(own, power(denominator(channel), -beta)), out);
    TypedPointer g = input(0, row);
    Value direct = k.fmul(k.load(k.at(g, channel)), power(denominator(channel), -beta));
    Value across = windowSum(k.add(channel, -after), [&](Value j) {
      return k.fmul(k.fmul(k.load(k.at(g, j)), k.load(k.at(x, j))),
                    power(denominator(j), -beta - 1));
    });
    k.store(k.fsub(direct, k.fmul(k.fmul(own, k.number(2 * alpha * beta)), across)), out);
  });
}

/// Mean and 1 / sqrt(variance + eps) of a row.
std::pair<Value, Value> RowEmitter::statistics(TypedPointer x) {
  Value center = mean([&](Value i) { return k.load(k.at(x, i)); });
  Value variance = mean([&](Value i) {
    Value d = k.fsub(k.load(k.at(x, i)), center);
    return k.fmul(d, d);
  });
  Value root = math::SqrtOp::create(k.b, k.loc, k.fadd(variance, k.number(op.getNumbers()[0])));
  return {center, k.fdiv(k.number(1), root)};
}

void RowEmitter::norm(Value row) {
  TypedPointer x = input(0, row), out = output(row);
  std::pair<Value, Value> own = statistics(x);
  overChannels([&](Value i) {
    k.store(k.fmul(k.fsub(k.load(k.at(x, i)), own.first), own.second), k.at(out, i));
  });
}

/// dx = (g - mean(g) - y mean(g y)) / sqrt(variance + eps), y the normalised row.
void RowEmitter::normGrad(Value row) {
  TypedPointer g = input(0, row), x = input(1, row), out = output(row);
  std::pair<Value, Value> own = statistics(x);
  auto normal = [&](Value i) { return k.fmul(k.fsub(k.load(k.at(x, i)), own.first), own.second); };
  Value offset = mean([&](Value i) { return k.load(k.at(g, i)); });
  Value slope = mean([&](Value i) { return k.fmul(k.load(k.at(g, i)), normal(i)); });
  overChannels([&](Value i) {
    Value d = k.fsub(k.fsub(k.load(k.at(g, i)), offset), k.fmul(normal(i), slope));
    k.store(k.fmul(d, own.second), k.at(out, i));
  });
}

/// A thread a channel.
void RowEmitter::groupMean() {
  int64_t width = channels / static_cast<int64_t>(op.getNumbers()[0]);
  forEachItem(k, launch, static_cast<int64_t>(op.getPixels()) * channels, 0, [&](Value item) {
    Value channel = k.rem(item, channels), row = k.div(item, channels);
    Value first = k.mul(k.div(channel, width), width);
    TypedPointer x = input(0, row);
    Value sum = k.reduce(first, k.add(first, width), 1, k.number(0), [&](Value i, ValueRange acc) {
      return Values{k.fadd(acc[0], k.load(k.at(x, i)))};
    })[0];
    k.store(k.fmul(sum, k.number(1.0 / static_cast<double>(width))), k.at(output(row), channel));
  });
}

void RowEmitter::emit() {
  if (op.getKind() == kern::RowKind::GroupMean)
    return groupMean();
  if (op.getKind() == kern::RowKind::Lrn || op.getKind() == kern::RowKind::LrnGrad)
    return lrn(op.getKind() == kern::RowKind::LrnGrad);
  k.threads = channels <= 32 ? 32 : 128;
  k.grid = op.getGrid();
  Value row = k.block();
  switch (op.getKind()) {
  case kern::RowKind::CrossEntropy:
    return crossEntropy(row);
  case kern::RowKind::CrossEntropyGrad:
    return crossEntropyGrad(row);
  case kern::RowKind::Softmax:
    return softmax(row);
  case kern::RowKind::Norm:
    return norm(row);
  case kern::RowKind::NormGrad:
    return normGrad(row);
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
  default:
    return softmaxGrad(row);
  }
}

void netc::cuda::emitRow(GpuEmitter &k, kern::RowOp op, const Launch &launch) {
  RowEmitter(k, op, launch).emit();
}

/// Sum over heads of weight times mean; one block.
void netc::cuda::emitMeanLoss(GpuEmitter &k, kern::MeanLossOp op, const Launch &launch) {
  k.threads = 256;
  k.grid = {1, 0, 1};
  Value total = k.number64(0);
  for (auto [index, weight] : llvm::enumerate(op.getWeights())) {
    TypedPointer losses = launch.buffers[index];
    int64_t each = kern::lossesOf(op.getInputs()[index]);
    Value count = each == 1 ? launch.images : k.mul(launch.images, each);
    Value own = k.reduce(k.thread(), count, k.threads, k.number64(0), [&](Value i, ValueRange acc) {
      return Values{k.fadd(acc[0], k.extend(k.load(k.at(losses, i))))};
    })[0];
    Value sum = k.blockReduce(own, k.threads, [&](Value x, Value y) { return k.fadd(x, y); });
    total = k.fadd(total, k.fmul(sum, k.number64(weight / static_cast<double>(each))));
  }
  Value mean = k.fdiv(total, k.toF64(launch.images));
  k.when(k.equal(k.thread(), 0), [&] { k.store(k.truncate(mean), launch.buffers.back()); });
}

/// All labels over those that count; 1 over one where none does. One block.
void netc::cuda::emitLabelShare(GpuEmitter &k, kern::LabelShareOp op, const Launch &launch) {
  k.threads = 256;
  k.grid = {1, 0, 1};
  Value count = k.mul(launch.images, static_cast<int64_t>(op.getLabels()));
  Value ignored = arith::ConstantOp::create(
      k.b, k.loc, k.b.getI64IntegerAttr(static_cast<int64_t>(op.getIgnore())));
  Value own = k.reduce(k.thread(), count, k.threads, k.number64(0), [&](Value i, ValueRange acc) {
    Value label = k.load(k.at(launch.buffers[0], i));
    Value counts = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, label, ignored);
    return Values{k.fadd(acc[0], k.select(counts, k.number64(1), k.number64(0)))};
  })[0];
  Value counted = k.blockReduce(own, k.threads, [&](Value x, Value y) { return k.fadd(x, y); });
  Value some = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, counted, k.number64(0));
  Value share = k.fdiv(k.toF64(count), k.select(some, counted, k.number64(1)));
  k.when(k.equal(k.thread(), 0), [&] { k.store(k.truncate(share), launch.buffers.back()); });
}
