//===- EmitNet.cpp - an elaborated network to the net dialect -------------===//
#include "frontend/emit/EmitNet.h"
#include "frontend/emit/EmitRecipe.h"
#include "frontend/emit/LayerOps.h"
#include "runtime/abi/RecipeTable.h"

#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc;
using namespace netc::frontend;

namespace {
class Emitter {
public:
  Emitter(MLIRContext &context, const Network &network) : network(network), b(&context) {}
  OwningOpRef<ModuleOp> run();

private:
  Location location(const Layer &layer);
  Location location(const SourceLocation &at);
  void emitParameters(const Layer &layer, int64_t index);
  Value parameter(const Layer &layer, size_t index);
  bool hasParameter(const Layer &layer, Parameter::Role role) const;
  Value emitLayer(const Layer &layer);
  Value emit(const Layer &layer, const ConvAttrs &attrs);
  Value emit(const Layer &layer, const ConvTransposeAttrs &attrs);
  Value emit(const Layer &layer, const LinearAttrs &attrs);
  Value emit(const Layer &layer, const LayerNormAttrs &attrs);
  Value emit(const Layer &layer, const GroupNormAttrs &attrs);
  Value emit(const Layer &layer, const BatchNormAttrs &attrs);
  Value emit(const Layer &layer, const ActivationAttrs &attrs);
  Value emit(const Layer &layer, const BinaryAttrs &attrs);
  Value emit(const Layer &layer, const PoolAttrs &attrs);
  Value emit(const Layer &layer, const MeanAttrs &attrs);
  Value emit(const Layer &layer, const ReshapeAttrs &attrs);
  Value emit(const Layer &layer, const MatmulAttrs &attrs);
  Value emitOperator(const Layer &layer, bool isAdd);
  Value emitMove(const Layer &layer, ArrayRef<int64_t> strides, ArrayRef<int64_t> offsets);
  Type resultType(const Layer &layer) const;
  /// Whether an input is a learned value, possibly reshaped: its value has no batch.
  bool isParameter(const Layer &layer, size_t index) const {
    const Layer &from = network.layers[layer.inputs[index]];
    return std::holds_alternative<ParameterAttrs>(from.attrs) ||
           (std::holds_alternative<ReshapeAttrs>(from.attrs) && isParameter(from, 0));
  }
  Value input(const Layer &layer, size_t index = 0);
  LayerOps ops(const Layer &layer) { return {b, location(layer)}; }
  /// Times the layer's first parameter and plus its second, for each channel.
  Value scaleAndShift(const Layer &layer, Value x);
  SmallVector<Value> inputs(const Layer &layer) {
    SmallVector<Value> all;
    for (size_t i = 0; i < layer.inputs.size(); ++i)
      all.push_back(input(layer, i));
    return all;
  }
  int64_t flopsOf(const Layer &layer) const;
  DictionaryAttr describe(const Layer &layer);
  ArrayAttr losses();

  const Network &network;
  OpBuilder b;
  std::vector<Value> values; ///< one per layer
  int64_t dropouts = 0;      ///< numbers them: their masks differ
};
} // namespace

Location Emitter::location(const SourceLocation &at) {
  return FileLineColLoc::get(b.getContext(), at.file, static_cast<unsigned>(at.line),
                             static_cast<unsigned>(at.column));
}

/// The layer's line, called from the block instances that led there.
Location Emitter::location(const Layer &layer) {
  Location loc = location(layer.location);
  for (const Frame &frame : layer.stack)
    loc = CallSiteLoc::get(loc, location(frame.from));
  return loc;
}

static StringRef initializerName(Initializer::Kind kind) {
  switch (kind) {
  case Initializer::Kind::Constant:
    return "constant";
  case Initializer::Kind::Uniform:
    return "uniform";
  case Initializer::Kind::Normal:
    return "normal";
  }
  return "constant";
}

static int64_t productOf(const Shape &shape) {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  return count;
}

