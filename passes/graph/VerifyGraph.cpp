//===- VerifyGraph.cpp - stage verifier after the front end ---------------===//
//
// From here on: activations have a dynamic batch, nothing else dynamic, and up to four static
// sizes behind it; @forward holds only what the front end makes of layers, and its ops name layers
// of the model file. The verifiers of ops run here too: every parameter that is read exists, with
// the type that is read.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_VERIFYGRAPH
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct VerifyGraph : netc::impl::VerifyGraphBase<VerifyGraph> {
  using VerifyGraphBase::VerifyGraphBase;
  void runOnOperation() override;
};
} // namespace

static LogicalResult verifyType(Operation *op, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return op->emitError() << "stage graph: expected a ranked tensor, found " << type;
  for (auto [index, dim] : llvm::enumerate(tensor.getShape()))
    if (ShapedType::isDynamic(dim) && index != 0)
      return op->emitError() << "stage graph: dimension " << index << " of " << type
                             << " is dynamic; only the batch may be";
  if (net::isActivation(tensor) && tensor.getRank() > 5)
    return op->emitError() << "stage graph: " << type << " has " << tensor.getRank() - 1
                           << " sizes behind the batch, at most 4 are possible";
  return success();
}

/// The names of `net.layers`.
static DenseSet<StringAttr> layerNames(ModuleOp module) {
  DenseSet<StringAttr> names;
  if (auto layers = module->getAttrOfType<ArrayAttr>("net.layers"))
    for (auto layer : layers.getAsRange<DictionaryAttr>())
      names.insert(layer.getAs<StringAttr>("name"));
  return names;
}

static LogicalResult verifyLayers(Operation *op, const DenseSet<StringAttr> &known) {
  for (StringAttr name : layersOf(op))
    if (!known.contains(name))
      return op->emitError() << "stage graph: layer " << name << " is not in 'net.layers'";
  return success();
}

static LogicalResult verifyOp(Operation *op) {
  if (!isa<func::ReturnOp>(op) && !op->hasTrait<ModelOp>())
    return op->emitError() << "stage graph: '" << op->getName() << "' is no layer of a model";
  for (Type type : op->getResultTypes())
    if (failed(verifyType(op, type)))
      return failure();
  return success();
}

void VerifyGraph::runOnOperation() {
  auto forward = net::functionOf(getOperation(), net::Role::Forward);
  if (!forward) {
    getOperation().emitError("stage graph: expected a function with the role forward");
    return signalPassFailure();
  }
  bool bad = false;
  for (BlockArgument argument : forward.getArguments())
    bad |= failed(verifyType(forward, argument.getType()));
  DenseSet<StringAttr> layers = layerNames(getOperation());
  for (Operation &op : forward.getBody().front())
    bad |= failed(verifyOp(&op)) || failed(verifyLayers(&op, layers));
  if (bad || failed(mlir::verify(getOperation())))
    signalPassFailure();
}
