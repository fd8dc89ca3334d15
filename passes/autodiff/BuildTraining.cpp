//===- BuildTraining.cpp - derive @step from @forward ---------------------===//
//
// @step(inputs, targets) returns (outputs, loss). The module's `net.losses` say which loss each
// output has; targets are labels, [N], or values of the output's type. An auxiliary head has the
// losses of the output that it helps, with its own weight (Szegedy et al. 2014, section 5).
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_BUILDTRAINING
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct BuildTraining : netc::impl::BuildTrainingBase<BuildTraining> {
  using BuildTrainingBase::BuildTrainingBase;
  void runOnOperation() override;
};

/// Adds targets and losses to a copy of @forward.
class LossBuilder {
public:
  LossBuilder(func::FuncOp forward, func::FuncOp step);
  LogicalResult run();

private:
  LogicalResult addLoss(Value prediction, net::LossAttr loss, double weight);
  Value targetOf(net::LossAttr loss);
  Value shareOf(Value labels, IntegerAttr ignored);
  Value crossEntropy(Value scores, Value target, net::LossAttr loss);
  Value dice(Value scores, Value labels, net::LossAttr loss);

  func::FuncOp step;
  OpBuilder b;
  func::ReturnOp terminator;
  SmallVector<Value> outputs, heads;
  SmallVector<net::LossAttr> terms;
  SmallVector<double> headWeights;
  bool soft; ///< cross entropy compares distributions
  llvm::MapVector<std::pair<int64_t, int64_t>, Value> targets; ///< by output, and 1 for labels
  DenseMap<std::pair<Value, Attribute>, Value> shares; ///< by labels and which of them is ignored
  SmallVector<Value> losses;
  SmallVector<double> weights;
};
} // namespace

LossBuilder::LossBuilder(func::FuncOp forward, func::FuncOp step)
    : step(step), b(step.getContext()),
      terminator(cast<func::ReturnOp>(step.getBody().front().getTerminator())),
      terms(net::lossTerms(forward->getParentOfType<ModuleOp>())),
      soft(forward->hasAttr("net.soft_targets")) {
  unsigned count = net::outputCount(terminator.getNumOperands(), forward);
  outputs = llvm::to_vector(terminator.getOperands().take_front(count));
  heads = llvm::to_vector(terminator.getOperands().drop_front(count));
  if (auto auxiliary = forward->getAttrOfType<DenseF64ArrayAttr>("net.auxiliary_weights"))
    headWeights = llvm::to_vector(auxiliary.asArrayRef());
  b.setInsertionPoint(terminator);
}

/// The argument that the loss compares with; terms of one output share it.
Value LossBuilder::targetOf(net::LossAttr loss) {
  bool labels = loss.comparesClasses() && !soft;
  Value &target = targets[{loss.getOutput(), labels ? 1 : 0}];
  if (!target) {
    auto type = cast<RankedTensorType>(outputs[loss.getOutput()].getType());
    auto name = b.getNamedAttr("net.target", b.getI64IntegerAttr(loss.getOutput()));
    unsigned index = step.getNumArguments();
    (void)step.insertArgument(index, labels ? net::labelsType(type) : type,
                              b.getDictionaryAttr(name), step.getLoc());
    target = step.getArgument(index);
  }
  return target;
}

/// The factor that makes a mean over all labels one over those that count.
Value LossBuilder::shareOf(Value labels, IntegerAttr ignored) {
  Value &share = shares[{labels, ignored}];
  if (!share)
    share = net::LabelShareOp::create(b, labels.getLoc(),
                                      RankedTensorType::get({1}, b.getF32Type()), labels, ignored);
  return share;
}

Value LossBuilder::crossEntropy(Value scores, Value target, net::LossAttr loss) {
  auto type = cast<RankedTensorType>(scores.getType());
  auto ignored = soft ? IntegerAttr() : loss.option<IntegerAttr>("ignore");
  Value share = ignored ? shareOf(target, ignored) : Value();
  return net::SoftmaxCrossEntropyOp::create(b, scores.getLoc(),
                                            net::lossesType(type, net::pixelsOf(type)), scores,
                                            target, share, ignored);
}

