//===- NormLayers.cpp - batch, layer and group norm -----------------------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

namespace netc::frontend {

static Initializer constantInit(double value) { return {Initializer::Kind::Constant, value, 0}; }

std::optional<Draft> buildBatchNorm(LayerCall &call) {
  if (call.shape().size() != 1 && call.shape().size() != 3) {
    call.error(call.range, fmt::format("'bn' wants an image or a vector, have the {} {}",
                                       kindOf(call.shape()), spell(call.shape())));
    return std::nullopt;
  }
  BatchNormAttrs attrs;
  auto eps = call.number("eps", attrs.eps);
  auto momentum = call.number("momentum", attrs.momentum);
  auto scale = call.initializer("init", constantInit(1), 1, 1);
  auto shift = call.initializer("bias_init", constantInit(0), 1, 1);
  auto frozen = call.flag("frozen", attrs.frozen);
  if (!eps || !momentum || !scale || !shift || !frozen)
    return std::nullopt;
  if (*eps <= 0) {
    call.error(call.rangeOf("eps"), fmt::format("'eps' of 'bn' must be above 0, have {}", *eps));
    return std::nullopt;
  }
  if (*momentum < 0 || *momentum > 1) {
    call.error(call.rangeOf("momentum"),
               fmt::format("'momentum' of 'bn' must be between 0 and 1, have {}", *momentum))
        .suggest("it is the weight of the new statistics: 0.1 as PyTorch's");
    return std::nullopt;
  }
  Shape channels{call.shape()[0]};
  Draft draft;
  draft.attrs = BatchNormAttrs{*eps, *momentum, *frozen};
  draft.output = call.shape();
  draft.parameters = {
      {"weight", Parameter::Role::Scale, channels, *scale},
      {"bias", Parameter::Role::Shift, channels, *shift},
      {"running_mean", Parameter::Role::RunningMean, channels, constantInit(0)},
      {"running_var", Parameter::Role::RunningVar, channels, constantInit(1)},
  };
  return draft;
}

/// `eps`, checked; nothing after an error.
static std::optional<double> readEps(LayerCall &call, double byDefault) {
  auto eps = call.number("eps", byDefault);
  if (!eps || *eps > 0)
    return eps;
  call.error(call.rangeOf("eps"),
             fmt::format("'eps' of '{}' must be above 0, have {}", call.kind.name, *eps));
  return std::nullopt;
}

/// Weight and bias for each channel or feature; false after an error.
static bool addScaleAndShift(LayerCall &call, Draft &draft) {
  auto scale = call.initializer("init", constantInit(1), 1, 1);
  auto shift = call.initializer("bias_init", constantInit(0), 1, 1);
  if (!scale || !shift)
    return false;
  Shape channels{call.shape()[channelAxis(call.shape())]};
  draft.parameters = {{"weight", Parameter::Role::Scale, channels, *scale},
                      {"bias", Parameter::Role::Shift, channels, *shift}};
  return true;
}

std::optional<Draft> buildLayerNorm(LayerCall &call) {
  LayerNormAttrs attrs;
  auto eps = readEps(call, attrs.eps);
  Draft draft;
  if (!eps || !addScaleAndShift(call, draft))
    return std::nullopt;
  draft.attrs = LayerNormAttrs{*eps};
  draft.output = call.shape();
  return draft;
}

std::optional<Draft> buildGroupNorm(LayerCall &call) {
  if (!call.wantImage("'group_norm' stands before flatten; for tokens and vectors there is "
                      "layer_norm"))
    return std::nullopt;
  GroupNormAttrs attrs;
  auto groups = call.integer("groups", 0, 1);
  auto eps = readEps(call, attrs.eps);
  if (!groups || !eps)
    return std::nullopt;
  if (int64_t channels = call.shape()[0]; channels % *groups != 0) {
    call.error(call.rangeOf("groups"),
               fmt::format("{} channels are not divisible by groups={}", channels, *groups))
        .suggest("groups must divide the channels");
    return std::nullopt;
  }
  Draft draft;
  if (!addScaleAndShift(call, draft))
    return std::nullopt;
  draft.attrs = GroupNormAttrs{*groups, *eps};
  draft.output = call.shape();
  return draft;
}

} // namespace netc::frontend
