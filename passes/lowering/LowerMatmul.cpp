//===- LowerMatmul.cpp - products of two activations ----------------------===//
#include "passes/lowering/KernBuilder.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

bool netc::lowering::lowerMatmul(KernBuilder &k, Operation *op) {
  auto product = dyn_cast<net::MatmulOp>(op);
  if (!product)
    return false;
  RankedTensorType type = k.physicalType(product.getType());
  ArrayRef<int64_t> left = cast<RankedTensorType>(product.getLhs().getType()).getShape();
  int64_t matrices = 1, rank = type.getRank();
  for (int64_t axis = 1; axis + 2 < rank; ++axis)
    matrices *= type.getDimSize(axis);
  int64_t depth = left[product.getTransposeLhs() ? rank - 2 : rank - 1];
  auto matmul =
      kern::MatmulOp::create(k.b, op->getLoc(), TypeRange{type}, k.getAll(op->getOperands()),
                             ValueRange{k.empty(type, op->getLoc())}, matrices,
                             type.getDimSize(rank - 2), type.getDimSize(rank - 1), depth,
                             product.getTransposeLhs(), product.getTransposeRhs(), k.target.lanes);
  k.set(product.getResult(), matmul.getResult(0));
  return true;
}
