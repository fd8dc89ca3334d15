//===- GpuPool.cpp - pooling and its gradients on the GPU -----------------===//
//
// A thread has a chunk of channels of one pixel of the result. The max gradient gathers:
// an input pixel looks at each window over it, in the order in which the CPU scatters.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/PoolWindow.h"
#include "codegen/cuda/GpuKernels.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

namespace {
class PoolEmitter {
public:
  PoolEmitter(GpuEmitter &k, kern::PoolOp op, const Launch &launch)
      : k(k), op(op), window(k, op), launch(launch), g(op.getGeometry()), channels(g.getIc()),
        width(chunkWidth(channels)) {}
  void emitForward(bool isMax);
  void emitMaxGrad();
  void emitAverageGrad();
  void emitResample();
  void emitResampleGrad();

private:
  /// The second source's weight.
  Value weightOf(int axis, const PoolWindow<GpuEmitter>::Source &source) {
    double unit = 1.0 / static_cast<double>(window.whole(axis));
    return k.fmul(k.toF32(source.weight), k.number(unit));
  }
  /// How much output position `o` takes of input position `i`.
  Value shareOf(int axis, Value o, Value i);
  Value inAt(Value image, Value h, Value w, Value channel) {
    return k.element(window.inPixel(image, h, w), channels, channel);
  }
  Value outAt(Value image, Value h, Value w, Value channel) {
    return k.element(window.outPixel(image, h, w), channels, channel);
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
  GpuEmitter &k;
  kern::PoolOp op;
  PoolWindow<GpuEmitter> window;
  const Launch &launch;
  kern::GeometryAttr g;
  int64_t channels, width;
};
} // namespace

void PoolEmitter::emitForward(bool isMax) {
  forEachPixel(window.out(0), window.out(1), [&](Value image, Value oh, Value ow, Value channel) {
    Value rowCount, columnCount;
    Span rows = window.taps(0, oh, rowCount), cols = window.taps(1, ow, columnCount);
    Values start(width, k.number(isMax ? -std::numeric_limits<double>::infinity() : 0));
    Values result =
        k.reduce(rows.low, rows.high, window.tapStep(0), start, [&](Value h, ValueRange acc) {
          return k.reduce(
              cols.low, cols.high, window.tapStep(1), acc, [&](Value w, ValueRange inside) {
                Values x = k.loadChunk(k.at(launch.buffers[0], inAt(image, h, w, channel)), width),
                       next;
                for (int64_t lane = 0; lane < width; ++lane) {
                  next.push_back(isMax ? poolMax(k.b, k.loc, inside[lane], x[lane])
                                       : k.fadd(inside[lane], x[lane]));
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
  TypedPointer dy = launch.buffers[0], x = launch.buffers[1], dx = launch.buffers[2];
  forEachPixel(window.in(0), window.in(1), [&](Value image, Value ih, Value iw, Value channel) {
    Span windowsH = window.covering(0, ih), windowsW = window.covering(1, iw);
    Value own = k.add(k.mul(ih, g.getIw()), iw);
    Values total = k.reduce(
        windowsH.low, windowsH.high, 1, Values(width, k.number(0)),
        [&](Value oh, ValueRange outer) {
          return k.reduce(windowsW.low, windowsW.high, 1, outer, [&](Value ow, ValueRange sum) {
            Value unused;
            Span rows = window.taps(0, oh, unused), cols = window.taps(1, ow, unused);
            // The first position, in case nothing is above minus infinity.
            Values init(width, k.number(-std::numeric_limits<double>::infinity()));
            init.append(width, k.add(k.mul(rows.low, g.getIw()), cols.low));
            Values best = k.reduce(
                rows.low, rows.high, window.tapStep(0), init, [&](Value h, ValueRange acc) {
                  return k.reduce(
                      cols.low, cols.high, window.tapStep(1), acc, [&](Value w, ValueRange inside) {
                        Values v = k.loadChunk(k.at(x, inAt(image, h, w, channel)), width),
                               next(2 * width);
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
  forEachPixel(window.in(0), window.in(1), [&](Value image, Value ih, Value iw, Value channel) {
    Span rows = window.covering(0, ih), cols = window.covering(1, iw);
    Values sum =
        k.reduce(rows.low, rows.high, 1, Values(width, k.number(0)), [&](Value oh, ValueRange acc) {
          Value rowCount;
          window.taps(0, oh, rowCount);
          return k.reduce(cols.low, cols.high, 1, acc, [&](Value ow, ValueRange inside) {
            Value columnCount;
            window.taps(1, ow, columnCount);
            Value scale = k.fdiv(k.number(1), k.toF32(k.mul(rowCount, columnCount)));
            for (Value hit : {window.hits(0, oh, ih), window.hits(1, ow, iw)})
              scale = hit ? k.select(hit, scale, k.number(0)) : scale;
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

void PoolEmitter::emitResample() {
  forEachPixel(window.out(0), window.out(1), [&](Value image, Value oh, Value ow, Value channel) {
    auto row = window.source(0, oh), column = window.source(1, ow);
    auto between = [&](Values first, Values second, Value weight) {
      for (auto [x, y] : llvm::zip(first, second))
        x = k.fma(weight, k.fsub(y, x), x);
      return first;
    };
    auto load = [&](Value h, Value w) {
      return k.loadChunk(k.at(launch.buffers[0], inAt(image, h, w, channel)), width);
    };
    auto across = [&](Value h) {
      Values first = load(h, column.first);
      return window.bilinear() ? between(first, load(h, column.second), weightOf(1, column))
                               : first;
    };
    Values y = across(row.first);
    if (window.bilinear())
      y = between(y, across(row.second), weightOf(0, row));
    k.storeChunk(y, k.at(launch.buffers[1], outAt(image, oh, ow, channel)));
  });
}

Value PoolEmitter::shareOf(int axis, Value o, Value i) {
  auto source = window.source(axis, o);
  Value one = k.number(1), zero = k.number(0), weight = weightOf(axis, source);
  return k.fadd(k.select(k.equal(source.first, i), k.fsub(one, weight), zero),
                k.select(k.equal(source.second, i), weight, zero));
}

void PoolEmitter::emitResampleGrad() {
  forEachPixel(window.in(0), window.in(1), [&](Value image, Value ih, Value iw, Value channel) {
    Span rows = window.readers(0, ih), columns = window.readers(1, iw);
    Values sum =
        k.reduce(rows.low, rows.high, 1, Values(width, k.number(0)), [&](Value oh, ValueRange acc) {
          Value share = window.bilinear() ? shareOf(0, oh, ih) : Value();
          return k.reduce(columns.low, columns.high, 1, acc, [&](Value ow, ValueRange inside) {
            Values g = k.loadChunk(k.at(launch.buffers[0], outAt(image, oh, ow, channel)), width),
                   next;
            Value both = share ? k.fmul(share, shareOf(1, ow, iw)) : Value();
            for (int64_t lane = 0; lane < width; ++lane)
              next.push_back(k.fadd(inside[lane], both ? k.fmul(g[lane], both) : g[lane]));
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
  case kern::PoolKind::Nearest:
  case kern::PoolKind::Bilinear:
    return emitter.emitResample();
  case kern::PoolKind::NearestGrad:
  case kern::PoolKind::BilinearGrad:
    return emitter.emitResampleGrad();
  }
}
