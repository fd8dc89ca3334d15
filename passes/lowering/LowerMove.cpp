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

/// `axis` of a logical tensor in memory.
static int64_t physicalAxis(RankedTensorType type, int64_t axis) {
  if (!type.getEncoding() || axis == 0)
    return axis;
  return axis == 1 ? 3 : axis - 1;
}

/// A physical type as rows [N, rows, 1, width], where a row holds all indices of `axis` and what
/// lies behind it.
static RankedTensorType rowsType(RankedTensorType physical, int64_t axis) {
  int64_t rows = 1, width = 1;
  for (int64_t i = 1; i < physical.getRank(); ++i)
    (i < axis ? rows : width) *= physical.getDimSize(i);
  return RankedTensorType::get({physical.getDimSize(0), rows, 1, width}, physical.getElementType());
}

static void lowerSlice(KernBuilder &k, net::SliceOp op) {
  RankedTensorType result = k.physicalType(op.getType());
  int64_t axis = physicalAxis(op.getType(), static_cast<int64_t>(op.getAxis())), inner = 1;
  for (int64_t i = axis + 1; i < result.getRank(); ++i)
    inner *= result.getDimSize(i);
  RankedTensorType type = rowsType(result, axis);
  Value input = k.get(op.getInput());
  input = reshaped(k.b, input, rowsType(cast<RankedTensorType>(input.getType()), axis));
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  auto move = kern::MoveOp::create(k.b, op.getLoc(), TypeRange{type}, ValueRange{input},
                                   ValueRange{k.empty(type, op.getLoc())}, ones, ones, zeros,
                                   static_cast<int64_t>(op.getBegin()) * inner, 0,
                                   type.getDimSize(3), k.target.lanes);
  k.set(op.getResult(), reshaped(k.b, move.getResult(0), result));
}

/// Sizes without axes of one index, and neighbours that stay neighbours as one axis.
static void mergeAxes(SmallVector<int64_t> &sizes, SmallVector<int64_t> &order) {
  SmallVector<SmallVector<int64_t>> runs; // of input axes, in the order of the result
  for (int64_t axis : order) {
    if (sizes[axis] == 1)
      continue;
    int64_t before = runs.empty() ? -2 : runs.back().back();
    bool joins = before >= 0 && axis > before;
    for (int64_t between = before + 1; joins && between < axis; ++between)
      joins = sizes[between] == 1;
    if (!joins)
      runs.emplace_back();
    runs.back().push_back(axis);
  }
  if (runs.empty())
    runs.push_back({0});
  SmallVector<int64_t> first = llvm::map_to_vector(runs, [](auto &run) { return run.front(); }),
                       merged;
  llvm::sort(first);
  SmallVector<int64_t> places(runs.size());
  merged.resize(runs.size());
  for (auto [index, run] : llvm::enumerate(runs)) {
    int64_t size = 1;
    for (int64_t axis : run)
      size *= sizes[axis];
    auto place = llvm::find(first, run.front()) - first.begin();
    places[index] = place;
    merged[place] = size;
  }
  sizes = merged, order = places;
}

/// Flatten, unflatten and the like: the same bytes, or a copy where the result is stored as another
/// type.
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

/// Permutes the axes behind the batch: two of them by a transposition; the same bytes where only
/// axes of one index change places.
static void permute(KernBuilder &k, Operation *op, SmallVector<int64_t> sizes,
                    SmallVector<int64_t> order) {
  mergeAxes(sizes, order);
  if (sizes.size() == 1)
    return lowerReshape(k, op);
  RankedTensorType type = k.physicalType(op->getResult(0).getType());
  Value input = k.get(op->getOperand(0)), destination = k.empty(type, op->getLoc());
  Value result;
  if (sizes.size() == 2)
    result = kern::TransposeOp::create(k.b, op->getLoc(), TypeRange{type}, ValueRange{input},
                                       ValueRange{destination}, sizes[0], sizes[1])
                 .getResult(0);
  else
    result = kern::PermuteOp::create(k.b, op->getLoc(), TypeRange{type}, ValueRange{input},
                                     ValueRange{destination}, sizes, order, k.target.lanes)
                 .getResult(0);
  k.set(op->getResult(0), result);
}

static void lowerPermute(KernBuilder &k, net::PermuteOp op) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  SmallVector<int64_t> sizes(input.getShape().drop_front()), order;
  for (int64_t axis : op.getOrder().drop_front())
    order.push_back(axis - 1);
  permute(k, op, sizes, order);
}

static void lowerShuffle(KernBuilder &k, net::ShuffleChannelsOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  int64_t channels = net::channelsOf(type), groups = static_cast<int64_t>(op.getGroups());
  permute(k, op, {net::pixelsOf(type), groups, channels / groups}, {0, 2, 1});
}

static void lowerConcat(KernBuilder &k, net::ConcatOp op) {
  RankedTensorType result = k.physicalType(op.getType());
  int64_t axis = op.getAxis() ? physicalAxis(op.getType(), static_cast<int64_t>(*op.getAxis())) : 0;
  auto view = [&](RankedTensorType physical) {
    return axis ? rowsType(physical, axis) : imageType(physical);
  };
  RankedTensorType type = view(result);
  Value destination = k.empty(type, op.getLoc());
  int64_t channel = 0;
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  for (Value input : op.getInputs()) {
    Value source = k.get(input);
    source = reshaped(k.b, source, view(cast<RankedTensorType>(source.getType())));
    int64_t channels = cast<RankedTensorType>(source.getType()).getDimSize(3);
    destination = kern::MoveOp::create(k.b, op.getLoc(), TypeRange{type}, ValueRange{source},
                                       ValueRange{destination}, ones, ones, zeros,
                                       /*channel_offset=*/0, channel, channels, k.target.lanes)
                      .getResult(0);
    channel += channels;
  }
  k.set(op.getResult(), reshaped(k.b, destination, result));
}

bool netc::lowering::lowerMove(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::ToLayoutOp l) { return lowerToLayout(k, l), true; })
      .Case<net::FlattenOp, net::UnflattenOp, net::ReshapeParameterOp, net::ToTokensOp,
            net::FromTokensOp>([&](Operation *r) { return lowerReshape(k, r), true; })
      .Case([&](net::MoveOp m) { return ::lowerMove(k, m), true; })
      .Case([&](net::ConcatOp c) { return lowerConcat(k, c), true; })
      .Case([&](net::SliceOp s) { return lowerSlice(k, s), true; })
      .Case([&](net::PermuteOp p) { return lowerPermute(k, p), true; })
      .Case([&](net::ShuffleChannelsOp s) { return lowerShuffle(k, s), true; })
      .Default(false);
}
