//===- Network.h - an elaborated model, before it becomes IR ----*- C++ -*-===//
//
// What elaboration yields: every block inlined, every compile-time value known,
// every layer named and every shape inferred. Plain structs without MLIR;
// EmitNet turns them into the net dialect.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_NETWORK_NETWORK_H
#define NETC_FRONTEND_NETWORK_NETWORK_H

#include "frontend/syntax/Source.h"
#include "runtime/abi/RecipeValue.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace netc::frontend {

/// A shape without the batch, of one to four sizes: [C, H, W] for images, [F] for vectors,
/// [T, F] for sequences of T tokens.
using Shape = std::vector<int64_t>;

/// Which axis holds the channels or features: the first of an image, else the last.
inline size_t channelAxis(const Shape &shape) { return shape.size() == 3 ? 0 : shape.size() - 1; }

/// How a parameter starts. Uniform: [a, b); normal: mean a, standard deviation b; constant: a.
struct Initializer {
  enum class Kind { Constant, Uniform, Normal };
  Kind kind = Kind::Constant;
  double a = 0, b = 0;
};

/// A parameter or running statistic under its user-visible name.
struct Parameter {
  enum class Role { Weight, Bias, Scale, Shift, RunningMean, RunningVar };
  std::string name; ///< "layer1.0.conv1.weight"
  Role role = Role::Weight;
  Shape shape; ///< conv weight [O, I/groups, KH, KW]; linear weight [O, I]
  Initializer init;
};

// Attributes by kind of layer, all defaults resolved.
struct InputAttrs {};
/// pad: top, left, bottom, right (pad=same is resolved by then).
struct ConvAttrs {
  int64_t channels = 0;
  std::array<int64_t, 2> kernel{}, stride{1, 1}, dilation{1, 1};
  std::array<int64_t, 4> pad{};
  int64_t groups = 1;
  bool bias = true;
  bool standardized = false; ///< each filter's weights have mean 0 and variance 1
};
/// PyTorch's ConvTranspose2d; weight [in, c / groups, KH, KW].
struct ConvTransposeAttrs {
  ConvAttrs conv; ///< whose gradient by the input this is, with `channels` those of the output
};
struct LinearAttrs {
  int64_t features = 0;
  bool bias = true;
};
struct BatchNormAttrs {
  double eps = 1e-5, momentum = 0.1;
  bool frozen = false; ///< normalises with its running statistics in training too
};
struct LayerNormAttrs {
  double eps = 1e-5;
};
struct GroupNormAttrs {
  int64_t groups = 1;
  double eps = 1e-5;
};
enum class ActivationKind {
  Relu,
  Relu6,
  LeakyRelu,
  Tanh,
  Sigmoid,
  Silu,
  HardSwish,
  Gelu,
  GeluTanh,
  Elu,
  Mish,
  HardSigmoid,
  // The dialect has two more here, which are parts of layers.
  Abs = 14,
  Exp,
  Log,
  Sqrt,
  Reciprocal,
  Sin,
  Cos,
  Atan,
  Erf,
  Floor,
  Ceil,
  Round,
  Sign,
  Softplus
};
struct ActivationAttrs {
  ActivationKind kind = ActivationKind::Relu;
  double slope = 0.01; ///< LeakyRelu; Elu's alpha
};
struct PreluAttrs {}; ///< a slope per channel, learned
struct SoftmaxAttrs {
  int64_t axis = 0; ///< counts from 0 after the batch, as all axes here
};
/// Sliding-window pooling. `global` is resolved to a window of the input's size.
/// Average pooling counts padding, as PyTorch's default does. With `roundUp` the
/// last window starts inside the input or its leading padding (Caffe, PyTorch's ceil_mode).
struct PoolAttrs {
  enum class Kind { Max, Average };
  Kind kind = Kind::Max;
  std::array<int64_t, 2> kernel{}, stride{}, dilation{1, 1};
  std::array<int64_t, 4> pad{};
  bool roundUp = false;
  bool global = false; ///< as written
};
/// PyTorch's adaptive average pooling to out[0] x out[1].
struct AdaptivePoolAttrs {
  std::array<int64_t, 2> out{};
};
/// y = x / (k + alpha * sum of squares over `size` channels)^beta, alpha as AlexNet's paper has it.
struct LrnAttrs {
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, k = 2.0;
};
struct DropoutAttrs {
  double p = 0.5;
  bool wholeImage = false; ///< stochastic depth: all values of an image or none
};
struct ConcatAttrs {
  int64_t axis = 0;
};
/// A learned value, the same for all images. Its parameter has the layer's own name.
struct ParameterAttrs {};
struct UpsampleAttrs {
  bool bilinear = false;
};
struct ReshapeAttrs {};
struct PermuteAttrs {
  std::vector<int64_t> order;
};
/// Indices begin, begin + 1, … of an axis, as many as the output has.
struct SliceAttrs {
  int64_t axis = 0, begin = 0;
};
struct RollAttrs {
  std::vector<int64_t> shift; ///< one per axis, from 0 to below its size
};
struct MeanAttrs {
  std::vector<int64_t> axes; ///< rising
};
/// Of two tensors of one rank with equal sizes in front of the matrices.
struct MatmulAttrs {
  bool transposeRight = false;
};
struct ChannelShuffleAttrs {
  int64_t groups = 1;
};
/// Of two tensors: equal shapes, or the second has a value per channel ([c], [c, 1, 1], or
/// [features] for a sequence) that holds for every pixel or token.
struct AddAttrs {};
struct MulAttrs {};
/// A function of two tensors of equal shapes at each element, in the dialect's order.
enum class BinaryKind { Divide, Power, Maximum, Minimum, Less, Equal, Mask };
struct BinaryAttrs {
  BinaryKind kind = BinaryKind::Divide;
};
/// Sizes of one are repeated to the output's.
struct ExpandAttrs {};
/// Of a tensor and a number: scale * x, or x + shift.
struct AffineAttrs {
  double scale = 1, shift = 0;
};
struct FlattenAttrs {};
struct PadAttrs {
  std::array<int64_t, 4> pad{}; ///< zeros: top, left, bottom, right
};
struct SubsampleAttrs {
  std::array<int64_t, 2> stride{}; ///< keeps every stride-th pixel, the first included
};
struct PadChannelsAttrs {
  int64_t channels = 0; ///< in all; the new zero channels come last
};

