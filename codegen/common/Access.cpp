//===- Access.cpp - how a formula's operands are read ---------------------===//
#include "codegen/common/Access.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace netc;

bool netc::isForAllChannels(Value vector) {
  return cast<ShapedType>(vector.getType()).getNumElements() == 1;
}

Access netc::accessOf(Value operand, int64_t pixels) {
  auto type = cast<ShapedType>(operand.getType());
  if (type.getRank() == 1)
    return Access::Channel;
  int64_t own = 1; // pixels, or tokens, of one image
  for (int64_t axis = 1; axis + 1 < type.getRank(); ++axis)
    own *= type.getDimSize(axis);
  return own == 1 && pixels > 1 ? Access::ImageChannel : Access::Full;
}
