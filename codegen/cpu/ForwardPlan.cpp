//===- ForwardPlan.cpp - the numbers of a direct convolution's kernel -----===//
#include "codegen/cpu/ForwardPlan.h"

#include "dialect/kern/ContractShape.h"
#include "dialect/target/Target.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

ForwardShape::ForwardShape(kern::ContractOp op, TypedPointer input, TypedPointer weights,
                           const Instructions &target)
    : g(op.getGeometry()), s(op.getSchedule()) {
  forward = op.getKind() == kern::ContractKind::Forward;
  flat = s.getFlat();
  inH = forward ? g.getIh() : g.getOh(), inW = forward ? g.getIw() : g.getOw();
  inC = forward ? g.getIc() : g.getOc();
  outH = forward ? g.getOh() : g.getIh(), outW = forward ? g.getOw() : g.getIw();
  outC = forward ? g.getOc() : g.getIc();
  groupIn = inC / g.getGroups(), groupOut = outC / g.getGroups();
  bool narrow = weights.element.isBF16() || isa<IntegerType>(weights.element);
  wide = narrow ? 4 / weights.bytes() : 1;
  groupDepth = ceilDiv(groupIn, wide) * wide;
  strip = !narrow                                ? Type(Float32Type::get(op.getContext()))
          : weights.element.isSignlessInteger(8) ? input.element // bytes are multiplied as they are
                                                 : weights.element;
  lanewise = kern::isLanewise(g, s.getLanes());
  if (lanewise)
    groupOut = outC; // one run of tiles over all groups; groupIn stays the depth
  inMatrices =
      target.amx && !lanewise && (weights.element.isBF16() || weights.element.isSignlessInteger(8));
  tile = s.getLanes() * s.getTileVectors(), tiles = ceilDiv(groupOut, tile);
  compact = forward && g.getKh() == 1 && g.getKw() == 1;
  stride = forward && !compact ? g.getSh() : 1, strideW = forward && !compact ? g.getSw() : 1;
  columns = (outW - 1) * strideW + (g.getKw() - 1) * g.getDw() + 1;
  byResidue = kern::isByResidue(op.getKind(), g, s.getLanes());
  tapStepH = byResidue ? g.getSh() : 1, tapStepW = byResidue ? g.getSw() : 1, outStep = tapStepW;
  mostTapsH = ceilDiv(g.getKh(), g.getSh()), mostTapsW = ceilDiv(g.getKw(), g.getSw());
  if (byResidue)
    columns = (outW - 1 + g.getPl()) / g.getSw() - g.getPl() / g.getSw() + mostTapsW;
  contiguous = g.getGroups() == 1 &&
               (flat || (compact && g.getPt() == 0 && g.getPl() == 0 &&
                         (outH - 1) * g.getSh() < inH && (outW - 1) * g.getSw() < inW));
  packStrips(op, input);
}

/// Sets `packed` and `pitch`.
void ForwardShape::packStrips(kern::ContractOp op, TypedPointer input) {
  packed = !flat || kern::blockOf(op.getLhsPrologue()) || isPadded() ||
           (wide > 1 && input.element != strip);
  auto onPages = [&](TypedPointer of) { return kern::lieOnPages(inC * strideW * of.bytes()); };
  packed |=
      !lanewise && g.getGroups() == 1 && onPages(input) && s.getTilePixels() > kern::kRowsOnPages;
  // In scratch they needn't; nor where a store would have the low twelve bits of the loads that
  // follow it.
  pitch = isPadded() ? groupDepth : inC;
  TypedPointer packedTo{{}, strip};
  int64_t line = packedTo.perLine();
  bool onPowers = inC % (4 * line) == 0 && (g.getKw() == 1 || onPages(packedTo));
  if (packed && onPowers && !lanewise && g.getGroups() == 1)
    pitch += line;
}

/// Pieces of equal size, as long as their weights leave half of the first cache to pixels and
/// accumulators.
ReductionPieces netc::cpu::choosePieces(const ForwardShape &shape, TypedPointer weights) {
  kern::GeometryAttr g = shape.g;
  if (shape.lanewise || shape.byResidue || g.getGroups() > 1)
    return {};
  int64_t run = shape.isMerged() ? g.getKw() * shape.groupDepth : shape.groupDepth,
          all = g.getKh() * g.getKw() * shape.groupDepth;
  int64_t most = target::CpuCosts().pieceBytes / weights.bytes() / shape.tile;
  if (all <= 2 * most)
    return {};
  for (int64_t steps = std::min(most, run); steps >= 32; --steps)
    if (run % steps == 0 && steps % shape.wide == 0)
      return {steps, all / steps};
  return {};
}

TilePrefetches netc::cpu::choosePrefetches(kern::ContractOp op, const ForwardShape &shape,
                                           const ReductionPieces &pieces, TypedPointer input,
                                           TypedPointer weights) {
  TilePrefetches result;
  if (shape.inMatrices) // no machine has shown yet what pays
    return result;
  kern::ScheduleAttr s = shape.s;
  int64_t steps = pieces ? pieces.steps : shape.groupDepth,
          iterations = shape.stepsOf(steps) / unrollOf(shape.stepsOf(steps));
  int64_t pixels = shape.flat ? s.getStripRows() : s.getStripRows() * shape.outW,
          p = std::min(shape.pixelsOfTile(), pixels);
  if (shape.contiguous || pieces) {
    int64_t calls = shape.contiguous ? pixels / p : s.getStripRows() * (shape.outW / p);
    result.weightLines = std::clamp<int64_t>(
        ceilDiv(steps * shape.tile / weights.perLine(), calls * iterations), 1, 4);
  }
  // A linear layer's pixels are few: memory is its weights'.
  if (!shape.flat || shape.outH * shape.outW == 1)
    return result;
  // A flat item's operands are one run of memory, read at its beginning: the last item's products
  // bring it from memory.
  for (auto [index, operand] : llvm::enumerate(op.getLhs()))
    if (accessOf(operand, shape.inH * shape.inW) == Access::Full)
      result.inputs.push_back(static_cast<unsigned>(index));
  int64_t calls = ceilDiv(std::min(s.getChannelBlock(), shape.outC), shape.tile) * pieces.count *
                  ceilDiv(pixels, p);
  result.inputLines = ceilDiv(pixels * shape.inC, input.perLine() * calls);
  if (result.inputLines > 4) {
    result.inputSteps = ceilDiv(result.inputLines, iterations);
    result.inputLines = std::min(result.inputLines, result.inputSteps * iterations);
  }
  return result;
}

int64_t netc::cpu::unrollOf(int64_t run) {
  int64_t unroll = 1;
  for (int64_t u : {2, 3, 4})
    if (run % u == 0 && run > u)
      unroll = u;
  return unroll;
}
