//===- MaterializeLayouts.cpp - channels last, op by op -------------------===//
//
// Every op on images gets channels-last operands and results, with conversions of
// its own around it. Ops with the trait KeepsLogicalOrder keep it: flatten's order is
// that of a following linear layer's weights. Vectors and sequences have their features
// last as they are. Parameters are left alone. Ops that any order suits stay in the logical one
// where all that they read comes from ops that keep it: between the products of an attention
// there are no conversions.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_MATERIALIZELAYOUTS
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct MaterializeLayouts : netc::impl::MaterializeLayoutsBase<MaterializeLayouts> {
  using MaterializeLayoutsBase::MaterializeLayoutsBase;
  void runOnOperation() override;
};
} // namespace

/// An image activation in logical order.
static bool isPlainImage(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 4 && net::isActivation(tensor) && !tensor.getEncoding();
}

static RankedTensorType channelsLast(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return RankedTensorType::get(tensor.getShape(), tensor.getElementType(),
                               net::LayoutAttr::get(tensor.getContext()));
}

/// Whether `value` is an image that an op leaves in logical order on purpose.
static bool staysPlain(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isPlainImage(value.getType()) && !isa<net::ToLayoutOp>(op);
}

/// Ops that go element by element or move whole runs, on images of logical order alone. A random
/// number belongs to a place in memory, which must be the same for the adjoint.
static bool followsLogicalOrder(Operation &op) {
  auto pointwise = dyn_cast<PointwiseOpInterface>(op);
  bool sameShapes = pointwise && llvm::all_of(op.getOperandTypes(), [&](Type type) {
                      return cast<ShapedType>(type).getShape() ==
                             cast<ShapedType>(op.getResult(0).getType()).getShape();
                    });
  auto concat = dyn_cast<net::ConcatOp>(op);
  bool anyOrder = (sameShapes && (!pointwise.getRandomStream() || pointwise.drawsPerImage())) ||
                  isa<net::SliceOp>(op) || (concat && concat.getAxis());
  return anyOrder && op.getNumOperands() > 0 && llvm::all_of(op.getOperands(), staysPlain);
}

/// Converts the op's images; returns how many conversions that took.
static int64_t materialize(Operation &op) {
  int64_t conversions = 0;
  OpBuilder b(&op);
  LayerScope layer(b, &op);
  for (OpOperand &operand : op.getOpOperands()) {
    if (!isPlainImage(operand.get().getType()))
      continue;
    operand.set(net::ToLayoutOp::create(b, op.getLoc(), channelsLast(operand.get().getType()),
                                        operand.get()));
    ++conversions;
  }
  b.setInsertionPointAfter(&op);
  for (Value result : op.getResults()) {
    if (!isPlainImage(result.getType()))
      continue;
    Type plain = result.getType();
    result.setType(channelsLast(plain));
    auto back = net::ToLayoutOp::create(b, op.getLoc(), plain, result);
    result.replaceAllUsesExcept(back.getResult(), back);
    ++conversions;
  }
  return conversions;
}

void MaterializeLayouts::runOnOperation() {
  auto convert = [&](func::FuncOp function) {
    if (net::roleOf(function) == net::Role::Forward)
      return success(); // the source of the others, not compiled itself
    for (Operation &op :
         llvm::make_early_inc_range(function.getBody().front().without_terminator()))
      if (!op.hasTrait<KeepsLogicalOrder>() && !followsLogicalOrder(op))
        numConversions += materialize(op);
    return success();
  };
  (void)transformFunctions(getOperation(), convert);
}