void Emitter::emitParameters(const Layer &layer, int64_t index) {
  LayerScope scope(b, b.getStringAttr(layer.name));
  for (const Parameter &p : layer.parameters) {
    bool statistic =
        p.role == Parameter::Role::RunningMean || p.role == Parameter::Role::RunningVar;
    auto unit = [&](bool on) { return on ? b.getUnitAttr() : UnitAttr(); };
    ArrayAttr init = b.getArrayAttr({b.getStringAttr(initializerName(p.init.kind)),
                                     b.getF64FloatAttr(p.init.a), b.getF64FloatAttr(p.init.b)});
    net::ParameterOp::create(b, location(layer), b.getStringAttr(p.name),
                             TypeAttr::get(RankedTensorType::get(p.shape, b.getF32Type())),
                             unit(!statistic), unit(!statistic), init, b.getI64IntegerAttr(index),
                             unit(layer.auxiliary), StringAttr());
  }
}

Value Emitter::parameter(const Layer &layer, size_t index) {
  const Parameter &p = layer.parameters[index];
  return net::GetParameterOp::create(b, location(layer),
                                     RankedTensorType::get(p.shape, b.getF32Type()), p.name);
}

bool Emitter::hasParameter(const Layer &layer, Parameter::Role role) const {
  return llvm::any_of(layer.parameters, [&](const Parameter &p) { return p.role == role; });
}

Type Emitter::resultType(const Layer &layer) const {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, layer.output);
  return RankedTensorType::get(shape, Builder(b).getF32Type());
}

/// An input as an activation: a learned value is repeated for each image.
Value Emitter::input(const Layer &layer, size_t index) {
  Value value = values[layer.inputs[index]];
  return isParameter(layer, index)
             ? ops(layer).repeat(value, network.layers[layer.inputs[index]].output)
             : value;
}

Value Emitter::emit(const Layer &layer, const ConvAttrs &attrs) {
  Value filter = parameter(layer, 0);
  if (attrs.standardized)
    filter = ops(layer).rowNorm(filter, 1e-10);
  Value bias = hasParameter(layer, Parameter::Role::Bias) ? parameter(layer, 1) : Value();
  return net::Conv2dOp::create(b, location(layer), input(layer), filter, bias, attrs.stride,
                               attrs.pad, attrs.dilation, static_cast<uint64_t>(attrs.groups));
}

Value Emitter::emit(const Layer &layer, const ConvTransposeAttrs &attrs) {
  const ConvAttrs &conv = attrs.conv;
  auto array = [&](ArrayRef<int64_t> values) { return b.getDenseI64ArrayAttr(values); };
  Value y = net::Conv2dInputGradOp::create(b, location(layer), resultType(layer), input(layer),
                                           parameter(layer, 0), array(conv.stride), array(conv.pad),
                                           array(conv.dilation), b.getI64IntegerAttr(conv.groups));
  return hasParameter(layer, Parameter::Role::Bias) ? ops(layer).add(y, parameter(layer, 1)) : y;
}

/// Of four sizes: all rows as the tokens of a sequence.
Value Emitter::emit(const Layer &layer, const LinearAttrs &attrs) {
  Value weight = parameter(layer, 0), x = input(layer);
  Value bias = hasParameter(layer, Parameter::Role::Bias) ? parameter(layer, 1) : Value();
  ArrayRef<int64_t> sizes = sizesOf(x);
  if (sizes.size() > 2)
    x = ops(layer).reshape(x, {sizes[0] * sizes[1] * sizes[2], sizes[3]});
  Value y = net::LinearOp::create(b, location(layer), x, weight, bias);
  return ops(layer).reshape(y, layer.output);
}

Value Emitter::scaleAndShift(const Layer &layer, Value x) {
  x = ops(layer).multiply(x, parameter(layer, 0));
  return ops(layer).add(x, parameter(layer, 1));
}
Value Emitter::emit(const Layer &layer, const LayerNormAttrs &attrs) {
  return scaleAndShift(layer, ops(layer).rowNorm(input(layer), attrs.eps));
}
Value Emitter::emit(const Layer &layer, const GroupNormAttrs &attrs) {
  return scaleAndShift(layer, ops(layer).groupNorm(input(layer), attrs.groups, attrs.eps));
}

