//===- BuildTraining.cpp - derive @step from @forward ---------------------===//
//
// @step(image, labels), or with mixup and cutmix @step(image, distributions), returns (logits,
// loss): the cross entropy of the logits with weight 1 and of each auxiliary head with its own
// weight (Szegedy et al. 2014, section 5).
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

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
} // namespace

/// The weights of the heads, the logits' own first, from the function's attributes.
static SmallVector<double> headWeights(func::FuncOp forward) {
  SmallVector<double> weights{1.0};
  if (auto auxiliary = forward->getAttrOfType<DenseF64ArrayAttr>("net.auxiliary_weights"))
    llvm::append_range(weights, auxiliary.asArrayRef());
  return weights;
}

void BuildTraining::runOnOperation() {
  auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
  if (!forward) {
    getOperation().emitError("expected a function @forward");
    return signalPassFailure();
  }
  SmallVector<double> weights = headWeights(forward);
  OpBuilder b(forward);
  auto step = cast<func::FuncOp>(b.clone(*forward));
  step.setName("step");
  Block &body = step.getBody().front();
  auto terminator = cast<func::ReturnOp>(body.getTerminator());
  Type labelsType = RankedTensorType::get({ShapedType::kDynamic}, b.getI64Type());
  if (forward->hasAttr("net.soft_targets"))
    labelsType = terminator.getOperand(0).getType();
  Value labels = body.addArgument(labelsType, step.getLoc());
  b.setInsertionPoint(terminator);
  Type perImage = RankedTensorType::get({ShapedType::kDynamic}, b.getF32Type());
  SmallVector<Value> losses;
  for (Value head : terminator.getOperands()) {
    if (cast<RankedTensorType>(head.getType()).getRank() != 2) {
      mlir::emitError(head.getLoc())
          << "cannot train: a loss needs one vector of class scores an image, found "
          << head.getType();
      return signalPassFailure();
    }
    losses.push_back(net::SoftmaxCrossEntropyOp::create(b, head.getLoc(), perImage, head, labels));
  }
  Value loss = net::MeanLossOp::create(b, step.getLoc(), RankedTensorType::get({1}, b.getF32Type()),
                                       losses, b.getDenseF64ArrayAttr(weights));
  Value logits = terminator.getOperand(0);
  func::ReturnOp::create(b, terminator.getLoc(), ValueRange{logits, loss});
  terminator.erase();
  step.setType(b.getFunctionType(body.getArgumentTypes(), {logits.getType(), loss.getType()}));
}
