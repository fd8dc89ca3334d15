//===- Sgd.cpp - the optimizer's step on the CPU --------------------------===//
//
// v = momentum v + (g + weight_decay w); w -= lr v, or with Nesterov's momentum
// w -= lr (g' + momentum v). Item: 4096 elements of one parameter.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

void netc::cpu::emitSgd(KernelEmitter &k, kern::SgdOp op, const Launch &launch) {
  int64_t size = op.getSize(), whole = size / k.lanes * k.lanes;
  Value hyper = launch.buffers[0], gradient = launch.buffers[1], weight = launch.buffers[2], momentum = launch.buffers[3];
  // NetcHyper: lr, momentum, weight decay.
  Value lr = k.splat(k.load(hyper)), mu = k.splat(k.load(k.at(hyper, 1)));
  Value decay = k.splat(k.load(k.at(hyper, 2)));
  auto update = [&](Value at, int64_t valid) {
    Value w = k.loadVector(k.at(weight, at), valid), g = k.loadVector(k.at(gradient, at), valid);
    if (op.getDecay())
      g = k.fadd(g, k.fmul(decay, w));
    Value v = k.fadd(k.fmul(mu, k.loadVector(k.at(momentum, at), valid)), g);
    Value direction = op.getNesterov() ? k.fadd(g, k.fmul(mu, v)) : v;
    k.storeVector(v, k.at(momentum, at), valid);
    k.storeVector(k.fsub(w, k.fmul(lr, direction)), k.at(weight, at), valid);
  };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value low = k.mul(item, 4096), high = k.min(k.add(low, 4096), k.c(whole));
    k.loop(low, high, k.lanes, [&](Value at) { update(at, k.lanes); });
    if (size > whole) {
      Value last = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, item, k.c((size - 1) / 4096));
      k.when(last, [&] { update(k.c(whole), size - whole); });
    }
  });
}
