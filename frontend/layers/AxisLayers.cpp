//===- AxisLayers.cpp - layers on tensors of any rank ---------------------===//
//
// Reshape, permute, slices, means, products of matrices and learned values. Axes count from 0 after
// the batch.
//
//===----------------------------------------------------------------------===//
#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace netc::frontend {

static int64_t elementsOf(const Shape &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

static Draft draftOf(LayerAttrs attrs, Shape output) {
  Draft draft;
  draft.attrs = std::move(attrs);
  draft.output = std::move(output);
  return draft;
}

/// Sizes from 1 on, one to four; of a reshape one may be -1.
static std::optional<Shape> readShape(LayerCall &call, bool mayInfer) {
  std::string wanted = fmt::format("a list of one to four sizes from 1 on{}",
                                   mayInfer ? ", one of which may be -1" : "");
  auto sizes = call.list("shape", wanted);
  if (!sizes)
    return std::nullopt;
  auto free = std::count(sizes->begin(), sizes->end(), -1);
  bool good = !sizes->empty() && sizes->size() <= 4 && free <= (mayInfer ? 1 : 0) &&
              std::all_of(sizes->begin(), sizes->end(),
                          [](int64_t size) { return size >= 1 || size == -1; });
  if (good)
    return *sizes;
  call.wrong("shape", wanted);
  return std::nullopt;
}

std::optional<Draft> buildParameter(LayerCall &call) {
  auto shape = readShape(call, false);
  if (!shape || !call.checkSize(*shape, "the shape"))
    return std::nullopt;
  auto fanOut = static_cast<double>(shape->front());
  auto fanIn = static_cast<double>(elementsOf(*shape)) / fanOut;
  auto init = call.initializer("init", {Initializer::Kind::Constant, 0, 0}, fanIn, fanOut);
  if (!init)
    return std::nullopt;
  Draft draft = draftOf(ParameterAttrs{}, *shape);
  draft.parameters.push_back({"", Parameter::Role::Weight, *shape, *init});
  return draft;
}

std::optional<Draft> buildReshape(LayerCall &call) {
  auto shape = readShape(call, true);
  if (!shape)
    return std::nullopt;
  const Shape &in = call.shape();
  int64_t have = elementsOf(in), rest = 1;
  for (int64_t &size : *shape)
    if (size != -1 && rest <= have)
      rest *= size;
  for (int64_t &size : *shape)
    if (size == -1 && have % rest == 0)
      size = have / rest;
  bool inferred = std::count(shape->begin(), shape->end(), -1) == 0;
  if (!inferred || !call.checkSize(*shape, "the output") || elementsOf(*shape) != have) {
    call.error(call.rangeOf("shape"),
               fmt::format("reshape of {}, {} values, to {}{}", spell(in), have, spell(*shape),
                           inferred ? fmt::format(", {}", elementsOf(*shape)) : std::string()))
        .suggest("a reshape keeps the number of values");
    return std::nullopt;
  }
  Draft draft = draftOf(ReshapeAttrs{}, *shape);
  draft.identity = *shape == in;
  return draft;
}

std::optional<Draft> buildExpand(LayerCall &call) {
  auto shape = readShape(call, false);
  if (!shape)
    return std::nullopt;
  const Shape &in = call.shape();
  bool fits = shape->size() == in.size();
  for (size_t axis = 0; fits && axis < in.size(); ++axis)
    fits = in[axis] == 1 || in[axis] == (*shape)[axis];
  if (!fits) {
    call.error(call.rangeOf("shape"), fmt::format("expand of {} to {}", spell(in), spell(*shape)))
        .suggest("as many sizes, and only those of 1 may grow; reshape inserts sizes of 1");
    return std::nullopt;
  }
  if (!call.checkSize(*shape, "the output"))
    return std::nullopt;
  Draft draft = draftOf(ExpandAttrs{}, *shape);
  draft.identity = *shape == in;
  return draft;
}

std::optional<Draft> buildPermute(LayerCall &call) {
  const Shape &in = call.shape();
  std::string wanted =
      fmt::format("a list of the axes 0 to {} of {}, each once", in.size() - 1, spell(in));
  auto order = call.list("order", wanted);
  if (!order)
    return std::nullopt;
  std::vector<int64_t> sorted = *order, all(in.size());
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 0);
  if (sorted != all) {
    call.wrong("order", wanted);
    return std::nullopt;
  }
  Shape out;
  for (int64_t axis : *order)
    out.push_back(in[static_cast<size_t>(axis)]);
  Draft draft = draftOf(PermuteAttrs{*order}, out);
  draft.identity = *order == all;
  return draft;
}

