//===- GpuUpdate.cpp - optimizers and norms on the GPU --------------------===//
//
// kern.update: a thread has four elements of one parameter and its state. Sums of squares: a
// block of threads a block of elements; the norm adds their sums in f64 in a fixed tree.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuKernels.h"

#include "runtime/abi/UpdateBlock.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

void netc::cuda::emitUpdate(GpuEmitter &k, kern::UpdateOp op, const Launch &launch) {
  Block &formula = op.getBody().front();
  int64_t size = op.getSize(), width = chunkWidth(size, NETC_GPU_UPDATE_WIDTH);
  size_t arrays = op.getScalars().size(), outs = arrays + op.getInputs().size();
  forEachItem(k, launch, 0, size / width, [&](Value item) {
    Values scalars;
    for (auto [index, operand] : llvm::enumerate(op.getScalars()))
      for (int64_t i = 0; i < kern::shapedType(operand).getNumElements(); ++i) {
        bool read = !formula.getArgument(scalars.size()).use_empty();
        scalars.push_back(read ? k.load(k.at(launch.buffers[index], i)) : k.number(0));
      }
    Value at = k.mul(k.wide(item), width);
    SmallVector<Values> loaded;
    for (size_t i = arrays; i < launch.buffers.size(); ++i)
      loaded.push_back(k.loadChunk(k.at(launch.buffers[i], at), width));
    SmallVector<Values> next(launch.buffers.size() - outs);
    for (int64_t lane = 0; lane < width; ++lane) {
      Values arguments = scalars;
      for (Values &values : loaded)
        arguments.push_back(values[lane]);
      for (auto [i, value] : llvm::enumerate(emitFormula(k, formula, arguments)))
        next[i].push_back(value);
    }
    for (auto [i, values] : llvm::enumerate(next))
      k.storeChunk(values, k.at(launch.buffers[outs + i], at));
  });
}

void netc::cuda::emitSumSquares(GpuEmitter &k, kern::SumSquaresOp op, const Launch &launch) {
  int64_t size = op.getSize(), block = kern::UpdateOp::kBlock;
  k.threads = 256;
  k.grid = op.getGrid();
  Value low = k.mul(k.block(), block), high = k.min(k.add(low, block), k.c(size));
  Value own =
      k.reduce(k.add(low, k.thread()), high, k.threads, k.number(0), [&](Value i, ValueRange acc) {
        Value x = k.load(k.at(launch.buffers[0], i));
        return Values{k.fma(x, x, acc[0])};
      })[0];
  Value sum = k.blockReduce(own, k.threads, [&](Value x, Value y) { return k.fadd(x, y); });
  k.when(k.equal(k.thread(), 0), [&] { k.store(sum, k.at(launch.buffers[1], k.block())); });
}

void netc::cuda::emitNorm(GpuEmitter &k, kern::NormOp op, const Launch &launch) {
  k.threads = 256;
  k.grid = {1, 0, 1};
  Value own = k.reduce(
      k.thread(), k.c(op.getSize()), k.threads, k.number64(0), [&](Value i, ValueRange acc) {
        return Values{k.fadd(acc[0], k.extend(k.load(k.at(launch.buffers[0], i))))};
      })[0];
  Value total = k.blockReduce(own, k.threads, [&](Value x, Value y) { return k.fadd(x, y); });
  Value norm = math::SqrtOp::create(k.b, k.loc, total);
  k.when(k.equal(k.thread(), 0), [&] { k.store(k.truncate(norm), launch.buffers[1]); });
}
