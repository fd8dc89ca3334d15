//===- ConvLayers.cpp - convolutions and linear layers --------------------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

#include <cmath>

namespace netc::frontend {

static Initializer uniformInit(double bound) { return {Initializer::Kind::Uniform, -bound, bound}; }

std::optional<std::array<int64_t, 4>> resolvePadding(LayerCall &call, std::array<int64_t, 2> window,
                                                     std::array<int64_t, 2> stride) {
  if (!call.isWord("pad", "same"))
    return call.padding("pad");
  std::array<int64_t, 4> pad{};
  for (int d = 0; d < 2; ++d) {
    int64_t size = call.shape()[1 + d];
    int64_t out = (size + stride[d] - 1) / stride[d];
    int64_t all = std::max<int64_t>(0, (out - 1) * stride[d] + window[d] - size);
    pad[d] = all / 2;
    pad[2 + d] = all - all / 2;
  }
  return pad;
}

/// Output height or width of a convolution, or nothing where the kernel is too large.
static std::optional<int64_t> slide(int64_t padded, int64_t window, int64_t stride) {
  if (window > padded)
    return std::nullopt;
  return (padded - window) / stride + 1;
}

static bool checkGroups(LayerCall &call, const ConvAttrs &attrs) {
  int64_t in = call.shape()[0];
  for (auto [channels, side] : {std::pair{in, "input"}, std::pair{attrs.channels, "output"}}) {
    if (channels % attrs.groups == 0)
      continue;
    call.error(call.rangeOf("groups"),
               fmt::format("{} channels of the {} are not divisible by groups={}", channels, side,
                           attrs.groups))
        .suggest("groups must divide the channels of the input and of the output");
    return false;
  }
  return true;
}

static std::optional<ConvAttrs> readConv(LayerCall &call) {
  ConvAttrs attrs;
  auto channels = call.integer("c", 0, 1);
  auto kernel = call.pair("k", {1, 1}, 1);
  auto stride = call.pair("stride", {1, 1}, 1);
  auto dilation = call.pair("dilation", {1, 1}, 1);
  auto groups = call.integer("groups", 1, 1);
  auto bias = call.flag("bias", true);
  auto standardized = call.flag("standardized", false);
  if (!channels || !kernel || !stride || !dilation || !groups || !bias || !standardized)
    return std::nullopt;
  attrs.channels = *channels;
  attrs.kernel = *kernel;
  attrs.stride = *stride;
  attrs.dilation = *dilation;
  attrs.groups = *groups;
  attrs.bias = *bias;
  attrs.standardized = *standardized;
  return attrs;
}

std::optional<Draft> buildConv(LayerCall &call) {
  if (!call.wantImage("convolutions stand before flatten and linear"))
    return std::nullopt;
  std::optional<ConvAttrs> attrs = readConv(call);
  if (!attrs || !checkGroups(call, *attrs))
    return std::nullopt;
  std::array<int64_t, 2> window{};
  for (int d = 0; d < 2; ++d)
    window[d] = (attrs->kernel[d] - 1) * attrs->dilation[d] + 1;
  auto pad = resolvePadding(call, window, attrs->stride);
  if (!pad)
    return std::nullopt;
  attrs->pad = *pad;
  const Shape &in = call.shape();
  Shape out{attrs->channels, 0, 0};
  for (int d = 0; d < 2; ++d) {
    int64_t padded = in[1 + d] + (*pad)[d] + (*pad)[2 + d];
    std::optional<int64_t> size = slide(padded, window[d], attrs->stride[d]);
    if (!size) {
      call.error(call.rangeOf("k"),
                 fmt::format("the kernel covers {}x{}, more than its input of {}x{} with "
                             "padding",
                             window[0], window[1], in[1] + (*pad)[0] + (*pad)[2],
                             in[2] + (*pad)[1] + (*pad)[3]))
          .suggest("use a smaller k, more pad, or fewer strides before it");
      return std::nullopt;
    }
    out[1 + d] = *size;
  }
  Shape filter{attrs->channels, in[0] / attrs->groups, attrs->kernel[0], attrs->kernel[1]};
  if (!call.checkSize(filter, "the weight") || !call.checkSize(out, "the output"))
    return std::nullopt;
  double area = static_cast<double>(filter[2]) * static_cast<double>(filter[3]);
  double fanIn = static_cast<double>(filter[1]) * area;
  double fanOut = static_cast<double>(filter[0]) * area;
  auto init = call.initializer("init", {Initializer::Kind::Normal, 0, std::sqrt(2 / fanOut)}, fanIn,
                               fanOut);
  auto biasInit = call.initializer("bias_init", uniformInit(1 / std::sqrt(fanIn)), fanIn, fanOut);
  if (!init || !biasInit)
    return std::nullopt;
  Draft draft;
  draft.output = std::move(out);
  draft.parameters.push_back({"weight", Parameter::Role::Weight, filter, *init});
  if (attrs->bias)
    draft.parameters.push_back({"bias", Parameter::Role::Bias, {attrs->channels}, *biasInit});
  draft.biasByUse = !call.given("bias");
  draft.attrs = *attrs;
  return draft;
}

std::optional<Draft> buildLinear(LayerCall &call) {
  if (call.shape().size() == 3) {
    call.error(call.range, fmt::format("'linear' wants a vector, have the {} {}",
                                       kindOf(call.shape()), spell(call.shape())))
        .suggest("flatten it first: x | flatten | linear(...)");
    return std::nullopt;
  }
  auto features = call.integer("c", 0, 1);
  auto bias = call.flag("bias", true);
  if (!features || !bias)
    return std::nullopt;
  int64_t in = call.shape().back(); // of a sequence: each token by itself
  double bound = 1 / std::sqrt(static_cast<double>(in));
  double fanIn = static_cast<double>(in), fanOut = static_cast<double>(*features);
  auto init = call.initializer("init", uniformInit(bound), fanIn, fanOut);
  auto biasInit = call.initializer("bias_init", uniformInit(bound), fanIn, fanOut);
  Shape weight{*features, in};
  if (!init || !biasInit || !call.checkSize(weight, "the weight"))
    return std::nullopt;
  Draft draft;
  draft.attrs = LinearAttrs{*features, *bias};
  draft.output = call.shape();
  draft.output.back() = *features;
  if (!call.checkSize(draft.output, "the output"))
    return std::nullopt;
  draft.parameters.push_back({"weight", Parameter::Role::Weight, weight, *init});
  if (*bias)
    draft.parameters.push_back({"bias", Parameter::Role::Bias, {*features}, *biasInit});
  return draft;
}

/// Sizes of a transposed convolution's output, or nothing after an error.
static std::optional<Shape> transposedSize(LayerCall &call, const ConvAttrs &attrs,
                                           std::array<int64_t, 2> outPad) {
  const Shape &in = call.shape();
  Shape out{attrs.channels, 0, 0};
  for (int d = 0; d < 2; ++d) {
    if (outPad[d] >= attrs.stride[d]) {
      call.error(call.rangeOf("out_pad"),
                 fmt::format("'out_pad' of 'conv_transpose' must be below the stride, have {} with "
                             "a stride of {}",
                             outPad[d], attrs.stride[d]))
          .suggest("it chooses among the output sizes that a convolution of this stride maps to "
                   "this input");
      return std::nullopt;
    }
    out[1 + d] = (in[1 + d] - 1) * attrs.stride[d] - attrs.pad[d] - attrs.pad[2 + d] +
                 attrs.kernel[d] + outPad[d];
    if (out[1 + d] < 1) {
      call.error(call.rangeOf("pad"),
                 fmt::format("padding of {} and {} leaves nothing of an output of {}", attrs.pad[d],
                             attrs.pad[2 + d], out[1 + d] + attrs.pad[d] + attrs.pad[2 + d]))
          .suggest("'pad' of 'conv_transpose' is cut from the output: use less of it");
      return std::nullopt;
    }
  }
  return out;
}

std::optional<Draft> buildConvTranspose(LayerCall &call) {
  if (!call.wantImage("convolutions stand before flatten and linear"))
    return std::nullopt;
  std::optional<ConvAttrs> attrs = readConv(call);
  if (!attrs || !checkGroups(call, *attrs))
    return std::nullopt;
  auto pad = call.padding("pad");
  auto outPad = call.pair("out_pad", {0, 0}, 0);
  if (!pad || !outPad)
    return std::nullopt;
  attrs->pad = *pad;
  std::optional<Shape> out = transposedSize(call, *attrs, *outPad);
  Shape filter{call.shape()[0], attrs->channels / attrs->groups, attrs->kernel[0],
               attrs->kernel[1]};
  if (!out || !call.checkSize(filter, "the weight") || !call.checkSize(*out, "the output"))
    return std::nullopt;
  double area = static_cast<double>(filter[2]) * static_cast<double>(filter[3]);
  // As PyTorch counts them: by the second size of the weight.
  double fanIn = static_cast<double>(filter[1]) * area;
  double fanOut = static_cast<double>(filter[0]) * area;
  auto init = call.initializer("init", {Initializer::Kind::Normal, 0, std::sqrt(2 / fanOut)}, fanIn,
                               fanOut);
  auto biasInit = call.initializer("bias_init", uniformInit(1 / std::sqrt(fanIn)), fanIn, fanOut);
  if (!init || !biasInit)
    return std::nullopt;
  Draft draft;
  draft.output = std::move(*out);
  draft.parameters.push_back({"weight", Parameter::Role::Weight, filter, *init});
  if (attrs->bias)
    draft.parameters.push_back({"bias", Parameter::Role::Bias, {attrs->channels}, *biasInit});
  draft.biasByUse = !call.given("bias");
  draft.attrs = ConvTransposeAttrs{*attrs};
  return draft;
}

} // namespace netc::frontend
