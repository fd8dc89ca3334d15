//===- LowerToKern.cpp - net to kern on physical tensors ------------------===//
//
// Each net op becomes launches with explicit destinations, family by family; parameters, gradients,
// inputs and outputs become kern.buffer. Launches belong to the layers of the op that they come
// from. Places parameters: sets `offset` (bytes) and `index` on each net.parameter. @forward, the
// source of the other functions, is gone after this.
//
//===----------------------------------------------------------------------===//
#include "passes/lowering/Boundary.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

namespace netc {
#define GEN_PASS_DEF_LOWERTOKERN
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
struct LowerToKern : netc::impl::LowerToKernBase<LowerToKern> {
  using LowerToKernBase::LowerToKernBase;
  void runOnOperation() override;

private:
  kern::TargetFacts targetFacts() const;
};
} // namespace

static LogicalResult lowerOp(Operation *op, KernBuilder &k, Boundary &boundary) {
  LayerScope layer(k.b, op, isLaunch);
  if (auto fusion = dyn_cast<net::FusionOp>(op))
    return lowerFusion(k, fusion);
  if (boundary.lower(op) || lowerNorm(k, op) || lowerMove(k, op) || lowerPool(k, op) ||
      lowerRow(k, op) || lowerMatmul(k, op) || lowerQuantize(k, op) || lowerOptimizer(k, op))
    return success();
  return op->emitError() << "'" << op->getName() << "' has no lowering to kern";
}

/// Lowers the body; the function's ports.
static FailureOr<SmallVector<kern::PortAttr>> lowerFunction(func::FuncOp function,
                                                            SymbolTable &symbols,
                                                            const kern::TargetFacts &target,
                                                            const Choices &choices) {
  Block &body = function.getBody().front();
  SmallVector<Operation *> before;
  for (Operation &op : body)
    before.push_back(&op);
  OpBuilder builder = OpBuilder::atBlockEnd(&body);
  KernBuilder k(builder, symbols, target, choices);
  Boundary boundary(k, function);
  boundary.lowerArguments();
  for (Operation *op : before)
    if (failed(lowerOp(op, k, boundary)))
      return failure();
  func::ReturnOp::create(builder, function.getLoc());
  for (Operation *op : llvm::reverse(before))
    op->erase();
  body.eraseArguments(0, body.getNumArguments());
  function.removeArgAttrsAttr();
  function.removeResAttrsAttr();
  function.setType(builder.getFunctionType({}, {}));
  return boundary.ports;
}

/// Gives every parameter its place, 64-byte aligned, in the order of the file.
static void placeParameters(ModuleOp module) {
  Builder b(module.getContext());
  int64_t offset = 0, index = 0;
  for (auto parameter : module.getOps<net::ParameterOp>()) {
    parameter->setAttr("offset", b.getI64IntegerAttr(offset));
    parameter->setAttr("index", b.getI64IntegerAttr(index++));
    offset = llvm::alignTo(offset + kern::storageBytes(cast<ShapedType>(parameter.getType())), 64);
  }
  module->setAttr("net.parameter_bytes", b.getI64IntegerAttr(offset));
}

/// Schedules that were timed, from the module's `kern.choices`.
static Choices timedChoices(ModuleOp module) {
  Choices choices;
  if (auto timed = module->getAttrOfType<ArrayAttr>("kern.choices"))
    for (auto choice : timed.getAsRange<kern::ChoiceAttr>())
      choices[{{static_cast<unsigned>(choice.getKind()), choice.getBatch()},
               choice.getGeometry()}] = choice.getSchedule();
  return choices;
}

/// `ports` of the functions and those of the targets.
static void setPorts(ModuleOp module, llvm::SetVector<Attribute> ports, bool soft) {
  SmallVector<kern::PortAttr> outputs;
  for (Attribute port : ports)
    if (auto each = cast<kern::PortAttr>(port); each.getSpace() == kern::Space::Output)
      outputs.push_back(each);
  for (kern::PortAttr port : targetPorts(module, outputs, soft))
    ports.insert(port);
  module->setAttr("net.ports", ArrayAttr::get(module.getContext(), ports.getArrayRef()));
}

kern::TargetFacts LowerToKern::targetFacts() const {
  kern::TargetFacts target = kern::cpuFacts(lanes, registers);
  target.gpu = gpu;
  target.matrixTiles = matrixTiles;
  if (gpu)
    target.lanes = 1;
  return target;
}

void LowerToKern::runOnOperation() {
  bool soft = false; // labels are distributions
  if (auto forward = net::functionOf(getOperation(), net::Role::Forward)) {
    soft = forward->hasAttr("net.soft_targets");
    forward.erase();
  }
  placeParameters(getOperation());
  SymbolTable symbols(getOperation());
  kern::TargetFacts target = targetFacts();
  Choices choices = timedChoices(getOperation());
  llvm::MapVector<Operation *, SmallVector<kern::PortAttr>> portsOf;
  for (auto function : getOperation().getOps<func::FuncOp>())
    portsOf[function] = {};
  auto lower = [&](func::FuncOp function) {
    kern::TargetFacts own = target;
    std::optional<net::Role> role = net::roleOf(function);
    own.batch = kern::likelyBatch(role == net::Role::Infer || role == net::Role::Observe);
    auto made = lowerFunction(function, symbols, own, choices);
    if (failed(made))
      return failure();
    portsOf.find(function)->second = *made;
    function.walk([&](kern::KernelOpInterface) { ++numLaunches; });
    return success();
  };
  if (failed(transformFunctions(getOperation(), lower)))
    return signalPassFailure();
  llvm::SetVector<Attribute> ports; // inference and the step have the same inputs and outputs
  for (auto &[function, own] : portsOf)
    ports.insert(own.begin(), own.end());
  setPorts(getOperation(), std::move(ports), soft);
}
