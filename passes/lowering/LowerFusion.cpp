//===- LowerFusion.cpp - one net.fusion to one launch ---------------------===//
//
// With a contraction: kern.contract, what the contraction reads through becomes its
// prologues, what follows its epilogue. Without: kern.pointwise. Channel sums become
// partial sums that a kern.reduce adds up later.
//
//===----------------------------------------------------------------------===//
#include "dialect/schedule/gpu/GpuSchedule.h"
#include "passes/lowering/Contraction.h"
#include "passes/lowering/FusionFormula.h"
#include "passes/lowering/KernBuilder.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

/// Whether the target multiplies this contraction's operands as bf16. A CPU's filter gradients have
/// schedules of f32.
static bool multipliesBf16(Operation *contraction, const kern::TargetFacts &target) {
  auto operands = contraction->getAttrOfType<TypeAttr>(net::kOperandType);
  return operands && operands.getValue().isBF16() &&
         (target.gpu || describe(contraction).kind != kern::ContractKind::FilterGrad);
}

/// What a contraction's operands are multiplied as, an integer type; null where they are floats.
static IntegerType integersOf(Operation *contraction) {
  auto operands = contraction->getAttrOfType<TypeAttr>(net::kOperandType);
  return operands ? dyn_cast<IntegerType>(operands.getValue()) : IntegerType();
}

/// tf32 and bf16 operands may go to tensor cores. Strips in scratch and packed weights are of the
/// operands' type, whatever activations are stored as.
static kern::TargetFacts factsFor(Operation *contraction, const kern::TargetFacts &target) {
  kern::TargetFacts facts = target;
  auto operands = contraction->getAttrOfType<TypeAttr>(net::kOperandType);
  facts.tensorCores = operands && !operands.getValue().isF32();
  if (multipliesBf16(contraction, target))
    facts.elementBytes = kern::elementBytes(operands.getValue());
  if (IntegerType integers = integersOf(contraction)) {
    facts.elementBytes = kern::elementBytes(integers);
    facts.integers = true;
  }
  facts.matrixTiles &= facts.elementBytes < kern::kSumBytes;
  return facts;
}

namespace {
/// Lowers one fusion; `outer` maps its arguments to kern tensors.
struct FusionLowering {
  KernBuilder &k;
  net::FusionOp fusion;
  Operation *contraction = nullptr;
  Value stored;                        ///< inside; null: only sums
  SmallVector<ChannelTerm> terms;      ///< inside
  bool moments = false;                ///< the only term is one whose moments are wanted
  SmallVector<Value> sumResults;       ///< results of the fusion: one per term, or mean and squares
  SmallVector<Operation *> reductions; ///< the op of each of them, inside

  FusionLowering(KernBuilder &k, net::FusionOp fusion);
  SmallVector<Value> outside(ArrayRef<Value> leaves);
  Value weights(const Contraction &c, kern::ScheduleAttr schedule);
  Value startOfSums(const Contraction &c, kern::ScheduleAttr schedule);
  void setObserved(Operation *launch);
  LogicalResult lowerContraction();
  void buildEpilogue(Region &region, Value product, ArrayRef<Value> extras, bool hasBias);
  LogicalResult lowerFilterGrad(const Contraction &c, kern::ScheduleAttr schedule);
  LogicalResult lowerPointwise();
  void collectTerm(ChannelReductionOpInterface reduction, OpResult inside);
  Value partials(kern::Grid grid, int64_t channels);
  void recordSums(Value tensor, kern::Grid grid, kern::CoverageAttr coverage);
};
} // namespace

FusionLowering::FusionLowering(KernBuilder &k, net::FusionOp fusion) : k(k), fusion(fusion) {
  Block &body = fusion.getBody().front();
  for (Operation &op : body.without_terminator()) {
    if (isa<ContractionOpInterface>(op))
      contraction = &op;
  }
  for (auto [inside, result] :
       llvm::zip(body.getTerminator()->getOperands(), fusion.getResults())) {
    auto reduction = inside.getDefiningOp<ChannelReductionOpInterface>();
    if (!reduction) {
      stored = inside;
      continue;
    }
    collectTerm(reduction, cast<OpResult>(inside));
    sumResults.push_back(result);
    reductions.push_back(reduction);
  }
}

