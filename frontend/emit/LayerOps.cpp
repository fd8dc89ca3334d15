//===- LayerOps.cpp - layers that are several ops -------------------------===//
#include "frontend/emit/LayerOps.h"

#include "dialect/net/NetDialect.h"

#include <numeric>

using namespace mlir;
using namespace netc;
using namespace netc::frontend;

llvm::ArrayRef<int64_t> netc::frontend::sizesOf(Value activation) {
  return cast<RankedTensorType>(activation.getType()).getShape().drop_front();
}

static int64_t product(ArrayRef<int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t(1), std::multiplies<>());
}

RankedTensorType LayerOps::typeOf(Sizes shape) {
  SmallVector<int64_t> sizes{ShapedType::kDynamic};
  llvm::append_range(sizes, shape);
  return RankedTensorType::get(sizes, b.getF32Type());
}

Value LayerOps::flatten(Value x) { return b.createOrFold<net::FlattenOp>(loc, x); }

/// The sequence of pixels that `x` = [C, H W] is the transpose of, where `shape` = [C, H, W]; null
/// for others.
static Value tokensBehind(Value x, ArrayRef<int64_t> shape) {
  auto turned = x.getDefiningOp<net::PermuteOp>();
  bool fits = turned && sizesOf(x).size() == 2 && shape.size() == 3 && sizesOf(x)[0] == shape[0];
  return fits ? turned.getInput() : Value();
}

/// The image whose pixels the columns of `x` = [C, H W] are; null for others.
static Value imageBehind(Value x) {
  auto matrix = x.getDefiningOp<net::UnflattenOp>();
  auto flat = matrix ? matrix.getInput().getDefiningOp<net::FlattenOp>() : net::FlattenOp();
  bool fits = flat && sizesOf(x).size() == 2 && sizesOf(flat.getInput()).size() == 3 &&
              sizesOf(flat.getInput())[0] == sizesOf(x)[0];
  return fits ? flat.getInput() : Value();
}

Value LayerOps::reshape(Value x, Sizes shape) {
  if (sizesOf(x) == shape)
    return x;
  if (Value tokens = tokensBehind(x, shape))
    return net::FromTokensOp::create(b, loc, typeOf(shape), tokens);
  Value flat = flatten(x);
  return shape.size() == 1 ? flat : Value(net::UnflattenOp::create(b, loc, typeOf(shape), flat));
}

/// Each row of an image of one channel becomes as many as the axis shall have.
Value LayerOps::expand(Value x, Sizes shape) {
  SmallVector<int64_t> now(sizesOf(x));
  for (size_t axis = 0; axis < now.size(); ++axis) {
    if (now[axis] == shape[axis])
      continue;
    int64_t outer = product(Sizes(now).take_front(axis)),
            inner = product(Sizes(now).drop_front(axis + 1));
    Value rows = reshape(x, {1, outer, inner});
    now[axis] = shape[axis];
    x = reshape(
        net::ResampleOp::create(b, loc, typeOf({1, outer * shape[axis], inner}), rows, UnitAttr()),
        now);
  }
  return x;
}

Value LayerOps::permute(Value x, Sizes order) {
  SmallVector<int64_t> axes{0}, shape;
  for (int64_t axis : order) {
    axes.push_back(axis + 1);
    shape.push_back(sizesOf(x)[axis]);
  }
  if (Value image = imageBehind(x); image && order.front() == 1)
    return net::ToTokensOp::create(b, loc, typeOf(shape), image);
  return b.createOrFold<net::PermuteOp>(loc, typeOf(shape), x, b.getDenseI64ArrayAttr(axes));
}

Value LayerOps::slice(Value x, int64_t axis, int64_t begin, int64_t size) {
  SmallVector<int64_t> shape(sizesOf(x));
  shape[axis] = size;
  return net::SliceOp::create(b, loc, typeOf(shape), x, b.getI64IntegerAttr(axis + 1),
                              b.getI64IntegerAttr(begin));
}

/// Channels of images and vectors are joined as they always were; `axis` is written for others.
Value LayerOps::concat(ValueRange xs, int64_t axis) {
  SmallVector<int64_t> shape(sizesOf(xs[0]));
  shape[axis] = 0;
  for (Value x : xs)
    shape[axis] += sizesOf(x)[axis];
  bool channels = axis == 0 && (shape.size() == 1 || shape.size() == 3);
  return net::ConcatOp::create(b, loc, typeOf(shape), xs,
                               channels ? IntegerAttr() : b.getI64IntegerAttr(axis + 1));
}

Value LayerOps::roll(Value x, Sizes shift) {
  for (auto [index, by] : llvm::enumerate(shift)) {
    if (by == 0)
      continue;
    auto axis = static_cast<int64_t>(index);
    int64_t size = sizesOf(x)[axis];
    x = concat({slice(x, axis, size - by, by), slice(x, axis, 0, size - by)}, axis);
  }
  return x;
}

