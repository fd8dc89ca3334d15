//===- BuildUpdate.cpp - the optimizer's step as @update ------------------===//
//
// One net.sgd_update a trainable parameter, in the order of the file. Kept apart
// from @step so that gradients can be read, accumulated or reduced in between.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_BUILDUPDATE
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct BuildUpdate : netc::impl::BuildUpdateBase<BuildUpdate> {
  using BuildUpdateBase::BuildUpdateBase;
  void runOnOperation() override;
};
} // namespace

void BuildUpdate::runOnOperation() {
  auto step = getOperation().lookupSymbol<func::FuncOp>("step");
  if (!step)
    return;
  OpBuilder b(step);
  b.setInsertionPointAfter(step);
  auto update = func::FuncOp::create(b, step.getLoc(), "update", b.getFunctionType({}, {}));
  b.setInsertionPointToStart(update.addEntryBlock());
  for (auto parameter : getOperation().getOps<net::ParameterOp>())
    if (parameter.getTrainable())
      net::SgdUpdateOp::create(b, parameter.getLoc(), FlatSymbolRefAttr::get(parameter.getSymNameAttr()),
                               parameter.getDecayAttr(), nesterov ? b.getUnitAttr() : UnitAttr());
  func::ReturnOp::create(b, step.getLoc());
}