/// Adds what the result `inside` of `reduction` sums to the terms.
void FusionLowering::collectTerm(ChannelReductionOpInterface reduction, OpResult inside) {
  ChannelTerm term = reduction.getTerm(inside.getResultNumber());
  if (!term.isMoment || !moments) // mean and squares come from one term
    terms.push_back(term);
  moments |= term.isMoment;
}

SmallVector<Value> FusionLowering::outside(ArrayRef<Value> leaves) {
  SmallVector<Value> result;
  for (Value leaf : leaves)
    result.push_back(k.get(fusion.getInputs()[cast<BlockArgument>(leaf).getArgNumber()]));
  return result;
}

Value FusionLowering::partials(kern::Grid grid, int64_t channels) {
  int64_t strips = (grid.rowsPerImage + grid.rowsPerItem - 1) / grid.rowsPerItem;
  auto type = RankedTensorType::get(
      {ShapedType::kDynamic, strips, moments ? 3 : static_cast<int64_t>(terms.size()), channels},
      k.b.getF32Type());
  return k.empty(type, fusion.getLoc());
}

void FusionLowering::recordSums(Value tensor, kern::Grid grid, kern::CoverageAttr coverage) {
  for (auto [index, result] : llvm::enumerate(sumResults))
    k.sums[result] = {tensor, static_cast<int64_t>(index), reductions[index], grid,
                      moments ? coverage : kern::CoverageAttr()};
}

/// Packs the filter, with batch norm's scale if it was folded in.
Value FusionLowering::weights(const Contraction &c, kern::ScheduleAttr schedule) {
  Value filter = fusion.getInputs()[cast<BlockArgument>(c.filter).getArgNumber()];
  SmallVector<Value> inputs;
  if (auto scaled = filter.getDefiningOp<net::ScaleFilterOp>())
    inputs = {k.get(scaled.getFilter()), k.get(scaled.getScale())};
  else
    inputs = {k.get(filter)};
  kern::TargetFacts facts = factsFor(contraction, k.target);
  kern::GpuScheduleAttr gpu = kern::gpuSchedule(c.kind, c.geometry, facts);
  Type operand = k.b.getF32Type(), element = operand;
  if (IntegerType integers = integersOf(contraction))
    operand = integers;
  else if (multipliesBf16(contraction, k.target))
    operand = k.b.getBF16Type();
  int64_t steps = gpu ? 1 : kern::stepsPerProduct(c.kind, c.geometry, schedule, operand);
  if (gpu ? gpu.getAlgorithm() == kern::GpuAlgorithm::MmaBf16 : steps > 1)
    element = operand;
  auto type =
      RankedTensorType::get(kern::packedShape(c.kind, c.geometry, schedule, steps), element);
  return kern::PackOp::create(k.b, fusion.getLoc(), TypeRange{type}, inputs,
                              ValueRange{k.empty(type, fusion.getLoc())}, c.geometry.getGroups(),
                              c.kind == kern::ContractKind::InputGrad,
                              kern::isLanewise(c.geometry, schedule.getLanes()),
                              schedule.getWinograd(), schedule.getLanes(),
                              gpu && gpu.getAlgorithm() == kern::GpuAlgorithm::MmaTf32)
      .getResult(0);
}

/// What sums begin with where the bytes of signed activations are multiplied as unsigned; else
/// null.
Value FusionLowering::startOfSums(const Contraction &c, kern::ScheduleAttr schedule) {
  IntegerType integers = integersOf(contraction);
  Value filter = fusion.getInputs()[cast<BlockArgument>(c.filter).getArgNumber()];
  auto quantized = filter.getDefiningOp<net::QuantizeFilterOp>();
  bool isSigned = cast<ShapedType>(c.lhs.getType()).getElementType().isSignedInteger();
  if (!integers || !quantized || !isSigned || !integers.isInteger(8) ||
      kern::stepsPerProduct(c.kind, c.geometry, schedule, integers) == 1)
    return {};
  return k.get(quantized.getStart());
}

