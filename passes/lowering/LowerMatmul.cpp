//===- LowerMatmul.cpp - products of activations and attention ------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

static void lowerProduct(KernBuilder &k, net::MatmulOp product) {
  RankedTensorType type = k.physicalType(product.getType());
  ArrayRef<int64_t> left = cast<RankedTensorType>(product.getLhs().getType()).getShape();
  int64_t matrices = 1, rank = type.getRank();
  for (int64_t axis = 1; axis + 2 < rank; ++axis)
    matrices *= type.getDimSize(axis);
  int64_t depth = left[product.getTransposeLhs() ? rank - 2 : rank - 1];
  auto matmul = kern::MatmulOp::create(
      k.b, product.getLoc(), TypeRange{type}, k.getAll(product->getOperands()),
      ValueRange{k.empty(type, product.getLoc())}, matrices, type.getDimSize(rank - 2),
      type.getDimSize(rank - 1), depth, product.getTransposeLhs(), product.getTransposeRhs(),
      k.target.lanes);
  k.set(product.getResult(), matmul.getResult(0));
}

namespace {
/// The sizes of an attention's matrices.
struct AttentionSizes {
  int64_t matrices = 1, queries, keys, depth, width;
};
} // namespace

static AttentionSizes sizesOf(Value queries, Value values) {
  ArrayRef<int64_t> q = cast<RankedTensorType>(queries.getType()).getShape(),
                    v = cast<RankedTensorType>(values.getType()).getShape();
  AttentionSizes sizes{1, q[q.size() - 2], v[v.size() - 2], q.back(), v.back()};
  for (int64_t size : q.drop_front().drop_back(2))
    sizes.matrices *= size;
  return sizes;
}

static void lowerAttention(KernBuilder &k, net::AttentionOp op) {
  AttentionSizes sizes = sizesOf(op.getQueries(), op.getValues());
  int64_t biases = 0;
  if (op.getBias())
    biases = cast<RankedTensorType>(op.getBias().getType()).getShape().back() /
             (sizes.queries * sizes.keys);
  SmallVector<Type> types;
  SmallVector<Value> outs;
  for (Value result : op->getResults()) {
    types.push_back(k.physicalType(result.getType()));
    outs.push_back(k.empty(types.back(), op.getLoc()));
  }
  auto attention = kern::AttentionOp::create(k.b, op.getLoc(), types, k.getAll(op->getOperands()),
                                             outs, sizes.matrices, sizes.queries, sizes.keys,
                                             sizes.depth, sizes.width, biases, k.target.lanes);
  for (auto [result, lowered] : llvm::zip_equal(op->getResults(), attention->getResults()))
    k.set(result, lowered);
}

/// One launch for the gradient of queries, one for those of keys and values.
static void lowerAttentionGrad(KernBuilder &k, net::AttentionGradOp op) {
  AttentionSizes sizes = sizesOf(op.getQueries(), op.getValues());
  SmallVector<Value> inputs = k.getAll(op->getOperands());
  auto launch = [&](ValueRange results, bool ofKeys) {
    SmallVector<Type> types;
    SmallVector<Value> outs;
    for (Value result : results) {
      types.push_back(k.physicalType(result.getType()));
      outs.push_back(k.empty(types.back(), op.getLoc()));
    }
    auto grad = kern::AttentionGradOp::create(k.b, op.getLoc(), types, inputs, outs, sizes.matrices,
                                              sizes.queries, sizes.keys, sizes.depth, sizes.width,
                                              ofKeys, k.target.lanes);
    for (auto [result, lowered] : llvm::zip_equal(results, grad->getResults()))
      k.set(result, lowered);
  };
  launch(op.getQueryGrad(), false);
  launch({op.getKeyGrad(), op.getValueGrad()}, true);
}

bool netc::lowering::lowerMatmul(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::MatmulOp m) { return lowerProduct(k, m), true; })
      .Case([&](net::AttentionOp a) { return lowerAttention(k, a), true; })
      .Case([&](net::AttentionGradOp a) { return lowerAttentionGrad(k, a), true; })
      .Default(false);
}
