//===- KernDialect.cpp - the kern dialect: where it is computed -----------===//
#include "dialect/kern/KernDialect.h"

#include "runtime/abi/Abi.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

#include "dialect/kern/KernDialect.cpp.inc"
#include "dialect/kern/KernEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/kern/KernAttrs.cpp.inc"
#include "dialect/kern/KernInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/kern/KernOps.cpp.inc"

// TableGen can't read a C header: its numbers are held to that here.
static constexpr bool is(Space space, NetcSpace number) {
  return static_cast<uint32_t>(space) == static_cast<uint32_t>(number);
}
static_assert(is(Space::ArenaImage, NETC_SPACE_ARENA_IMAGE));
static_assert(is(Space::ArenaFixed, NETC_SPACE_ARENA_FIXED));
static_assert(is(Space::Parameters, NETC_SPACE_PARAMETERS));
static_assert(is(Space::Gradients, NETC_SPACE_GRADIENTS));
static_assert(is(Space::State, NETC_SPACE_STATE));
static_assert(is(Space::Prepared, NETC_SPACE_PREPARED));
static_assert(is(Space::Input, NETC_SPACE_INPUT));
static_assert(is(Space::Labels, NETC_SPACE_LABELS));
static_assert(is(Space::Output, NETC_SPACE_OUTPUT));
static_assert(is(Space::Loss, NETC_SPACE_LOSS));
static_assert(is(Space::Hyper, NETC_SPACE_HYPER));
static_assert(is(Space::Targets, NETC_SPACE_TARGETS));
static_assert(is(Space::Accumulated, NETC_SPACE_ACCUMULATED));
static_assert(is(Space::ArenaGroup, NETC_SPACE_ARENA_GROUP));
static_assert(getMaxEnumValForSpace() + 1 == NETC_SPACE_COUNT);

void KernDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/kern/KernAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/kern/KernOps.cpp.inc"
      >();
}

LogicalResult KernDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  auto isChoice = [](Attribute choice) { return isa<ChoiceAttr>(choice); };
  auto list = dyn_cast<ArrayAttr>(attribute.getValue());
  if (attribute.getName() != "kern.choices")
    return op->emitError() << "unknown attribute '" << attribute.getName() << "'";
  if (!isa<ModuleOp>(op) || !list || !llvm::all_of(list, isChoice))
    return op->emitError() << "expected 'kern.choices' of a module, an array of kern.choice";
  return success();
}

Block *netc::kern::blockOf(Region &region) { return region.empty() ? nullptr : &region.front(); }

ShapedType netc::kern::shapedType(Value value) { return cast<ShapedType>(value.getType()); }

int64_t netc::kern::lossesOf(Value losses) {
  ShapedType type = shapedType(losses);
  return type.getRank() > 1 ? type.getDimSize(1) : 1;
}

int64_t netc::kern::elementBytes(Type element) {
  return ceilDiv(static_cast<int64_t>(element.getIntOrFloatBitWidth()), 8);
}

int64_t netc::kern::storageBytes(ShapedType type) {
  int64_t elements = 1;
  for (int64_t dim : type.getShape())
    elements *= ShapedType::isDynamic(dim) ? 1 : dim;
  return elements * elementBytes(type.getElementType());
}

//===----------------------------------------------------------------------===//
// Effects: operands are read, destinations written, once they are memrefs.
//===----------------------------------------------------------------------===//

