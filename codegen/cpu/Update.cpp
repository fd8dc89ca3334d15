//===- Update.cpp - optimizers and norms on the CPU -----------------------===//
//
// Item: UpdateOp::kBlock elements of one parameter.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"

#include "runtime/abi/UpdateBlock.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

static_assert(kern::UpdateOp::kBlock == NETC_UPDATE_BLOCK, "the runtime divides updates by it");

/// Calls body(offset, valid lanes) over the elements of one item's block.
static void overBlock(KernelEmitter &k, Value item, int64_t size,
                      llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = size / k.lanes * k.lanes, block = kern::UpdateOp::kBlock;
  Value low = k.mul(item, block), high = k.min(k.add(low, block), k.c(whole));
  k.loop(low, high, k.lanes, [&](Value at) { body(at, k.lanes); });
  if (size == whole)
    return;
  Value last =
      arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, item, k.c((size - 1) / block));
  k.when(last, [&] { body(k.c(whole), size - whole); });
}

void netc::cpu::emitUpdate(KernelEmitter &k, kern::UpdateOp op, const Launch &launch) {
  Block &formula = op.getBody().front();
  Values scalars;
  for (auto [index, operand] : llvm::enumerate(op.getScalars()))
    for (int64_t i = 0; i < kern::shapedType(operand).getNumElements(); ++i) {
      bool read = !formula.getArgument(scalars.size()).use_empty();
      scalars.push_back(read ? k.splat(k.load(k.at(launch.buffers[index], i))) : k.zeros());
    }
  size_t arrays = op.getScalars().size(), outs = arrays + op.getInputs().size();
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    overBlock(k, item, op.getSize(), [&](Value at, int64_t valid) {
      Values arguments = scalars;
      for (size_t i = arrays; i < launch.buffers.size(); ++i)
        arguments.push_back(k.loadVector(k.at(launch.buffers[i], at), valid));
      for (auto [i, next] : llvm::enumerate(emitFormula(k, formula, arguments)))
        k.storeVector(next, k.at(launch.buffers[outs + i], at), valid);
    });
  });
}

void netc::cpu::emitSumSquares(KernelEmitter &k, kern::SumSquaresOp op, const Launch &launch) {
  // One vector of partial sums per thread, in scratch: lanes stay separate until the block is done.
  k.reserveScratch(k.lanes);
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    k.storeVector(k.zeros(), launch.scratch);
    overBlock(k, item, op.getSize(), [&](Value at, int64_t valid) {
      Value x = k.loadVector(k.at(launch.buffers[0], at), valid);
      k.storeVector(k.fadd(k.loadVector(launch.scratch), k.fmul(x, x)), launch.scratch);
    });
    Value sum = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD,
                                            k.loadVector(launch.scratch));
    k.store(sum, k.at(launch.buffers[1], item));
  });
}

void netc::cpu::emitNorm(KernelEmitter &k, kern::NormOp op, const Launch &launch) {
  Type f64 = k.b.getF64Type();
  Value zero = arith::ConstantOp::create(k.b, k.loc, k.b.getF64FloatAttr(0));
  Value total = k.reduce(k.c(0), k.c(op.getSize()), 1, zero, [&](Value i, ValueRange sum) {
    Value part = arith::ExtFOp::create(k.b, k.loc, f64, k.load(k.at(launch.buffers[0], i)));
    return Values{arith::AddFOp::create(k.b, k.loc, sum[0], part)};
  })[0];
  Value norm = math::SqrtOp::create(k.b, k.loc, total);
  k.store(arith::TruncFOp::create(k.b, k.loc, k.f32(), norm), launch.buffers[1]);
}
