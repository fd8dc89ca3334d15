//===- PoolLayers.cpp - max, average, global and adaptive pooling ---------===//
#include "dialect/interfaces/WindowShape.h"
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

namespace netc::frontend {

static const char *const imageHelp = "pooling stands before flatten";

static std::optional<Draft> buildGlobal(LayerCall &call, PoolAttrs attrs) {
  for (const char *name : {"k", "stride", "pad", "dilation", "round", "out"})
    if (call.given(name)) {
      call.error(call.rangeOf(name),
                 fmt::format("'{}' of '{}' has no meaning with 'global'", name, call.kind.name))
          .suggest("a global pool covers its whole input");
      return std::nullopt;
    }
  attrs.kernel = {call.shape()[1], call.shape()[2]};
  attrs.stride = attrs.kernel;
  attrs.global = true;
  Draft draft;
  draft.attrs = attrs;
  draft.output = {call.shape()[0], 1, 1};
  return draft;
}

/// Windows along axis `d` of the input; 0: not even one.
static int64_t windowsAlong(LayerCall &call, const PoolAttrs &attrs, int d) {
  return windowOutputSize(call.shape()[1 + d], attrs.kernel[d], attrs.stride[d], attrs.pad[d],
                          attrs.pad[2 + d], attrs.dilation[d], attrs.roundUp);
}

static bool checkWindow(LayerCall &call, const PoolAttrs &attrs) {
  const Shape &in = call.shape();
  for (int d = 0; d < 2; ++d) {
    int64_t pad = std::max(attrs.pad[d], attrs.pad[2 + d]);
    int64_t reach = (attrs.kernel[d] - 1) * attrs.dilation[d] + 1;
    if (pad >= reach) {
      call.error(call.rangeOf("pad"),
                 fmt::format("padding of {} with a window of {}: a window could see nothing "
                             "but padding",
                             pad, reach))
          .suggest("pad must be smaller than k");
      return false;
    }
    if (windowsAlong(call, attrs, d) < 1) {
      call.error(call.rangeOf("k"),
                 fmt::format("the window covers {}x{}, more than its input of {}x{} with "
                             "padding",
                             (attrs.kernel[0] - 1) * attrs.dilation[0] + 1,
                             (attrs.kernel[1] - 1) * attrs.dilation[1] + 1,
                             in[1] + attrs.pad[0] + attrs.pad[2],
                             in[2] + attrs.pad[1] + attrs.pad[3]))
          .suggest(fmt::format("use a smaller k, or {}(global)", call.kind.name));
      return false;
    }
  }
  return true;
}

static std::optional<Draft> buildPool(LayerCall &call, PoolAttrs attrs) {
  auto global = call.flag("global", false);
  if (!global)
    return std::nullopt;
  if (*global)
    return buildGlobal(call, attrs);
  if (!call.given("k")) {
    bool isMax = attrs.kind == PoolAttrs::Kind::Max;
    call.error(call.range, fmt::format("'{}' needs the argument 'k'", call.kind.name))
        .suggest(isMax ? "write maxpool(k=2), or maxpool(global)"
                       : "write avgpool(k=2), avgpool(global) or avgpool(out=1)");
    return std::nullopt;
  }
  auto kernel = call.pair("k", {}, 1);
  if (!kernel)
    return std::nullopt;
  auto stride = call.pair("stride", *kernel, 1);
  auto round = call.word("round", "down", {"up", "down"});
  auto dilation = call.pair("dilation", {1, 1}, 1);
  if (!stride || !round || !dilation)
    return std::nullopt;
  std::array<int64_t, 2> window{};
  for (size_t d = 0; d < 2; ++d)
    window[d] = ((*kernel)[d] - 1) * (*dilation)[d] + 1;
  auto pad = resolvePadding(call, window, *stride);
  if (!pad)
    return std::nullopt;
  attrs.kernel = *kernel;
  attrs.stride = *stride;
  attrs.pad = *pad;
  attrs.dilation = *dilation;
  attrs.roundUp = *round == "up";
  if (!checkWindow(call, attrs))
    return std::nullopt;
  Draft draft;
  draft.output = {call.shape()[0], 0, 0};
  for (int d = 0; d < 2; ++d)
    draft.output[1 + d] = windowsAlong(call, attrs, d);
  draft.attrs = attrs;
  return draft;
}

std::optional<Draft> buildMaxPool(LayerCall &call) {
  if (!call.wantImage(imageHelp))
    return std::nullopt;
  PoolAttrs attrs;
  attrs.kind = PoolAttrs::Kind::Max;
  return buildPool(call, attrs);
}

static std::optional<Draft> buildAdaptive(LayerCall &call) {
  for (const char *name : {"k", "stride", "pad", "dilation", "round"})
    if (call.given(name)) {
      call.error(call.rangeOf(name),
                 fmt::format("'{}' of 'avgpool' has no meaning with 'out'", name))
          .suggest("an adaptive pool chooses its windows by itself");
      return std::nullopt;
    }
  auto out = call.pair("out", {}, 1);
  if (!out)
    return std::nullopt;
  Draft draft;
  draft.attrs = AdaptivePoolAttrs{*out};
  draft.output = {call.shape()[0], (*out)[0], (*out)[1]};
  if (!call.checkSize(draft.output, "the output"))
    return std::nullopt;
  return draft;
}

std::optional<Draft> buildUpsample(LayerCall &call) {
  if (!call.wantImage("'upsample' stands before flatten"))
    return std::nullopt;
  auto nearest = call.flag("nearest", false), bilinear = call.flag("bilinear", false);
  auto scale = call.pair("scale", {2, 2}, 1), out = call.pair("out", {1, 1}, 1);
  if (!nearest || !bilinear || !scale || !out)
    return std::nullopt;
  for (auto [first, second] : {std::pair("nearest", "bilinear"), std::pair("scale", "out")})
    if (call.given(first) && call.given(second)) {
      call.error(call.rangeOf(second),
                 fmt::format("'{}' and '{}' of 'upsample' exclude each other", first, second))
          .suggest("write upsample(scale=2, nearest) or upsample(out=[64, 64], bilinear)");
      return std::nullopt;
    }
  const Shape &in = call.shape();
  Draft draft;
  draft.attrs = UpsampleAttrs{*bilinear};
  draft.output = {in[0], in[1] * (*scale)[0], in[2] * (*scale)[1]};
  if (call.given("out"))
    draft.output = {in[0], (*out)[0], (*out)[1]};
  draft.identity = draft.output == in;
  if (!call.checkSize(draft.output, "the output"))
    return std::nullopt;
  return draft;
}

std::optional<Draft> buildAveragePool(LayerCall &call) {
  if (!call.wantImage(imageHelp))
    return std::nullopt;
  if (call.given("out") && !call.given("global"))
    return buildAdaptive(call);
  PoolAttrs attrs;
  attrs.kind = PoolAttrs::Kind::Average;
  return buildPool(call, attrs);
}

} // namespace netc::frontend
