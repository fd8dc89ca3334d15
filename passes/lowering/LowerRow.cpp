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

/// A function of each of an image's `pixels` rows of `channels`. Cross entropy reads how much
/// labels are smoothed too.
static void lowerRows(KernBuilder &k, Operation *op, kern::RowKind kind, ArrayRef<double> numbers,
                      int64_t pixels, int64_t channels) {
  Type type = k.physicalType(op->getResult(0).getType());
  SmallVector<Value> inputs = k.getAll(op->getOperands());
  if (kind == kern::RowKind::CrossEntropy || kind == kern::RowKind::CrossEntropyGrad)
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

/// Rows of the last axis, in the order of files; `weight` of a gradient only.
static void lowerRegression(KernBuilder &k, Operation *op, net::LossKind kind, Value prediction,
                            FloatAttr weight) {
  auto type = cast<RankedTensorType>(prediction.getType());
  int64_t rows = net::rowsOf(type), width = type.getShape().back();
  bool squared = kind == net::LossKind::Mse;
  if (weight)
    lowerRows(k, op, squared ? kern::RowKind::SquaredGrad : kern::RowKind::AbsoluteGrad,
              {weight.getValueAsDouble() / static_cast<double>(rows * width)}, rows, width);
  else
    lowerRows(k, op, squared ? kern::RowKind::Squared : kern::RowKind::Absolute, {}, rows, width);
}

/// The gradient's constant factor: the loss's weight, over an image's pixels.
static void lowerCrossEntropyGrad(KernBuilder &k, net::SoftmaxCrossEntropyGradOp op) {
  auto logits = cast<RankedTensorType>(op.getLogits().getType());
  double weight = op.getWeight().convertToDouble() / static_cast<double>(net::pixelsOf(logits));
  lowerPixels(k, op, kern::RowKind::CrossEntropyGrad, {weight}, op.getLogits());
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
        return lowerPixels(k, l, Kind::CrossEntropy, {}, l.getLogits()), true;
      })
      .Case([&](net::SoftmaxCrossEntropyGradOp l) { return lowerCrossEntropyGrad(k, l), true; })
      .Case([&](net::RegressionLossOp l) {
        return lowerRegression(k, l, l.getKind(), l.getPrediction(), {}), true;
      })
      .Case([&](net::RegressionLossGradOp l) {
        return lowerRegression(k, l, l.getKind(), l.getPrediction(), l.getWeightAttr()), true;
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
