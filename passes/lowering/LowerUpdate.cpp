//===- LowerUpdate.cpp - optimizers to kern -------------------------------===//
//
// Parameters lie at equal offsets in the spaces of parameters, gradients and accumulated gradients,
// and in each slot of the state. Gaps between them, and the gradients of running statistics, are
// zero: sums over the whole space are sums over all gradients.
//
//===----------------------------------------------------------------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

static Value buffer(KernBuilder &k, Location loc, Type type, kern::Space space, int64_t offset) {
  return kern::BufferOp::create(k.b, loc, type, space, offset);
}

static RankedTensorType vectorOf(KernBuilder &k, int64_t size) {
  return RankedTensorType::get({size}, k.b.getF32Type());
}

static int64_t parameterBytes(Operation *op) {
  return op->getParentOfType<ModuleOp>()
      ->getAttrOfType<IntegerAttr>("net.parameter_bytes")
      .getInt();
}

/// All parameters as one run of f32, which gradients and their sums are.
static int64_t parameterElements(KernBuilder &k, Operation *op) {
  return parameterBytes(op) / kern::elementBytes(k.b.getF32Type());
}

static Value hyper(KernBuilder &k, Location loc) {
  return buffer(k, loc, vectorOf(k, kHyperWords), kern::Space::Hyper, 0);
}

/// |values| of `size` elements; into `destination` if there is one.
static Value norm(KernBuilder &k, Location loc, Value values, int64_t size,
                  Value destination = {}) {
  int64_t blocks = llvm::divideCeil(size, kern::UpdateOp::kBlock);
  Type partials = vectorOf(k, blocks), one = vectorOf(k, 1);
  auto sums = kern::SumSquaresOp::create(k.b, loc, TypeRange{partials}, values,
                                         k.empty(partials, loc), size, k.target.lanes);
  Value out = destination ? destination : k.empty(one, loc);
  return kern::NormOp::create(k.b, loc, TypeRange{one}, sums.getResults(), out, blocks)
      .getResult(0);
}

/// Fills the body of `op` with what `build` yields for one scalar an argument.
static void buildBody(KernBuilder &k, kern::UpdateOp op,
                      llvm::function_ref<SmallVector<Value>(OpBuilder &, ValueRange)> build) {
  int64_t arguments = op.getInputs().size() + op.getOuts().size();
  for (Value scalar : op.getScalars())
    arguments += kern::shapedType(scalar).getNumElements();
  OpBuilder::InsertionGuard guard(k.b);
  Block *body = k.b.createBlock(&op.getBody());
  for (int64_t i = 0; i < arguments; ++i)
    body->addArgument(k.b.getF32Type(), op.getLoc());
  kern::YieldOp::create(k.b, op.getLoc(), build(k.b, body->getArguments()));
}

static void lowerUpdate(KernBuilder &k, UpdateOpInterface update) {
  auto parameter = k.parameter(update.getParameterAttr());
  Location loc = update.getLoc();
  Type type = parameter.getType();
  int64_t size = cast<ShapedType>(type).getNumElements(), bytes = parameterBytes(update);
  int64_t offset = parameter->getAttrOfType<IntegerAttr>("offset").getInt();
  int64_t index = parameter->getAttrOfType<IntegerAttr>("index").getInt();

  Value gradient = buffer(k, loc, type, kern::Space::Gradients, offset);
  Value value = buffer(k, loc, type, kern::Space::Parameters, offset);
  SmallVector<Value> scalars{hyper(k, loc),
                             buffer(k, loc, vectorOf(k, kParameterHyperWords), kern::Space::Hyper,
                                    kWordBytes * (kHyperWords + index * kParameterHyperWords))};
  if (update.needsNorms())
    for (Value of : {value, gradient})
      scalars.push_back(norm(k, loc, of, size));
  SmallVector<Value> outs{value};
  for (int64_t slot : update.getStateSlots())
    outs.push_back(buffer(k, loc, type, kern::Space::State, slot * bytes + offset));
  if (update.replacesGradient())
    outs.push_back(gradient);
  auto op = kern::UpdateOp::create(k.b, loc, ValueRange(outs).getTypes(), scalars,
                                   ValueRange{gradient}, outs, size, k.target.lanes);
  buildBody(k, op, [&](OpBuilder &b, ValueRange arguments) {
    auto take = [&](int64_t count) {
      ValueRange front = arguments.take_front(count);
      arguments = arguments.drop_front(count);
      return front;
    };
    ValueRange words = take(kHyperWords), own = take(kParameterHyperWords),
               norms = take(update.needsNorms() ? 2 : 0);
    return update.buildUpdate(
        b, {words, own, norms, arguments[0], arguments[1], arguments.drop_front(2)});
  });
}

static void lowerGradientNorm(KernBuilder &k, net::GradientNormOp op) {
  int64_t size = parameterElements(k, op);
  Value gradients = buffer(k, op.getLoc(), vectorOf(k, size), kern::Space::Gradients, 0);
  norm(k, op.getLoc(), gradients, size,
       buffer(k, op.getLoc(), vectorOf(k, 1), kern::Space::Hyper, kWordBytes * kGradientNorm));
}

static void lowerAccumulation(KernBuilder &k, net::AccumulateGradientsOp op) {
  Location loc = op.getLoc();
  int64_t size = parameterElements(k, op);
  Type type = vectorOf(k, size);
  Value sum = buffer(k, loc, type, kern::Space::Accumulated, 0);
  auto update = kern::UpdateOp::create(k.b, loc, TypeRange{type}, hyper(k, loc),
                                       buffer(k, loc, type, kern::Space::Gradients, 0), sum, size,
                                       k.target.lanes);
  buildBody(k, update, [&](OpBuilder &b, ValueRange arguments) {
    Value weighted = arith::MulFOp::create(b, loc, arguments[kBatchWeight], arguments[kHyperWords]);
    return SmallVector<Value>{arith::AddFOp::create(b, loc, arguments[kHyperWords + 1], weighted)};
  });
}

bool netc::lowering::lowerOptimizer(KernBuilder &k, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](UpdateOpInterface u) { return lowerUpdate(k, u), true; })
      .Case([&](net::GradientNormOp n) { return lowerGradientNorm(k, n), true; })
      .Case([&](net::AccumulateGradientsOp a) { return lowerAccumulation(k, a), true; })
      .Default(false);
}
