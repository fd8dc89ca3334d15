//===- Quantize.cpp - operands of contractions as integers ----------------===//
//
// x * w = s_x s_w (q_x * q_w), by output channel, with x = s_x q_x and w = s_w q_w. Each value that
// a contraction of integers reads is stored as integers once; its scale is a parameter, so that one
// executable serves any calibration. What moves integers, or takes the largest of some, keeps their
// scale. The factor of what is stored, 1 / scale, goes into the scales and biases that the value is
// computed with, through sums and ReLU; bytes from 0 on need no ReLU. Leaves alone: contractions
// whose sums could leave i32, or f32 where groups are small, and those that the user keeps in f32;
// training.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/GlobPattern.h"

using namespace mlir;
using namespace netc;

namespace netc {
#define GEN_PASS_DEF_QUANTIZE
#include "passes/Passes.h.inc"
} // namespace netc

/// A product of integers is at most 255 * 127: so many fit an i32, and so many an f32's 24 bits,
/// in which lane-wise kernels of small groups add up.
static constexpr int64_t kMostProducts = (int64_t(1) << 31) / (255 * 127),
                         kMostExactProducts = (int64_t(1) << 24) / (255 * 127);
/// More input channels of a group than that have no lane-wise kernel.
static constexpr int64_t kLanewiseChannels = 16;

namespace {
/// A value stored as integers.
struct Quantized {
  Value integers;
  Value scale; ///< [1]
};

class Quantizer {
public:
  Quantizer(func::FuncOp infer, ArrayRef<llvm::GlobPattern> kept);
  void run();

  int64_t numContractions = 0, numValues = 0;

private:
  bool multipliesIntegers(Operation *op);
  bool wantsIntegers(Value value);
  bool readsAsIntegers(OpOperand &use);
  void visit(Operation &op);
  void store(Value value);
  void quantizeContraction(Operation *op);
  void quantizeConcat(net::ConcatOp op);
  void passThrough(Operation *op);
  void averageIntegers(Operation *op);
  Value quantize(OpBuilder &b, Value value, Value scale, StringRef name, IntegerType type,
                 bool alone);
  Value divided(OpBuilder &b, Value value, Value scale);
  Value dividedVector(Value vector, Value scale);
  Value scaleParameter(Value value, StringRef name, IntegerType type);
  Value scaleVectors(Value scale, Value of, bool inverse);
  void record(Value value, Quantized as, OpBuilder &b);
  std::string nameOf(Value value);
  void observe(Value value, StringRef name);

  func::FuncOp infer, observed;
  ModuleOp module;
  ArrayRef<llvm::GlobPattern> kept;
  IRMapping copies;                ///< @infer's values to @observe's
  OpBuilder front;                 ///< scales are computed before all else
  DenseMap<Value, Value> inverses; ///< of scales, [1]
  DenseMap<Value, bool> wanted;
  DenseMap<Value, Quantized> quantized; ///< by the f32 value, dequantised or not
  DenseMap<std::pair<Value, int64_t>, net::ScaleVectorsOp> vectors;
  llvm::StringSet<> names;
};
} // namespace

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

Quantizer::Quantizer(func::FuncOp infer, ArrayRef<llvm::GlobPattern> kept)
    : infer(infer), module(infer->getParentOfType<ModuleOp>()), kept(kept),
      front(infer.getContext()) {
  OpBuilder b(infer);
  b.setInsertionPointAfter(infer);
  observed = cast<func::FuncOp>(b.clone(*infer, copies));
  observed.setName("observe");
  net::setRole(observed, net::Role::Observe);
}

//===----------------------------------------------------------------------===//
// Which values are integers
//===----------------------------------------------------------------------===//

/// Whether a value cannot be negative.
static bool isNonNegative(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  auto operandsAre = [&] { return llvm::all_of(op->getOperands(), isNonNegative); };
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([](net::ActivationOp activation) {
        switch (activation.getKind()) {
        case net::ActivationKind::Relu:
        case net::ActivationKind::Relu6:
        case net::ActivationKind::Sigmoid:
        case net::ActivationKind::HardSigmoid:
          return true;
        default:
          return false;
        }
      })
      .Case<net::AddOp, net::MulOp, net::ConcatOp, net::MaxPoolOp, net::AvgPoolOp,
            net::AdaptiveAvgPoolOp, net::MoveOp, net::ShuffleChannelsOp, net::FlattenOp,
            net::SliceOp>([&](Operation *) { return operandsAre(); })
      .Case([](net::DequantizeOp d) {
        return tensorOf(d.getInput()).getElementType().isUnsignedInteger() ||
               isNonNegative(d.getInput());
      })
      .Default([](Operation *of) {
        return of->getNumResults() == 1 &&
               tensorOf(of->getResult(0)).getElementType().isUnsignedInteger();
      });
}

