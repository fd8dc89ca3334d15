//===- DropAuxiliary.cpp - nothing of training in --mode infer ------------===//
//
// Where only @infer is compiled, @forward, from which training would start, goes, and with it the
// layers and parameters of auxiliary heads. Their names stay in `net.left_out`: a file of weights
// may have them. Needs @infer, which reads none of them.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_DROPAUXILIARY
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct DropAuxiliary : netc::impl::DropAuxiliaryBase<DropAuxiliary> {
  using DropAuxiliaryBase::DropAuxiliaryBase;
  void runOnOperation() override;
};
} // namespace

/// Keeps the layers of inference in `net.layers`. The new number of each, -1 for those that went.
static SmallVector<int64_t> keepLayers(ModuleOp module) {
  SmallVector<int64_t> numbers;
  SmallVector<Attribute> kept;
  if (auto layers = module->getAttrOfType<ArrayAttr>("net.layers"))
    for (auto layer : layers.getAsRange<DictionaryAttr>()) {
      bool isAuxiliary = layer.contains("auxiliary");
      numbers.push_back(isAuxiliary ? -1 : static_cast<int64_t>(kept.size()));
      if (!isAuxiliary)
        kept.push_back(layer);
    }
  if (kept.size() != numbers.size())
    module->setAttr("net.layers", ArrayAttr::get(module.getContext(), kept));
  return numbers;
}

void DropAuxiliary::runOnOperation() {
  ModuleOp module = getOperation();
  if (!net::functionOf(module, net::Role::Infer)) {
    module.emitError("expected a function with the role infer");
    return signalPassFailure();
  }
  if (auto forward = net::functionOf(module, net::Role::Forward))
    forward.erase();
  SmallVector<int64_t> numbers = keepLayers(module);
  SmallVector<Attribute> names;
  for (auto parameter : llvm::make_early_inc_range(module.getOps<net::ParameterOp>())) {
    auto layer = static_cast<size_t>(parameter.getLayer());
    if (!parameter.getAuxiliary()) {
      if (layer < numbers.size())
        parameter.setLayer(static_cast<uint64_t>(numbers[layer]));
      continue;
    }
    if (auto uses = SymbolTable::getSymbolUses(parameter, module); uses && !uses->empty()) {
      parameter.emitError("an auxiliary head's parameter is read by inference");
      return signalPassFailure();
    }
    names.push_back(parameter.getSymNameAttr());
    parameter.erase();
    ++numParameters;
  }
  if (!names.empty())
    module->setAttr("net.left_out", ArrayAttr::get(module.getContext(), names));
}
