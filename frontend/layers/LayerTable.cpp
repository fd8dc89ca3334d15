//===- LayerTable.cpp - the layers and functions of the language ----------===//
#include "frontend/layers/LayerTable.h"

#include <algorithm>

namespace netc::frontend {

static ParamSpec required(const char *name) { return {name, ParamSpec::Need::Required}; }
static ParamSpec optional(const char *name) { return {name, ParamSpec::Need::Optional}; }
static ParamSpec toggle(const char *name) { return {name, ParamSpec::Need::Switch}; }

const std::vector<LayerKind> &layerTable() {
  static const std::vector<LayerKind> table{
      {"conv",
       {required("c"), required("k"), optional("stride"), optional("pad"), optional("dilation"),
        optional("groups"), toggle("bias"), optional("init"), optional("bias_init"),
        toggle("standardized")},
       buildConv},
      {"conv_transpose",
       {required("c"), required("k"), optional("stride"), optional("pad"), optional("out_pad"),
        optional("groups"), toggle("bias"), optional("init"), optional("bias_init")},
       buildConvTranspose},
      {"linear",
       {required("c"), toggle("bias"), optional("init"), optional("bias_init")},
       buildLinear},
      {"bn",
       {optional("eps"), optional("momentum"), toggle("frozen"), optional("init"),
        optional("bias_init")},
       buildBatchNorm},
      {"layer_norm", {optional("eps"), optional("init"), optional("bias_init")}, buildLayerNorm},
      {"group_norm",
       {required("groups"), optional("eps"), optional("init"), optional("bias_init")},
       buildGroupNorm},
      {"relu", {}, buildActivation<ActivationKind::Relu>},
      {"relu6", {}, buildActivation<ActivationKind::Relu6>},
      {"leaky_relu", {optional("slope")}, buildActivation<ActivationKind::LeakyRelu>},
      {"tanh", {}, buildActivation<ActivationKind::Tanh>},
      {"sigmoid", {}, buildActivation<ActivationKind::Sigmoid>},
      {"silu", {}, buildActivation<ActivationKind::Silu>},
      {"hardswish", {}, buildActivation<ActivationKind::HardSwish>},
      {"gelu", {toggle("tanh")}, buildGelu},
      {"elu", {optional("alpha")}, buildActivation<ActivationKind::Elu>},
      {"mish", {}, buildActivation<ActivationKind::Mish>},
      {"hardsigmoid", {}, buildActivation<ActivationKind::HardSigmoid>},
      {"abs", {}, buildActivation<ActivationKind::Abs>},
      {"exp", {}, buildActivation<ActivationKind::Exp>},
      {"log", {}, buildActivation<ActivationKind::Log>},
      {"sqrt", {}, buildActivation<ActivationKind::Sqrt>},
      {"reciprocal", {}, buildActivation<ActivationKind::Reciprocal>},
      {"sin", {}, buildActivation<ActivationKind::Sin>},
      {"cos", {}, buildActivation<ActivationKind::Cos>},
      {"atan", {}, buildActivation<ActivationKind::Atan>},
      {"erf", {}, buildActivation<ActivationKind::Erf>},
      {"floor", {}, buildActivation<ActivationKind::Floor>},
      {"ceil", {}, buildActivation<ActivationKind::Ceil>},
      {"round", {}, buildActivation<ActivationKind::Round>},
      {"sign", {}, buildActivation<ActivationKind::Sign>},
      {"softplus", {}, buildActivation<ActivationKind::Softplus>},
      {"divide", {}, buildBinary<BinaryKind::Divide>, LayerKind::Inputs::Many},
      {"power", {}, buildBinary<BinaryKind::Power>, LayerKind::Inputs::Many},
      {"maximum", {}, buildBinary<BinaryKind::Maximum>, LayerKind::Inputs::Many},
      {"minimum", {}, buildBinary<BinaryKind::Minimum>, LayerKind::Inputs::Many},
      {"less", {}, buildBinary<BinaryKind::Less>, LayerKind::Inputs::Many},
      {"equal", {}, buildBinary<BinaryKind::Equal>, LayerKind::Inputs::Many},
      {"mask", {}, buildBinary<BinaryKind::Mask>, LayerKind::Inputs::Many},
      {"prelu", {optional("init")}, buildPrelu},
      {"softmax", {optional("axis")}, buildSoftmax},
      {"maxpool",
       {optional("k"), optional("stride"), optional("pad"), optional("dilation"), optional("round"),
        toggle("global")},
       buildMaxPool},
      {"avgpool",
       {optional("k"), optional("stride"), optional("pad"), optional("dilation"), optional("round"),
        toggle("global"), optional("out")},
       buildAveragePool},
      {"lrn", {optional("size"), optional("alpha"), optional("beta"), optional("k")}, buildLrn},
      {"dropout", {optional("p")}, buildDropout},
      {"stochastic_depth", {required("p")}, buildStochasticDepth},
      {"concat", {optional("axis")}, buildConcat, LayerKind::Inputs::Many},
      {"matmul", {toggle("transpose_b")}, buildMatmul, LayerKind::Inputs::Many},
      {"parameter", {required("shape"), optional("init")}, buildParameter, LayerKind::Inputs::None},
      {"reshape", {required("shape")}, buildReshape},
      {"expand", {required("shape")}, buildExpand},
      {"permute", {required("order")}, buildPermute},
      {"slice", {required("axis"), required("begin"), required("end")}, buildSlice},
      {"split", {required("n"), required("axis")}, buildSplit},
      {"roll", {required("shift")}, buildRoll},
      {"mean", {required("axis")}, buildMean},
      {"channel_shuffle", {required("groups")}, buildChannelShuffle},
      {"upsample",
       {optional("scale"), toggle("nearest"), toggle("bilinear"), optional("out")},
       buildUpsample},
      {"flatten", {}, buildFlatten},
      {"pad", {required("pad")}, buildPad},
      {"identity", {}, buildIdentity},
      {"subsample", {required("stride")}, buildSubsample},
      {"pad_channels", {required("c")}, buildPadChannels},
  };
  return table;
}

const LayerKind *findLayerKind(std::string_view name) {
  for (const LayerKind &kind : layerTable())
    if (kind.name == name)
      return &kind;
  return nullptr;
}

const std::vector<Function> &functionTable() {
  static const std::vector<Function> table{
      {"min", {required("values")}, /*variadic=*/true},
      {"max", {required("values")}, /*variadic=*/true},
      {"len", {required("list")}},
      {"enumerate", {required("list")}},
      {"range", {required("bounds")}, /*variadic=*/true},
      {"normal", {required("mean"), required("std")}},
      {"uniform", {required("low"), required("high")}},
      {"constant", {required("value")}},
      {"aux", {required("x"), optional("weight")}},
  };
  return table;
}

const Function *findFunction(std::string_view name) {
  for (const Function &function : functionTable())
    if (function.name == name)
      return &function;
  return nullptr;
}

bool isChoiceWord(std::string_view name) {
  static constexpr std::string_view words[] = {
      "same", "up", "down", "auto", "he_normal", "he_uniform", "xavier_normal", "xavier_uniform"};
  return std::find(std::begin(words), std::end(words), name) != std::end(words);
}

std::string_view nameOf(const LayerKind &kind) { return kind.name; }
std::string_view nameOf(const Function &function) { return function.name; }

} // namespace netc::frontend
