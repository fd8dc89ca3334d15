//===- LowerRow.cpp - softmax, losses, LRN and norms of rows --------------===//
//
// Functions of rows: of one pixel's channels, or of the last axis.
//
//===----------------------------------------------------------------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

/// A function of each of an image's `pixels` rows of `channels`. Cross entropies read how much
/// labels are smoothed too.
static void lowerRows(KernBuilder &k, Operation *op, kern::RowKind kind, ArrayRef<double> numbers,
                      int64_t pixels, int64_t channels) {
  Type type = k.physicalType(op->getResult(0).getType());
  SmallVector<Value> inputs = k.getAll(op->getOperands());
  if (llvm::is_contained({kern::RowKind::CrossEntropy, kern::RowKind::CrossEntropyGrad,
                          kern::RowKind::Bce, kern::RowKind::BceGrad},
                         kind))
    inputs.push_back(kern::BufferOp::create(k.b, op->getLoc(),
                                            RankedTensorType::get({1}, k.b.getF32Type()),
                                            kern::Space::Hyper, kWordBytes * kLabelSmoothing));
  auto row = kern::RowOp::create(k.b, op->getLoc(), TypeRange{type}, inputs,
                                 ValueRange{k.empty(type, op->getLoc())}, kind, numbers, pixels,
                                 channels, k.target.lanes);
  k.set(op->getResult(0), row.getResult(0));
}

/// A function of the channels of each pixel of `shapedLike`.
static void lowerPixels(KernBuilder &k, Operation *op, kern::RowKind kind, ArrayRef<double> numbers,
                        Value shapedLike) {
  auto shape = cast<RankedTensorType>(shapedLike.getType());
  lowerRows(k, op, kind, numbers, net::pixelsOf(shape), net::channelsOf(shape));
}

/// The kernel of a loss of values, or of its gradient.
static kern::RowKind rowKindOf(net::LossKind kind, bool gradient) {
  if (kind == net::LossKind::Bce)
    return gradient ? kern::RowKind::BceGrad : kern::RowKind::Bce;
  if (kind == net::LossKind::Mse)
    return gradient ? kern::RowKind::SquaredGrad : kern::RowKind::Squared;
  return gradient ? kern::RowKind::AbsoluteGrad : kern::RowKind::Absolute;
}

/// Rows of the last axis, in the order of files; `weight` of a gradient only.
template <typename OpTy> static void lowerRegression(KernBuilder &k, OpTy op, FloatAttr weight) {
  auto type = cast<RankedTensorType>(op.getPrediction().getType());
  int64_t rows = net::rowsOf(type), width = type.getShape().back();
  SmallVector<double> numbers;
  if (weight)
    numbers.push_back(weight.getValueAsDouble() / static_cast<double>(rows * width));
  if (op.getKind() == net::LossKind::Bce)
    numbers.push_back(static_cast<double>(net::channelsOf(type)));
  if (op.getThreshold())
    numbers.push_back(op.getThreshold()->convertToDouble());
  lowerRows(k, op, rowKindOf(op.getKind(), static_cast<bool>(weight)), numbers, rows, width);
}

/// Numbers of a kernel that reads labels end with the one that is ignored.
static SmallVector<double> withIgnored(SmallVector<double> numbers, std::optional<int64_t> label) {
  if (label)
    numbers.push_back(static_cast<double>(*label));
  return numbers;
}

/// The gradient's constant factor: the loss's weight, over an image's pixels.
static void lowerCrossEntropyGrad(KernBuilder &k, net::SoftmaxCrossEntropyGradOp op) {
  auto logits = cast<RankedTensorType>(op.getLogits().getType());
  double weight = op.getWeight().convertToDouble() / static_cast<double>(net::pixelsOf(logits));
  lowerPixels(k, op, kern::RowKind::CrossEntropyGrad, withIgnored({weight}, op.getIgnore()),
              op.getLogits());
}

static void lowerLabelShare(KernBuilder &k, net::LabelShareOp op) {
  auto labels = cast<RankedTensorType>(op.getLabels().getType());
  int64_t each = 1;
  for (int64_t size : labels.getShape().drop_front())
    each *= size;
  Type type = op.getShare().getType();
  auto share =
      kern::LabelShareOp::create(k.b, op.getLoc(), TypeRange{type}, k.get(op.getLabels()),
                                 ValueRange{k.empty(type, op.getLoc())}, op.getIgnore(), each);
  k.set(op.getShare(), share.getResult(0));
}

