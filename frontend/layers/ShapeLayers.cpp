//===- ShapeLayers.cpp - concat, flatten, pad, subsample ------------------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

namespace netc::frontend {

/// Whether both can be joined along `axis`.
static bool joins(const Shape &first, const Shape &other, size_t axis) {
  bool fits = first.size() == other.size();
  for (size_t i = 0; fits && i < first.size(); ++i)
    fits = i == axis || first[i] == other[i];
  return fits;
}

std::optional<Draft> buildConcat(LayerCall &call) {
  auto axis = call.axis("axis", 0, call.shape(0));
  if (!axis)
    return std::nullopt;
  Draft draft;
  draft.attrs = ConcatAttrs{*axis};
  draft.output = call.shape(0);
  for (size_t i = 1; i < call.inputs.size(); ++i) {
    const Shape &first = call.shape(0), &other = call.shape(i);
    if (!joins(first, other, static_cast<size_t>(*axis))) {
      bool images = first.size() == 3 && other.size() == 3 && *axis == 0;
      Diagnostic &diag = call.error(
          call.range, images ? fmt::format("concat of {} and {}: height and width must be equal",
                                           spell(first), spell(other))
                             : fmt::format("concat of {} and {}: all sizes but axis {} must be "
                                           "equal",
                                           spell(first), spell(other), *axis));
      diag.suggest(images ? "concat joins channels"
                          : fmt::format("concat joins axis {}; axes count from 0", *axis));
      return std::nullopt;
    }
    draft.output[static_cast<size_t>(*axis)] += other[static_cast<size_t>(*axis)];
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
