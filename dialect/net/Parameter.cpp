//===- Parameter.cpp - parameters and running statistics ------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

/// Checks that `symbol` names a parameter of type `type`.
static LogicalResult verifyParameter(Operation *op, SymbolTableCollection &table,
                                     FlatSymbolRefAttr symbol, Type type) {
  auto parameter = table.lookupNearestSymbolFrom<ParameterOp>(op, symbol);
  if (!parameter)
    return op->emitOpError() << "names " << symbol << ", which is no parameter of this module";
  if (type && parameter.getType() != type) {
    InFlightDiagnostic diag = op->emitOpError() << "has type " << type << " but " << symbol
                                                << " is " << parameter.getType();
    diag.attachNote(parameter.getLoc()) << "parameter declared here";
    return diag;
  }
  return success();
}

LogicalResult GetParameterOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), getValue().getType());
}
bool GetParameterOp::readsTrainable(SymbolTable &symbols) {
  return symbols.lookup<ParameterOp>(getParameter()).getTrainable();
}
LogicalResult GetParameterOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                           llvm::function_ref<void(Value, Value)>) {
  SetGradientOp::create(b, getLoc(), getParameterAttr(), cotangents[0]);
  return success();
}

LogicalResult ReshapeParameterOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()),
       result = cast<RankedTensorType>(getType());
  if (!input.hasStaticShape() || !result.hasStaticShape() ||
      input.getNumElements() != result.getNumElements())
    return emitOpError() << "expected as many elements on both sides, found " << input << " and "
                         << result;
  return success();
}
LogicalResult ReshapeParameterOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                               llvm::function_ref<void(Value, Value)> accumulate) {
  accumulate(getInput(),
             ReshapeParameterOp::create(b, getLoc(), getInput().getType(), cotangents[0]));
  return success();
}
OpFoldResult ReshapeParameterOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? getInput() : Value();
}

LogicalResult SetGradientOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), getValue().getType());
}
LogicalResult AssignOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), getValue().getType());
}
LogicalResult SgdUpdateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
LogicalResult AdamUpdateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
LogicalResult LarsUpdateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
LogicalResult RmspropUpdateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
LogicalResult LambDirectionOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
LogicalResult LambUpdateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
LogicalResult AverageOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyParameter(*this, table, getParameterAttr(), {});
}
