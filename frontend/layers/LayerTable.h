//===- LayerTable.h - the layers of the language ----------------*- C++ -*-===//
//
// One row per layer: its arguments and the function that checks them and infers
// the shape. Related layers share a file: ConvLayers, NormLayers, PoolLayers,
// PointwiseLayers, ShapeLayers, AxisLayers.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_LAYERS_LAYERTABLE_H
#define NETC_FRONTEND_LAYERS_LAYERTABLE_H

#include "frontend/syntax/Diagnostics.h"
#include "frontend/values/Value.h"

#include <array>
#include <functional>
#include <optional>
#include <string_view>

namespace netc::frontend {

class LayerCall;

/// A parameter of a layer, function or block, as calls see it.
struct ParamSpec {
  std::string name;
  enum class Need { Required, Optional, Switch, Tensor } need = Need::Required;
};

/// A layer before it has a name.
struct Draft {
  LayerAttrs attrs;
  Shape output;
  std::vector<Parameter> parameters; ///< names relative to the layer: "weight"; "": its own
  bool biasByUse = false;            ///< a convolution without `bias=`: none if a bn alone reads it
  bool identity = false;             ///< no layer: the value is its input
  /// The value is a list of layers like this one; each has the name of the call with its index.
  std::vector<Draft> parts;
};

struct LayerKind {
  const char *name;
  std::vector<ParamSpec> params; ///< without the tensor
  /// Returns nothing after reporting an error.
  std::optional<Draft> (*build)(LayerCall &call);
  enum class Inputs { One, Many, None } inputs = Inputs::One; ///< Many: or one list of them
};

const std::vector<LayerKind> &layerTable();
const LayerKind *findLayerKind(std::string_view name);

/// A compile-time function: len, min, normal, …
struct Function {
  const char *name;
  std::vector<ParamSpec> params;
  bool variadic = false;
};
const std::vector<Function> &functionTable();
const Function *findFunction(std::string_view name);

/// Bare words that name a choice: `pad=same`, `round=up`. Their value is a string.
bool isChoiceWord(std::string_view name);

struct BoundArgument {
  Value value;
  Range range;
};

/// The parts of the network under construction that a layer's builder may use.
class LayerContext {
public:
  virtual ~LayerContext() = default;
  virtual const Layer &layer(int index) const = 0;
  virtual Range rangeOfLayer(int index) const = 0;
  /// Reports an error in the block that is being elaborated.
  virtual Diagnostic &error(Range at, std::string message) = 0;
};

/// One call of a layer with its arguments bound, for the builders.
class LayerCall {
public:
  LayerCall(LayerContext &context, const LayerKind &kind, Range range)
      : kind(kind), range(range), context(context) {}

  const LayerKind &kind;
  Range range;                                    ///< of the layer's name
  std::vector<std::optional<BoundArgument>> args; ///< as kind.params
  std::vector<int> inputs;

  const Shape &shape(size_t input = 0) const;
  Diagnostic &error(Range at, std::string message);
  /// Where the argument stands, or the call.
  Range rangeOf(std::string_view name) const;
  bool given(std::string_view name) const { return find(name) != nullptr; }

  // Readers: the argument or its default; nothing after an error was reported.
  std::optional<int64_t> integer(std::string_view name, int64_t byDefault, int64_t least);
  std::optional<double> number(std::string_view name, double byDefault);
  std::optional<bool> flag(std::string_view name, bool byDefault);
  std::optional<std::string> word(std::string_view name, std::string byDefault,
                                  const std::vector<std::string> &choices);
  /// One integer for both directions, or [height, width].
  std::optional<std::array<int64_t, 2>> pair(std::string_view name,
                                             std::array<int64_t, 2> byDefault, int64_t least);
  /// An integer, [height, width] or [top, left, bottom, right].
  std::optional<std::array<int64_t, 4>> padding(std::string_view name);
  bool isWord(std::string_view name, std::string_view word) const;
  /// A list of integers, or one alone; nothing where the argument is not given.
  std::optional<std::vector<int64_t>> list(std::string_view name, const std::string &wanted);
  /// An axis of `shape`, counted from 0 or, below it, from the end.
  std::optional<int64_t> axis(std::string_view name, int64_t byDefault, const Shape &shape);
  /// Fans as PyTorch counts them; `byDefault` where the argument is not given.
  std::optional<Initializer> initializer(std::string_view name, Initializer byDefault, double fanIn,
                                         double fanOut);

