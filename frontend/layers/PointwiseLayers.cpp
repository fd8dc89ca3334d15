//===- PointwiseLayers.cpp - activations, dropout, lrn, softmax -----------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

namespace netc::frontend {

std::optional<Draft> buildActivation(LayerCall &call, ActivationKind kind) {
  ActivationAttrs attrs;
  attrs.kind = kind;
  if (kind == ActivationKind::LeakyRelu || kind == ActivationKind::Elu) {
    bool isElu = kind == ActivationKind::Elu;
    auto slope = call.number(isElu ? "alpha" : "slope", isElu ? 1 : attrs.slope);
    if (!slope)
      return std::nullopt;
    attrs.slope = *slope;
  }
  Draft draft;
  draft.attrs = attrs;
  draft.output = call.shape();
  return draft;
}

std::optional<Draft> buildBinary(LayerCall &call, BinaryKind kind) {
  if (call.inputs.size() != 2) {
    call.error(call.range,
               fmt::format("'{}' wants two tensors, have {}", call.kind.name, call.inputs.size()))
        .suggest(fmt::format("write {}(a, b) or a | {}(b)", call.kind.name, call.kind.name));
    return std::nullopt;
  }
  if (call.shape(0) != call.shape(1)) {
    call.error(call.range, fmt::format("'{}' of unequal shapes: {} and {}", call.kind.name,
                                       spell(call.shape(0)), spell(call.shape(1))))
        .suggest("expand(shape) repeats sizes of 1");
    return std::nullopt;
  }
  Draft draft;
  draft.attrs = BinaryAttrs{kind};
  draft.output = call.shape();
  return draft;
}

std::optional<Draft> buildGelu(LayerCall &call) {
  auto approximate = call.flag("tanh", false);
  if (!approximate)
    return std::nullopt;
  return buildActivation(call, *approximate ? ActivationKind::GeluTanh : ActivationKind::Gelu);
}

std::optional<Draft> buildPrelu(LayerCall &call) {
  auto init = call.initializer("init", {Initializer::Kind::Constant, 0.25, 0}, 1, 1);
  if (!init)
    return std::nullopt;
  Draft draft;
  draft.attrs = PreluAttrs{};
  draft.output = call.shape();
  Shape channels{call.shape()[channelAxis(call.shape())]};
  draft.parameters.push_back({"weight", Parameter::Role::Scale, channels, *init});
  return draft;
}

std::optional<Draft> buildSoftmax(LayerCall &call) {
  auto axis = call.axis("axis", -1, call.shape());
  if (!axis)
    return std::nullopt;
  Draft draft;
  draft.attrs = SoftmaxAttrs{*axis};
  draft.output = call.shape();
  return draft;
}

static std::optional<Draft> buildDrop(LayerCall &call, bool wholeImage, const char *help) {
  auto p = call.number("p", 0.5);
  if (!p)
    return std::nullopt;
  if (*p < 0 || *p >= 1) {
    call.error(call.rangeOf("p"),
               fmt::format("'p' of '{}' must be from 0 to below 1, have {}", call.kind.name, *p))
        .suggest(help);
    return std::nullopt;
  }
  Draft draft;
  draft.attrs = DropoutAttrs{*p, wholeImage};
  draft.output = call.shape();
  return draft;
}

std::optional<Draft> buildDropout(LayerCall &call) {
  return buildDrop(call, false, "it is the share of values that are dropped");
}

std::optional<Draft> buildStochasticDepth(LayerCall &call) {
  return buildDrop(call, true, "it is the share of images whose branch is dropped");
}

std::optional<Draft> buildIdentity(LayerCall &) {
  Draft draft;
  draft.identity = true;
  return draft;
}

std::optional<Draft> buildLrn(LayerCall &call) {
  if (!call.wantImage("'lrn' stands before flatten"))
    return std::nullopt;
  LrnAttrs attrs;
  auto size = call.integer("size", attrs.size, 1);
  auto alpha = call.number("alpha", attrs.alpha);
  auto beta = call.number("beta", attrs.beta);
  auto k = call.number("k", attrs.k);
  if (!size || !alpha || !beta || !k)
    return std::nullopt;
  // k + alpha * sum is raised to -beta: it must stay above zero.
  if (*k <= 0 || *alpha < 0) {
    bool isK = *k <= 0;
    call.error(call.rangeOf(isK ? "k" : "alpha"),
               fmt::format("'{}' of 'lrn' must be {}, have {}", isK ? "k" : "alpha",
                           isK ? "above 0" : "at least 0", isK ? *k : *alpha));
    return std::nullopt;
  }
  Draft draft;
  draft.attrs = LrnAttrs{*size, *alpha, *beta, *k};
  draft.output = call.shape();
  return draft;
}

} // namespace netc::frontend
