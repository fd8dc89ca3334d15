//===- GpuWarpgroup.cpp - products by wgmma and TMA -----------------------===//
#include "codegen/cuda/GpuWarpgroup.h"

#include "codegen/cuda/GpuTarget.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

/// Mbarriers lie before the stages, which begin where swizzles repeat.
static constexpr int64_t kBarrierBytes = 1024;

/// Rows of 128 bytes, swizzled, eight rows 1024 bytes apart (PTX ISA 9.7.15.5.1.2.2). `leading`:
/// bytes between blocks of 64 columns of B, whose rows lie along the depth.
static int64_t descriptor(int64_t leading) {
  return int64_t(1) << 62 | int64_t(1024 / 16) << 32 | (leading / 16) << 16;
}

GpuWarpgroup::GpuWarpgroup(GpuEmitter &k, int64_t columns) : k(k), columns(columns) {
  k.alignShared(kBarrierBytes);
  barriers = k.sharedAddress(k.shared(kBarrierBytes / 4));
  k.keepShared();
  tiles = k.sharedAddress(k.shared(stages * stageBytes() / 4));
  k.when(k.equal(k.thread(), 0), [&] {
    for (int64_t slot = 0; slot < stages; ++slot) {
      k.assembly("mbarrier.init.shared::cta.b64 [$0], $1;", "r,r", {full(k.c(slot)), k.c(1)});
      k.assembly("mbarrier.init.shared::cta.b64 [$0], $1;", "r,r",
                 {empty(k.c(slot)), k.c(consumers / 32)});
    }
    k.assembly("fence.mbarrier_init.release.cluster;", "", {});
  });
  k.barrier();
  k.barrierThreads = consumers; // the producer has left by the next one
}

std::pair<Value, Value> GpuWarpgroup::slotOf(Value i) {
  Value parity = arith::AndIOp::create(k.b, k.loc, k.div(i, stages), k.c(1));
  return {k.rem(i, stages), parity};
}

void GpuWarpgroup::wait(Value barrier, Value parity) {
  k.assembly("{\n\t.reg .pred p;\nWAIT:\n\t"
             "mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1;\n\t@!p bra WAIT;\n\t}",
             "r,r", {barrier, parity});
}

void GpuWarpgroup::load(Value to, Value map, Value x, Value y, Value barrier) {
  k.assembly("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
             "[$0], [$1, {$2, $3}], [$4];",
             "r,l,r,r,r", {to, map, x, y, barrier});
}

void GpuWarpgroup::produce(Value mapOfA, Value mapOfB, Value firstRow, Value firstColumn,
                           Value iterations) {
  k.loop(k.c(0), iterations, 1, [&](Value i) {
    auto [slot, parity] = slotOf(i);
    // The first time around, all stages are empty.
    wait(empty(slot), k.sub(k.c(1), parity));
    k.assembly("mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r",
               {full(slot), k.c(stageBytes())});
    Value to = stageOf(slot), at = k.mul(i, depth);
    load(to, mapOfA, at, firstRow, full(slot));
    for (int64_t column = 0; column < columns; column += boxColumns)
      load(k.add(to, bytesOfA() + column * depth * 2), mapOfB, k.add(firstColumn, column), at,
           full(slot));
  });
}

/// Constraints of `count` sums that an instruction reads and writes in place.
static std::string inPlace(size_t count) {
  std::string outputs, inputs;
  for (size_t at = 0; at < count; ++at) {
    outputs += at ? ",=f" : "=f";
    inputs += "," + std::to_string(at);
  }
  return outputs + inputs;
}

Values GpuWarpgroup::through(ValueRange sums, StringRef text) {
  return k.assembly(text, inPlace(sums.size()), sums, sums.size());
}

Values GpuWarpgroup::multiply(ValueRange sums, Value descriptorOfA, Value descriptorOfB) {
  size_t count = sums.size();
  std::string registers;
  for (size_t at = 0; at < count; ++at)
    registers += (at ? ", $" : "$") + std::to_string(at);
  Values operands(sums);
  operands.append({descriptorOfA, descriptorOfB, k.c(1)});
  // Sums are added to; both operands with their signs; A's depths and B's columns side by side.
  std::string text = llvm::formatv("{{\n\t.reg .pred p;\n\tsetp.ne.b32 p, ${0}, 0;\n\t"
                                   "wgmma.mma_async.sync.aligned.m64n{1}k16.f32.bf16.bf16 {{{2}}, "
                                   "${3}, ${4}, p, 1, 1, 0, 1;\n\t}",
                                   2 * count + 2, columns, registers, 2 * count, 2 * count + 1);
  return k.assembly(text, inPlace(count) + ",l,l,r", operands, count);
}

