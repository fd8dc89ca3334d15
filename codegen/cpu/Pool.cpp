//===- Pool.cpp - pooling and its gradients on the CPU --------------------===//
//
// Vectorised over channels. Forward and average gradients: an item is a row of the
// result. The max gradient scatters, so its item is an image and 64 channels of it.
// A prologue is applied to each element that a window reads.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/PoolWindow.h"
#include "codegen/cpu/Kernels.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
class PoolEmitter {
public:
  PoolEmitter(KernelEmitter &k, kern::PoolOp op, const Launch &launch)
      : k(k), op(op), window(k, op), launch(launch), g(op.getGeometry()), channels(g.getIc()),
        output(launch.buffers[op.getInputs().size()]) {
    size_t first = op.getInputs().size() - op.getSources().size();
    for (auto [index, operand] : llvm::enumerate(op.getSources())) {
      sources.push_back(launch.buffers[first + index]);
      accesses.push_back(accessOf(operand, g.getIh() * g.getIw()));
    }
  }

  void emitForwardRows(bool isMax);
  void emitMaxOfBytes();
  void emitMaxGrad();
  void emitAverageGrad();
  void emitResample();
  void emitResampleGrad();

private:
  /// The second source's weight, in all lanes.
  Value weightOf(int axis, const PoolWindow<KernelEmitter>::Source &source) {
    double unit = 1.0 / static_cast<double>(window.whole(axis));
    return k.splat(k.fmul(toF32(source.weight), k.number(unit)));
  }
  /// How much output position `o` takes of input position `i`, in all lanes.
  Value shareOf(int axis, Value o, Value i);
  Value inAt(Value image, Value h, Value w) { return k.mul(window.inPixel(image, h, w), channels); }
  Value outAt(Value image, Value h, Value w) {
    return k.mul(window.outPixel(image, h, w), channels);
  }
  /// Operands of the prologue that are the same for all pixels of an image; null for the others.
  Values stillAt(Value image, Value channel, int64_t valid);
  /// `valid` lanes of x at a pixel.
  Value loadInput(Value image, Value h, Value w, Value channel, int64_t valid,
                  ArrayRef<Value> still);
  Value toF32(Value count) { return arith::SIToFPOp::create(k.b, k.loc, k.f32(), count); }
  Value greater(Value x, Value y) {
    return arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, x, y);
  }

  KernelEmitter &k;
  kern::PoolOp op;
  PoolWindow<KernelEmitter> window;
  const Launch &launch;
  kern::GeometryAttr g;
  int64_t channels;
  TypedPointer output;
  SmallVector<TypedPointer> sources; ///< of x
  SmallVector<Access> accesses;
};
} // namespace

Values PoolEmitter::stillAt(Value image, Value channel, int64_t valid) {
  Values still;
  for (auto [source, access] : llvm::zip(sources, accesses)) {
    if (access == Access::Full) {
      still.push_back(Value());
      continue;
    }
    Value offset = offsetOf(k, access, /*pixel=*/{}, image, channels, channel);
    still.push_back(k.loadVector(k.at(source, offset), valid));
  }
  return still;
}

Value PoolEmitter::loadInput(Value image, Value h, Value w, Value channel, int64_t valid,
                             ArrayRef<Value> still) {
  Values inputs;
  for (auto [source, known] : llvm::zip(sources, still))
    inputs.push_back(known ? known
                           : k.loadVector(k.at(source, k.add(inAt(image, h, w), channel)), valid));
  Block *prologue = kern::blockOf(op.getPrologue());
  return prologue ? emitFormula(k, *prologue, inputs)[0] : inputs[0];
}

void PoolEmitter::emitForwardRows(bool isMax) {
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, window.out(0)), oh = k.rem(item, window.out(0));
    Value rowCount, columnCount;
    Span rows = window.taps(0, oh, rowCount);
    k.loop(0, window.out(1), 1, [&](Value ow) {
      Span cols = window.taps(1, ow, columnCount);
      Value scale =
          isMax ? Value() : k.splat(k.fdiv(k.number(1), toF32(k.mul(rowCount, columnCount))));
      k.overChannels(channels, [&](Value channel, int64_t valid) {
        Values still = stillAt(image, channel, valid);
        Value start = isMax ? k.splat(-std::numeric_limits<double>::infinity()) : k.zeros();
        Values best =
            k.reduce(rows.low, rows.high, window.tapStep(0), start, [&](Value h, ValueRange acc) {
              return k.reduce(
                  cols.low, cols.high, window.tapStep(1), acc, [&](Value w, ValueRange inside) {
                    Value x = loadInput(image, h, w, channel, valid, still);
                    return Values{isMax ? k.poolMax(inside[0], x) : k.fadd(inside[0], x)};
                  });
            });
        Value result = isMax ? best[0] : k.fmul(best[0], scale);
        k.storeVector(result, k.at(output, k.add(outAt(image, oh, ow), channel)), valid);
      });
    });
  });
}

