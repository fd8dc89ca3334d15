//===- Linear.cpp - fully connected layer and its gradients ---------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

LogicalResult LinearOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         Adaptor op, SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  if (input.getRank() < 2 || input.getRank() > 3 || weight.getRank() != 2)
    return emitOptionalError(loc, "expected vectors, found input ", input, " and weight ", weight);
  if (channelsOf(input) != weight.getDimSize(1))
    return emitOptionalError(loc, "input has ", channelsOf(input), " features but weight expects ",
                             weight.getDimSize(1));
  SmallVector<int64_t> shape(input.getShape().drop_front());
  shape.back() = weight.getDimSize(0);
  types.push_back(activationType(shape, input));
  return success();
}

LogicalResult LinearOp::buildAdjoint(OpBuilder &builder, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0];
  Location loc = getLoc();
  accumulate(getWeight(),
             LinearWeightGradOp::create(builder, loc, getWeight().getType(), getInput(), g));
  if (getBias())
    accumulate(getBias(), ChannelSumsOp::create(builder, loc, TypeRange{getBias().getType()}, g,
                                                Value(), Value())
                              .getResult(0));
  accumulate(getInput(),
             LinearInputGradOp::create(builder, loc, getInput().getType(), g, getWeight()));
  return success();
}

SmallVector<unsigned> LinearOp::getActivationOperands() { return {0}; }
bool LinearOp::supportsEpilogue() { return true; }
SmallVector<unsigned> LinearInputGradOp::getActivationOperands() { return {0}; }
bool LinearInputGradOp::supportsEpilogue() { return true; }
SmallVector<unsigned> LinearWeightGradOp::getActivationOperands() { return {0, 1}; }
bool LinearWeightGradOp::supportsEpilogue() { return false; }

//===----------------------------------------------------------------------===//
// Matmul
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::verify() {
  auto lhs = cast<RankedTensorType>(getLhs().getType()),
       rhs = cast<RankedTensorType>(getRhs().getType()), result = cast<RankedTensorType>(getType());
  int64_t rank = lhs.getRank();
  if (rank < 3 || rhs.getRank() != rank || result.getRank() != rank ||
      lhs.getShape().drop_back(2) != rhs.getShape().drop_back(2) ||
      lhs.getShape().drop_back(2) != result.getShape().drop_back(2))
    return emitOpError() << "expected matrices with equal sizes in front of them, found " << lhs
                         << ", " << rhs << " and " << result;
  auto [rows, depth] = std::pair(lhs.getDimSize(rank - 2), lhs.getDimSize(rank - 1));
  auto [inner, columns] = std::pair(rhs.getDimSize(rank - 2), rhs.getDimSize(rank - 1));
  if (getTransposeLhs())
    std::swap(rows, depth);
  if (getTransposeRhs())
    std::swap(inner, columns);
  if (depth != inner || result.getDimSize(rank - 2) != rows ||
      result.getDimSize(rank - 1) != columns)
    return emitOpError() << "multiplies " << rows << "x" << depth << " by " << inner << "x"
                         << columns << " but results in " << result;
  return success();
}

LogicalResult MatmulOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                     llvm::function_ref<void(Value, Value)> accumulate) {
  Value g = cotangents[0], x = getLhs(), y = getRhs();
  bool left = getTransposeLhs(), right = getTransposeRhs();
  auto product = [&](Value like, Value u, Value v, bool transposeU, bool transposeV) -> Value {
    return MatmulOp::create(b, getLoc(), like.getType(), u, v, transposeU, transposeV);
  };
  // With X = x or its transpose, and Y: dX = G Y^T, dY = X^T G.
  accumulate(x, left ? product(x, y, g, right, true) : product(x, g, y, false, !right));
  accumulate(y, right ? product(y, g, x, true, left) : product(y, x, g, !left, false));
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::verify() {
  auto shape = [](Value v) { return cast<RankedTensorType>(v.getType()).getShape(); };
  ArrayRef<int64_t> q = shape(getQueries()), k = shape(getKeys()), v = shape(getValues()),
                    y = shape(getResult());
  auto front = [](ArrayRef<int64_t> s) { return s.drop_back(2); };
  auto rows = [](ArrayRef<int64_t> s) { return s[s.size() - 2]; };
  bool fits = q.size() >= 3 && k.size() == q.size() && v.size() == q.size() &&
              y.size() == q.size() && front(k) == front(q) && front(v) == front(q) &&
              front(y) == front(q) && k.back() == q.back() && rows(v) == rows(k) &&
              rows(y) == rows(q) && y.back() == v.back();
  if (!fits)
    return emitOpError() << "expected queries, keys, values and result of matching matrices, found "
                         << getOperandTypes() << " and " << getResult().getType();
  if (getBias() && shape(getBias()).back() % (rows(q) * rows(k)) != 0)
    return emitOpError() << "expected a bias of whole matrices of " << rows(q) << "x" << rows(k)
                         << ", found " << getBias().getType();
  return success();
}

LogicalResult AttentionOp::buildAdjoint(OpBuilder &b, ValueRange cotangents,
                                        llvm::function_ref<void(Value, Value)> accumulate) {
  Value bias = getBias();
  auto gradients = AttentionGradOp::create(b, getLoc(), getQueries().getType(), getKeys().getType(),
                                           getValues().getType(), bias ? bias.getType() : Type(),
                                           getQueries(), getKeys(), getValues(), getResult(),
                                           getLogarithms(), cotangents[0], bias);
  accumulate(getQueries(), gradients.getQueryGrad());
  accumulate(getKeys(), gradients.getKeyGrad());
  accumulate(getValues(), gradients.getValueGrad());
  if (bias)
    accumulate(bias, gradients.getBiasGrad());
  return success();
}
