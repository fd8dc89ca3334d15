//===- Permute.cpp - axes in another order on the CPU ---------------------===//
//
// An item is one index of the result's first axis. Where the last axis stays last its values are
// copied by vectors, else one by one.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

/// How far apart neighbours on each axis of a tensor of `sizes` lie.
static SmallVector<int64_t> pitchesOf(ArrayRef<int64_t> sizes) {
  SmallVector<int64_t> pitches(sizes.size(), 1);
  for (size_t axis = sizes.size() - 1; axis > 0; --axis)
    pitches[axis - 1] = pitches[axis] * sizes[axis];
  return pitches;
}

void netc::cpu::emitPermute(KernelEmitter &k, kern::PermuteOp op, const Launch &launch) {
  ArrayRef<int64_t> order = op.getOrder();
  SmallVector<int64_t> pitches = pitchesOf(op.getSizes()), sizes, from;
  for (int64_t axis : order) {
    sizes.push_back(op.getSizes()[axis]);
    from.push_back(pitches[axis]);
  }
  SmallVector<int64_t> to = pitchesOf(sizes);
  size_t last = sizes.size() - 1;
  std::function<void(size_t, Value, Value)> over = [&](size_t axis, Value source, Value target) {
    if (axis == last && from[last] == 1)
      return k.overChannels(sizes[last], [&](Value i, int64_t valid) {
        Value v = k.loadVector(k.at(launch.buffers[0], k.add(source, i)), valid);
        k.storeVector(v, k.at(launch.buffers[1], k.add(target, i)), valid);
      });
    k.loop(0, sizes[axis], 1, [&](Value i) {
      Value s = k.add(source, k.mul(i, from[axis])), t = k.add(target, k.mul(i, to[axis]));
      if (axis < last)
        return over(axis + 1, s, t);
      k.store(k.load(k.at(launch.buffers[0], s)), k.at(launch.buffers[1], t));
    });
  };
  k.loop(launch.begin, launch.end, 1, [&](Value item) {
    Value image = k.div(item, sizes[0]), first = k.rem(item, sizes[0]);
    Value source = k.add(k.mul(image, pitches[0] * op.getSizes()[0]), k.mul(first, from[0]));
    over(1, source, k.mul(item, to[0]));
  });
}