Value LossBuilder::dice(Value scores, Value labels, net::LossAttr loss) {
  auto type = cast<RankedTensorType>(scores.getType());
  Location loc = scores.getLoc();
  auto ignored = loss.option<IntegerAttr>("ignore");
  auto smooth = loss.option<FloatAttr>("smooth");
  Value probabilities = net::SoftmaxOp::create(b, loc, type, scores);
  Value sums =
      net::DiceSumsOp::create(b, loc, net::diceSumsType(type), probabilities, labels, ignored);
  return net::DiceLossOp::create(b, loc, net::lossesType(type, 1), probabilities, labels, sums,
                                 smooth ? smooth : b.getF64FloatAttr(1), ignored);
}

LogicalResult LossBuilder::addLoss(Value prediction, net::LossAttr loss, double weight) {
  auto type = cast<RankedTensorType>(prediction.getType());
  Location loc = prediction.getLoc();
  bool scores = loss.comparesClasses();
  if (scores && (type.getRank() < 2 || type.getRank() > 4))
    return mlir::emitError(loc) << "cannot train: " << net::stringifyLossKind(loss.getKind())
                                << " needs class scores, a vector, a sequence or a map, found "
                                << type;
  Value target = targetOf(loss);
  LayerScope layer(b, prediction.getDefiningOp());
  if (loss.getKind() == net::LossKind::CrossEntropy)
    losses.push_back(crossEntropy(prediction, target, loss));
  else if (loss.getKind() == net::LossKind::Dice)
    losses.push_back(dice(prediction, target, loss));
  else
    losses.push_back(
        net::RegressionLossOp::create(b, loc, net::lossesType(type, net::rowsOf(type)),
                                      net::LossKindAttr::get(b.getContext(), loss.getKind()),
                                      prediction, target, loss.option<FloatAttr>("threshold")));
  weights.push_back(weight);
  return success();
}

LogicalResult LossBuilder::run() {
  for (net::LossAttr term : terms) {
    if (term.getOutput() < 0 || term.getOutput() >= static_cast<int64_t>(outputs.size()))
      return step.emitError() << "a loss of result " << term.getOutput() << ", but there are "
                              << outputs.size() << " outputs";
    if (failed(addLoss(outputs[term.getOutput()], term, term.getWeight().getValueAsDouble())))
      return failure();
  }
  for (auto [head, weight] : llvm::zip(heads, headWeights))
    for (net::LossAttr term : terms)
      if (term.getOutput() == terms.front().getOutput() &&
          failed(addLoss(head, term, weight * term.getWeight().getValueAsDouble())))
        return failure();
  Value loss = net::MeanLossOp::create(b, step.getLoc(), RankedTensorType::get({1}, b.getF32Type()),
                                       losses, b.getDenseF64ArrayAttr(weights));
  unsigned results = step.getNumResults();
  SmallVector<Value> returned = outputs;
  returned.push_back(loss);
  func::ReturnOp::create(b, terminator.getLoc(), returned);
  terminator.erase();
  llvm::BitVector gone(results);
  gone.set(outputs.size(), results);
  (void)step.eraseResults(gone);
  return step.insertResult(outputs.size(), loss.getType(), DictionaryAttr());
}

void BuildTraining::runOnOperation() {
  auto forward = net::functionOf(getOperation(), net::Role::Forward);
  if (!forward) {
    getOperation().emitError("expected a function with the role forward");
    return signalPassFailure();
  }
  OpBuilder b(forward);
  auto step = cast<func::FuncOp>(b.clone(*forward));
  step.setName("step");
  net::setRole(step, net::Role::Step);
  if (failed(LossBuilder(forward, step).run()))
    signalPassFailure();
}
