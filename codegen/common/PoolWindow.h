//===- PoolWindow.h - which pixels a pooling window covers ------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_POOLWINDOW_H
#define NETC_CODEGEN_COMMON_POOLWINDOW_H

#include "dialect/kern/KernDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace netc {

/// A range of taps or windows, at run time; taps are a step apart.
struct Span {
  mlir::Value low, high;
};

/// The larger of a max pool's value so far and a further value. A NaN replaces any value and is
/// kept, as in PyTorch.
inline mlir::Value poolMax(mlir::OpBuilder &b, mlir::Location loc, mlir::Value best,
                           mlir::Value x) {
  using namespace mlir;
  Value larger = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, best, x);
  Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, best, best);
  return arith::SelectOp::create(b, loc, arith::OrIOp::create(b, loc, larger, isNaN), best, x);
}

/// The arithmetic of one pool's windows along an axis (0: rows, 1: columns) in the integers of a
/// CPU's or a GPU's kernel.
template <typename Emitter> class PoolWindow {
public:
  using Value = mlir::Value;

  PoolWindow(Emitter &k, kern::PoolOp op) : k(k), op(op), g(op.getGeometry()) {}

  int64_t in(int axis) const { return axis ? g.getIw() : g.getIh(); }
  int64_t out(int axis) const { return axis ? g.getOw() : g.getOh(); }

  /// Input positions of window `o`; `count` is what an average divides by.
  Span taps(int axis, Value o, Value &count) {
    if (adaptive()) {
      Value low = k.div(k.mul(o, in(axis)), out(axis));
      Value high = k.ceilDiv(k.mul(k.add(o, 1), in(axis)), out(axis));
      count = k.sub(high, low);
      return {low, high};
    }
    Value start = k.add(k.mul(o, stride(axis)), -pad(axis));
    if (int64_t step = tapStep(axis); step != 1) {
      Value end = k.add(start, (kernel(axis) - 1) * step + 1);
      count = k.ceilDiv(k.sub(k.min(end, k.c(in(axis) + op.getEndPads()[axis])), start), step);
      Value skipped = k.ceilDiv(k.max(k.sub(k.c(0), start), k.c(0)), step); // in the padding
      return {k.add(start, k.mul(skipped, step)), k.min(end, k.c(in(axis)))};
    }
    // Padding counts, but not what a rounded-up window has beyond it.
    count = k.sub(k.min(k.add(start, kernel(axis)), k.c(in(axis) + op.getEndPads()[axis])), start);
    return {k.max(start, k.c(0)), k.min(k.add(start, kernel(axis)), k.c(in(axis)))};
  }

  /// Pixels from one tap to the next.
  int64_t tapStep(int axis) const { return axis ? g.getDw() : g.getDh(); }

  /// Whether a tap of window `o`, of those that cover it, lies on input position `i`; null: each.
  Value hits(int axis, Value o, Value i) {
    int64_t step = tapStep(axis);
    if (step == 1)
      return {};
    Value place = k.sub(k.add(i, pad(axis)), k.mul(o, stride(axis)));
    return k.less(k.rem(place, step), k.c(1));
  }

  /// Windows that cover input position `i`; with taps apart, see hits().
  Span covering(int axis, Value i) {
    if (adaptive())
      return {k.div(k.mul(i, out(axis)), in(axis)),
              k.ceilDiv(k.mul(k.add(i, 1), out(axis)), in(axis))};
    // o stride - pad <= i < o stride - pad + kernel
    int64_t reach = (kernel(axis) - 1) * tapStep(axis);
    Value low = k.ceilDiv(k.max(k.add(i, pad(axis) - reach), k.c(0)), stride(axis));
    Value high = k.add(k.div(k.add(i, pad(axis)), stride(axis)), 1);
    return {low, k.min(high, k.c(out(axis)))};
  }

  /// Where an output position of a resampled axis reads: two input positions, the second one's
  /// weight a fraction of `whole()`. The nearest pixel alone has no second.
  struct Source {
    Value first, second, weight;
  };
  Source source(int axis, Value o) {
    if (!bilinear())
      return {k.div(k.mul(o, in(axis)), out(axis)), {}, {}};
    // (o + 0.5) in / out - 0.5, in units of 1 / (2 out)
    Value place = k.max(k.add(k.mul(k.add(k.mul(o, 2), 1), in(axis)), -out(axis)), k.c(0));
    Value first = k.div(place, whole(axis));
    return {first, k.min(k.add(first, 1), k.c(in(axis)-1)), k.rem(place, whole(axis))};
  }
  int64_t whole(int axis) const { return 2 * out(axis); }

  /// Output positions of a resampled axis that may read input position `i`.
  Span readers(int axis, Value i) {
    int64_t size = out(axis);
    if (!bilinear())
      return {k.ceilDiv(k.mul(i, size), in(axis)),
              k.min(k.ceilDiv(k.mul(k.add(i, 1), size), in(axis)), k.c(size))};
    auto bound = [&](int64_t odd) { // ((2 i + odd) out - in) / 2
      return k.max(k.add(k.mul(k.add(k.mul(i, 2), odd), size), -in(axis)), k.c(0));
    };
    return {k.div(bound(-1), 2 * in(axis)), k.min(k.ceilDiv(bound(3), 2 * in(axis)), k.c(size))};
  }
  bool bilinear() {
    return op.getKind() == kern::PoolKind::Bilinear || op.getKind() == kern::PoolKind::BilinearGrad;
  }

  /// Pixels of the batch before this one, of the input and of the output.
  Value inPixel(Value image, Value h, Value w) { return pixel(image, g.getIh(), h, g.getIw(), w); }
  Value outPixel(Value image, Value h, Value w) { return pixel(image, g.getOh(), h, g.getOw(), w); }

private:
  bool adaptive() {
    return op.getKind() == kern::PoolKind::Adaptive || op.getKind() == kern::PoolKind::AdaptiveGrad;
  }
  int64_t kernel(int axis) const { return axis ? g.getKw() : g.getKh(); }
  int64_t stride(int axis) const { return axis ? g.getSw() : g.getSh(); }
  int64_t pad(int axis) const { return axis ? g.getPl() : g.getPt(); }
  Value pixel(Value image, int64_t height, Value h, int64_t width, Value w) {
    return k.add(k.mul(k.add(k.mul(image, height), h), width), w);
  }

  Emitter &k;
  kern::PoolOp op;
  kern::GeometryAttr g;
};

} // namespace netc

#endif // NETC_CODEGEN_COMMON_POOLWINDOW_H