/// Moves values, or takes the largest of some: the same for integers.
static bool keepsScale(Operation *op) {
  return isa<net::MaxPoolOp, net::MoveOp, net::ShuffleChannelsOp, net::FlattenOp, net::SliceOp>(op);
}
static bool averages(Operation *op) { return isa<net::AvgPoolOp, net::AdaptiveAvgPoolOp>(op); }

/// Whether this contraction's operands become integers.
bool Quantizer::multipliesIntegers(Operation *op) {
  int64_t products, depth, groups = 1;
  if (auto conv = dyn_cast<net::Conv2dOp>(op)) {
    auto filter = tensorOf(conv.getFilter());
    groups = static_cast<int64_t>(conv.getGroups()), depth = filter.getDimSize(1);
    products = depth * filter.getDimSize(2) * filter.getDimSize(3);
  } else if (auto linear = dyn_cast<net::LinearOp>(op)) {
    products = depth = tensorOf(linear.getWeight()).getDimSize(1);
  } else {
    return false;
  }
  bool lanewise = groups > 1 && depth < kLanewiseChannels;
  if (products > (lanewise ? kMostExactProducts : kMostProducts))
    return false;
  for (StringAttr layer : layersOf(op))
    for (const llvm::GlobPattern &pattern : kept)
      if (pattern.match(layer.getValue()))
        return false;
  return true;
}

/// Whether an op reads this operand as integers if it is stored so.
bool Quantizer::readsAsIntegers(OpOperand &use) {
  Operation *op = use.getOwner();
  if (isa<ContractionOpInterface>(op))
    return use.getOperandNumber() == 0 && multipliesIntegers(op);
  if (averages(op))
    return true;
  if (keepsScale(op) || isa<net::ConcatOp>(op))
    return wantsIntegers(op->getResult(0));
  // Of a skip-add the value that is computed last is added where it is computed; the others are
  // read from memory.
  if (isa<net::AddOp, net::MulOp>(op) && llvm::all_of(op->getOperandTypes(), [&](Type type) {
        return cast<ShapedType>(type).getShape() ==
               cast<ShapedType>(op->getResult(0).getType()).getShape();
      })) {
    Operation *own = use.get().getDefiningOp();
    return llvm::any_of(op->getOperands(), [&](Value other) {
      Operation *producer = other.getDefiningOp();
      return other != use.get() && producer && (!own || own->isBeforeInBlock(producer));
    });
  }
  return false;
}

