//===- Conv.cpp - convolution and its gradients ---------------------------===//
#include "dialect/interfaces/WindowShape.h"
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

LogicalResult Conv2dOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         Adaptor op, SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto filter = cast<RankedTensorType>(op.getFilter().getType());
  ArrayRef<int64_t> strides = op.getStrides(), pads = op.getPads(), dilations = op.getDilations();
  if (strides.size() != 2 || pads.size() != 4 || dilations.size() != 2)
    return emitOptionalError(loc, "expected 2 strides, 4 pads and 2 dilations, found ",
                             strides.size(), ", ", pads.size(), " and ", dilations.size());
  if (strides[0] < 1 || strides[1] < 1 || dilations[0] < 1 || dilations[1] < 1)
    return emitOptionalError(loc, "strides and dilations must be positive");
  int64_t size[2];
  for (int axis = 0; axis < 2; ++axis) {
    size[axis] = netc::windowOutputSize(input.getDimSize(2 + axis), filter.getDimSize(2 + axis),
                                        strides[axis], pads[axis], pads[2 + axis], dilations[axis]);
    if (size[axis] < 1)
      return emitOptionalError(loc, "kernel of ", filter.getDimSize(2 + axis),
                               " does not fit input of ", input.getDimSize(2 + axis),
                               " with padding ", pads[axis] + pads[2 + axis]);
  }
  types.push_back(activationType({filter.getDimSize(0), size[0], size[1]}, input));
  return success();
}

LogicalResult Conv2dOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto filter = cast<RankedTensorType>(getFilter().getType());
  int64_t groups = getGroups();
  if (groups < 1 || input.getDimSize(1) % groups || filter.getDimSize(0) % groups)
    return emitOpError() << "has " << input.getDimSize(1) << " input and " << filter.getDimSize(0)
                         << " output channels, which " << groups << " groups do not divide";
  if (input.getDimSize(1) != filter.getDimSize(1) * groups) {
    InFlightDiagnostic diag = emitOpError()
                              << "input has " << input.getDimSize(1)
                              << " channels but filter expects " << filter.getDimSize(1) * groups;
    diag.attachNote(getFilter().getLoc()) << "filter defined here";
    return diag;
  }
  if (getBias() &&
      cast<RankedTensorType>(getBias().getType()).getDimSize(0) != filter.getDimSize(0))
    return emitOpError() << "bias has " << getBias().getType() << " but filter has "
                         << filter.getDimSize(0) << " output channels";
  return success();
}

LogicalResult Conv2dOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0];
  Location loc = getLoc();
  accumulate(getFilter(), Conv2dFilterGradOp::create(builder, loc, getFilter().getType(),
                                                     getInput(), g, getStridesAttr(), getPadsAttr(),
                                                     getDilationsAttr(), getGroupsAttr()));
  if (getBias())
    accumulate(getBias(), ChannelSumsOp::create(builder, loc, TypeRange{getBias().getType()}, g,
                                                Value(), Value())
                              .getResult(0));
  accumulate(getInput(), Conv2dInputGradOp::create(builder, loc, getInput().getType(), g,
                                                   getFilter(), getStridesAttr(), getPadsAttr(),
                                                   getDilationsAttr(), getGroupsAttr()));
  return success();
}

/// A linear function of the cotangent: its adjoint is the convolution itself.
LogicalResult Conv2dInputGradOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                              llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0];
  Location loc = getLoc();
  accumulate(getFilter(),
             Conv2dFilterGradOp::create(builder, loc, getFilter().getType(), g, getCotangent(),
                                        getStridesAttr(), getPadsAttr(), getDilationsAttr(),
                                        getGroupsAttr()));
  accumulate(getCotangent(), Conv2dOp::create(builder, loc, getCotangent().getType(), g,
                                              getFilter(), Value(), getStridesAttr(), getPadsAttr(),
                                              getDilationsAttr(), getGroupsAttr()));
  return success();
}

SmallVector<unsigned> Conv2dOp::getActivationOperands() { return {0}; }
bool Conv2dOp::supportsEpilogue() { return true; }
SmallVector<unsigned> Conv2dInputGradOp::getActivationOperands() { return {0}; }
bool Conv2dInputGradOp::supportsEpilogue() { return true; }
bool Conv2dInputGradOp::supportsMoments() { return false; }
SmallVector<unsigned> Conv2dFilterGradOp::getActivationOperands() { return {0, 1}; }
bool Conv2dFilterGradOp::supportsEpilogue() { return false; }