std::optional<Draft> buildSlice(LayerCall &call) {
  const Shape &in = call.shape();
  auto axis = call.axis("axis", 0, in);
  if (!axis)
    return std::nullopt;
  int64_t size = in[static_cast<size_t>(*axis)];
  std::string wanted = fmt::format("an integer from {} to {}", -size, size);
  auto begin = call.list("begin", wanted), end = call.list("end", wanted);
  if (!begin || !end)
    return std::nullopt;
  for (auto [given, name] : {std::pair(&*begin, "begin"), std::pair(&*end, "end")})
    if (given->size() != 1 || given->front() < -size || given->front() > size) {
      call.wrong(name, wanted);
      return std::nullopt;
    }
  int64_t low = begin->front() < 0 ? begin->front() + size : begin->front(),
          high = end->front() < 0 ? end->front() + size : end->front();
  if (low >= high) {
    call.error(call.rangeOf("end"),
               fmt::format("the slice from {} to {} of an axis of {} is empty", low, high, size))
        .suggest("it holds indices from begin to below end");
    return std::nullopt;
  }
  Draft draft = draftOf(SliceAttrs{*axis, low}, in);
  draft.output[static_cast<size_t>(*axis)] = high - low;
  draft.identity = high - low == size;
  return draft;
}

std::optional<Draft> buildSplit(LayerCall &call) {
  const Shape &in = call.shape();
  auto count = call.integer("n", 0, 1);
  auto axis = call.axis("axis", 0, in);
  if (!count || !axis)
    return std::nullopt;
  int64_t size = in[static_cast<size_t>(*axis)];
  if (size % *count != 0) {
    call.error(call.rangeOf("n"), fmt::format("axis {} of {} does not split into {} equal parts",
                                              *axis, spell(in), *count))
        .suggest(fmt::format("n must divide {}; slice takes any part", size));
    return std::nullopt;
  }
  Draft draft;
  for (int64_t i = 0; i < *count; ++i) {
    Draft &part = draft.parts.emplace_back(draftOf(SliceAttrs{*axis, i * size / *count}, in));
    part.output[static_cast<size_t>(*axis)] = size / *count;
  }
  return draft;
}

std::optional<Draft> buildRoll(LayerCall &call) {
  const Shape &in = call.shape();
  bool image = in.size() == 3;
  std::string wanted =
      image ? "an integer, [height, width], or one integer per axis"
            : fmt::format("an integer for the first axis, or a list of one per axis of {}",
                          spell(in));
  auto given = call.list("shift", wanted);
  if (!given)
    return std::nullopt;
  std::vector<int64_t> shift(in.size(), 0);
  if (given->size() == in.size())
    shift = *given;
  else if (image && given->size() <= 2)
    shift = {0, given->front(), given->back()};
  else if (given->size() == 1)
    shift[0] = given->front();
  else {
    call.wrong("shift", wanted);
    return std::nullopt;
  }
  for (size_t axis = 0; axis < in.size(); ++axis)
    shift[axis] = (shift[axis] % in[axis] + in[axis]) % in[axis];
  Draft draft = draftOf(RollAttrs{shift}, in);
  draft.identity = std::all_of(shift.begin(), shift.end(), [](int64_t s) { return s == 0; });
  return draft;
}

