//===- KernBuilder.cpp - state of the lowering from net to kern -----------===//
#include "passes/lowering/KernBuilder.h"

#include "dialect/schedule/gpu/GpuSchedule.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

RankedTensorType KernBuilder::physicalType(Type type) const {
  auto tensor = cast<RankedTensorType>(type);
  ArrayRef<int64_t> s = tensor.getShape();
  if (isa_and_nonnull<net::LayoutAttr>(tensor.getEncoding()))
    return RankedTensorType::get({s[0], s[2], s[3], s[1]}, tensor.getElementType());
  return RankedTensorType::get(s, tensor.getElementType());
}

kern::ScheduleAttr KernBuilder::schedule(kern::ContractKind kind, kern::GeometryAttr geometry,
                                         const kern::TargetFacts &facts) const {
  kern::ScheduleAttr timed =
      choices.lookup({{static_cast<unsigned>(kind), target.batch}, geometry});
  if (timed && timed.getLanes() == target.lanes)
    return timed;
  return target.gpu ? kern::packForGpu(kind, geometry, facts)
                    : kern::scheduleContraction(kind, geometry, facts);
}

Value KernBuilder::empty(Type type, Location loc) { return kern::EmptyOp::create(b, loc, type); }

Value KernBuilder::get(Value value) {
  if (Value known = values.lookupOrNull(value))
    return known;
  auto it = sums.find(value);
  if (it == sums.end())
    return {};
  // A bias gradient: the sum itself is wanted. It belongs to the layer whose bias it is, whatever
  // launch summed on the way.
  LayerScope layer(b, it->second.reduction, isLaunch);
  SmallVector<Value> result = reduce(value.getLoc(), value, {}, value.getType(),
                                     [](OpBuilder &rb, Value, ValueRange s, ValueRange) {
                                       return SmallVector<Value>{arith::TruncFOp::create(
                                           rb, s[0].getLoc(), rb.getF32Type(), s[0])};
                                     });
  set(value, result[0]);
  return result[0];
}

/// Mean and sum of squared deviations from [pivot, sum, sum of squares] about the pivot.
static SmallVector<Value> meanAndSquares(OpBuilder &b, Location loc, Value images,
                                         kern::CoverageAttr pixels, ArrayRef<Value> about) {
  auto number = b.getF64FloatAttr(static_cast<double>(pixels.getHeight() * pixels.getWidth()));
  Value count = arith::MulFOp::create(b, loc, images, arith::ConstantOp::create(b, loc, number));
  Value distance = arith::DivFOp::create(b, loc, about[1], count);
  Value mean = arith::AddFOp::create(b, loc, about[0], distance);
  Value shifted = arith::MulFOp::create(b, loc, about[1], distance);
  Value squares = arith::SubFOp::create(b, loc, about[2], shifted);
  Value zero = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(0));
  return {mean, arith::MaximumFOp::create(b, loc, squares, zero)};
}

SmallVector<Value> KernBuilder::reduce(
    Location loc, ValueRange summed, ValueRange vectors, TypeRange results,
    llvm::function_ref<SmallVector<Value>(OpBuilder &, Value, ValueRange, ValueRange)> body) {
  Value partials;
  kern::Grid grid;
  kern::CoverageAttr moments;
  if (!summed.empty()) {
    const PartialSums &first = sums[summed[0]];
    partials = first.tensor, grid = first.grid, moments = first.moments;
  }
  SmallVector<Value> outs;
  for (Type type : results)
    outs.push_back(empty(type, loc));
  auto reduce = kern::ReduceOp::create(b, loc, results, partials, vectors, outs, grid.rowsPerImage,
                                       grid.rowsPerItem, moments, target.lanes);
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&reduce.getBody());
  Value images = block->addArgument(b.getF64Type(), loc);
  SmallVector<Value> all, vectorArgs, sumArgs;
  int64_t terms = partials ? cast<ShapedType>(partials.getType()).getDimSize(2) : 0;
  for (int64_t i = 0; i < terms; ++i)
    all.push_back(block->addArgument(b.getF64Type(), loc));
  for (size_t i = 0; i < vectors.size(); ++i)
    vectorArgs.push_back(block->addArgument(b.getF32Type(), loc));
  if (moments)
    all = meanAndSquares(b, loc, images, moments, all);
  for (Value value : summed)
    sumArgs.push_back(all[sums[value].index]);
  kern::YieldOp::create(b, loc, body(b, images, sumArgs, vectorArgs));
  return llvm::to_vector(ValueRange(reduce.getResults()));
}