  /// Reports that the argument should be something else.
  Diagnostic &wrong(std::string_view name, const std::string &wanted);

  /// An image [C, H, W] as the only input, or an error that says what to do.
  bool wantImage(const std::string &help);
  /// Elements of `shape` within bounds, or an error.
  bool checkSize(const Shape &shape, const std::string &what);

private:
  const BoundArgument *find(std::string_view name) const;
  std::optional<std::vector<int64_t>> integers(std::string_view name, int64_t least,
                                               const std::string &wanted);
  LayerContext &context;
};

std::optional<Draft> buildConv(LayerCall &call);
std::optional<Draft> buildConvTranspose(LayerCall &call);
std::optional<Draft> buildLinear(LayerCall &call);
std::optional<Draft> buildLayerNorm(LayerCall &call);
std::optional<Draft> buildGroupNorm(LayerCall &call);
std::optional<Draft> buildBatchNorm(LayerCall &call);
std::optional<Draft> buildLrn(LayerCall &call);
std::optional<Draft> buildActivation(LayerCall &call, ActivationKind kind);
/// The builder in an activation's row, which names the kind: a row cannot leave it out.
template <ActivationKind Kind> std::optional<Draft> buildActivation(LayerCall &call) {
  return buildActivation(call, Kind);
}
std::optional<Draft> buildBinary(LayerCall &call, BinaryKind kind);
template <BinaryKind Kind> std::optional<Draft> buildBinary(LayerCall &call) {
  return buildBinary(call, Kind);
}
std::optional<Draft> buildGelu(LayerCall &call);
std::optional<Draft> buildPrelu(LayerCall &call);
std::optional<Draft> buildSoftmax(LayerCall &call);
std::optional<Draft> buildDropout(LayerCall &call);
std::optional<Draft> buildStochasticDepth(LayerCall &call);
std::optional<Draft> buildParameter(LayerCall &call);
std::optional<Draft> buildMatmul(LayerCall &call);
std::optional<Draft> buildUpsample(LayerCall &call);
std::optional<Draft> buildReshape(LayerCall &call);
std::optional<Draft> buildExpand(LayerCall &call);
std::optional<Draft> buildPermute(LayerCall &call);
std::optional<Draft> buildSlice(LayerCall &call);
std::optional<Draft> buildSplit(LayerCall &call);
std::optional<Draft> buildRoll(LayerCall &call);
std::optional<Draft> buildMean(LayerCall &call);
std::optional<Draft> buildChannelShuffle(LayerCall &call);
std::optional<Draft> buildIdentity(LayerCall &call);
std::optional<Draft> buildMaxPool(LayerCall &call);
std::optional<Draft> buildAveragePool(LayerCall &call);
std::optional<Draft> buildConcat(LayerCall &call);
std::optional<Draft> buildFlatten(LayerCall &call);
std::optional<Draft> buildPad(LayerCall &call);
std::optional<Draft> buildSubsample(LayerCall &call);
std::optional<Draft> buildPadChannels(LayerCall &call);

/// Resolves `pad=` with its window: explicit, or `same` (output = ceil(input / stride),
/// the odd pixel at the end). `window`: the kernel's extent with dilation.
std::optional<std::array<int64_t, 4>> resolvePadding(LayerCall &call, std::array<int64_t, 2> window,
                                                     std::array<int64_t, 2> stride);

} // namespace netc::frontend

#endif // NETC_FRONTEND_LAYERS_LAYERTABLE_H
