//===- KernelSignatures.cpp - which launches share a kernel ---------------===//
#include "codegen/common/KernelSignatures.h"

#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace netc;

/// Structure without operands and locations: name, attributes, operand types, regions.
static llvm::hash_code hashOf(Operation *op) {
  llvm::hash_code hash = OperationEquivalence::computeHash(
      op, OperationEquivalence::ignoreHashValue, OperationEquivalence::ignoreHashValue,
      OperationEquivalence::IgnoreLocations);
  for (Value operand : op->getOperands())
    hash = llvm::hash_combine(hash, operand.getType());
  return hash;
}

/// The same kernel reads other buffers. Inside the regions values count: two formulas of the same
/// ops may read other arguments.
static bool sameKernel(Operation *a, Operation *b) {
  if (a->getName() != b->getName() || a->getOperandTypes() != b->getOperandTypes() ||
      a->getDiscardableAttrDictionary() != b->getDiscardableAttrDictionary() ||
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
