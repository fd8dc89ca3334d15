//===- FuseAttention.cpp - softmax(q k^T) v as one op ---------------------===//
//
// Scores of all pairs of tokens are the largest values of a transformer. As one op they are
// computed in blocks and never stored. The model file builds attention of matmul, softmax and
// matmul, with reshapes between them that keep the order of elements.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_FUSEATTENTION
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct FuseAttention : netc::impl::FuseAttentionBase<FuseAttention> {
  using FuseAttentionBase::FuseAttentionBase;
  void runOnOperation() override;
};
} // namespace

/// What `value` is a reshape of, as long as nothing else reads what lies between.
static Value behindReshapes(Value value) {
  Operation *op = value.getDefiningOp();
  while (isa_and_nonnull<net::FlattenOp, net::UnflattenOp>(op) && value.hasOneUse()) {
    value = op->getOperand(0);
    op = value.getDefiningOp();
  }
  return value;
}

/// The op behind the reshapes of `value` if nothing but them reads it.
template <typename OpTy> static OpTy soleSource(Value value) {
  value = behindReshapes(value);
  return value.hasOneUse() ? value.getDefiningOp<OpTy>() : OpTy();
}

static int64_t lastSize(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

namespace {
/// The parts of an attention whose last product is `product`.
struct Parts {
  net::MatmulOp scores;
  Value bias; ///< null: there is none
  double scale = 1;
};
} // namespace

/// A bias of each image that every run of as many scores gets: `sum` adds it to rows of its length.
static Value biasOf(net::AddOp sum, net::MatmulOp scores) {
  auto left = cast<RankedTensorType>(sum.getLhs().getType()),
       right = cast<RankedTensorType>(sum.getRhs().getType());
  auto shape = cast<RankedTensorType>(scores.getType()).getShape();
  int64_t rank = static_cast<int64_t>(shape.size()), matrix = shape[rank - 2] * shape[rank - 1];
  bool repeats = left.getRank() == 3 && right.getRank() == 2 &&
                 right.getShape()[0] == ShapedType::kDynamic &&
                 left.getShape()[2] == right.getShape()[1] && right.getShape()[1] % matrix == 0;
  return repeats ? sum.getRhs() : Value();
}

static std::optional<Parts> partsOf(net::MatmulOp product) {
  if (product.getTransposeLhs() || product.getTransposeRhs())
    return std::nullopt;
  auto softmax = soleSource<net::SoftmaxOp>(product.getLhs());
  // Rows of the softmax are those of the product.
  if (!softmax || lastSize(softmax.getInput()) != lastSize(product.getLhs()) ||
      cast<RankedTensorType>(softmax.getType()).getRank() == 4)
    return std::nullopt;
  Parts parts;
  Value below = softmax.getInput();
  auto sum = soleSource<net::AddOp>(below);
  if (sum)
    below = sum.getLhs();
  if (auto affine = soleSource<net::AffineOp>(below);
      affine && affine.getShift().convertToDouble() == 0) {
    parts.scale = affine.getScale().convertToDouble();
    below = affine.getInput();
  }
  parts.scores = soleSource<net::MatmulOp>(below);
  if (!parts.scores || parts.scores.getTransposeLhs() || !parts.scores.getTransposeRhs() ||
      lastSize(parts.scores.getResult()) != lastSize(product.getLhs()) ||
      parts.scores.getType() != product.getLhs().getType())
    return std::nullopt;
  if (sum && !(parts.bias = biasOf(sum, parts.scores)))
    return std::nullopt;
  return parts;
}

void FuseAttention::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (net::roleOf(function) == net::Role::Forward)
      continue; // the source of the others
    bool training = net::roleOf(function) == net::Role::Step;
    function.walk([&](net::MatmulOp product) {
      std::optional<Parts> parts = partsOf(product);
      // The gradient of a bias is a sum of scores' gradients: they are computed as a whole.
      if (!parts || (training && parts->bias))
        return;
      OpBuilder b(product);
      Location loc = product.getLoc();
      LayerScope scope(b, product);
      Value queries = parts->scores.getLhs();
      if (parts->scale != 1)
        queries = net::AffineOp::create(b, loc, queries.getType(), queries,
                                        b.getF64FloatAttr(parts->scale), b.getF64FloatAttr(0));
      auto shape = cast<RankedTensorType>(queries.getType()).getShape();
      int64_t rows = 1;
      for (int64_t size : shape.drop_front().drop_back())
        rows *= size;
      auto logarithms = RankedTensorType::get({ShapedType::kDynamic, rows}, b.getF32Type());
      auto attention =
          net::AttentionOp::create(b, loc, product.getType(), logarithms, queries,
                                   parts->scores.getRhs(), product.getRhs(), parts->bias);
      product.replaceAllUsesWith(attention.getResult());
      product.erase();
      ++numFused;
    });
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
}