/// Whether bytes are in the order of their values, as unsigned ones: both types that activations
/// are stored as are.
static bool takesLargestByte(kern::PoolOp op) {
  auto elementOf = [](Value value) { return kern::shapedType(value).getElementType(); };
  Type element = elementOf(op.getInputs()[0]);
  return op.getKind() == kern::PoolKind::Max && op.getPrologue().empty() &&
         element == elementOf(op.getOuts()[0]) &&
         (element.isUnsignedInteger(8) || element.isSignedInteger(8));
}

/// Bytes as they are, a register of them at once.
void PoolEmitter::emitMaxOfBytes() {
  int64_t bytes = 4 * k.lanes, whole = channels / bytes * bytes;
  auto take = [&](Value image, Value oh, Value ow, Span rows, Span cols, Value channel,
                  int64_t count) {
    auto type = VectorType::get({count}, k.b.getI8Type());
    Value least = arith::ConstantOp::create(k.b, k.loc, k.b.getZeroAttr(type));
    Values best = k.reduce(rows.low, rows.high, 1, least, [&](Value h, ValueRange acc) {
      return k.reduce(cols.low, cols.high, 1, acc, [&](Value w, ValueRange inside) {
        Value x = LLVM::LoadOp::create(
            k.b, k.loc, type, k.at(sources[0], k.add(inAt(image, h, w), channel)).address, 1);
        return Values{arith::MaxUIOp::create(k.b, k.loc, inside[0], x)};
      });
    });
    LLVM::StoreOp::create(k.b, k.loc, best[0],
                          k.at(output, k.add(outAt(image, oh, ow), channel)).address, 1);
  };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, window.out(0)), oh = k.rem(item, window.out(0)), unused;
    Span rows = window.taps(0, oh, unused);
    k.loop(0, window.out(1), 1, [&](Value ow) {
      Span cols = window.taps(1, ow, unused);
      k.loop(0, whole, bytes,
             [&](Value channel) { take(image, oh, ow, rows, cols, channel, bytes); });
      // The rest in powers of two.
      for (int64_t channel = whole, count = bytes / 2; channel < channels; count /= 2)
        if (channels - channel >= count) {
          take(image, oh, ow, rows, cols, k.c(channel), count);
          channel += count;
        }
    });
  });
}

void PoolEmitter::emitMaxGrad() {
  TypedPointer dy = launch.buffers[0], dx = output;
  auto i32Vector = VectorType::get({k.lanes}, k.b.getI32Type());
  auto indexOf = [&](Value h, Value w) -> Value {
    Value flat =
        arith::TruncIOp::create(k.b, k.loc, k.b.getI32Type(), k.add(k.mul(h, g.getIw()), w));
    return vector::BroadcastOp::create(k.b, k.loc, i32Vector, flat);
  };
  auto ofWindow = [&](Value image, Value oh, Value ow, Span rows, Span cols, Value channel,
                      int64_t valid) {
    Values still = stillAt(image, channel, valid);
    Value minus = k.splat(-std::numeric_limits<double>::infinity());
    // The first position, in case nothing is above minus infinity.
    Value first = indexOf(rows.low, cols.low);
    Values best = k.reduce(
        rows.low, rows.high, window.tapStep(0), {minus, first}, [&](Value h, ValueRange acc) {
          return k.reduce(cols.low, cols.high, window.tapStep(1), acc,
                          [&](Value w, ValueRange inside) {
                            Value v = loadInput(image, h, w, channel, valid, still);
                            Value wins = greater(v, inside[0]);
                            return Values{k.select(wins, v, inside[0]),
                                          k.select(wins, indexOf(h, w), inside[1])};
                          });
        });
    Value gradient = k.loadVector(k.at(dy, k.add(outAt(image, oh, ow), channel)), valid);
    k.loop(rows.low, rows.high, window.tapStep(0), [&](Value h) {
      k.loop(cols.low, cols.high, window.tapStep(1), [&](Value w) {
        TypedPointer at = k.at(dx, k.add(inAt(image, h, w), channel));
        Value mine =
            arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, best[1], indexOf(h, w));
        k.storeVector(k.fadd(k.loadVector(at, valid), k.select(mine, gradient, k.zeros())), at,
                      valid);
      });
    });
  };
  int64_t whole = channels / k.lanes * k.lanes;
  // A pixel's channels of the item one after the other: memory passes by once.
  auto overItem = [&](Value low, llvm::function_ref<void(Value, int64_t)> body) {
    k.loop(low, k.min(k.add(low, 64), k.c(whole)), k.lanes,
           [&](Value channel) { body(channel, k.lanes); });
    if (channels > whole)
      k.when(k.less(k.c(channels - 1), k.add(low, 64)),
             [&] { body(k.c(whole), channels - whole); });
  };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = arith::RemUIOp::create(k.b, k.loc, item, launch.images);
    Value low = k.mul(arith::DivUIOp::create(k.b, k.loc, item, launch.images), 64);
    auto zeroRows = [&](Value from, Value to) {
      k.loop(k.mul(from, g.getIw()), k.mul(to, g.getIw()), 1, [&](Value p) {
        TypedPointer pixel =
            k.at(dx, k.mul(k.add(k.mul(image, g.getIh() * g.getIw()), p), channels));
        overItem(low, [&](Value channel, int64_t valid) {
          k.storeVector(k.zeros(), k.at(pixel, channel), valid);
        });
      });
    };
    Value unused;
    k.loop(0, window.out(0), 1, [&](Value oh) {
      Span rows = window.taps(0, oh, unused), above = window.taps(0, k.add(oh, -1), unused);
      // Rows that no window before this one has reached.
      zeroRows(k.select(k.less(oh, k.c(1)), k.c(0), above.high), rows.high);
      k.loop(0, window.out(1), 1, [&](Value ow) {
        Span cols = window.taps(1, ow, unused);
        overItem(low, [&](Value channel, int64_t valid) {
          ofWindow(image, oh, ow, rows, cols, channel, valid);
        });
      });
    });
    zeroRows(window.taps(0, k.c(window.out(0) - 1), unused).high, k.c(g.getIh()));
  });
}

