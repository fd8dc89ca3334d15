//===- Contraction.cpp - any contraction in one form ----------------------===//
#include "passes/lowering/Contraction.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

/// Sizes of a contraction in the forward orientation. `x` and `y` are net types.
static kern::GeometryAttr makeGeometry(MLIRContext *context, RankedTensorType x, RankedTensorType y,
                                       int64_t kh, int64_t kw, ArrayRef<int64_t> strides,
                                       ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations,
                                       int64_t groups) {
  // The tokens of a sequence are the pixels of one row.
  auto spatial = [](RankedTensorType type, int axis) {
    return type.getRank() == 4 ? type.getDimSize(2 + axis) : axis == 1 ? net::pixelsOf(type) : 1;
  };
  return kern::GeometryAttr::get(context, spatial(x, 0), spatial(x, 1), net::channelsOf(x),
                                 spatial(y, 0), spatial(y, 1), net::channelsOf(y), kh, kw,
                                 strides[0], strides[1], pads[0], pads[1], dilations[0],
                                 dilations[1], groups);
}

template <typename OpTy>
static kern::GeometryAttr convGeometry(OpTy op, Type x, Type y, Type filter) {
  auto f = cast<RankedTensorType>(filter);
  return makeGeometry(op.getContext(), cast<RankedTensorType>(x), cast<RankedTensorType>(y),
                      f.getDimSize(2), f.getDimSize(3), op.getStrides(), op.getPads(),
                      op.getDilations(), op.getGroups());
}

static kern::GeometryAttr linearGeometry(Operation *op, Type x, Type y) {
  return makeGeometry(op->getContext(), cast<RankedTensorType>(x), cast<RankedTensorType>(y), 1, 1,
                      {1, 1}, {0, 0, 0, 0}, {1, 1}, 1);
}

Contraction netc::lowering::describe(Operation *op) {
  using Kind = kern::ContractKind;
  Type result = op->getResult(0).getType();
  return llvm::TypeSwitch<Operation *, Contraction>(op)
      .Case([&](net::Conv2dOp c) {
        return Contraction{
            Kind::Forward, convGeometry(c, c.getInput().getType(), result, c.getFilter().getType()),
            c.getInput(),  {},
            c.getFilter(), c.getBias()};
      })
      .Case([&](net::Conv2dInputGradOp c) {
        return Contraction{
            Kind::InputGrad,
            convGeometry(c, result, c.getCotangent().getType(), c.getFilter().getType()),
            c.getCotangent(),
            {},
            c.getFilter(),
            {}};
      })
      .Case([&](net::Conv2dFilterGradOp c) {
        return Contraction{
            Kind::FilterGrad,
            convGeometry(c, c.getInput().getType(), c.getCotangent().getType(), result),
            c.getInput(),
            c.getCotangent(),
            {},
            {}};
      })
      .Case([&](net::LinearOp c) {
        return Contraction{Kind::Forward, linearGeometry(c, c.getInput().getType(), result),
                           c.getInput(),  {},
                           c.getWeight(), c.getBias()};
      })
      .Case([&](net::LinearInputGradOp c) {
        return Contraction{Kind::InputGrad,  linearGeometry(c, result, c.getCotangent().getType()),
                           c.getCotangent(), {},
                           c.getWeight(),    {}};
      })
      .Case([&](net::LinearWeightGradOp c) {
        return Contraction{Kind::FilterGrad,
                           linearGeometry(c, c.getInput().getType(), c.getCotangent().getType()),
                           c.getInput(),
                           c.getCotangent(),
                           {},
                           {}};
      })
      .DefaultUnreachable("a contraction without a lowering");
}
