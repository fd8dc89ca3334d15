//===- LowerMove.cpp - values that change places --------------------------===//
//
// Layout conversions, moves, concatenation and reshapes: no arithmetic.
//
//===----------------------------------------------------------------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

static void lowerToLayout(KernBuilder &k, net::ToLayoutOp op) {
  Value input = k.get(op.getInput());
  Type type = k.physicalType(op.getType());
  auto logical = cast<RankedTensorType>(op.getType());
  int64_t channels = net::channelsOf(logical), pixels = net::pixelsOf(logical);
  if (channels == 1 || pixels == 1) {
    k.set(op.getResult(), kern::ReshapeOp::create(k.b, op.getLoc(), type, input));
    return;
  }
  bool toLast = static_cast<bool>(logical.getEncoding());
  auto transpose = kern::TransposeOp::create(
      k.b, op.getLoc(), TypeRange{type}, ValueRange{input}, ValueRange{k.empty(type, op.getLoc())},
      toLast ? channels : pixels, toLast ? pixels : channels);
  k.set(op.getResult(), transpose.getResult(0));
}

/// The physical type of an image; of a vector that of an image of one pixel.
static RankedTensorType imageType(RankedTensorType physical) {
  if (physical.getRank() != 2)
    return physical;
  return RankedTensorType::get({physical.getDimSize(0), 1, 1, physical.getDimSize(1)},
                               physical.getElementType());
}

/// `value` as a tensor of another shape but the same bytes.
static Value reshaped(OpBuilder &b, Value value, RankedTensorType type) {
  if (value.getType() == type)
    return value;
  return kern::ReshapeOp::create(b, value.getLoc(), type, value);
}

static void lowerMove(KernBuilder &k, net::MoveOp op) {
  RankedTensorType result = k.physicalType(op.getType()), type = imageType(result);
  Value input = k.get(op.getInput());
  input = reshaped(k.b, input, imageType(cast<RankedTensorType>(input.getType())));
  auto move = kern::MoveOp::create(
      k.b, op.getLoc(), TypeRange{type}, ValueRange{input}, ValueRange{k.empty(type, op.getLoc())},
      op.getStrides(), op.getSpreads(), op.getOffsets(), op.getChannelOffset(), 0,
      net::channelsOf(cast<RankedTensorType>(op.getType())), k.target.lanes);
  k.set(op.getResult(), reshaped(k.b, move.getResult(0), result));
}

static void lowerConcat(KernBuilder &k, net::ConcatOp op) {
  RankedTensorType result = k.physicalType(op.getType()), type = imageType(result);
  Value destination = k.empty(type, op.getLoc());
  int64_t channel = 0;
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  for (Value input : op.getInputs()) {
    int64_t channels = net::channelsOf(cast<RankedTensorType>(input.getType()));
    Value source = k.get(input);
    source = reshaped(k.b, source, imageType(cast<RankedTensorType>(source.getType())));
    destination = kern::MoveOp::create(k.b, op.getLoc(), TypeRange{type}, ValueRange{source},
                                       ValueRange{destination}, ones, ones, zeros,
                                       /*channel_offset=*/0, channel, channels, k.target.lanes)
                      .getResult(0);
    channel += channels;
  }
  k.set(op.getResult(), reshaped(k.b, destination, result));
}

/// Flatten and unflatten: the same bytes, or a copy where the result is stored as another type.
static void lowerReshape(KernBuilder &k, Operation *op) {
  Value source = k.get(op->getOperand(0)), result = op->getResult(0);
  RankedTensorType type = k.physicalType(result.getType());
  auto element = cast<ShapedType>(source.getType()).getElementType();
  Value value = kern::ReshapeOp::create(k.b, op->getLoc(), type.clone(element), source);
  if (element != type.getElementType()) {
    int64_t size = kern::storageBytes(type) / kern::elementBytes(type.getElementType());
    value =
        kern::CopyOp::create(k.b, op->getLoc(), TypeRange{type}, ValueRange{value},
                             ValueRange{k.empty(type, op->getLoc())}, size, !type.hasStaticShape())
            .getResult(0);
  }
  k.set(result, value);
}

bool netc::lowering::lowerMove(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::ToLayoutOp l) { return lowerToLayout(k, l), true; })
      .Case<net::FlattenOp, net::UnflattenOp>(
          [&](Operation *r) { return lowerReshape(k, r), true; })
      .Case([&](net::MoveOp m) { return ::lowerMove(k, m), true; })
      .Case([&](net::ConcatOp c) { return lowerConcat(k, c), true; })
      .Default(false);
}
