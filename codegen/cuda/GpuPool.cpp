//===- GpuPool.cpp - pooling and its gradients on the GPU -----------------===//
//
// A thread has a chunk of channels of one pixel of the result. The max gradient gathers:
// an input pixel looks at each window over it, in the order in which the CPU scatters.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
struct Span {
  Value low, high;
};

class PoolEmitter {
public:
  PoolEmitter(GpuEmitter &k, kern::PoolOp op, const Launch &launch)
      : k(k), op(op), launch(launch), g(op.getGeometry()), channels(g.getIc()),
        width(chunkWidth(channels)) {}
  void emitForward(bool isMax);
  void emitMaxGrad();
  void emitAverageGrad();

private:
  bool adaptive() {
    return op.getKind() == kern::PoolKind::Adaptive || op.getKind() == kern::PoolKind::AdaptiveGrad;
  }
  Span taps(int axis, Value o, Value &count);
  Span covering(int axis, Value i);
  int64_t in(int axis) const { return axis ? g.getIw() : g.getIh(); }
  int64_t out(int axis) const { return axis ? g.getOw() : g.getOh(); }
  int64_t kernel(int axis) const { return axis ? g.getKw() : g.getKh(); }
  int64_t stride(int axis) const { return axis ? g.getSw() : g.getSh(); }
  int64_t pad(int axis) const { return axis ? g.getPl() : g.getPt(); }
  Value inAt(Value image, Value h, Value w, Value channel) {
    return k.element(k.add(k.mul(k.add(k.mul(image, g.getIh()), h), g.getIw()), w), channels,
                     channel);
  }
  Value outAt(Value image, Value h, Value w, Value channel) {
    return k.element(k.add(k.mul(k.add(k.mul(image, g.getOh()), h), g.getOw()), w), channels,
                     channel);
  }
  /// Calls body(image, h, w, channel) for each chunk of an image of height x width.
  void forEachPixel(int64_t height, int64_t columns,
                    llvm::function_ref<void(Value, Value, Value, Value)> body) {
    int64_t chunks = channels / width;
    forEachItem(k, launch, height * columns * chunks, 0, [&](Value item) {
      Value channel = k.mul(k.rem(item, chunks), width), pixel = k.div(item, chunks);
      Value w = k.rem(pixel, columns), rest = k.div(pixel, columns);
      body(k.div(rest, height), k.rem(rest, height), w, channel);
    });
  }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(k.b, k.loc, predicate, x, y);
  }
  /// A NaN replaces what was there and stays, as in PyTorch.
  Value larger(Value best, Value x) {
    Value keep = arith::OrIOp::create(k.b, k.loc, compare(arith::CmpFPredicate::OGE, best, x),
                                      compare(arith::CmpFPredicate::UNO, best, best));
    return k.select(keep, best, x);
  }

  GpuEmitter &k;
  kern::PoolOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  int64_t channels, width;
};
} // namespace

Span PoolEmitter::taps(int axis, Value o, Value &count) {
  if (adaptive()) {
    Value low = k.div(k.mul(o, in(axis)), out(axis));
    Value high = k.ceilDiv(k.mul(k.add(o, 1), in(axis)), out(axis));
    count = k.sub(high, low);
    return {low, high};
  }
  Value start = k.add(k.mul(o, stride(axis)), -pad(axis));
  // Padding counts, but not what a rounded-up window has beyond it.
  count = k.sub(k.min(k.add(start, kernel(axis)), k.c(in(axis) + op.getEndPads()[axis])), start);
  return {k.max(start, k.c(0)), k.min(k.add(start, kernel(axis)), k.c(in(axis)))};
}

Span PoolEmitter::covering(int axis, Value i) {
  if (adaptive())
    return {k.div(k.mul(i, out(axis)), in(axis)),
            k.ceilDiv(k.mul(k.add(i, 1), out(axis)), in(axis))};
  // o stride - pad <= i < o stride - pad + kernel
  Value low = k.ceilDiv(k.max(k.add(i, pad(axis) - kernel(axis) + 1), k.c(0)), stride(axis));
  Value high = k.add(k.div(k.add(i, pad(axis)), stride(axis)), 1);
  return {low, k.min(high, k.c(out(axis)))};
}