Value Emitter::emit(const Layer &layer, const MeanAttrs &attrs) {
  Value x = input(layer);
  for (int64_t axis : llvm::reverse(attrs.axes))
    x = ops(layer).mean(x, axis);
  return x;
}

Value Emitter::emit(const Layer &layer, const ReshapeAttrs &) {
  if (!isParameter(layer, 0))
    return ops(layer).reshape(input(layer), layer.output);
  return b.createOrFold<net::ReshapeParameterOp>(
      location(layer), RankedTensorType::get(layer.output, b.getF32Type()),
      values[layer.inputs[0]]);
}

/// All rows by one learned matrix, [outputs, inputs], are a linear layer.
Value Emitter::emit(const Layer &layer, const MatmulAttrs &attrs) {
  bool learned = isParameter(layer, 1) && network.layers[layer.inputs[1]].output.size() == 2;
  Value x = input(layer, 0);
  if (!learned || !attrs.transposeRight)
    return ops(layer).matmul(x, input(layer, 1), attrs.transposeRight, layer.output);
  int64_t width = sizesOf(x).back();
  x = ops(layer).reshape(x, {productOf(layer.output) / layer.output.back(), width});
  Value y = net::LinearOp::create(b, location(layer), x, values[layer.inputs[1]], Value());
  return ops(layer).reshape(y, layer.output);
}

/// A learned value beside an activation is read as a vector: one value per channel, or, of equal
/// shapes, one per element.
Value Emitter::emitOperator(const Layer &layer, bool isAdd) {
  size_t own = isParameter(layer, 0) && !isParameter(layer, 1) ? 1 : 0, other = 1 - own;
  const Shape &shape = network.layers[layer.inputs[other]].output;
  LayerOps build = ops(layer);
  auto combine = [&](Value x, Value y) { return isAdd ? build.add(x, y) : build.multiply(x, y); };
  if (own == 1 && shape != layer.output) // the activation is the one that is repeated
    return combine(input(layer, 0), input(layer, 1));
  if (!isParameter(layer, other))
    return combine(input(layer, own), input(layer, other));
  Value x = input(layer, own), vector = build.vectorOf(values[layer.inputs[other]]);
  int64_t channels = layer.output[channelAxis(layer.output)];
  int64_t elements = cast<RankedTensorType>(vector.getType()).getDimSize(0);
  if (elements == channels)
    return combine(x, vector);
  return build.reshape(combine(build.reshape(x, {elements}), vector), layer.output);
}

Value Emitter::emit(const Layer &layer, const BatchNormAttrs &attrs) {
  SmallVector<Value> p;
  for (size_t i = 0; i < 4; ++i)
    p.push_back(parameter(layer, i));
  auto symbol = [&](size_t i) {
    return FlatSymbolRefAttr::get(b.getContext(), layer.parameters[i].name);
  };
  return net::BatchNormOp::create(b, location(layer), resultType(layer), input(layer), p[0], p[1],
                                  p[2], p[3], b.getF64FloatAttr(attrs.eps),
                                  b.getF64FloatAttr(attrs.momentum), symbol(2), symbol(3),
                                  attrs.frozen ? b.getUnitAttr() : UnitAttr());
}

Value Emitter::emit(const Layer &layer, const ActivationAttrs &attrs) {
  static_assert(static_cast<int>(ActivationKind::HardSigmoid) ==
                    static_cast<int>(net::ActivationKind::HardSigmoid),
                "the front end lists nonlinearities in the dialect's order");
  static_assert(static_cast<int>(ActivationKind::Softplus) ==
                static_cast<int>(net::ActivationKind::Softplus));
  auto kind = static_cast<net::ActivationKind>(attrs.kind);
  return net::ActivationOp::create(b, location(layer), resultType(layer),
                                   net::ActivationKindAttr::get(b.getContext(), kind), input(layer),
                                   b.getF64FloatAttr(attrs.slope));
}