bool Quantizer::wantsIntegers(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  if (!tensor || !net::isActivation(tensor) || !tensor.getElementType().isF32())
    return false;
  if (auto it = wanted.find(value); it != wanted.end())
    return it->second;
  bool result = llvm::any_of(value.getUses(), [&](OpOperand &use) { return readsAsIntegers(use); });
  return wanted[value] = result;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// The layer that computes `value`, or the input's name; each name once.
std::string Quantizer::nameOf(Value value) {
  std::string name = "input";
  if (Operation *op = value.getDefiningOp()) {
    LayerNames layers = layersOf(op);
    name = layers.empty() ? "value" : layers.back().str();
  } else if (auto given = infer.getArgAttrOfType<StringAttr>(
                 cast<BlockArgument>(value).getArgNumber(), "net.name")) {
    name = given.str();
  }
  std::string unique = name;
  for (int number = 2; !names.insert(unique).second; ++number)
    unique = name + "." + std::to_string(number);
  return unique;
}

static int64_t layerIndex(ModuleOp module, Operation *op) {
  auto list = module->getAttrOfType<ArrayAttr>("net.layers");
  LayerNames layers = op ? layersOf(op) : LayerNames();
  for (auto [index, layer] : llvm::enumerate(list ? list.getValue() : ArrayRef<Attribute>()))
    if (!layers.empty() && cast<DictionaryAttr>(layer).get("name") == layers.back())
      return static_cast<int64_t>(index);
  return 0;
}

/// A new parameter, `NAME.activation_scale`, and its value.
Value Quantizer::scaleParameter(Value value, StringRef name, IntegerType integers) {
  OpBuilder b(module.getBodyRegion());
  b.setInsertionPoint(infer);
  Type type = RankedTensorType::get({1}, b.getF32Type());
  auto init =
      b.getArrayAttr({b.getStringAttr("constant"), b.getF64FloatAttr(1), b.getF64FloatAttr(0)});
  auto parameter = net::ParameterOp::create(
      b, value.getLoc(), b.getStringAttr(name + net::kActivationScale), TypeAttr::get(type),
      /*trainable=*/UnitAttr(), /*decay=*/UnitAttr(), init,
      b.getI64IntegerAttr(layerIndex(module, value.getDefiningOp())), /*auxiliary=*/UnitAttr(),
      StringAttr());
  parameter->setAttr(net::kLevels, b.getI64IntegerAttr(integers.isUnsigned() ? 255 : 127));
  ++numValues;
  return net::GetParameterOp::create(front, value.getLoc(), type,
                                     FlatSymbolRefAttr::get(parameter.getSymNameAttr()));
}

/// `scale`, or its inverse, for each channel of `of`.
Value Quantizer::scaleVectors(Value scale, Value of, bool inverse) {
  int64_t channels = net::channelsOf(tensorOf(of));
  net::ScaleVectorsOp &made = vectors[{scale, channels}];
  if (!made) {
    Type type = RankedTensorType::get({channels}, front.getF32Type());
    made = net::ScaleVectorsOp::create(front, of.getLoc(), type, type, scale);
  }
  return inverse ? made.getInverses() : made.getScales();
}

static IntegerType bytes(MLIRContext *context, bool nonNegative) {
  return IntegerType::get(context, 8, nonNegative ? IntegerType::Unsigned : IntegerType::Signed);
}

/// A vector of the body divided by `scale`: where both are there.
Value Quantizer::dividedVector(Value vector, Value scale) {
  Value &inverse = inverses[scale];
  if (!inverse)
    inverse =
        net::ScaleVectorsOp::create(front, vector.getLoc(), scale.getType(), scale.getType(), scale)
            .getInverses();
  OpBuilder b(infer.getContext());
  Operation *made = vector.getDefiningOp();
  b.setInsertionPointAfterValue(made->isBeforeInBlock(inverse.getDefiningOp()) ? inverse : vector);
  LayerScope layer(b, made);
  return net::ProductScaleOp::create(b, vector.getLoc(), vector.getType(), inverse, vector);
}

/// `value` divided by `scale` without a product for each element, computed where it alone is read;
/// null where that does not work. The scale is not negative.
Value Quantizer::divided(OpBuilder &b, Value value, Value scale) {
  Operation *op = value.getDefiningOp();
  auto isVector = [](Value operand) { return tensorOf(operand).getRank() == 1; };
  SmallVector<Value> operands;
  if (auto add = dyn_cast_or_null<net::AddOp>(op)) {
    for (Value operand : add->getOperands()) {
      bool own = isa_and_nonnull<net::DequantizeOp>(operand.getDefiningOp()) || operand.hasOneUse();
      operands.push_back(own && !isVector(operand) ? divided(b, operand, scale) : Value());
      if (!operands.back())
        return {};
    }
  } else if (auto relu = dyn_cast_or_null<net::ActivationOp>(op);
             relu && relu.getKind() == net::ActivationKind::Relu) {
    operands.push_back(relu.getInput().hasOneUse() ? divided(b, relu.getInput(), scale) : Value());
    if (!operands.back())
      return {};
  } else if (isa_and_nonnull<net::ScaleShiftOp, net::DequantizeOp>(op) ||
             (isa_and_nonnull<net::MulOp>(op) && isVector(op->getOperand(1)))) {
    operands.push_back(op->getOperand(0));
    for (Value vector : op->getOperands().drop_front())
      operands.push_back(dividedVector(vector, scale));
  } else {
    return {};
  }
  // What is read from memory may be there before the contraction that it is added to.
  OpBuilder early(op);
  Operation *same = (isa<net::DequantizeOp>(op) ? early : b).clone(*op);
  same->setOperands(operands);
  return same->getResult(0);
}

/// `alone`: nothing else will read `value`.
Value Quantizer::quantize(OpBuilder &b, Value value, Value scale, StringRef name, IntegerType type,
                          bool alone) {
  Type result = tensorOf(value).clone(type);
  // Bytes from 0 on saturate there.
  if (auto relu = value.getDefiningOp<net::ActivationOp>();
      relu && relu.getKind() == net::ActivationKind::Relu && type.isUnsigned() && alone &&
      relu.getInput().hasOneUse())
    value = relu.getInput();
  if (Value there = alone ? divided(b, value, scale) : Value())
    return net::QuantizeOp::create(b, value.getLoc(), result, there, Value(), name);
  return net::QuantizeOp::create(b, value.getLoc(), result, value,
                                 scaleVectors(scale, value, /*inverse=*/true), name);
}

/// Readers of `value` get it dequantised.
void Quantizer::record(Value value, Quantized as, OpBuilder &b) {
  auto f32 = net::DequantizeOp::create(b, value.getLoc(), value.getType(), as.integers,
                                       scaleVectors(as.scale, value, /*inverse=*/false));
  Operation *own = as.integers.getDefiningOp();
  value.replaceUsesWithIf(f32, [&](OpOperand &use) { return use.getOwner() != own; });
  quantized[f32.getResult()] = as;
}

void Quantizer::observe(Value value, StringRef name) {
  Value copy = copies.lookup(value);
  OpBuilder b(observed.getContext());
  b.setInsertionPointAfterValue(copy);
  net::ObserveOp::create(b, value.getLoc(), copy, name);
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// Stores `value` as integers with a scale of its own.
void Quantizer::store(Value value) {
  OpBuilder b(infer.getContext());
  b.setInsertionPointAfterValue(value);
  if (!value.getDefiningOp())
    b.restoreInsertionPoint(front.saveInsertionPoint());
  LayerScope layer(b, value.getDefiningOp());
  std::string name = nameOf(value);
  observe(value, name);
  IntegerType type = bytes(b.getContext(), isNonNegative(value));
  Value scale = scaleParameter(value, name, type);
  Quantized as{quantize(b, value, scale, name, type, /*alone=*/true), scale};
  record(value, as, b);
}

/// Each operand is stored with the result's scale.
void Quantizer::quantizeConcat(net::ConcatOp op) {
  OpBuilder b(op);
  LayerScope layer(b, op);
  std::string name = nameOf(op.getResult());
  observe(op.getResult(), name);
  IntegerType type = bytes(b.getContext(), llvm::all_of(op.getInputs(), isNonNegative));
  Value scale = scaleParameter(op.getResult(), name, type);
  SmallVector<Value> parts;
  for (Value input : op.getInputs()) {
    OpBuilder at(op);
    if (input.getDefiningOp())
      at.setInsertionPointAfterValue(input);
    LayerScope own(at, input.getDefiningOp());
    parts.push_back(quantize(at, input, scale, "", type, input.hasOneUse()));
  }
  auto joined = net::ConcatOp::create(b, op.getLoc(), tensorOf(op.getResult()).clone(type), parts,
                                      op.getAxisAttr());
  record(op.getResult(), {joined, scale}, b);
}

/// The same op on integers.
void Quantizer::passThrough(Operation *op) {
  Quantized from = quantized.lookup(op->getOperand(0));
  OpBuilder b(op);
  IRMapping map;
  map.map(op->getOperand(0), from.integers);
  Operation *same = b.clone(*op, map);
  Type element = tensorOf(from.integers).getElementType();
  same->getResult(0).setType(tensorOf(op->getResult(0)).clone(element));
  LayerScope layer(b, op);
  record(op->getResult(0), {same->getResult(0), from.scale}, b);
}

/// The mean of integers, times their scale.
void Quantizer::averageIntegers(Operation *op) {
  Quantized from = quantized.lookup(op->getOperand(0));
  op->setOperand(0, from.integers);
  OpBuilder b(op->getContext());
  b.setInsertionPointAfter(op);
  LayerScope layer(b, op);
  Value result = op->getResult(0);
  auto mean = net::DequantizeOp::create(b, op->getLoc(), result.getType(), result,
                                        scaleVectors(from.scale, result, /*inverse=*/false));
  result.replaceAllUsesExcept(mean, mean);
  copies.map(mean.getResult(), copies.lookup(result));
  if (wantsIntegers(mean))
    store(mean);
}

/// Sums of products of integers, scaled back by output channel, and the bias.
void Quantizer::quantizeContraction(Operation *op) {
  Quantized from = quantized.lookup(op->getOperand(0));
  auto conv = dyn_cast<net::Conv2dOp>(op);
  auto linear = dyn_cast<net::LinearOp>(op);
  Value filter = conv ? conv.getFilter() : linear.getWeight(), factor;
  Value bias = conv ? conv.getBias() : linear.getBias();
  if (auto scaled = filter.getDefiningOp<net::ScaleFilterOp>())
    filter = scaled.getFilter(), factor = scaled.getScale();
  OpBuilder b(op);
  LayerScope layer(b, op);
  Location loc = op->getLoc();
  auto type = tensorOf(filter);
  Type vector = RankedTensorType::get({type.getDimSize(0)}, b.getF32Type());
  auto weights = net::QuantizeFilterOp::create(
      b, loc, type.clone(b.getI8Type()), vector,
      RankedTensorType::get({type.getDimSize(0)}, b.getI32Type()), filter, factor);
  Value scale = net::ProductScaleOp::create(b, loc, vector, from.scale, weights.getScales());
  Operation *sums = b.clone(*op);
  sums->setOperands({from.integers, weights.getQuantized()});
  Value product = sums->getResult(0), result;
  if (bias)
    result = net::ScaleShiftOp::create(b, loc, product.getType(), product, scale, bias);
  else
    result = net::MulOp::create(b, loc, product.getType(), product, scale);
  copies.map(result, copies.lookup(op->getResult(0)));
  op->getResult(0).replaceAllUsesWith(result);
  op->erase();
  ++numContractions;
  if (wantsIntegers(result))
    store(result);
}

void Quantizer::visit(Operation &op) {
  if (op.getNumResults() != 1 || !net::isActivation(op.getResult(0).getType()))
    return;
  Value result = op.getResult(0);
  bool fromIntegers = op.getNumOperands() > 0 && quantized.contains(op.getOperand(0));
  if (fromIntegers && isa<ContractionOpInterface>(op) && multipliesIntegers(&op))
    return quantizeContraction(&op);
  if (fromIntegers && averages(&op))
    return averageIntegers(&op);
  if (!wantsIntegers(result))
    return;
  if (fromIntegers && keepsScale(&op))
    return passThrough(&op);
  if (auto concat = dyn_cast<net::ConcatOp>(op))
    return quantizeConcat(concat);
  store(result);
}

void Quantizer::run() {
  Block &body = infer.getBody().front();
  SmallVector<Operation *> ops;
  for (Operation &op : body.without_terminator())
    ops.push_back(&op);
  if (llvm::none_of(ops, [&](Operation *op) { return multipliesIntegers(op); }))
    return observed.erase();
  front.setInsertionPointToStart(&body); // before a parameter, which stays
  for (BlockArgument argument : infer.getArguments())
    if (wantsIntegers(argument))
      store(argument);
  for (Operation *op : ops)
    visit(*op);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct Quantize : netc::impl::QuantizeBase<Quantize> {
  using QuantizeBase::QuantizeBase;
  void runOnOperation() override;

private:
  FailureOr<SmallVector<llvm::GlobPattern>> keptPatterns(func::FuncOp infer);
};
} // namespace

/// The patterns, each of which some layer with weights must fit.
FailureOr<SmallVector<llvm::GlobPattern>> Quantize::keptPatterns(func::FuncOp infer) {
  SmallVector<llvm::GlobPattern> patterns;
  for (const std::string &text : keepF32) {
    llvm::Expected<llvm::GlobPattern> pattern = llvm::GlobPattern::create(text);
    if (!pattern) {
      llvm::consumeError(pattern.takeError());
      return getOperation().emitError()
             << "--keep-f32 '" << text << "' is no pattern, expected a layer's name with * and ?";
    }
    bool fits = false;
    infer.walk([&](ContractionOpInterface op) {
      for (StringAttr layer : layersOf(op))
        fits |= pattern->match(layer.getValue());
    });
    if (!fits)
      return getOperation().emitError()
             << "--keep-f32 '" << text << "' fits no convolution or linear layer of the model";
    patterns.push_back(std::move(*pattern));
  }
  return patterns;
}

void Quantize::runOnOperation() {
  auto infer = net::functionOf(getOperation(), net::Role::Infer);
  if (!infer)
    return;
  FailureOr<SmallVector<llvm::GlobPattern>> patterns = keptPatterns(infer);
  if (failed(patterns))
    return signalPassFailure();
  Quantizer quantizer(infer, *patterns);
  quantizer.run();
  numContractions += quantizer.numContractions;
  numValues += quantizer.numValues;
}
