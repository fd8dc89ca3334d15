//===- Pack.cpp - weights between the user's order and tiles --------------===//
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

/// Tiles [G, blocks, KH, KW, depth, T] of a filter [O, I/G, KH, KW]; item: one (group, block).
void netc::cpu::emitPack(KernelEmitter &k, kern::PackOp op, const Launch &launch) {
  ArrayRef<int64_t> packed = kern::shapedType(op.getOuts()[0]).getShape();
  auto filter = kern::shapedType(op.getInputs()[0]);
  int64_t blocks = packed[1], kh = packed[2], kw = packed[3], depth = packed[4], tile = packed[5], window = kh * kw;
  int64_t groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups()), groupIn = filter.getDimSize(1);
  bool lanewise = op.getLanewise();
  // What the tile's lanes count: channels of a group, lane-wise those of all.
  int64_t lanesOf = lanewise ? filter.getDimSize(0) : op.getTransposed() ? groupIn : groupOut;
  bool scaled = op.getInputs().size() > 1;
  Value source = launch.buffers[0], scale = scaled ? launch.buffers[1] : Value(), out = launch.buffers.back();
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value group = k.div(item, blocks), first = k.mul(k.rem(item, blocks), tile);
    Value count = k.min(k.c(tile), k.sub(k.c(lanesOf), first));
    k.loop(0, depth, 1, [&](Value d) {
      k.loop(0, window, 1, [&](Value tap) {
        Value to = k.add(k.mul(item, window * depth * tile), k.add(k.mul(tap, depth * tile), k.mul(d, tile)));
        k.loop(k.c(0), count, 1, [&](Value t) {
          Value lane = k.add(first, t);
          Value o = k.add(k.mul(group, groupOut), op.getTransposed() ? d : lane), i = op.getTransposed() ? lane : d;
          if (lanewise) {
            // The lane's own group; transposed, its outputs take turns as the depth.
            Value own = k.mul(k.div(lane, groupOut), groupOut);
            o = op.getTransposed() ? k.add(own, d) : lane;
            i = op.getTransposed() ? k.rem(lane, groupIn) : d;
          }
          Value at = op.getTransposed() ? k.sub(k.c(window - 1), tap) : tap;
          Value value = k.load(k.at(source, k.add(k.mul(k.add(k.mul(o, groupIn), i), window), at)));
          if (scaled)
            value = k.fmul(value, k.load(k.at(scale, o)));
          k.store(value, k.at(out, k.add(to, t)));
        });
        k.loop(count, k.c(tile), 1, [&](Value t) { k.store(k.number(0), k.at(out, k.add(to, t))); });
      });
    });
  });
}

/// Adds the chunks of a packed gradient in order; item: one (group, block, window row).
void netc::cpu::emitUnpack(KernelEmitter &k, kern::UnpackOp op, const Launch &launch) {
  ArrayRef<int64_t> packed = kern::shapedType(op.getInputs()[0]).getShape();
  auto filter = kern::shapedType(op.getOuts()[0]);
  int64_t chunks = packed[0], blocks = packed[2], kh = packed[3], kw = packed[4], depth = packed[5], tile = packed[6];
  int64_t groupOut = filter.getDimSize(0) / static_cast<int64_t>(op.getGroups());
  int64_t gradSize = packed[1] * blocks * kh * kw * depth * tile;
  Value source = launch.buffers[0], out = launch.buffers[1];
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value row = k.rem(item, kh), groupBlock = k.div(item, kh);
    Value group = k.div(groupBlock, blocks), first = k.mul(k.rem(groupBlock, blocks), tile);
    k.loop(0, kw * depth, 1, [&](Value step) {
      Value column = k.div(step, depth), d = k.rem(step, depth);
      Value from = k.add(k.mul(item, kw * depth * tile), k.mul(step, tile));
      for (int64_t v = 0; v < tile; v += k.lanes) {
        Values sum = k.reduce(k.c(0), k.c(chunks), 1, k.zeros(), [&](Value chunk, ValueRange acc) {
          Value at = k.at(source, k.add(k.mul(chunk, gradSize), k.add(from, v)));
          return Values{k.fadd(acc[0], k.loadVector(at))};
        });
        for (int64_t lane = 0; lane < k.lanes; ++lane) {
          Value o = k.add(first, v + lane);
          Value value = vector::ExtractOp::create(k.b, k.loc, sum[0], lane);
          Value to = k.add(k.mul(k.add(k.mul(k.add(k.mul(group, groupOut), o), depth), d), kh * kw),
                           k.add(k.mul(row, kw), column));
          auto put = [&] { k.store(value, k.at(out, to)); };
          groupOut % tile == 0 ? put() : k.when(k.less(o, k.c(groupOut)), put);
        }
      }
    });
  });
}