using LayerAttrs =
    std::variant<InputAttrs, ConvAttrs, LinearAttrs, BatchNormAttrs, ActivationAttrs, SoftmaxAttrs,
                 PoolAttrs, AdaptivePoolAttrs, LrnAttrs, DropoutAttrs, ConcatAttrs, AddAttrs,
                 MulAttrs, AffineAttrs, FlattenAttrs, PadAttrs, SubsampleAttrs, PadChannelsAttrs,
                 ConvTransposeAttrs, LayerNormAttrs, GroupNormAttrs, PreluAttrs, ParameterAttrs,
                 UpsampleAttrs, ReshapeAttrs, PermuteAttrs, SliceAttrs, RollAttrs, MeanAttrs,
                 MatmulAttrs, ChannelShuffleAttrs, BinaryAttrs, ExpandAttrs>;

/// One layer; its value is used by later layers through its index. `identity`
/// layers don't appear: they are their input.
struct Layer {
  std::string kind; ///< as written: "conv", "bn", "add", "maxpool", "input", …
  std::string name; ///< full dotted name: "layer1.0.conv1"
  LayerAttrs attrs;
  std::vector<int> inputs; ///< indices into Network::layers, all smaller than its own
  Shape output;
  std::vector<Parameter>
      parameters; ///< in PyTorch's order: weight, bias, running_mean, running_var
  SourceLocation location;
  std::vector<Frame> stack; ///< innermost block first
  bool auxiliary = false;   ///< reached only through an auxiliary head: gone in inference
};

/// `aux(x, weight=0.3)`: a further loss on layer `value`, in training only.
struct AuxiliaryHead {
  int value = 0;
  double weight = 0;
  SourceLocation location;
};

/// A tensor that the model returns.
struct Output {
  std::string name;
  int layer = 0;
};

// Values inside a recipe are kept for the runtime, which interprets recipes.
using RecipeValue = recipe::Value;
using RecipeList = recipe::List;
using Iterations = recipe::Iterations;
/// `random_crop(32, pad=4)`
struct RecipeCall {
  std::string name;
  std::vector<RecipeValue> args;
  recipe::Arguments named;
  SourceLocation location;
};
/// `0.1 * l1` as a term of the loss on one output.
struct LossTerm {
  std::string output; ///< empty: the output named `output`, or the first
  RecipeCall call;
  double weight = 1;
};
/// A `train` clause as it applies to one model.
struct Recipe {
  bool written = false; ///< false: the documented defaults
  std::vector<RecipeCall> augment, eval, schedule;
  std::vector<RecipeCall> normalize; ///< none or one
  std::vector<LossTerm> losses;      ///< at least one
  RecipeCall optimizer;
  double clipNorm = 0;    ///< 0: gradients are not clipped
  double average = 0;     ///< decay of the weights' moving average; 0: none is kept
  int64_t accumulate = 1; ///< batches whose gradients make one update
  int64_t shards = 1;     ///< equal runs of images that each batch is cut into
  int64_t batch = 128, epochs = 10;
};

struct Network {
  std::string name; ///< the model's name
  std::string file;
  std::vector<Layer> layers; ///< topologically ordered; the inputs come first
  std::vector<Output> outputs;
  std::vector<AuxiliaryHead> auxiliaries;
  Recipe recipe;

  /// How many of the layers are inputs.
  size_t inputCount() const {
    size_t count = 0;
    while (count < layers.size() && std::holds_alternative<InputAttrs>(layers[count].attrs))
      ++count;
    return count;
  }
  /// The output that a recipe means without naming one: `output`, or the first.
  size_t mainOutput() const {
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].name == "output")
        return i;
    return 0;
  }
};

} // namespace netc::frontend

#endif // NETC_FRONTEND_NETWORK_NETWORK_H