/// A row is one class of an image.
static void lowerDiceSums(KernBuilder &k, net::DiceSumsOp op) {
  auto type = cast<RankedTensorType>(op.getProbabilities().getType());
  lowerRows(k, op, kern::RowKind::DiceSums, withIgnored({}, op.getIgnore()), net::channelsOf(type),
            net::pixelsOf(type));
}

/// The sums are all that the loss itself reads.
static void lowerDice(KernBuilder &k, net::DiceLossOp op) {
  auto type = cast<RankedTensorType>(op.getProbabilities().getType());
  Type result = k.physicalType(op.getLosses().getType());
  auto row = kern::RowOp::create(
      k.b, op.getLoc(), TypeRange{result}, ValueRange{k.get(op.getSums())},
      ValueRange{k.empty(result, op.getLoc())}, kern::RowKind::Dice,
      ArrayRef<double>{op.getSmooth().convertToDouble()}, 1, net::channelsOf(type), k.target.lanes);
  k.set(op.getLosses(), row.getResult(0));
}

static void lowerDiceGrad(KernBuilder &k, net::DiceLossGradOp op) {
  lowerPixels(k, op, kern::RowKind::DiceGrad,
              withIgnored({op.getWeight().convertToDouble(), op.getSmooth().convertToDouble()},
                          op.getIgnore()),
              op.getProbabilities());
}

template <typename OpTy> static void lowerLrn(KernBuilder &k, OpTy op, kern::RowKind kind) {
  lowerPixels(k, op, kind,
              {static_cast<double>(op.getSize()), op.getAlpha().convertToDouble(),
               op.getBeta().convertToDouble(), op.getK().convertToDouble()},
              op.getInput());
}

/// Rows of channels, or of a filter what follows its first axis.
static void lowerNormRows(KernBuilder &k, Operation *op, kern::RowKind kind, double eps) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  bool filter = type.hasStaticShape();
  int64_t rows = filter ? type.getDimSize(0) : net::pixelsOf(type);
  int64_t width = filter ? type.getNumElements() / rows : net::channelsOf(type);
  lowerRows(k, op, kind, {eps}, rows, width);
}

static void lowerMeanLoss(KernBuilder &k, net::MeanLossOp op) {
  Type type = op.getType();
  auto mean = kern::MeanLossOp::create(k.b, op.getLoc(), TypeRange{type}, k.getAll(op.getLosses()),
                                       ValueRange{k.empty(type, op.getLoc())}, op.getWeights());
  k.set(op.getLoss(), mean.getResult(0));
}

bool netc::lowering::lowerRow(KernBuilder &k, Operation *op) {
  using Kind = kern::RowKind;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::SoftmaxCrossEntropyOp l) {
        return lowerPixels(k, l, Kind::CrossEntropy, withIgnored({}, l.getIgnore()), l.getLogits()),
               true;
      })
      .Case([&](net::SoftmaxCrossEntropyGradOp l) { return lowerCrossEntropyGrad(k, l), true; })
      .Case([&](net::LabelShareOp l) { return lowerLabelShare(k, l), true; })
      .Case([&](net::DiceSumsOp d) { return lowerDiceSums(k, d), true; })
      .Case([&](net::DiceLossOp d) { return lowerDice(k, d), true; })
      .Case([&](net::DiceLossGradOp d) { return lowerDiceGrad(k, d), true; })
      .Case([&](net::RegressionLossOp l) { return lowerRegression(k, l, {}), true; })
      .Case([&](net::RegressionLossGradOp l) {
        return lowerRegression(k, l, l.getWeightAttr()), true;
      })
      .Case([&](net::SoftmaxOp s) {
        return lowerPixels(k, s, Kind::Softmax, {}, s.getInput()), true;
      })
      .Case([&](net::SoftmaxGradOp s) {
        return lowerPixels(k, s, Kind::SoftmaxGrad, {}, s.getSaved()), true;
      })
      .Case([&](net::RowNormOp n) {
        return lowerNormRows(k, n, Kind::Norm, n.getEps().convertToDouble()), true;
      })
      .Case([&](net::RowNormGradOp n) {
        return lowerNormRows(k, n, Kind::NormGrad, n.getEps().convertToDouble()), true;
      })
      .Case([&](net::GroupMeanOp g) {
        lowerPixels(k, g, Kind::GroupMean, {static_cast<double>(g.getGroups())}, g.getInput());
        return true;
      })
      .Case([&](net::LrnOp l) { return lowerLrn(k, l, Kind::Lrn), true; })
      .Case([&](net::LrnGradOp l) { return lowerLrn(k, l, Kind::LrnGrad), true; })
      .Case([&](net::MeanLossOp m) { return lowerMeanLoss(k, m), true; })
      .Default(false);
}