void PoolEmitter::emitForward(bool isMax) {
  forEachPixel(out(0), out(1), [&](Value image, Value oh, Value ow, Value channel) {
    Value rowCount, columnCount;
    Span rows = taps(0, oh, rowCount), cols = taps(1, ow, columnCount);
    Values start(width, k.number(isMax ? -std::numeric_limits<double>::infinity() : 0));
    Values result = k.reduce(rows.low, rows.high, 1, start, [&](Value h, ValueRange acc) {
      return k.reduce(cols.low, cols.high, 1, acc, [&](Value w, ValueRange inside) {
        Values x = k.loadChunk(k.at(launch.buffers[0], inAt(image, h, w, channel)), width), next;
        for (int64_t lane = 0; lane < width; ++lane) {
          next.push_back(isMax ? larger(inside[lane], x[lane]) : k.fadd(inside[lane], x[lane]));
        }
        return next;
      });
    });
    if (!isMax) {
      Value scale = k.fdiv(k.number(1), k.toF32(k.mul(rowCount, columnCount)));
      for (Value &lane : result)
        lane = k.fmul(lane, scale);
    }
    k.storeChunk(result, k.at(launch.buffers[1], outAt(image, oh, ow, channel)));
  });
}

void PoolEmitter::emitMaxGrad() {
  k.blocksPerProcessor = 4; // up to 64 registers: where ptxas chooses by itself it spills
  Value dy = launch.buffers[0], x = launch.buffers[1], dx = launch.buffers[2];
  forEachPixel(in(0), in(1), [&](Value image, Value ih, Value iw, Value channel) {
    Span windowsH = covering(0, ih), windowsW = covering(1, iw);
    Value own = k.add(k.mul(ih, g.getIw()), iw);
    Values total = k.reduce(
        windowsH.low, windowsH.high, 1, Values(width, k.number(0)),
        [&](Value oh, ValueRange outer) {
          return k.reduce(windowsW.low, windowsW.high, 1, outer, [&](Value ow, ValueRange sum) {
            Value unused;
            Span rows = taps(0, oh, unused), cols = taps(1, ow, unused);
            // The first position, in case nothing is above minus infinity.
            Values init(width, k.number(-std::numeric_limits<double>::infinity()));
            init.append(width, k.add(k.mul(rows.low, g.getIw()), cols.low));
            Values best = k.reduce(rows.low, rows.high, 1, init, [&](Value h, ValueRange acc) {
              return k.reduce(cols.low, cols.high, 1, acc, [&](Value w, ValueRange inside) {
                Values v = k.loadChunk(k.at(x, inAt(image, h, w, channel)), width), next(2 * width);
                Value here = k.add(k.mul(h, g.getIw()), w);
                for (int64_t lane = 0; lane < width; ++lane) {
                  Value wins = compare(arith::CmpFPredicate::OGT, v[lane], inside[lane]);
                  next[lane] = k.select(wins, v[lane], inside[lane]);
                  next[width + lane] = k.select(wins, here, inside[width + lane]);
                }
                return next;
              });
            });
            Values gradient = k.loadChunk(k.at(dy, outAt(image, oh, ow, channel)), width), next;
            for (int64_t lane = 0; lane < width; ++lane)
              next.push_back(k.fadd(sum[lane], k.select(k.equal(best[width + lane], own),
                                                        gradient[lane], k.number(0))));
            return next;
          });
        });
    k.storeChunk(total, k.at(dx, inAt(image, ih, iw, channel)));
  });
}

void PoolEmitter::emitAverageGrad() {
  forEachPixel(in(0), in(1), [&](Value image, Value ih, Value iw, Value channel) {
    Span rows = covering(0, ih), cols = covering(1, iw);
    Values sum =
        k.reduce(rows.low, rows.high, 1, Values(width, k.number(0)), [&](Value oh, ValueRange acc) {
          Value rowCount;
          taps(0, oh, rowCount);
          return k.reduce(cols.low, cols.high, 1, acc, [&](Value ow, ValueRange inside) {
            Value columnCount;
            taps(1, ow, columnCount);
            Value scale = k.fdiv(k.number(1), k.toF32(k.mul(rowCount, columnCount)));
            Values gradient =
                       k.loadChunk(k.at(launch.buffers[0], outAt(image, oh, ow, channel)), width),
                   next;
            for (int64_t lane = 0; lane < width; ++lane)
              next.push_back(k.fadd(inside[lane], k.fmul(gradient[lane], scale)));
            return next;
          });
        });
    k.storeChunk(sum, k.at(launch.buffers[1], inAt(image, ih, iw, channel)));
  });
}

void netc::cuda::emitPool(GpuEmitter &k, kern::PoolOp op, const Launch &launch) {
  PoolEmitter emitter(k, op, launch);
  switch (op.getKind()) {
  case kern::PoolKind::Max:
    return emitter.emitForward(true);
  case kern::PoolKind::Average:
  case kern::PoolKind::Adaptive:
    return emitter.emitForward(false);
  case kern::PoolKind::MaxGrad:
    return emitter.emitMaxGrad();
  case kern::PoolKind::AverageGrad:
  case kern::PoolKind::AdaptiveGrad:
    return emitter.emitAverageGrad();
  }
}