Value Emitter::emit(const Layer &layer, const BinaryAttrs &attrs) {
  static_assert(static_cast<int>(BinaryKind::Mask) == static_cast<int>(net::BinaryKind::Mask));
  auto kind = static_cast<net::BinaryKind>(attrs.kind);
  return net::BinaryOp::create(b, location(layer), resultType(layer),
                               net::BinaryKindAttr::get(b.getContext(), kind), input(layer, 0),
                               input(layer, 1));
}

Value Emitter::emit(const Layer &layer, const PoolAttrs &attrs) {
  UnitAttr roundUp = attrs.roundUp ? b.getUnitAttr() : UnitAttr();
  auto array = [&](ArrayRef<int64_t> values) { return b.getDenseI64ArrayAttr(values); };
  bool isDense = attrs.dilation == std::array<int64_t, 2>{1, 1};
  DenseI64ArrayAttr dilations = isDense ? DenseI64ArrayAttr() : array(attrs.dilation);
  if (attrs.kind == PoolAttrs::Kind::Max)
    return net::MaxPoolOp::create(b, location(layer), resultType(layer), input(layer),
                                  array(attrs.kernel), array(attrs.stride), array(attrs.pad),
                                  roundUp, dilations);
  return net::AvgPoolOp::create(b, location(layer), resultType(layer), input(layer),
                                array(attrs.kernel), array(attrs.stride), array(attrs.pad), roundUp,
                                dilations);
}

Value Emitter::emitMove(const Layer &layer, ArrayRef<int64_t> strides, ArrayRef<int64_t> offsets) {
  SmallVector<int64_t> ones{1, 1};
  return net::MoveOp::create(b, location(layer), resultType(layer), input(layer), strides, ones,
                             offsets, 0);
}

Value Emitter::emitLayer(const Layer &layer) {
  LayerScope scope(b, b.getStringAttr(layer.name));
  Location loc = location(layer);
  Type type = resultType(layer);
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  auto visit = [&](const auto &attrs) -> Value {
    using T = std::decay_t<decltype(attrs)>;
    if constexpr (std::is_same_v<T, InputAttrs>)
      return Value(); // an argument of the function
    else if constexpr (std::is_same_v<T, SoftmaxAttrs>)
      return ops(layer).softmax(input(layer), attrs.axis);
    else if constexpr (std::is_same_v<T, AdaptivePoolAttrs>)
      return net::AdaptiveAvgPoolOp::create(b, loc, type, input(layer));
    else if constexpr (std::is_same_v<T, LrnAttrs>)
      return net::LrnOp::create(b, loc, type, input(layer), b.getI64IntegerAttr(attrs.size),
                                b.getF64FloatAttr(attrs.alpha), b.getF64FloatAttr(attrs.beta),
                                b.getF64FloatAttr(attrs.k));
    else if constexpr (std::is_same_v<T, DropoutAttrs>)
      return net::DropoutOp::create(b, loc, type, input(layer), b.getF64FloatAttr(attrs.p),
                                    b.getI64IntegerAttr(dropouts++),
                                    attrs.wholeImage ? b.getUnitAttr() : UnitAttr());
    else if constexpr (std::is_same_v<T, ConcatAttrs>)
      return ops(layer).concat(inputs(layer), attrs.axis);
    else if constexpr (std::is_same_v<T, AddAttrs>)
      return emitOperator(layer, true);
    else if constexpr (std::is_same_v<T, MulAttrs>)
      return emitOperator(layer, false);
    else if constexpr (std::is_same_v<T, ParameterAttrs>)
      return parameter(layer, 0);
    else if constexpr (std::is_same_v<T, PreluAttrs>)
      return ops(layer).prelu(input(layer), parameter(layer, 0));
    else if constexpr (std::is_same_v<T, ExpandAttrs>)
      return ops(layer).expand(input(layer), layer.output);
    else if constexpr (std::is_same_v<T, PermuteAttrs>)
      return ops(layer).permute(input(layer), attrs.order);
    else if constexpr (std::is_same_v<T, SliceAttrs>)
      return ops(layer).slice(input(layer), attrs.axis, attrs.begin,
                              layer.output[static_cast<size_t>(attrs.axis)]);
    else if constexpr (std::is_same_v<T, RollAttrs>)
      return ops(layer).roll(input(layer), attrs.shift);
    else if constexpr (std::is_same_v<T, UpsampleAttrs>)
      return net::ResampleOp::create(b, loc, type, input(layer),
                                     attrs.bilinear ? b.getUnitAttr() : UnitAttr());
    else if constexpr (std::is_same_v<T, ChannelShuffleAttrs>)
      return net::ShuffleChannelsOp::create(b, loc, type, input(layer),
                                            b.getI64IntegerAttr(attrs.groups));
    else if constexpr (std::is_same_v<T, AffineAttrs>)
      return net::AffineOp::create(b, loc, type, input(layer), b.getF64FloatAttr(attrs.scale),
                                   b.getF64FloatAttr(attrs.shift));
    else if constexpr (std::is_same_v<T, FlattenAttrs>)
      return b.createOrFold<net::FlattenOp>(loc, input(layer));
    else if constexpr (std::is_same_v<T, PadAttrs>)
      return emitMove(layer, ones, {-attrs.pad[0], -attrs.pad[1]});
    else if constexpr (std::is_same_v<T, SubsampleAttrs>)
      return emitMove(layer, attrs.stride, zeros);
    else if constexpr (std::is_same_v<T, PadChannelsAttrs>)
      return emitMove(layer, ones, zeros);
    else
      return emit(layer, attrs);
  };
  return std::visit(visit, layer.attrs);
}