/// A quantised value has a name.
void FusionLowering::setObserved(Operation *launch) {
  if (auto quantize = stored ? stored.getDefiningOp<net::QuantizeOp>() : net::QuantizeOp())
    launch->setAttr(kObserved, quantize.getNameAttr());
}

LogicalResult FusionLowering::lowerFilterGrad(const Contraction &c, kern::ScheduleAttr schedule) {
  Location loc = fusion.getLoc();
  llvm::SetVector<Value> lhs, rhs;
  collectLeaves(c.lhs, {}, lhs);
  collectLeaves(c.rhs, {}, rhs);
  SmallVector<int64_t> shape = kern::packedShape(c.kind, c.geometry, schedule);
  shape.insert(shape.begin(), schedule.getChunks());
  auto type = RankedTensorType::get(shape, k.b.getF32Type());
  auto contract = kern::ContractOp::create(
      k.b, loc, TypeRange{type}, outside(lhs.getArrayRef()), outside(rhs.getArrayRef()), Value(),
      Value(), ValueRange{}, ValueRange{k.empty(type, loc)}, c.kind, c.geometry, schedule,
      kern::gpuSchedule(c.kind, c.geometry, factsFor(contraction, k.target)), kern::PoolingAttr(),
      /*moments=*/false);
  if (!isa<BlockArgument>(c.lhs))
    buildRegion(k.b, contract.getLhsPrologue(), loc, lhs.getArrayRef(), c.lhs);
  if (!isa<BlockArgument>(c.rhs))
    buildRegion(k.b, contract.getRhsPrologue(), loc, rhs.getArrayRef(), c.rhs);
  setLayers(contract, layersIn(c.lhs, {}, {}, {}), kLoaded);
  setLayers(contract, layersIn(c.rhs, {}, {}, {}), kLoadedRight);
  Type gradType = fusion.getResult(0).getType();
  auto unpack = kern::UnpackOp::create(
      k.b, loc, TypeRange{gradType}, ValueRange{contract.getResult(0)},
      ValueRange{k.empty(gradType, loc)},
      kern::isLanewise(c.geometry, schedule.getLanes()) ? 1 : c.geometry.getGroups(),
      schedule.getWinograd(), schedule.getLanes());
  k.set(fusion.getResult(0), unpack.getResult(0));
  return success();
}

/// What becomes of `product`; the bias, where there is one, is the last of the extra operands.
void FusionLowering::buildEpilogue(Region &region, Value product, ArrayRef<Value> extras,
                                   bool hasBias) {
  Location loc = fusion.getLoc();
  OpBuilder::InsertionGuard guard(k.b);
  Block *block = k.b.createBlock(&region);
  Scalars scalars;
  Value value = block->addArgument(k.b.getF32Type(), loc);
  for (Value leaf : extras)
    scalars[leaf] = block->addArgument(k.b.getF32Type(), loc);
  if (hasBias)
    value = arith::AddFOp::create(k.b, loc, value, block->addArgument(k.b.getF32Type(), loc));
  scalars[product] = value;
  SmallVector<Value> yields{buildFormula(k.b, stored ? stored : product, scalars)};
  for (const ChannelTerm &term : terms)
    yields.push_back(buildTerm(k.b, loc, term, scalars));
  kern::YieldOp::create(k.b, loc, yields);
}

