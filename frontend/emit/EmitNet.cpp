//===- EmitNet.cpp - an elaborated network to the net dialect -------------===//
#include "frontend/emit/EmitNet.h"
#include "frontend/emit/EmitRecipe.h"

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
  Value emit(const Layer &layer, const LinearAttrs &attrs);
  Value emit(const Layer &layer, const BatchNormAttrs &attrs);
  Value emit(const Layer &layer, const ActivationAttrs &attrs);
  Value emit(const Layer &layer, const PoolAttrs &attrs);
  Value emitMove(const Layer &layer, ArrayRef<int64_t> strides, ArrayRef<int64_t> offsets);
  Type resultType(const Layer &layer) const;
  Value input(const Layer &layer, size_t index = 0) const { return values[layer.inputs[index]]; }
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

Value Emitter::emit(const Layer &layer, const ConvAttrs &attrs) {
  Value filter = parameter(layer, 0);
  Value bias = hasParameter(layer, Parameter::Role::Bias) ? parameter(layer, 1) : Value();
  return net::Conv2dOp::create(b, location(layer), input(layer), filter, bias, attrs.stride,
                               attrs.pad, attrs.dilation, static_cast<uint64_t>(attrs.groups));
}

Value Emitter::emit(const Layer &layer, const LinearAttrs &) {
  Value weight = parameter(layer, 0);
  Value bias = hasParameter(layer, Parameter::Role::Bias) ? parameter(layer, 1) : Value();
  return net::LinearOp::create(b, location(layer), input(layer), weight, bias);
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
  static_assert(static_cast<int>(ActivationKind::HardSwish) ==
                    static_cast<int>(net::ActivationKind::HardSwish),
                "the front end lists nonlinearities in the dialect's order");
  auto kind = static_cast<net::ActivationKind>(attrs.kind);
  return net::ActivationOp::create(b, location(layer), resultType(layer),
                                   net::ActivationKindAttr::get(b.getContext(), kind), input(layer),
                                   b.getF64FloatAttr(attrs.slope));
}

Value Emitter::emit(const Layer &layer, const PoolAttrs &attrs) {
  UnitAttr roundUp = attrs.roundUp ? b.getUnitAttr() : UnitAttr();
  auto array = [&](ArrayRef<int64_t> values) { return b.getDenseI64ArrayAttr(values); };
  if (attrs.kind == PoolAttrs::Kind::Max)
    return net::MaxPoolOp::create(b, location(layer), resultType(layer), input(layer),
                                  array(attrs.kernel), array(attrs.stride), array(attrs.pad),
                                  roundUp);
  return net::AvgPoolOp::create(b, location(layer), resultType(layer), input(layer),
                                array(attrs.kernel), array(attrs.stride), array(attrs.pad),
                                roundUp);
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
      return net::SoftmaxOp::create(b, loc, type, input(layer));
    else if constexpr (std::is_same_v<T, AdaptivePoolAttrs>)
      return net::AdaptiveAvgPoolOp::create(b, loc, type, input(layer));
    else if constexpr (std::is_same_v<T, LrnAttrs>)
      return net::LrnOp::create(b, loc, type, input(layer), b.getI64IntegerAttr(attrs.size),
                                b.getF64FloatAttr(attrs.alpha), b.getF64FloatAttr(attrs.beta),
                                b.getF64FloatAttr(attrs.k));
    else if constexpr (std::is_same_v<T, DropoutAttrs>)
      return net::DropoutOp::create(b, loc, type, input(layer), b.getF64FloatAttr(attrs.p),
                                    b.getI64IntegerAttr(dropouts++));
    else if constexpr (std::is_same_v<T, ConcatAttrs>)
      return net::ConcatOp::create(
          b, loc, type, llvm::map_to_vector(layer.inputs, [&](int i) { return values[i]; }));
    else if constexpr (std::is_same_v<T, AddAttrs>)
      return net::AddOp::create(b, loc, type, input(layer, 0), input(layer, 1));
    else if constexpr (std::is_same_v<T, MulAttrs>)
      return net::MulOp::create(b, loc, type, input(layer, 0), input(layer, 1));
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

/// Multiply-adds of convolutions and linear layers, times 2, for one image.
static int64_t flopsOf(const Layer &layer) {
  bool counts = std::holds_alternative<ConvAttrs>(layer.attrs) ||
                std::holds_alternative<LinearAttrs>(layer.attrs);
  if (!counts)
    return 0;
  int64_t flops = 2;
  for (int64_t dim : layer.parameters.front().shape)
    flops *= dim;
  for (size_t axis = 0; axis < layer.output.size(); ++axis)
    if (axis != channelAxis(layer.output)) // of each pixel or token
      flops *= layer.output[axis];
  return flops;
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

/// The recipe's losses on the outputs.
ArrayAttr Emitter::losses() {
  SmallVector<Attribute> terms;
  for (const LossTerm &term : network.recipe.losses)
    for (auto [index, output] : llvm::enumerate(network.outputs))
      if (output.name == term.output)
        terms.push_back(net::LossAttr::get(b.getContext(), *net::symbolizeLossKind(term.call.name),
                                           static_cast<int64_t>(index),
                                           b.getF64FloatAttr(term.weight)));
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
