//===- BuildUpdate.cpp - the optimizer's step as @update ------------------===//
//
// One op per parameter, in the order of the file. Kept apart from @step so that gradients can be
// read, clipped or accumulated in between: @norm and @accumulate do that, if the runtime needs
// them.
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

/// Called as its role is.
static func::FuncOp makeFunction(OpBuilder &b, Operation *after, net::Role role) {
  b.setInsertionPointAfter(after);
  auto function =
      func::FuncOp::create(b, after->getLoc(), net::stringifyRole(role), b.getFunctionType({}, {}));
  net::setRole(function, role);
  b.setInsertionPointToStart(function.addEntryBlock());
  return function;
}

void BuildUpdate::runOnOperation() {
  ModuleOp module = getOperation();
  auto step = net::functionOf(module, net::Role::Step);
  if (!step)
    return;
  auto build = [&](OpBuilder &b, Location loc, FlatSymbolRefAttr symbol,
                   UnitAttr averaged) -> UpdateOpInterface {
    if (optimizer == "adam" || optimizer == "adamw")
      return net::AdamUpdateOp::create(
          b, loc, symbol, optimizer == "adamw" ? b.getUnitAttr() : UnitAttr(), averaged);
    if (optimizer == "lars")
      return net::LarsUpdateOp::create(b, loc, symbol, averaged);
    if (optimizer == "rmsprop")
      return net::RmspropUpdateOp::create(b, loc, symbol, averaged);
    if (optimizer == "lamb")
      return net::LambUpdateOp::create(b, loc, symbol, averaged);
    return net::SgdUpdateOp::create(b, loc, symbol, nesterov ? b.getUnitAttr() : UnitAttr(),
                                    averaged);
  };
  if (!llvm::is_contained({"sgd", "adam", "adamw", "lars", "lamb", "rmsprop"},
                          optimizer.getValue())) {
    module.emitError() << "no optimizer '" << optimizer
                       << "', expected sgd, adam, adamw, lars, lamb or rmsprop";
    return signalPassFailure();
  }
  OpBuilder b(step);
  Location loc = step.getLoc();
  auto update = makeFunction(b, step, net::Role::Update);
  int64_t slots = 0;
  SmallVector<net::ParameterOp> statistics;
  for (auto parameter : module.getOps<net::ParameterOp>()) {
    if (!parameter.getTrainable()) {
      statistics.push_back(parameter);
      continue;
    }
    auto symbol = FlatSymbolRefAttr::get(parameter.getSymNameAttr());
    LayerScope layer(b, parameter);
    if (optimizer == "lamb") { // its norm is known when all of the direction is
      auto direction = net::LambDirectionOp::create(b, parameter.getLoc(), symbol);
      slots = std::max<int64_t>(slots, direction.getStateSlots().size() + (average ? 1 : 0));
    }
    auto op = build(b, parameter.getLoc(), symbol, average ? b.getUnitAttr() : UnitAttr());
    slots = std::max<int64_t>(slots, op.getStateSlots().size());
  }
  if (average)
    for (net::ParameterOp statistic : statistics) {
      LayerScope layer(b, statistic);
      net::AverageOp::create(b, statistic.getLoc(),
                             FlatSymbolRefAttr::get(statistic.getSymNameAttr()),
                             b.getI64IntegerAttr(slots - 1));
    }
  func::ReturnOp::create(b, loc);
  module->setAttr("net.state_slots", b.getI64IntegerAttr(slots));

  auto norm = makeFunction(b, update, net::Role::Norm);
  net::GradientNormOp::create(b, loc);
  func::ReturnOp::create(b, loc);
  makeFunction(b, norm, net::Role::Accumulate);
  net::AccumulateGradientsOp::create(b, loc);
  func::ReturnOp::create(b, loc);
}
