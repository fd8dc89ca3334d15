//===- NetDialect.cpp - the net dialect: what is computed -----------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc::net;

/// One type for all where they are equal, else each of them.
static void printTypes(OpAsmPrinter &p, ArrayRef<Type> types) {
  if (llvm::all_equal(types))
    types = types.take_front();
  llvm::interleaveComma(types, p);
}
static void printStoredTypes(OpAsmPrinter &p, Operation *, Type first, Type second) {
  printTypes(p, {first, second});
}
static void printStoredTypes(OpAsmPrinter &p, Operation *, Type first, Type second, Type third) {
  printTypes(p, {first, second, third});
}

static ParseResult parseTypes(OpAsmParser &parser, ArrayRef<Type *> types) {
  SmallVector<Type> found;
  if (parser.parseTypeList(found))
    return failure();
  if (found.size() != 1 && found.size() != types.size())
    return parser.emitError(parser.getCurrentLocation())
           << "expected one type, or " << types.size() << " where they differ";
  for (auto [index, type] : llvm::enumerate(types))
    *type = found.size() == 1 ? found[0] : found[index];
  return success();
}
static ParseResult parseStoredTypes(OpAsmParser &parser, Type &first, Type &second) {
  return parseTypes(parser, {&first, &second});
}
static ParseResult parseStoredTypes(OpAsmParser &parser, Type &first, Type &second, Type &third) {
  return parseTypes(parser, {&first, &second, &third});
}

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

Type netc::net::withoutStorage(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? Type(tensor.clone(Float32Type::get(type.getContext()))) : type;
}

/// Of the inferred and the given types of an op's results.
static bool matchesButForStorage(TypeRange inferred, TypeRange given) {
  return llvm::map_to_vector(inferred, netc::net::withoutStorage) ==
         llvm::map_to_vector(given, netc::net::withoutStorage);
}
bool Conv2dOp::isCompatibleReturnTypes(TypeRange inferred, TypeRange given) {
  return matchesButForStorage(inferred, given);
}
bool LinearOp::isCompatibleReturnTypes(TypeRange inferred, TypeRange given) {
  return matchesButForStorage(inferred, given);
}
bool FlattenOp::isCompatibleReturnTypes(TypeRange inferred, TypeRange given) {
  return matchesButForStorage(inferred, given);
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
