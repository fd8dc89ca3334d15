//===- ShapeLayers.cpp - concat, flatten, pad, subsample ------------------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

namespace netc::frontend {

std::optional<Draft> buildConcat(LayerCall &call) {
  Draft draft;
  draft.attrs = ConcatAttrs{};
  draft.output = call.shape(0);
  for (size_t i = 1; i < call.inputs.size(); ++i) {
    const Shape &first = call.shape(0), &other = call.shape(i);
    if (first.size() % 2 == 0 || other.size() % 2 == 0) {
      const Shape &odd = first.size() % 2 == 0 ? first : other;
      call.error(call.range, fmt::format("'concat' wants images or vectors, have the {} {}",
                                         kindOf(odd), spell(odd)));
      return std::nullopt;
    }
    bool fits = first.size() == other.size() &&
                (first.size() == 1 || (first[1] == other[1] && first[2] == other[2]));
    if (!fits) {
      call.error(call.range, fmt::format("concat of {} and {}: height and width must be equal",
                                         spell(first), spell(other)))
          .suggest("concat joins channels");
      return std::nullopt;
    }
    draft.output[0] += other[0];
  }
  if (!call.checkSize(draft.output, "the output"))
    return std::nullopt;
  // One tensor alone is itself.
  draft.identity = call.inputs.size() == 1;
  return draft;
}

std::optional<Draft> buildFlatten(LayerCall &call) {
  Draft draft;
  draft.attrs = FlattenAttrs{};
  int64_t features = 1;
  for (int64_t size : call.shape())
    features *= size; // bounded: every layer's output is
  draft.output = {features};
  draft.identity = call.shape().size() == 1;
  return draft;
}

std::optional<Draft> buildPad(LayerCall &call) {
  if (!call.wantImage("'pad' stands before flatten"))
    return std::nullopt;
  auto pad = call.padding("pad");
  if (!pad)
    return std::nullopt;
  const Shape &in = call.shape();
  Draft draft;
  draft.attrs = PadAttrs{*pad};
  draft.output = {in[0], in[1] + (*pad)[0] + (*pad)[2], in[2] + (*pad)[1] + (*pad)[3]};
  if (!call.checkSize(draft.output, "the output"))
    return std::nullopt;
  return draft;
}

std::optional<Draft> buildSubsample(LayerCall &call) {
  if (!call.wantImage("'subsample' stands before flatten"))
    return std::nullopt;
  auto stride = call.pair("stride", {1, 1}, 1);
  if (!stride)
    return std::nullopt;
  const Shape &in = call.shape();
  Draft draft;
  draft.attrs = SubsampleAttrs{*stride};
  draft.output = {in[0], (in[1] - 1) / (*stride)[0] + 1, (in[2] - 1) / (*stride)[1] + 1};
  return draft;
}

std::optional<Draft> buildPadChannels(LayerCall &call) {
  if (!call.wantImage("'pad_channels' stands before flatten"))
    return std::nullopt;
  auto channels = call.integer("c", 0, 1);
  if (!channels)
    return std::nullopt;
  const Shape &in = call.shape();
  if (*channels < in[0]) {
    call.error(call.rangeOf("c"), fmt::format("'pad_channels' to {} channels, fewer than the {} "
                                              "of its input",
                                              *channels, in[0]))
        .suggest("c counts all channels, the old ones included");
    return std::nullopt;
  }
  Draft draft;
  draft.attrs = PadChannelsAttrs{*channels};
  draft.output = {*channels, in[1], in[2]};
  draft.identity = *channels == in[0];
  if (!call.checkSize(draft.output, "the output"))
    return std::nullopt;
  return draft;
}

} // namespace netc::frontend