void PoolEmitter::emitAverageGrad() {
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, window.in(0)), ih = k.rem(item, window.in(0));
    Span rows = window.covering(0, ih);
    k.loop(0, window.in(1), 1, [&](Value iw) {
      Span cols = window.covering(1, iw);
      k.overChannels(channels, [&](Value channel, int64_t valid) {
        Values sum = k.reduce(rows.low, rows.high, 1, k.zeros(), [&](Value oh, ValueRange acc) {
          Value rowCount;
          window.taps(0, oh, rowCount);
          return k.reduce(cols.low, cols.high, 1, acc, [&](Value ow, ValueRange inside) {
            Value columnCount;
            window.taps(1, ow, columnCount);
            Value scale = k.fdiv(k.number(1), toF32(k.mul(rowCount, columnCount)));
            Value gradient =
                k.loadVector(k.at(launch.buffers[0], k.add(outAt(image, oh, ow), channel)), valid);
            for (Value hit : {window.hits(0, oh, ih), window.hits(1, ow, iw)})
              scale = hit ? k.select(hit, scale, k.number(0)) : scale;
            return Values{k.fadd(inside[0], k.fmul(gradient, k.splat(scale)))};
          });
        });
        k.storeVector(sum[0], k.at(output, k.add(inAt(image, ih, iw), channel)), valid);
      });
    });
  });
}

void PoolEmitter::emitResample() {
  auto between = [&](Value first, Value second, Value weight) {
    return k.fma(weight, k.fsub(second, first), first);
  };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, window.out(0)), oh = k.rem(item, window.out(0));
    auto row = window.source(0, oh);
    k.loop(0, window.out(1), 1, [&](Value ow) {
      auto column = window.source(1, ow);
      k.overChannels(channels, [&](Value channel, int64_t valid) {
        auto load = [&](Value h, Value w) {
          return k.loadVector(k.at(sources[0], k.add(inAt(image, h, w), channel)), valid);
        };
        auto across = [&](Value h) {
          Value first = load(h, column.first);
          return window.bilinear() ? between(first, load(h, column.second), weightOf(1, column))
                                   : first;
        };
        Value y = across(row.first);
        if (window.bilinear())
          y = between(y, across(row.second), weightOf(0, row));
        k.storeVector(y, k.at(output, k.add(outAt(image, oh, ow), channel)), valid);
      });
    });
  });
}

Value PoolEmitter::shareOf(int axis, Value o, Value i) {
  auto source = window.source(axis, o);
  auto hits = [&](Value place) {
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, place, i);
  };
  Value one = k.splat(1.0), weight = weightOf(axis, source);
  return k.fadd(k.select(hits(source.first), k.fsub(one, weight), k.zeros()),
                k.select(hits(source.second), weight, k.zeros()));
}

void PoolEmitter::emitResampleGrad() {
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, window.in(0)), ih = k.rem(item, window.in(0));
    Span rows = window.readers(0, ih);
    k.loop(0, window.in(1), 1, [&](Value iw) {
      Span columns = window.readers(1, iw);
      k.overChannels(channels, [&](Value channel, int64_t valid) {
        Values sum = k.reduce(rows.low, rows.high, 1, k.zeros(), [&](Value oh, ValueRange acc) {
          Value share = window.bilinear() ? shareOf(0, oh, ih) : Value();
          return k.reduce(columns.low, columns.high, 1, acc, [&](Value ow, ValueRange inside) {
            Value g =
                k.loadVector(k.at(launch.buffers[0], k.add(outAt(image, oh, ow), channel)), valid);
            if (share)
              g = k.fmul(g, k.fmul(share, shareOf(1, ow, iw)));
            return Values{k.fadd(inside[0], g)};
          });
        });
        k.storeVector(sum[0], k.at(output, k.add(inAt(image, ih, iw), channel)), valid);
      });
    });
  });
}

void netc::cpu::emitPool(KernelEmitter &k, kern::PoolOp op, const Launch &launch) {
  PoolEmitter emitter(k, op, launch);
  switch (op.getKind()) {
  case kern::PoolKind::Max:
    return takesLargestByte(op) ? emitter.emitMaxOfBytes() : emitter.emitForwardRows(true);
  case kern::PoolKind::Average:
  case kern::PoolKind::Adaptive:
    return emitter.emitForwardRows(false);
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