LogicalResult FusionLowering::lowerContraction() {
  Contraction c = describe(contraction);
  Location loc = fusion.getLoc();
  kern::ScheduleAttr schedule = k.schedule(c.kind, c.geometry, factsFor(contraction, k.target));
  if (c.kind == kern::ContractKind::FilterGrad)
    return lowerFilterGrad(c, schedule);

  llvm::SetVector<Value> lhs, extra;
  collectLeaves(c.lhs, {}, lhs);
  Value product = contraction->getResult(0);
  if (stored)
    collectLeaves(stored, product, extra);
  for (const ChannelTerm &term : terms)
    collectLeaves(term, product, extra);
  extra.remove(product);
  SmallVector<Value> extras = extra.takeVector();
  SmallVector<Value> extraTensors = outside(extras);
  if (c.bias)
    extraTensors.push_back(k.get(fusion.getInputs()[cast<BlockArgument>(c.bias).getArgNumber()]));

  Type type = k.physicalType((stored ? stored : product).getType());
  SmallVector<Value> outs{k.empty(type, loc)};
  SmallVector<Type> types{type};
  Value packed = weights(c, schedule), start = startOfSums(c, schedule);
  auto make = [&](TypeRange resultTypes, ValueRange destinations, bool withMoments) {
    return kern::ContractOp::create(
        k.b, loc, resultTypes, outside(lhs.getArrayRef()), ValueRange{}, packed, start,
        extraTensors, destinations, c.kind, c.geometry, schedule,
        kern::gpuSchedule(c.kind, c.geometry, factsFor(contraction, k.target)), kern::PoolingAttr(),
        withMoments);
  };
  kern::Grid grid;
  if (!terms.empty()) {
    // The grid is a function of kind, geometry and schedule; ask a bare op for it.
    auto probe = make(types, outs, false);
    grid = probe.getGrid();
    probe.erase();
    outs.push_back(partials(grid, net::channelsOf(cast<RankedTensorType>(product.getType()))));
    types.push_back(outs.back().getType());
  }
  auto contract = make(types, outs, moments);
  if (!isa<BlockArgument>(c.lhs))
    buildRegion(k.b, contract.getLhsPrologue(), loc, lhs.getArrayRef(), c.lhs);
  if (stored != product || !terms.empty() || c.bias)
    buildEpilogue(contract.getEpilogue(), product, extras, static_cast<bool>(c.bias));
  setObserved(contract);
  setLayers(contract, layersIn(c.lhs, {}, {}, {}), kLoaded);
  setLayers(contract, layersIn(stored ? stored : product, terms, product, layersOf(fusion)),
            kStored);
  if (stored)
    k.set(fusion.getResult(0), contract.getResult(0));
  if (!terms.empty())
    recordSums(contract.getResult(1), grid, contract.getCoverage());
  return success();
}

LogicalResult FusionLowering::lowerPointwise() {
  Location loc = fusion.getLoc();
  llvm::SetVector<Value> leaves;
  if (stored)
    collectLeaves(stored, {}, leaves);
  for (const ChannelTerm &term : terms)
    collectLeaves(term, {}, leaves);
  auto shape = cast<RankedTensorType>((stored ? stored : terms[0].a).getType());
  SmallVector<int64_t> space{1, net::pixelsOf(shape), net::channelsOf(shape)};
  if (shape.getRank() == 4)
    space = llvm::to_vector(k.physicalType(shape).getShape().drop_front());
  SmallVector<Value> outs;
  if (stored)
    outs.push_back(k.empty(k.physicalType(stored.getType()), loc));
  int64_t block = kern::PointwiseOp::blockPixels(space);
  kern::Grid grid{1, (space[0] * space[1] + block - 1) / block, 1};
  if (!terms.empty())
    outs.push_back(partials(grid, space[2]));
  auto pointwise = kern::PointwiseOp::create(k.b, loc, ValueRange(outs).getTypes(),
                                             outside(leaves.getArrayRef()), outs, space,
                                             stored ? 1 : 0, moments, k.target.lanes);
  buildRegion(k.b, pointwise.getBody(), loc, leaves.getArrayRef(),
              stored ? ArrayRef<Value>(stored) : ArrayRef<Value>(), terms);
  setObserved(pointwise);
  setLayers(
      pointwise,
      layersIn(stored ? ArrayRef<Value>(stored) : ArrayRef<Value>(), terms, {}, layersOf(fusion)),
      kLoaded);
  if (stored)
    k.set(fusion.getResult(0), pointwise.getResult(0));
  if (!terms.empty())
    recordSums(pointwise.getResults().back(), grid, pointwise.getCoverage());
  return success();
}

LogicalResult netc::lowering::lowerFusion(KernBuilder &builder, net::FusionOp fusion) {
  FusionLowering lowering(builder, fusion);
  return lowering.contraction ? lowering.lowerContraction() : lowering.lowerPointwise();
}
