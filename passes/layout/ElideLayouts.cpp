//===- ElideLayouts.cpp - remove conversions that cancel ------------------===//
//
// to_layout(to_layout(x)) = x when the types agree again. One pass over each
// function in order, so a chain of any length costs linear time.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_ELIDELAYOUTS
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct ElideLayouts : netc::impl::ElideLayoutsBase<ElideLayouts> {
  using ElideLayoutsBase::ElideLayoutsBase;
  void runOnOperation() override;
};
} // namespace

void ElideLayouts::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    Block &body = function.getBody().front();
    for (auto conversion : body.getOps<net::ToLayoutOp>()) {
      auto producer = conversion.getInput().getDefiningOp<net::ToLayoutOp>();
      if (producer && producer.getInput().getType() == conversion.getType())
        conversion.getResult().replaceAllUsesWith(producer.getInput());
    }
    // Two readers of one value share its conversion.
    DenseMap<std::pair<Value, Type>, Value> known;
    for (auto conversion : llvm::make_early_inc_range(body.getOps<net::ToLayoutOp>())) {
      auto [it, isNew] =
          known.try_emplace({conversion.getInput(), conversion.getType()}, conversion.getResult());
      if (!isNew)
        conversion.getResult().replaceAllUsesWith(it->second);
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body))) {
      if (isa<net::ToLayoutOp>(op) && op.use_empty()) {
        op.erase();
        ++numElided;
      }
    }
  }
}
