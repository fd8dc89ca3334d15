//===- PointwiseLayers.cpp - activations, dropout, lrn, softmax -----------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

namespace netc::frontend {

std::optional<Draft> buildActivation(LayerCall &call, ActivationKind kind) {
  ActivationAttrs attrs;
  attrs.kind = kind;
  if (kind == ActivationKind::LeakyRelu) {
    auto slope = call.number("slope", attrs.slope);
    if (!slope)
      return std::nullopt;
    attrs.slope = *slope;
  }
  Draft draft;
  draft.attrs = attrs;
  draft.output = call.shape();
  return draft;
}

std::optional<Draft> buildSoftmax(LayerCall &call) {
  if (call.shape().size() != 1) {
    call.error(call.range, fmt::format("'softmax' wants a vector, have the {} {}",
                                       kindOf(call.shape()), spell(call.shape())))
        .suggest("flatten it first: x | flatten | softmax");
    return std::nullopt;
  }
  Draft draft;
  draft.attrs = SoftmaxAttrs{};
  draft.output = call.shape();
  return draft;
}

std::optional<Draft> buildDropout(LayerCall &call) {
  auto p = call.number("p", 0.5);
  if (!p)
    return std::nullopt;
  if (*p < 0 || *p >= 1) {
    call.error(call.rangeOf("p"),
               fmt::format("'p' of 'dropout' must be from 0 to below 1, have {}", *p))
        .suggest("it is the share of values that are dropped");
    return std::nullopt;
  }
  Draft draft;
  draft.attrs = DropoutAttrs{*p};
  draft.output = call.shape();
  return draft;
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
