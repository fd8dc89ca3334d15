//===- LowerPool.cpp - pools and their gradients --------------------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

/// `x`: the type that windows lie on; `y`: one element per window. `pads`: top, left, bottom,
/// right.
template <typename OpTy>
static void lowerWindows(KernBuilder &k, OpTy op, kern::PoolKind kind, ValueRange inputs, Type x,
                         Type y, ArrayRef<int64_t> window, ArrayRef<int64_t> strides,
                         ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations = {1, 1}) {
  auto xt = cast<RankedTensorType>(x), yt = cast<RankedTensorType>(y);
  auto geometry = kern::GeometryAttr::get(
      op.getContext(), xt.getDimSize(2), xt.getDimSize(3), xt.getDimSize(1), yt.getDimSize(2),
      yt.getDimSize(3), yt.getDimSize(1), window[0], window[1], strides[0], strides[1], pads[0],
      pads[1], dilations[0], dilations[1], 1);
  Type type = k.physicalType(op.getType());
  auto pool = kern::PoolOp::create(k.b, op.getLoc(), TypeRange{type}, k.getAll(inputs),
                                   ValueRange{k.empty(type, op.getLoc())}, kind, geometry,
                                   ArrayRef<int64_t>{pads[2], pads[3]}, k.target.lanes);
  k.set(op.getResult(), pool.getResult(0));
}

/// A pool with windows of its own, or its gradient; `x` and `y` as above.
template <typename OpTy>
static void lowerWindowed(KernBuilder &k, OpTy op, kern::PoolKind kind, ValueRange inputs, Type x,
                          Type y) {
  SmallVector<int64_t> dilations{1, 1};
  if (op.getDilations())
    dilations.assign(op.getDilations()->begin(), op.getDilations()->end());
  lowerWindows(k, op, kind, inputs, x, y, op.getKernel(), op.getStrides(), op.getPads(), dilations);
}

/// A pool whose windows follow from both sizes.
template <typename OpTy>
static void lowerAdaptive(KernBuilder &k, OpTy op, kern::PoolKind kind, Value input, Type x,
                          Type y) {
  lowerWindows(k, op, kind, input, x, y, {1, 1}, {1, 1}, {0, 0, 0, 0});
}

bool netc::lowering::lowerPool(KernBuilder &k, Operation *op) {
  using Kind = kern::PoolKind;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::MaxPoolOp p) {
        lowerWindowed(k, p, Kind::Max, p.getInput(), p.getInput().getType(), p.getType());
        return true;
      })
      .Case([&](net::MaxPoolGradOp p) {
        lowerWindowed(k, p, Kind::MaxGrad, p.getOperands(), p.getType(),
                      p.getCotangent().getType());
        return true;
      })
      .Case([&](net::AvgPoolOp p) {
        lowerWindowed(k, p, Kind::Average, p.getInput(), p.getInput().getType(), p.getType());
        return true;
      })
      .Case([&](net::AvgPoolGradOp p) {
        lowerWindowed(k, p, Kind::AverageGrad, p.getCotangent(), p.getType(),
                      p.getCotangent().getType());
        return true;
      })
      .Case([&](net::AdaptiveAvgPoolOp p) {
        lowerAdaptive(k, p, Kind::Adaptive, p.getInput(), p.getInput().getType(), p.getType());
        return true;
      })
      .Case([&](net::AdaptiveAvgPoolGradOp p) {
        lowerAdaptive(k, p, Kind::AdaptiveGrad, p.getCotangent(), p.getType(),
                      p.getCotangent().getType());
        return true;
      })
      .Case([&](net::ResampleOp r) {
        Kind kind = r.getBilinear() ? Kind::Bilinear : Kind::Nearest;
        return lowerAdaptive(k, r, kind, r.getInput(), r.getInput().getType(), r.getType()), true;
      })
      .Case([&](net::ResampleGradOp r) {
        Kind kind = r.getBilinear() ? Kind::BilinearGrad : Kind::NearestGrad;
        lowerAdaptive(k, r, kind, r.getCotangent(), r.getType(), r.getCotangent().getType());
        return true;
      })
      .Default(false);
}
