//===- ForwardResidue.cpp - strided input gradients by residue ------------===//
//
// Outputs of equal residue modulo the stride form a dense convolution of every stride-th tap each.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ContractForward.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

namespace {
/// One axis of a strided input gradient at one residue: output i + pad = S q + residue is
/// multiplied with taps k = residue + S t, t < taps, and cotangent q - t.
struct Residue {
  int64_t taps, firstTap; ///< firstTap: of the flipped window, where t = taps - 1
};

/// Outputs `first` and, one after the other, the next of an axis.
struct ResidueRun {
  Residue residue; ///< of the first
  int64_t first, count;
};
} // namespace

static Residue residueOf(int64_t output, int64_t pad, int64_t step, int64_t kernel) {
  int64_t residue = (output + pad) % step;
  int64_t taps = residue < kernel ? (kernel - 1 - residue) / step + 1 : 0;
  return {taps, kernel - 1 - (residue + step * (taps - 1))};
}

/// The outputs below `count` of an axis, in runs that one loop can do: equal numbers of taps, whose
/// first goes down by one from each output to the next. `joins`: whether two neighbours may.
static SmallVector<ResidueRun> residueRuns(kern::GeometryAttr g, int64_t count, int64_t pad,
                                           int64_t step, int64_t kernel,
                                           llvm::function_ref<bool(int64_t, int64_t)> joins) {
  SmallVector<ResidueRun> runs;
  bool unrolled = g.getSh() * g.getSw() <= kMostUnrolled / 4;
  for (int64_t i = 0; i < count; ++i) {
    Residue residue = residueOf(i, pad, step, kernel);
    ResidueRun *last = runs.empty() || unrolled ? nullptr : &runs.back();
    if (last && last->residue.taps == residue.taps && (i + pad) % step != 0 && joins(i - 1, i))
      ++last->count;
    else
      runs.push_back({residue, i, 1});
  }
  return runs;
}

/// Rows and columns by residue: each tile's pixels lie a stride apart.
void ForwardEmitter::emitResidueRows(Value image, Value first, Value count, Value group,
                                     Value channelTile, int64_t valid) {
  Value firstQ = k.div(k.add(first, g.getPt()), g.getSh());
  auto overRun = [&](const ResidueRun &run, llvm::function_ref<void(Value, Value)> body) {
    auto at = [&](Value i) { body(i, k.sub(k.c(run.residue.firstTap + run.first), i)); };
    run.count == 1 ? at(k.c(run.first)) : k.loop(run.first, run.first + run.count, 1, at);
  };
  auto sameRow = [](int64_t, int64_t) { return true; };
  auto totalOf = [&](int64_t b) { return (shape.outW - b + g.getSw() - 1) / g.getSw(); };
  auto firstColumnOf = [&](int64_t b) {
    return (b + g.getPl()) / g.getSw() - g.getPl() / g.getSw();
  };
  auto sameColumns = [&](int64_t b, int64_t c) {
    return totalOf(b) == totalOf(c) && firstColumnOf(b) == firstColumnOf(c);
  };
  for (const ResidueRun &rows : residueRuns(g, g.getSh(), g.getPt(), g.getSh(), g.getKh(), sameRow))
    overRun(rows, [&](Value a, Value firstRowTap) {
      k.loop(a, count, g.getSh(), [&](Value r) {
        // Scratch row 0 holds cotangent row firstQ - (shape.mostTapsH - 1); the deepest tap needs q
        // - (taps - 1).
        Value q = k.div(k.add(k.add(first, r), g.getPt()), g.getSh());
        Value row = k.add(k.sub(q, firstQ), shape.mostTapsH - rows.residue.taps);
        TypedPointer source = k.at(
            strips, k.add(k.mul(row, shape.columns * shape.pitch), k.mul(group, shape.groupIn)));
        Value pixel = k.mul(k.add(k.mul(image, shape.outH), k.add(first, r)), shape.outW);
        for (const ResidueRun &cols : residueRuns(g, std::min<int64_t>(g.getSw(), shape.outW),
                                                  g.getPl(), g.getSw(), g.getKw(), sameColumns))
          overRun(cols, [&](Value b, Value firstColumnTap) {
            int64_t total = totalOf(cols.first), p = std::min<int64_t>(s.getTilePixels(), total);
            int64_t whole = total / p * p, q0 = firstColumnOf(cols.first);
            bool none = rows.residue.taps == 0 || cols.residue.taps == 0;
            Value taps = k.add(k.mul(firstRowTap, g.getKw()), firstColumnTap);
            Value weightOffset = none ? k.c(0) : k.mul(taps, shape.groupDepth * shape.tile);
            auto tileAt = [&](int64_t pixels, Value index) {
              TileShape tile{pixels, 0, 0, rows.residue.taps, cols.residue.taps};
              TypedPointer at =
                  k.at(source,
                       k.mul(k.add(index, q0 + shape.mostTapsW - cols.residue.taps), shape.pitch));
              callTile(tile, at, k.add(pixel, k.add(k.mul(index, g.getSw()), b)), group,
                       channelTile, valid, {}, weightOffset);
            };
            k.loop(0, whole, p, [&](Value index) { tileAt(p, index); });
            if (total > whole)
              tileAt(total - whole, k.c(whole));
          });
      });
    });
}
