//===- Interfaces.h - op interfaces that the passes use ---------*- C++ -*-===//
#ifndef NETC_DIALECT_INTERFACES_INTERFACES_H
#define NETC_DIALECT_INTERFACES_INTERFACES_H

#include "dialect/interfaces/Hyper.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"

namespace netc {
/// Declares that no gradient flows through an op: a sink, a source of constants, or
/// an op whose part in the chain rule another op's adjoint accounts for.
template <typename ConcreteOp>
class NotDifferentiable : public mlir::OpTrait::TraitBase<ConcreteOp, NotDifferentiable> {};

/// Declares that an op may stand in @forward: it is what the front end makes of a layer. Gradients,
/// losses and the parts of batch norm are not.
template <typename ConcreteOp>
class ModelOp : public mlir::OpTrait::TraitBase<ConcreteOp, ModelOp> {};

/// Declares that storing an op's result changes it, so no kernel computes on from it unstored.
template <typename ConcreteOp>
class IsStored : public mlir::OpTrait::TraitBase<ConcreteOp, IsStored> {};

/// Declares that an op reads and writes images in their logical order, [N, C, H, W]: the order of
/// files, and of the weights of a linear layer behind a flatten.
template <typename ConcreteOp>
class KeepsLogicalOrder : public mlir::OpTrait::TraitBase<ConcreteOp, KeepsLogicalOrder> {};

/// What a result of a channel reduction is: the sum of a, or of a (b - center) where b is given; or
/// one of the moments of a, its mean or the sum of squared deviations from it.
struct ChannelTerm {
  mlir::Value a, b, center;
  bool isMoment = false;
};

/// Declares that an op does nothing in inference: its result is its first operand there.
template <typename ConcreteOp>
class IdentityInInference : public mlir::OpTrait::TraitBase<ConcreteOp, IdentityInInference> {};
} // namespace netc

#include "dialect/interfaces/Interfaces.h.inc"

#endif // NETC_DIALECT_INTERFACES_INTERFACES_H
