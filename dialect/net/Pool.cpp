//===- Pool.cpp - pooling and its gradients -------------------------------===//
#include "dialect/interfaces/WindowShape.h"
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

template <typename OpTy> static LogicalResult verifyWindow(OpTy op) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto result = cast<RankedTensorType>(op.getResult().getType());
  ArrayRef<int64_t> kernel = op.getKernel(), strides = op.getStrides(), pads = op.getPads();
  if (kernel.size() != 2 || strides.size() != 2 || pads.size() != 4)
    return op.emitOpError() << "expected 2 kernel sizes, 2 strides and 4 pads";
  std::optional<ArrayRef<int64_t>> dilations = op.getDilations();
  if (dilations &&
      (dilations->size() != 2 || llvm::any_of(*dilations, [](int64_t d) { return d < 1; })))
    return op.emitOpError() << "expected 2 dilations from 1 on";
  if (input.getDimSize(1) != result.getDimSize(1))
    return op.emitOpError() << "input has " << input.getDimSize(1) << " channels but result has "
                            << result.getDimSize(1);
  for (int axis = 0; axis < 2; ++axis) {
    int64_t want =
        netc::windowOutputSize(input.getDimSize(2 + axis), kernel[axis], strides[axis], pads[axis],
                               pads[2 + axis], dilations ? (*dilations)[axis] : 1, op.getRoundUp());
    if (result.getDimSize(2 + axis) != want)
      return op.emitOpError() << "result has " << result.getDimSize(2 + axis)
                              << (axis ? " columns" : " rows") << " but the window gives " << want;
  }
  return success();
}

LogicalResult MaxPoolOp::verify() { return verifyWindow(*this); }
LogicalResult AvgPoolOp::verify() { return verifyWindow(*this); }

LogicalResult MaxPoolOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), MaxPoolGradOp::create(b, getLoc(), getInput().getType(), cotangents[0],
                                               getInput(), getKernelAttr(), getStridesAttr(),
                                               getPadsAttr(), getDilationsAttr()));
  return success();
}

LogicalResult AvgPoolOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                      llvm::function_ref<void(Value, Value)> accumulate) {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  bool global = pixelsOf(result) == 1 && getKernel()[0] == input.getDimSize(2) &&
                getKernel()[1] == input.getDimSize(3) &&
                llvm::all_of(getPads(), [](int64_t p) { return p == 0; });
  Value grad =
      global
          ? Value(SpreadOp::create(b, getLoc(), input, cotangents[0],
                                   b.getF64FloatAttr(1.0 / static_cast<double>(pixelsOf(input)))))
          : Value(AvgPoolGradOp::create(b, getLoc(), input, cotangents[0], getKernelAttr(),
                                        getStridesAttr(), getPadsAttr(), getDilationsAttr()));
  accumulate(getInput(), grad);
  return success();
}

LogicalResult AdaptiveAvgPoolOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                              llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(),
             AdaptiveAvgPoolGradOp::create(b, getLoc(), getInput().getType(), cotangents[0]));
  return success();
}

LogicalResult ResampleOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                       llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(), ResampleGradOp::create(b, getLoc(), getInput().getType(), cotangents[0],
                                                getBilinearAttr()));
  return success();
}