using Effects = SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static void addEffects(DestinationStyleOpInterface op, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

#define NETC_KERNEL_EFFECTS(OP)                                                                    \
  void OP::getEffects(Effects &effects) {                                                          \
    addEffects(cast<DestinationStyleOpInterface>(getOperation()), effects);                        \
  }
NETC_KERNEL_EFFECTS(ContractOp)
NETC_KERNEL_EFFECTS(PointwiseOp)
NETC_KERNEL_EFFECTS(ReduceOp)
NETC_KERNEL_EFFECTS(PackOp)
NETC_KERNEL_EFFECTS(QuantizeFilterOp)
NETC_KERNEL_EFFECTS(UnpackOp)
NETC_KERNEL_EFFECTS(TransposeOp)
NETC_KERNEL_EFFECTS(MoveOp)
NETC_KERNEL_EFFECTS(PermuteOp)
NETC_KERNEL_EFFECTS(MatmulOp)
NETC_KERNEL_EFFECTS(AttentionOp)
NETC_KERNEL_EFFECTS(AttentionGradOp)
NETC_KERNEL_EFFECTS(PoolOp)
NETC_KERNEL_EFFECTS(RowOp)
NETC_KERNEL_EFFECTS(MeanLossOp)
NETC_KERNEL_EFFECTS(LabelShareOp)
NETC_KERNEL_EFFECTS(CopyOp)
NETC_KERNEL_EFFECTS(UpdateOp)
NETC_KERNEL_EFFECTS(SumSquaresOp)
NETC_KERNEL_EFFECTS(NormOp)
#undef NETC_KERNEL_EFFECTS

//===----------------------------------------------------------------------===//
// Grids
//===----------------------------------------------------------------------===//

int64_t PointwiseOp::blockPixels(ArrayRef<int64_t> space) {
  int64_t pixels = space[0] * space[1];
  return std::min(pixels, std::max<int64_t>(1, 4096 / space[2]));
}
int64_t PointwiseOp::getBlockPixels() { return blockPixels(getSpace()); }
Grid PointwiseOp::getGrid() {
  return {1, ceilDiv(getSpace()[0] * getSpace()[1], getBlockPixels()), 1};
}

CoverageAttr PointwiseOp::getCoverage() {
  return CoverageAttr::get(getContext(), 1, getSpace()[0] * getSpace()[1], 1, getBlockPixels());
}
int64_t PointwiseOp::getTerms() {
  if (getOuts().size() == getStores())
    return 0;
  return getMoments() ? 1 : shapedType(getOuts().back()).getDimSize(2);
}
LogicalResult PointwiseOp::verify() {
  if (!getMoments())
    return success();
  if (getOuts().size() == getStores())
    return emitOpError() << "expected a destination for the partial sums of moments";
  if (int64_t have = shapedType(getOuts().back()).getDimSize(2); have != 3)
    return emitOpError() << "expected 3 partial sums of moments but there are " << have;
  return success();
}

LogicalResult ReduceOp::verify() {
  CoverageAttr moments = getMomentsAttr();
  if (!moments)
    return success();
  if (!getPartials() || shapedType(getPartials()).getDimSize(2) != 3)
    return emitOpError() << "expected partials [N, rows, 3, C] of moments";
  if (int64_t have = moments.unitsOfImage(), want = getRowsPerImage(); have != want)
    return emitOpError() << "covers " << have << " units per image but there are " << want
                         << " rows per image";
  return success();
}
Grid ReduceOp::getGrid() { return {ceilDiv(shapedType(getOuts()[0]).getDimSize(0), 64), 0, 1}; }

Grid PackOp::getGrid() {
  ArrayRef<int64_t> packed = shapedType(getOuts()[0]).getShape(); // [G, blocks, KH, KW, depth, T]
  return {packed[0] * packed[1] * ceilDiv(packed[4], kPackedDepth), 0, 1};
}
Grid QuantizeFilterOp::getGrid() { return {shapedType(getInputs()[0]).getDimSize(0), 0, 1}; }
Grid UnpackOp::getGrid() {
  ArrayRef<int64_t> packed =
      shapedType(getInputs()[0]).getShape(); // [chunks, G, blocks, KH, KW, I/G, T]
  return {packed[1] * packed[2] * ceilDiv(packed[5], kPackedDepth), 0, 1};
}
Grid TransposeOp::getGrid() {
  return {1, ceilDiv(static_cast<int64_t>(getColumns()), kTransposedColumns), 1};
}
Grid PermuteOp::getGrid() { return {1, getSizes()[getOrder()[0]], 1}; }
Grid MatmulOp::getGrid() { return {1, static_cast<int64_t>(getMatrices()) * getRowBlocks(), 1}; }
int64_t MatmulOp::getFlopsPerImage() {
  return static_cast<int64_t>(2 * getMatrices() * getRows() * getColumns() * getDepth());
}
Grid AttentionOp::getGrid() { return {1, static_cast<int64_t>(getMatrices()) * getRowBlocks(), 1}; }
int64_t AttentionOp::getFlopsPerImage() {
  return static_cast<int64_t>(2 * getMatrices() * getQueries() * getKeys() *
                              (getDepth() + getWidth()));
}
Grid AttentionGradOp::getGrid() {
  return {1, static_cast<int64_t>(getMatrices()) / getMatricesOfItem() * getRowBlocks(), 1};
}
/// Scores, gradients of scores, and a product for each result.
int64_t AttentionGradOp::getFlopsPerImage() {
  auto products = 2 * getDepth() + getWidth() + (getOfKeys() ? getWidth() : 0);
  return static_cast<int64_t>(2 * getMatrices() * getQueries() * getKeys() * products);
}
Grid MoveOp::getGrid() { return {1, shapedType(getOuts()[0]).getDimSize(1), 1}; }

/// Gradients that need no input.
static bool isLinearGradient(PoolKind kind) {
  return kind == PoolKind::AverageGrad || kind == PoolKind::AdaptiveGrad ||
         kind == PoolKind::NearestGrad || kind == PoolKind::BilinearGrad;
}

bool PoolOp::readsInput() { return !isLinearGradient(getKind()); }

OperandRange PoolOp::getSources() {
  if (!readsInput())
    return getInputs().take_front(0);
  return getKind() == PoolKind::MaxGrad ? getInputs().drop_front() : getInputs();
}

LogicalResult PoolOp::verify() {
  Block *prologue = blockOf(getPrologue());
  if (!prologue)
    return success();
  if (!readsInput())
    return emitOpError() << stringifyPoolKind(getKind())
                         << " reads no input that a prologue could make";
  size_t have = prologue->getNumArguments(), want = getSources().size();
  if (have != want)
    return emitOpError() << "prologue takes " << have << " values but there are " << want;
  return success();
}

Grid PoolOp::getGrid() {
  // Max gradients scatter within an image, so an image is one item, split by channels.
  GeometryAttr g = getGeometry();
  if (getKind() == PoolKind::MaxGrad)
    return {ceilDiv(g.getIc(), 64), 1, 1};
  return {1, isLinearGradient(getKind()) ? g.getIh() : g.getOh(), 1};
}
Grid RowOp::getGrid() {
  auto rows = static_cast<int64_t>(getPixels());
  return shapedType(getOuts()[0]).hasStaticShape() ? Grid{rows, 0, 1} : Grid{1, rows, 1};
}
Grid MeanLossOp::getGrid() { return {1, 0, 1}; }
Grid LabelShareOp::getGrid() { return {1, 0, 1}; }
Grid CopyOp::getGrid() { return {1, getPerImage() ? 1 : 0, 1}; }
Grid UpdateOp::getGrid() { return {ceilDiv(getSize(), kBlock), 0, 1}; }
Grid SumSquaresOp::getGrid() { return {ceilDiv(getSize(), UpdateOp::kBlock), 0, 1}; }
Grid NormOp::getGrid() { return {1, 0, 1}; }

Value ReshapeOp::getViewSource() { return getSource(); }

LogicalResult ReshapeOp::verify() {
  auto source = cast<ShapedType>(getSource().getType()), result = cast<ShapedType>(getType());
  if (source.getElementType() != result.getElementType() ||
      storageBytes(source) != storageBytes(result))
    return emitOpError() << "expected the same bytes under another shape, found " << source
                         << " and " << result;
  return success();
}