/// An average over windows of one column, on an image of one channel: any axis is its rows.
Value LayerOps::mean(Value x, int64_t axis) {
  SmallVector<int64_t> shape(sizesOf(x));
  int64_t size = shape[axis], outer = product(Sizes(shape).take_front(axis)),
          inner = product(Sizes(shape).drop_front(axis + 1));
  bool last = inner == 1;
  SmallVector<int64_t> window =
      last ? SmallVector<int64_t>{1, size} : SmallVector<int64_t>{size, 1};
  Value image = reshape(x, last ? Sizes{1, outer, size} : Sizes{1, outer * size, inner});
  image = net::AvgPoolOp::create(b, loc, typeOf({1, outer, inner}), image, window, window,
                                 ArrayRef<int64_t>{0, 0, 0, 0}, false, DenseI64ArrayAttr());
  shape.erase(shape.begin() + axis);
  if (shape.empty())
    shape.push_back(1);
  return reshape(image, shape);
}

/// Rows of the last axis, of a tensor that is no image; an image's channels as they lie.
Value LayerOps::softmax(Value x, int64_t axis) {
  SmallVector<int64_t> shape(sizesOf(x)), order(shape.size());
  auto last = static_cast<int64_t>(shape.size()) - 1;
  if (shape.size() == 3 && axis == 0)
    return net::SoftmaxOp::create(b, loc, x.getType(), x);
  if (axis != last) { // exchanges both, which is its own inverse
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[axis], order[last]);
    return permute(softmax(permute(x, order), last), order);
  }
  Value rows = shape.size() == 3 ? reshape(x, {shape[0] * shape[1], shape[2]}) : x;
  return reshape(net::SoftmaxOp::create(b, loc, rows.getType(), rows), shape);
}

Value LayerOps::matmul(Value x, Value y, bool transposeRight, Sizes result) {
  auto matrices = [](Value v) { return sizesOf(v).take_back(2); };
  SmallVector<int64_t> front(result.drop_back(2)), left(front), right(front);
  llvm::append_range(left, matrices(x));
  llvm::append_range(right, matrices(y));
  if (sizesOf(y).size() < right.size()) { // all rows meet one matrix
    int64_t rows = product(sizesOf(x).drop_back());
    Value flat =
        matmul(reshape(x, {rows, sizesOf(x).back()}), y, transposeRight, {rows, result.back()});
    return reshape(flat, result);
  }
  if (sizesOf(x).size() < left.size()) {
    SmallVector<int64_t> one{1};
    llvm::append_range(one, matrices(x));
    SmallVector<Value> copies(product(front), reshape(x, one));
    x = reshape(copies.size() == 1 ? copies[0] : concat(copies, 0), left);
  }
  return net::MatmulOp::create(b, loc, typeOf(result), x, y, false, transposeRight);
}

Value LayerOps::add(Value x, Value y) { return net::AddOp::create(b, loc, x.getType(), x, y); }
Value LayerOps::multiply(Value x, Value y) { return net::MulOp::create(b, loc, x.getType(), x, y); }

Value LayerOps::negate(Value x) {
  return net::AffineOp::create(b, loc, x.getType(), x, b.getF64FloatAttr(-1), b.getF64FloatAttr(0));
}

static Value activation(OpBuilder &b, Location loc, net::ActivationKind kind, Value x,
                        double number = 0) {
  return net::ActivationOp::create(b, loc, x.getType(),
                                   net::ActivationKindAttr::get(b.getContext(), kind), x,
                                   b.getF64FloatAttr(number));
}

Value LayerOps::prelu(Value x, Value weight) {
  Value below = activation(b, loc, net::ActivationKind::NegativePart, x);
  return add(activation(b, loc, net::ActivationKind::Relu, x), multiply(below, weight));
}

/// (x - mean) / sqrt(variance + eps) over the channels and pixels of a group: means over pixels,
/// then over the channels of the group.
Value LayerOps::groupNorm(Value x, int64_t groups, double eps) {
  SmallVector<int64_t> shape(sizesOf(x)), window{shape[1], shape[2]};
  auto groupMean = [&](Value v) -> Value {
    Value mean = net::AvgPoolOp::create(b, loc, typeOf({shape[0], 1, 1}), v, window, window,
                                        ArrayRef<int64_t>{0, 0, 0, 0}, false, DenseI64ArrayAttr());
    return net::GroupMeanOp::create(b, loc, mean.getType(), mean, b.getI64IntegerAttr(groups));
  };
  Value centered = add(x, negate(groupMean(x)));
  Value variance = groupMean(multiply(centered, centered));
  return multiply(centered, activation(b, loc, net::ActivationKind::Rsqrt, variance, eps));
}

Value LayerOps::rowNorm(Value x, double eps) {
  return net::RowNormOp::create(b, loc, x.getType(), x, b.getF64FloatAttr(eps));
}

Value LayerOps::vectorOf(Value parameter) {
  auto type = cast<RankedTensorType>(parameter.getType());
  auto vector = RankedTensorType::get({type.getNumElements()}, type.getElementType());
  return b.createOrFold<net::ReshapeParameterOp>(loc, vector, parameter);
}

Value LayerOps::repeat(Value parameter, Sizes shape) {
  Value vector = vectorOf(parameter);
  return reshape(net::RepeatOp::create(b, loc, typeOf({product(shape)}), vector), shape);
}
