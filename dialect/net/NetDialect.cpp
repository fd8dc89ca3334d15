//===- NetDialect.cpp - the net dialect: what is computed -----------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc::net;

#include "dialect/net/NetDialect.cpp.inc"
#include "dialect/net/NetEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/net/NetAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/net/NetOps.cpp.inc"

void NetDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/net/NetAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/net/NetOps.cpp.inc"
      >();
}

RankedTensorType netc::net::activationType(ArrayRef<int64_t> shapeWithoutBatch,
                                           RankedTensorType like) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, shapeWithoutBatch);
  Attribute layout = shape.size() == 4 ? like.getEncoding() : Attribute();
  return RankedTensorType::get(shape, like.getElementType(), layout);
}

bool netc::net::isActivation(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() >= 2 && tensor.isDynamicDim(0);
}

int64_t netc::net::channelAxis(RankedTensorType type) {
  return type.getRank() == 4 ? 1 : type.getRank() - 1;
}

int64_t netc::net::channelsOf(RankedTensorType type) { return type.getDimSize(channelAxis(type)); }

int64_t netc::net::pixelsOf(RankedTensorType type) {
  int64_t pixels = 1;
  for (int64_t axis = 1; axis < type.getRank(); ++axis)
    pixels *= axis == channelAxis(type) ? 1 : type.getDimSize(axis);
  return pixels;
}

unsigned netc::net::outputCount(unsigned results, Operation *forward) {
  auto heads = forward->getAttrOfType<DenseF64ArrayAttr>("net.auxiliary_weights");
  return results - (heads ? static_cast<unsigned>(heads.size()) : 0);
}

int64_t netc::net::rowsOf(RankedTensorType type) {
  int64_t rows = 1;
  for (int64_t dim : type.getShape().drop_front().drop_back())
    rows *= dim;
  return rows;
}
