//===- KernDialect.h - the kern dialect: where it is computed ---*- C++ -*-===//
#ifndef NETC_DIALECT_KERN_KERNDIALECT_H
#define NETC_DIALECT_KERN_KERNDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace netc::kern {

/// outer * (rowsPerImage == 0 ? 1 : ceil(n * rowsPerImage / rowsPerItem)) items.
struct Grid {
  int64_t outer = 1;
  int64_t rowsPerImage = 0;
  int64_t rowsPerItem = 1;
};

/// Channels of the reduction that an item of kern.pack or kern.unpack takes.
constexpr int64_t kPackedDepth = 32;
/// Columns of an image that an item of a transposition has at most.
constexpr int64_t kTransposedColumns = 8192;

} // namespace netc::kern

#include "dialect/kern/KernDialect.h.inc"
#include "dialect/kern/KernEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/kern/KernAttrs.h.inc"
#include "dialect/kern/KernInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialect/kern/KernOps.h.inc"

namespace netc::kern {

/// The body of a one-block region, or null where the region is empty.
mlir::Block *blockOf(mlir::Region &region);

/// Type of a tensor or memref by its shape.
mlir::ShapedType shapedType(mlir::Value value);

/// How many losses an image has in an input [N] or [N, rows] of kern.mean_loss.
int64_t lossesOf(mlir::Value losses);

/// Bytes that an element of a storage type takes.
int64_t elementBytes(mlir::Type element);

/// Bytes that a tensor or memref takes: of one image where the batch is a dimension. The one place
/// where sizes come from.
int64_t storageBytes(mlir::ShapedType type);

} // namespace netc::kern

#endif // NETC_DIALECT_KERN_KERNDIALECT_H
