//===- FusionFormula.cpp - the formulas inside a fusion -------------------===//
#include "passes/lowering/FusionFormula.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

void netc::lowering::collectLeaves(Value value, Value product, llvm::SetVector<Value> &leaves) {
  if (isa<BlockArgument>(value) || value == product) {
    leaves.insert(value);
    return;
  }
  for (Value operand : value.getDefiningOp()->getOperands())
    collectLeaves(operand, product, leaves);
}

Value netc::lowering::buildFormula(OpBuilder &b, Value value, Scalars &scalars) {
  if (Value known = scalars.lookup(value))
    return known;
  auto op = cast<PointwiseOpInterface>(value.getDefiningOp());
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(buildFormula(b, operand, scalars));
  if (std::optional<int64_t> stream = op.getRandomStream()) {
    int64_t imageElements = 1;
    for (int64_t dim : cast<ShapedType>(value.getType()).getShape().drop_front()) // not the batch
      imageElements *= dim;
    operands.push_back(kern::RandomOp::create(b, op.getLoc(), b.getF32Type(), *stream,
                                              imageElements, op.drawsPerImage()));
  }
  return scalars[value] = op.buildScalar(b, operands);
}

void netc::lowering::collectLeaves(const ChannelTerm &term, Value product,
                                   llvm::SetVector<Value> &leaves) {
  for (Value value : {term.a, term.b, term.center})
    if (value)
      collectLeaves(value, product, leaves);
}

/// Adds the layers whose values the formula of `value` computes, in order of computation.
static void collectLayers(Value value, Value product, LayerNames &layers, DenseSet<Value> &seen) {
  if (isa<BlockArgument>(value) || value == product || !seen.insert(value).second)
    return;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    collectLayers(operand, product, layers, seen);
  layers.insert_range(layersOf(op));
}

LayerNames netc::lowering::layersIn(ArrayRef<Value> values, ArrayRef<ChannelTerm> terms,
                                    Value product, const LayerNames &own) {
  LayerNames layers;
  DenseSet<Value> seen;
  for (Value value : values)
    collectLayers(value, product, layers, seen);
  for (const ChannelTerm &term : terms)
    for (Value value : {term.a, term.b, term.center})
      if (value)
        collectLayers(value, product, layers, seen);
  layers.set_subtract(own);
  return layers;
}

Value netc::lowering::buildTerm(OpBuilder &b, Location loc, const ChannelTerm &term,
                                Scalars &scalars) {
  Value a = buildFormula(b, term.a, scalars);
  if (!term.b)
    return a;
  Value distance = arith::SubFOp::create(b, loc, buildFormula(b, term.b, scalars),
                                         buildFormula(b, term.center, scalars));
  return arith::MulFOp::create(b, loc, a, distance);
}

void netc::lowering::buildRegion(OpBuilder &b, Region &region, Location loc, ArrayRef<Value> leaves,
                                 ArrayRef<Value> results, ArrayRef<ChannelTerm> terms) {
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region);
  Scalars scalars;
  for (Value leaf : leaves)
    scalars[leaf] = block->addArgument(b.getF32Type(), loc);
  SmallVector<Value> yields;
  for (Value result : results)
    yields.push_back(buildFormula(b, result, scalars));
  for (const ChannelTerm &term : terms)
    yields.push_back(buildTerm(b, loc, term, scalars));
  kern::YieldOp::create(b, loc, yields);
}