Values GpuWarpgroup::consume(Value iterations) {
  Value warp = k.div(k.thread(), 32);
  Value rowsBefore = k.mul(k.div(warp, 4), rows / 2 * depth * 2); // bytes of A
  Values zeros(columns / 2, k.number(0));
  return k.reduce(k.c(0), iterations, 1, zeros, [&](Value i, ValueRange carried) {
    auto [slot, parity] = slotOf(i);
    wait(full(slot), parity);
    auto describe = [&](Value address, int64_t leading) {
      Value place = arith::ShRUIOp::create(k.b, k.loc, address, k.c(4));
      return k.add(k.wide(place), k.wideConstant(descriptor(leading)));
    };
    Value a = describe(k.add(stageOf(slot), rowsBefore), 16);
    Value b = describe(k.add(stageOf(slot), bytesOfA()), boxColumns * depth * 2);
    Values sums = through(carried, "wgmma.fence.sync.aligned;");
    for (int64_t at = 0; at < depth; at += 16) // along A's rows, down B's
      sums = multiply(sums, k.add(a, k.wideConstant(at * 2 / 16)),
                      k.add(b, k.wideConstant(at * boxColumns * 2 / 16)));
    k.assembly("wgmma.commit_group.sync.aligned;", "", {});
    sums = through(sums, "wgmma.wait_group.sync.aligned 0;");
    k.when(k.equal(k.rem(k.thread(), 32), 0), [&] {
      k.assembly("{\n\t.reg .b64 state;\n\tmbarrier.arrive.shared::cta.b64 state, [$0];\n\t}", "r",
                 {empty(slot)});
    });
    return sums;
  });
}

/// A warp has 16 rows, a lane the two columns 2q and 2q + 1 of each eight in rows g and g + 8.
SmallVector<Fragment> GpuWarpgroup::fragments(ValueRange accumulators) {
  SmallVector<Fragment> result;
  Value t = k.thread(), lane = k.rem(t, 32);
  Value row = k.add(k.mul(k.div(t, 32), 16), k.div(lane, 4)), column = k.mul(k.rem(lane, 4), 2);
  for (Value own : {row, k.add(row, 8)}) {
    int64_t half = own == row ? 0 : 1;
    for (int64_t j = 0; j < columns / 8; ++j) {
      int64_t first = j * 4 + half * 2;
      result.push_back(
          {own, k.add(column, j * 8), j, half, first, Values(accumulators.slice(first, 2))});
    }
  }
  return result;
}

Value GpuWarpgroup::rowGroup() {
  Value t = k.thread();
  return k.add(k.mul(k.div(t, 32), 8), k.div(k.rem(t, 32), 4));
}

bool netc::cuda::usesWarpgroups(kern::ContractOp op) {
  kern::GpuScheduleAttr s = op.getGpuAttr();
  kern::GeometryAttr g = op.getGeometry();
  bool forward = op.getKind() == kern::ContractKind::Forward;
  if (!s || s.getAlgorithm() != kern::GpuAlgorithm::MmaBf16 ||
      op.getKind() == kern::ContractKind::FilterGrad || s.getRows() != GpuWarpgroup::rows ||
      (s.getColumns() != 64 && s.getColumns() != 128))
    return false;
  bool pointwise = g.getKh() * g.getKw() == 1 && g.getSh() == 1 && g.getSw() == 1 &&
                   g.getPt() == 0 && g.getPl() == 0 && g.getIh() == g.getOh() &&
                   g.getIw() == g.getOw() && g.getGroups() == 1;
  if (!pointwise || op.getLhs().size() != 1 || kern::blockOf(op.getLhsPrologue()))
    return false;
  // Rows of tensor maps are multiples of 16 bytes.
  int64_t channels = forward ? g.getIc() : g.getOc();
  auto isBf16 = [](Value value) { return kern::shapedType(value).getElementType().isBF16(); };
  return channels % 8 == 0 && isBf16(op.getLhs()[0]) && isBf16(op.getWeights()) &&
         accessOf(op.getLhs()[0], g.getOh() * g.getOw()) == Access::Full;
}

std::string netc::cuda::explainHopper(const GpuTarget &target, Operation *launch) {
  auto contract = dyn_cast<kern::ContractOp>(launch);
  if (!target.hopper || !contract || !usesWarpgroups(contract))
    return "";
  return llvm::formatv("; on sm_90a wgmma and TMA, {0} threads, {1} stages", GpuWarpgroup::threads,
                       GpuWarpgroup::stages);
}
