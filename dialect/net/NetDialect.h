//===- NetDialect.h - the net dialect: what is computed ---------*- C++ -*-===//
#ifndef NETC_DIALECT_NET_NETDIALECT_H
#define NETC_DIALECT_NET_NETDIALECT_H

#include "dialect/interfaces/Interfaces.h"
#include "dialect/interfaces/Layers.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
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

/// The attribute of a contraction that says what its operands are rounded to before they are
/// multiplied; without it: what they are stored as.
inline constexpr llvm::StringLiteral kOperandType = "net.operand_type";

/// What the name of a parameter ends in that is the scale of an activation stored as integers.
inline constexpr llvm::StringLiteral kActivationScale = ".activation_scale";

/// The attribute of such a parameter: the largest integer, 127 or 255.
inline constexpr llvm::StringLiteral kLevels = "net.levels";

/// The attribute of a function that says what it is: a RoleAttr. Passes and code generation find
/// functions by it, whatever their names.
inline constexpr llvm::StringLiteral kRole = "net.role";

/// What `function` is; nothing where it has no role.
std::optional<Role> roleOf(mlir::func::FuncOp function);
void setRole(mlir::func::FuncOp function, Role role);

/// The function of `module` that has `role`, null if there is none. Of steps, the ordinary one.
mlir::func::FuncOp functionOf(mlir::ModuleOp module, Role role);

/// The sum of two values of one type.
mlir::Value buildSum(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value lhs,
                     mlir::Value rhs);

/// `type` as if it were stored in f32: what two tensors have in common that differ in nothing but
/// what their elements are stored as.
mlir::Type withoutStorage(mlir::Type type);

/// tensor<?x...> with the batch in front, in the layout and the storage type of `like`.
mlir::RankedTensorType activationType(llvm::ArrayRef<int64_t> shapeWithoutBatch,
                                      mlir::RankedTensorType like);

/// Whether `type` is an activation: dynamic batch, static rest.
bool isActivation(mlir::Type type);

/// The axis of an activation's channels or features: 1 of an image [N, C, H, W], the last of all
/// others.
int64_t channelAxis(mlir::RankedTensorType type);

/// Channels of an activation.
int64_t channelsOf(mlir::RankedTensorType type);

/// How often an image has its channels: H * W of [N, C, H, W], 1 of [N, F], T of [N, T, F].
int64_t pixelsOf(mlir::RankedTensorType type);

/// Rows of the last axis that an image has, in logical order.
int64_t rowsOf(mlir::RankedTensorType type);

/// How many of the results of @forward, or of what is derived from it, are outputs; auxiliary heads
/// come after them.
unsigned outputCount(unsigned results, mlir::Operation *forward);

/// The terms of the model's loss: the module's `net.losses`, or cross entropy of the first output.
llvm::SmallVector<LossAttr> lossTerms(mlir::Operation *module);

/// Class indices that go with class scores: their shape without the channels.
mlir::RankedTensorType labelsType(mlir::RankedTensorType scores);

/// Losses, `rows` an image: [N], or [N, rows] where rows > 1.
mlir::RankedTensorType lossesType(mlir::RankedTensorType like, int64_t rows);

/// The sums that a Dice loss is made of: two for each class of each image.
mlir::RankedTensorType diceSumsType(mlir::RankedTensorType probabilities);

} // namespace netc::net

#endif // NETC_DIALECT_NET_NETDIALECT_H
