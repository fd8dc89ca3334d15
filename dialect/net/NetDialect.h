//===- NetDialect.h - the net dialect: what is computed ---------*- C++ -*-===//
#ifndef NETC_DIALECT_NET_NETDIALECT_H
#define NETC_DIALECT_NET_NETDIALECT_H

#include "dialect/interfaces/Interfaces.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/net/NetDialect.h.inc"
#include "dialect/net/NetEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/net/NetAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialect/net/NetOps.h.inc"

namespace netc::net {

/// tensor<?x...xf32> with the batch in front, in the layout of `like`.
mlir::RankedTensorType activationType(llvm::ArrayRef<int64_t> shapeWithoutBatch,
                                      mlir::RankedTensorType like);

/// Whether `type` is an activation: dynamic batch, static rest.
bool isActivation(mlir::Type type);

/// Channels of an activation: dimension 1 of [N, C, H, W] and of [N, F].
int64_t channelsOf(mlir::RankedTensorType type);

/// Pixels an image: H * W of [N, C, H, W], 1 of [N, F].
int64_t pixelsOf(mlir::RankedTensorType type);

} // namespace netc::net

#endif // NETC_DIALECT_NET_NETDIALECT_H
