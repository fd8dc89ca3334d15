//===- FuseAttention.cpp - softmax(q k^T) v as one op ---------------------===//
//
// Scores of all pairs of tokens are the largest values of a transformer. As one op they are
// computed in blocks and never stored. The model file builds attention of matmul, softmax and
// matmul, with reshapes between them that keep the order of elements.
//
//===----------------------------------------------------------------------===//
#include "dialect/schedule/gpu/GpuSchedule.h"
#include "passes/graph/Reshapes.h"

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

static int64_t lastSize(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

namespace {
/// The parts of an attention whose last product is `product`.
struct Parts {
  net::MatmulOp scores;
  Value bias; ///< as biasOf says; null: there is none
  double scale = 1;
};
} // namespace

/// Whether `scores` + `bias` adds whole matrices of scores: a bias of each image, a learned one, or
/// one as large as the scores. The first two may repeat over an image's matrices.
static bool isBias(Value scores, Value bias, net::MatmulOp product) {
  auto left = cast<RankedTensorType>(scores.getType()),
       right = cast<RankedTensorType>(bias.getType());
  auto shape = cast<RankedTensorType>(product.getType()).getShape();
  int64_t rank = static_cast<int64_t>(shape.size()), matrix = shape[rank - 2] * shape[rank - 1];
  if (left == right)
    return true;
  bool ofImage = right.getRank() == 2 && right.isDynamicDim(0), learned = right.getRank() == 1;
  int64_t size = right.getShape().back();
  bool repeats = left.getRank() == 3 || (learned && left.getRank() == 2);
  return (ofImage || learned) && repeats && left.getShape().back() == size && size % matrix == 0;
}

/// `bias` as net.attention takes it, [N, matrices rows columns].
static Value biasOf(OpBuilder &b, Location loc, Value bias) {
  auto type = cast<RankedTensorType>(bias.getType());
  if (type.getRank() > 2)
    return b.createOrFold<net::FlattenOp>(loc, bias);
  if (type.getRank() == 2)
    return bias;
  auto ofImages =
      RankedTensorType::get({ShapedType::kDynamic, type.getDimSize(0)}, type.getElementType());
  return net::RepeatOp::create(b, loc, ofImages, bias);
}

/// The product of queries and keys below `value`, and what it is multiplied by.
static std::optional<Parts> scoresBelow(Value value, net::MatmulOp product) {
  Parts parts;
  if (auto affine = soleSource<net::AffineOp>(value);
      affine && affine.getShift().convertToDouble() == 0) {
    parts.scale = affine.getScale().convertToDouble();
    value = affine.getInput();
  }
  parts.scores = soleSource<net::MatmulOp>(value);
  if (!parts.scores || parts.scores.getTransposeLhs() || !parts.scores.getTransposeRhs() ||
      lastSize(parts.scores.getResult()) != lastSize(product.getLhs()) ||
      parts.scores.getType() != product.getLhs().getType())
    return std::nullopt;
  return parts;
}

static std::optional<Parts> partsOf(net::MatmulOp product) {
  if (product.getTransposeLhs() || product.getTransposeRhs())
    return std::nullopt;
  auto softmax = soleSource<net::SoftmaxOp>(product.getLhs());
  // Rows of the softmax are those of the product.
  if (!softmax || lastSize(softmax.getInput()) != lastSize(product.getLhs()) ||
      cast<RankedTensorType>(softmax.getType()).getRank() == 4)
    return std::nullopt;
  auto sum = soleSource<net::AddOp>(softmax.getInput());
  if (!sum)
    return scoresBelow(softmax.getInput(), product);
  for (auto [scores, bias] : {std::pair(sum.getLhs(), sum.getRhs()), {sum.getRhs(), sum.getLhs()}})
    if (std::optional<Parts> parts = scoresBelow(scores, product);
        parts && isBias(scores, bias, parts->scores)) {
      parts->bias = bias;
      return parts;
    }
  return std::nullopt;
}

void FuseAttention::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (net::roleOf(function) == net::Role::Forward)
      continue; // the source of the others
    function.walk([&](net::MatmulOp product) {
      std::optional<Parts> parts = partsOf(product);
      if (!parts || (gpu && !kern::fitsGpuAttention(lastSize(parts->scores.getLhs()),
                                                    lastSize(product.getRhs()))))
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
      Value bias = parts->bias ? biasOf(b, loc, parts->bias) : Value();
      auto attention = net::AttentionOp::create(b, loc, product.getType(), logarithms, queries,
                                                parts->scores.getRhs(), product.getRhs(), bias);
      product.replaceAllUsesWith(attention.getResult());
      product.erase();
      ++numFused;
    });
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
}