std::optional<Draft> buildMean(LayerCall &call) {
  const Shape &in = call.shape();
  int64_t sizes = static_cast<int64_t>(in.size());
  std::string wanted =
      fmt::format("an axis of {}, from 0 to {}, or a list of such", spell(in), sizes - 1);
  auto axes = call.list("axis", wanted);
  if (!axes)
    return std::nullopt;
  for (int64_t &axis : *axes)
    axis += axis < 0 ? sizes : 0;
  std::sort(axes->begin(), axes->end());
  bool good = !axes->empty() && axes->front() >= 0 && axes->back() < sizes &&
              std::adjacent_find(axes->begin(), axes->end()) == axes->end();
  if (!good) {
    call.wrong("axis", wanted);
    return std::nullopt;
  }
  Shape out;
  for (int64_t axis = 0; axis < sizes; ++axis)
    if (!std::binary_search(axes->begin(), axes->end(), axis))
      out.push_back(in[static_cast<size_t>(axis)]);
  if (out.empty())
    out.push_back(1);
  return draftOf(MeanAttrs{*axes}, out);
}

/// The two tensors of a product, or an error.
static bool wantMatrices(LayerCall &call) {
  if (call.inputs.size() != 2) {
    call.error(call.range, fmt::format("'matmul' wants two tensors, have {}", call.inputs.size()))
        .suggest("write matmul(a, b) or a | matmul(b)");
    return false;
  }
  for (size_t i = 0; i < 2; ++i)
    if (call.shape(i).size() < 2) {
      call.error(call.range,
                 fmt::format("'matmul' multiplies matrices, the last two axes, have the "
                             "vector {}",
                             spell(call.shape(i))))
          .suggest("reshape it, or use linear for a learned matrix");
      return false;
    }
  return true;
}

std::optional<Draft> buildMatmul(LayerCall &call) {
  auto transpose = call.flag("transpose_b", false);
  if (!transpose || !wantMatrices(call))
    return std::nullopt;
  Shape a = call.shape(0), b = call.shape(1);
  Shape frontA(a.begin(), a.end() - 2), frontB(b.begin(), b.end() - 2);
  if (!frontA.empty() && !frontB.empty() && frontA != frontB) {
    call.error(call.range, fmt::format("matmul of {} and {}: the sizes in front of the matrices "
                                       "differ",
                                       spell(a), spell(b)))
        .suggest("they must be equal, or be missing in one");
    return std::nullopt;
  }
  int64_t depth = b[b.size() - (*transpose ? 1 : 2)], columns = b[b.size() - (*transpose ? 2 : 1)];
  if (a.back() != depth) {
    call.error(call.range,
               fmt::format("matmul of {} and {}{}: rows of {} values meet columns of "
                           "{}",
                           spell(a), spell(b), *transpose ? " transposed" : "", a.back(), depth))
        .suggest(*transpose ? "with transpose_b the last sizes must be equal"
                            : "the last size of the first must be the last but one of the second, "
                              "or say transpose_b");
    return std::nullopt;
  }
  Shape out = frontA.empty() ? frontB : frontA;
  out.insert(out.end(), {a[a.size() - 2], columns});
  if (!call.checkSize(out, "the output"))
    return std::nullopt;
  return draftOf(MatmulAttrs{*transpose}, out);
}

std::optional<Draft> buildChannelShuffle(LayerCall &call) {
  if (!call.wantImage("'channel_shuffle' stands before flatten"))
    return std::nullopt;
  auto groups = call.integer("groups", 0, 1);
  if (!groups)
    return std::nullopt;
  if (int64_t channels = call.shape()[0]; channels % *groups != 0) {
    call.error(call.rangeOf("groups"),
               fmt::format("{} channels are not divisible by groups={}", channels, *groups))
        .suggest("groups must divide the channels");
    return std::nullopt;
  }
  return draftOf(ChannelShuffleAttrs{*groups}, call.shape());
}

} // namespace netc::frontend
