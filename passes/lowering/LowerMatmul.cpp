//===- LowerMatmul.cpp - products of activations and attention ------------===//
#include "dialect/schedule/gpu/GpuSchedule.h"
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

/// How a GPU multiplies the op's operands.
static kern::GpuAlgorithm algorithmOf(KernBuilder &k, Operation *op) {
  auto operands = op->getAttrOfType<TypeAttr>(net::kOperandType);
  return kern::gpuAlgorithm(operands ? operands.getValue() : k.b.getF32Type());
}

static void lowerProduct(KernBuilder &k, net::MatmulOp product) {
  RankedTensorType type = k.physicalType(product.getType());
  ArrayRef<int64_t> left = cast<RankedTensorType>(product.getLhs().getType()).getShape();
  int64_t matrices = 1, rank = type.getRank();
  for (int64_t axis = 1; axis + 2 < rank; ++axis)
    matrices *= type.getDimSize(axis);
  int64_t depth = left[product.getTransposeLhs() ? rank - 2 : rank - 1];
  kern::GpuScheduleAttr gpu;
  if (k.target.gpu)
    gpu = kern::gpuMatmulSchedule(k.b.getContext(), algorithmOf(k, product),
                                  type.getDimSize(rank - 1));
  auto matmul = kern::MatmulOp::create(
      k.b, product.getLoc(), TypeRange{type}, k.getAll(product->getOperands()),
      ValueRange{k.empty(type, product.getLoc())}, matrices, type.getDimSize(rank - 2),
      type.getDimSize(rank - 1), depth, product.getTransposeLhs(), product.getTransposeRhs(),
      k.target.lanes, gpu);
  k.set(product.getResult(), matmul.getResult(0));
}

namespace {
/// The sizes of an attention's matrices; biases: of an image.
struct AttentionSizes {
  int64_t matrices = 1, queries, keys, depth, width, biases = 0;
};
} // namespace

static AttentionSizes sizesOf(Value queries, Value values, Value bias) {
  ArrayRef<int64_t> q = cast<RankedTensorType>(queries.getType()).getShape(),
                    v = cast<RankedTensorType>(values.getType()).getShape();
  AttentionSizes sizes{1, q[q.size() - 2], v[v.size() - 2], q.back(), v.back()};
  for (int64_t size : q.drop_front().drop_back(2))
    sizes.matrices *= size;
  if (bias)
    sizes.biases =
        cast<RankedTensorType>(bias.getType()).getShape().back() / (sizes.queries * sizes.keys);
  return sizes;
}

static kern::GpuScheduleAttr tileOf(KernBuilder &k, Operation *op, const AttentionSizes &sizes,
                                    bool backward) {
  if (!k.target.gpu)
    return {};
  return kern::gpuAttentionSchedule(k.b.getContext(), algorithmOf(k, op), sizes.depth, sizes.width,
                                    backward);
}

static void lowerAttention(KernBuilder &k, net::AttentionOp op) {
  AttentionSizes sizes = sizesOf(op.getQueries(), op.getValues(), op.getBias());
  SmallVector<Type> types;
  SmallVector<Value> outs;
  for (Value result : op->getResults()) {
    types.push_back(k.physicalType(result.getType()));
    outs.push_back(k.empty(types.back(), op.getLoc()));
  }
  auto attention = kern::AttentionOp::create(k.b, op.getLoc(), types, k.getAll(op->getOperands()),
                                             outs, sizes.matrices, sizes.queries, sizes.keys,
                                             sizes.depth, sizes.width, sizes.biases, k.target.lanes,
                                             tileOf(k, op, sizes, /*backward=*/false));
  for (auto [result, lowered] : llvm::zip_equal(op->getResults(), attention->getResults()))
    k.set(result, lowered);
}

/// One launch for the gradients of queries and bias, one for those of keys and values.
static void lowerAttentionGrad(KernBuilder &k, net::AttentionGradOp op) {
  AttentionSizes sizes = sizesOf(op.getQueries(), op.getValues(), op.getBias());
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
                                              sizes.biases, ofKeys, k.target.lanes,
                                              tileOf(k, op, sizes, /*backward=*/true));
    for (auto [result, lowered] : llvm::zip_equal(results, grad->getResults()))
      k.set(result, lowered);
  };
  SmallVector<Value> ofQueries{op.getQueryGrad()};
  if (op.getBiasGrad())
    ofQueries.push_back(op.getBiasGrad());
  launch(ofQueries, false);
  launch({op.getKeyGrad(), op.getValueGrad()}, true);
}

bool netc::lowering::lowerMatmul(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::MatmulOp m) { return lowerProduct(k, m), true; })
      .Case([&](net::AttentionOp a) { return lowerAttention(k, a), true; })
      .Case([&](net::AttentionGradOp a) { return lowerAttentionGrad(k, a), true; })
      .Default(false);
}