/// Multiply-adds of convolutions, linear layers and products of matrices, times 2, for one image.
int64_t Emitter::flopsOf(const Layer &layer) const {
  if (layer.inputs.empty())
    return 0;
  const Shape &in = network.layers[layer.inputs[0]].output;
  if (std::holds_alternative<MatmulAttrs>(layer.attrs))
    return 2 * productOf(layer.output) * in.back();
  bool transposed = std::holds_alternative<ConvTransposeAttrs>(layer.attrs);
  bool counts = transposed || std::holds_alternative<ConvAttrs>(layer.attrs) ||
                std::holds_alternative<LinearAttrs>(layer.attrs);
  if (!counts)
    return 0;
  const Shape &pixels = transposed ? in : layer.output; // or tokens, that the weights meet
  return 2 * productOf(layer.parameters.front().shape) * productOf(pixels) /
         pixels[channelAxis(pixels)];
}

DictionaryAttr Emitter::describe(const Layer &layer) {
  SmallVector<NamedAttribute> attrs{
      b.getNamedAttr("name", b.getStringAttr(layer.name)),
      b.getNamedAttr("kind", b.getStringAttr(layer.kind)),
      b.getNamedAttr("output", b.getDenseI64ArrayAttr(layer.output)),
      b.getNamedAttr("flops", b.getI64IntegerAttr(flopsOf(layer))),
      b.getNamedAttr("file", b.getStringAttr(layer.location.file)),
      b.getNamedAttr("line", b.getI64IntegerAttr(layer.location.line))};
  if (layer.auxiliary)
    attrs.push_back(b.getNamedAttr("auxiliary", b.getUnitAttr()));
  if (const auto *norm = std::get_if<BatchNormAttrs>(&layer.attrs); norm && norm->frozen)
    attrs.push_back(b.getNamedAttr("frozen", b.getUnitAttr()));
  return b.getDictionaryAttr(attrs);
}

/// What the kernels of a loss must know. Of maps the label 255, which is no class, is ignored
/// unless the recipe says otherwise, as in the files of common data sets.
static DictionaryAttr optionsOf(Builder &b, const RecipeCall &loss, const Shape &scores) {
  SmallVector<NamedAttribute> options;
  auto number = [&](StringRef name) {
    const RecipeValue *value = recipe::find(loss.named, name.str());
    return value ? recipe::numberOf(*value) : std::nullopt;
  };
  auto add = [&](StringRef name, Attribute value) {
    options.push_back(b.getNamedAttr(name, value));
  };
  if (loss.name == "cross_entropy" || loss.name == "dice") {
    bool isMap = scores.size() == 3 && scores[1] * scores[2] > 1;
    std::optional<double> ignored = number("ignore");
    if (!ignored && isMap && scores[0] <= recipe::ignoredLabel)
      ignored = static_cast<double>(recipe::ignoredLabel);
    if (ignored)
      add("ignore", b.getI64IntegerAttr(static_cast<int64_t>(*ignored)));
  }
  for (StringRef name : {"threshold", "smooth"})
    if (std::optional<double> value = number(name))
      add(name, b.getF64FloatAttr(*value));
  return options.empty() ? DictionaryAttr() : b.getDictionaryAttr(options);
}

