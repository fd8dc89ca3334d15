//===- KernelSignatures.cpp - which launches share a kernel ---------------===//
#include "codegen/common/KernelSignatures.h"

#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace netc;

/// Of the op alone: name, properties, operand types. Discardable attributes say which layers a
/// launch computes, and never what.
static llvm::hash_code hashOf(Operation *op) {
  llvm::hash_code hash = llvm::hash_combine(op->getName(), op->hashProperties());
  for (Value operand : op->getOperands())
    hash = llvm::hash_combine(hash, operand.getType());
  op->walk([&](Operation *inner) { hash = llvm::hash_combine(hash, inner->getName()); });
  return hash;
}

/// The same kernel reads other buffers. Inside the regions values count: two formulas of the same
/// ops may read other arguments.
static bool sameKernel(Operation *a, Operation *b) {
  if (a->getName() != b->getName() || a->getOperandTypes() != b->getOperandTypes() ||
      !a->getName().compareOpProperties(a->getPropertiesStorage(), b->getPropertiesStorage()))
    return false;
  return llvm::all_of(llvm::zip_equal(a->getRegions(), b->getRegions()), [](auto regions) {
    auto [x, y] = regions;
    return OperationEquivalence::isRegionEquivalentTo(&x, &y,
                                                      OperationEquivalence::IgnoreLocations);
  });
}

bool netc::readsHyper(kern::KernelOpInterface launch) {
  return launch->walk([](kern::RandomOp) { return WalkResult::interrupt(); }).wasInterrupted();
}

std::pair<unsigned, bool> KernelSignatures::insert(kern::KernelOpInterface launch) {
  auto &candidates = known[hashOf(launch)];
  for (auto [op, index] : candidates)
    if (sameKernel(op, launch))
      return {index, false};
  candidates.emplace_back(launch, count);
  return {count++, true};
}