/// The recipe's losses on the outputs.
ArrayAttr Emitter::losses() {
  SmallVector<Attribute> terms;
  for (const LossTerm &term : network.recipe.losses)
    for (auto [index, output] : llvm::enumerate(network.outputs))
      if (output.name == term.output)
        terms.push_back(
            net::LossAttr::get(b.getContext(), *net::symbolizeLossKind(term.call.name),
                               static_cast<int64_t>(index), b.getF64FloatAttr(term.weight),
                               optionsOf(b, term.call, network.layers[output.layer].output)));
  return b.getArrayAttr(terms);
}

OwningOpRef<ModuleOp> Emitter::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(b, location(network.layers.front()));
  b.setInsertionPointToEnd(module->getBody());
  SmallVector<Attribute> layers;
  for (auto [index, layer] : llvm::enumerate(network.layers)) {
    emitParameters(layer, static_cast<int64_t>(index));
    layers.push_back(describe(layer));
  }
  SmallVector<Value> results;
  SmallVector<Type> inputTypes;
  size_t inputs = network.inputCount();
  for (size_t i = 0; i < inputs; ++i)
    inputTypes.push_back(resultType(network.layers[i]));
  auto forward =
      func::FuncOp::create(b, module->getLoc(), "forward", b.getFunctionType(inputTypes, {}));
  net::setRole(forward, net::Role::Forward);
  b.setInsertionPointToStart(forward.addEntryBlock());
  llvm::append_range(values, forward.getArguments());
  for (size_t i = inputs; i < network.layers.size(); ++i)
    values.push_back(emitLayer(network.layers[i]));
  for (const Output &output : network.outputs)
    results.push_back(values[output.layer]);
  SmallVector<double> weights;
  for (const AuxiliaryHead &head : network.auxiliaries) {
    results.push_back(values[head.value]);
    weights.push_back(head.weight);
  }
  func::ReturnOp::create(b, forward.getLoc(), results);
  forward.setType(b.getFunctionType(inputTypes, ValueRange(results).getTypes()));
  for (size_t i = 0; i < inputs; ++i)
    forward.setArgAttr(i, "net.name", b.getStringAttr(network.layers[i].name));
  for (size_t i = 0; i < network.outputs.size(); ++i)
    forward.setResultAttr(i, "net.name", b.getStringAttr(network.outputs[i].name));
  forward->setAttr("net.auxiliary_weights", b.getDenseF64ArrayAttr(weights));
  forward->setAttr("net.label_smoothing", b.getF64FloatAttr(labelSmoothing(network.recipe)));
  ModuleOp op = *module;
  op->setAttr("net.model", b.getStringAttr(network.name));
  op->setAttr("net.file", b.getStringAttr(network.file));
  op->setAttr("net.losses", losses());
  op->setAttr("net.layers", b.getArrayAttr(layers));
  op->setAttr("net.recipe", b.getStringAttr(recipeJson(network.recipe)));
  op->setAttr("net.optimizer", b.getStringAttr(network.recipe.optimizer.name));
  if (usesNesterov(network.recipe))
    op->setAttr("net.nesterov", b.getUnitAttr());
  if (network.recipe.average > 0)
    op->setAttr("net.average", b.getUnitAttr());
  if (mixesImages(network.recipe))
    forward->setAttr("net.soft_targets", b.getUnitAttr());
  return module;
}

OwningOpRef<ModuleOp> netc::frontend::emitNet(MLIRContext &context, const Network &network) {
  context.loadDialect<net::NetDialect, func::FuncDialect>();
  return Emitter(context, network).run();
}
