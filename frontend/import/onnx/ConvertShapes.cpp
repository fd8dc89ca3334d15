//===- ConvertShapes.cpp - transposes, reshapes, slices and joins ---------===//
//
// Most of them only change the view of a value (View.h).
//
//===----------------------------------------------------------------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>

namespace netc::frontend::onnx {

bool Converter::arrange(const Node &node, const std::string &name, const std::vector<int> &order,
                        const Shape &shape) {
  Value &value = values[name];
  View view = viewOf(value);
  std::optional<Rearrangement> plan = rearrange(view, value.shape, order);
  if (!plan || shape.size() > 4) {
    fail(node, "its sizes are transposed in a way that needs more than four axes");
    return false;
  }
  Shape target = shape.empty() ? Shape{1} : shape;
  if (!plan->before.empty())
    value.chain.push_back(fmt::format("reshape([{}])", fmt::join(plan->before, ", ")));
  if (!plan->order.empty())
    value.chain.push_back(fmt::format("permute([{}])", fmt::join(plan->order, ", ")));
  if (plan->after != target) {
    // [c, h, w] to its values in a row
    bool flattens = target.size() == 1;
    value.chain.push_back(flattens ? std::string("flatten")
                                   : fmt::format("reshape([{}])", fmt::join(target, ", ")));
  }
  value.shape = target;
  value.view = reordered(view, order);
  if (*value.view == plain(target))
    value.view.reset();
  auto read = readers.find(name);
  if (value.chain.size() > 1 && read != readers.end() && read->second.size() > 1)
    value.chain = {bind(value.chain, value.shape)};
  return true;
}

bool Converter::arrangeInOrder(const Node &node, const std::string &name) {
  if (!values[name].view)
    return true;
  View view = *values[name].view;
  std::optional<Shape> sizes = sizesWithoutBatch(view);
  if (!sizes) {
    fail(node, "the batch is merged with another size of its input");
    return false;
  }
  if (!arrange(node, name, orderOf(view), *sizes))
    return false;
  // Each size is one axis now.
  View inOrder = plainView(values[name].shape);
  std::vector<std::vector<int>> dims;
  int next = 0;
  for (size_t dim = 0; dim < view.dims.size(); ++dim)
    dims.push_back({hasBatch(view, dim) ? kBatchAxis : next++});
  inOrder.dims = std::move(dims);
  values[name].view = inOrder;
  if ((sizes->empty() && !whole) || inOrder == plain(values[name].shape))
    values[name].view.reset();
  return true;
}

bool Converter::arrangeLast(const Node &node, const std::string &name, bool &isChannels) {
  const Value &value = values[name];
  View view = viewOf(value);
  size_t last = view.dims.size() - 1;
  isChannels = value.shape.size() == 3 && axisOf(view, value.shape, last) == size_t(0) &&
               view.axes.size() == 3;
  if (isChannels)
    return true;
  if (view.dims.size() < 2 || hasBatch(view, last)) {
    fail(node, "its last size holds the batch, expected features");
    return false;
  }
  int64_t features = sizeOf(view, last), leading = elementsOf(view.axes) / features;
  Shape shape = leading == 1 ? Shape{features} : Shape{leading, features};
  if (!arrange(node, name, orderOf(view), shape))
    return false;
  // The features are one axis.
  View merged = viewOf(values[name]);
  if (merged.dims[last].empty()) {
    merged.dims[last] = {int(merged.axes.size())};
    merged.axes.push_back(1);
  } else {
    merged = withSize(merged, last, features);
  }
  values[name].view = merged;
  return true;
}

std::optional<size_t> Converter::axisFor(const Node &node, const std::string &name, int64_t dim) {
  View view = viewOf(values[name]);
  if (dim < 0 || dim >= int64_t(view.dims.size()) || hasBatch(view, size_t(dim))) {
    fail(node, fmt::format("it works along axis {} of {}; expected one behind the batch", dim,
                           view.dims.size()));
    return std::nullopt;
  }
  if (std::optional<size_t> place = axisOf(view, values[name].shape, size_t(dim)))
    return place;
  if (!arrangeInOrder(node, name))
    return std::nullopt;
  view = viewOf(values[name]);
  if (std::optional<size_t> place = axisOf(view, values[name].shape, size_t(dim)))
    return place;
  fail(node, fmt::format("axis {} is not one axis of its input", dim));
  return std::nullopt;
}

std::string Converter::parameter(const Node &node, size_t index, const Shape &shape,
                                 std::vector<float> values) {
  std::string name = label(node, "constant", index);
  addTensor(name, shape, std::move(values));
  return fmt::format("{}: parameter([{}])", name, fmt::join(shape, ", "));
}

/// [1, …] in front of a batch.
bool Converter::promote(const Node &node, size_t index) {
  const Tensor *given = constant(node, index);
  if (!given)
    return true;
  bool fits = given->isFloat && given->dims.size() >= 2 && given->dims.size() <= 5 &&
              (given->dims[0] == 1 || given->dims[0] == kBatch) && !given->floats.empty();
  if (!fits) {
    fail(node, fmt::format("input {} is a constant [{}], expected [1, ...] to stand for all images",
                           index, sizesText(given->dims)));
    return false;
  }
  Shape shape(given->dims.begin() + 1, given->dims.end());
  std::string text = parameter(node, index, shape, given->floats);
  values[node.inputs[index]] = {{bind({text}, shape)}, shape};
  return true;
}

void Converter::transpose(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  View view = viewOf(*input), result{view.axes, {}};
  std::vector<int64_t> order = numbers(node, "perm");
  for (size_t i = view.dims.size(); i-- > 0 && node.attributes.count("perm") == 0;)
    order.push_back(int64_t(i));
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != int64_t(i) || sorted.size() != view.dims.size())
      return fail(node, "perm is no order of its input's sizes");
  for (int64_t from : order)
    result.dims.push_back(view.dims[size_t(from)]);
  define(node, input->chain, input->shape, std::move(result));
}

void Converter::flatten(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  if (number(node, "axis", 1) != 1)
    return fail(node, "expected axis 1: everything behind the batch");
  if (input->shape.size() == 1)
    return define(node, input->chain, input->shape);
  append(node, *input, "flatten", {elementsOf(input->shape)});
}

void Converter::reshape(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  const Tensor *given = constant(node, 1);
  std::vector<int64_t> sizes = given ? given->ints : numbers(node, "shape");
  View view = viewOf(*input);
  std::string from = sizesText(input->shape);
  for (size_t i = 0; i < sizes.size() && !number(node, "allowzero", 0); ++i)
    if (sizes[i] == 0 && i < view.dims.size())
      sizes[i] = hasBatch(view, i) ? batchTimes(sizeOf(view, i)) : sizeOf(view, i);
  std::optional<View> result = regroup(view, sizes, batch);
  if (!given && node.attributes.count("shape") == 0)
    return fail(node, "its sizes are computed, expected constants");
  // A size of 1 in front is the batch of an example that the exporter ran.
  if (!result && !sizes.empty() && sizes[0] == 1) {
    sizes[0] = kBatch;
    result = regroup(view, sizes, batch);
  }
  if (!result)
    return fail(node, fmt::format("[batch, {}] to [{}]; expected sizes that group or cut those of "
                                  "its input, and the batch in one of them",
                                  from, sizesText(sizes)));
  bool flattens = result->dims.size() == 2 && isPlain(*result) && !input->view;
  if (flattens && input->shape.size() > 1)
    return append(node, *input, "flatten", {elementsOf(input->shape)});
  define(node, input->chain, input->shape, std::move(*result));
}

/// Sizes of 1 come and go.
void Converter::squeeze(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  View view = viewOf(*input);
  std::vector<int64_t> list = axes(node, *input);
  if (node.op == "Unsqueeze") {
    int64_t rank = int64_t(view.dims.size() + list.size());
    list = numbers(node, "axes");
    if (const Tensor *given = constant(node, 1); given && !given->isFloat)
      list = given->ints;
    for (int64_t &axis : list)
      axis += axis < 0 ? rank : 0;
    std::sort(list.begin(), list.end());
    for (int64_t axis : list) {
      if (axis < 0 || axis > int64_t(view.dims.size()))
        return fail(node, "axes that its result does not have");
      view.dims.insert(view.dims.begin() + axis, std::vector<int>());
    }
    return define(node, input->chain, input->shape, std::move(view));
  }
  if (list.empty() && node.attributes.count("axes") == 0 && node.inputs.size() < 2)
    for (size_t dim = 0; dim < view.dims.size(); ++dim)
      if (!hasBatch(view, dim) && sizeOf(view, dim) == 1)
        list.push_back(int64_t(dim));
  for (size_t i = list.size(); i-- > 0;) {
    bool exists = list[i] >= 0 && list[i] < int64_t(view.dims.size());
    if (!exists || hasBatch(view, size_t(list[i])) || sizeOf(view, size_t(list[i])) != 1)
      return fail(node, "expected sizes of 1, behind the batch, to be taken out");
    view.dims.erase(view.dims.begin() + list[i]);
  }
  bool flattens = !input->view && isPlain(view) && view.dims.size() == 2;
  if (flattens && input->shape.size() > 1)
    return append(node, *input, "flatten", {elementsOf(input->shape)});
  define(node, input->chain, input->shape, std::move(view));
}

/// What a constant is repeated to is the batch; a tensor keeps its sizes.
void Converter::expand(const Node &node) {
  const Tensor *sizes = constant(node, 1);
  if (const Tensor *given = constant(node, 0); given && sizes) {
    std::vector<int64_t> wanted = sizes->ints;
    bool fits = wanted.size() == given->dims.size() && !wanted.empty() && given->dims[0] == 1 &&
                (wanted[0] == kBatch || wanted[0] == 1);
    for (size_t i = 1; i < wanted.size() && fits; ++i)
      fits = wanted[i] == given->dims[i] || wanted[i] == 1 || wanted[i] == -1;
    if (!fits || !promote(node, 0))
      return fits ? void()
                  : fail(node, fmt::format("it repeats a constant [{}] to [{}]; expected the batch "
                                           "in front alone",
                                           sizesText(given->dims), sizesText(wanted)));
    const Value &value = values[node.inputs[0]];
    return define(node, value.chain, value.shape);
  }
  const Value *input = viewed(node);
  if (!input)
    return;
  View view = viewOf(*input);
  bool fits = sizes && sizes->ints.size() == view.dims.size();
  for (size_t i = 0; fits && i < view.dims.size(); ++i) {
    int64_t size = sizes->ints[i];
    fits = size == 1 || size == sizeOf(view, i) || (hasBatch(view, i) && batchFactor(size));
  }
  if (!fits)
    return fail(node, "it repeats a computed tensor; expected its own sizes");
  define(node, input->chain, input->shape, input->view);
}

/// One part of an axis under the name `output`; `drops`: the size is gone after it.
void Converter::sliceAxis(const Node &node, const std::string &output, const std::string &name,
                          int64_t dim, int64_t begin, int64_t end, bool drops) {
  std::optional<size_t> place = axisFor(node, name, dim);
  if (!place)
    return;
  const Value from = values[name];
  View view = withSize(viewOf(from), size_t(dim), end - begin);
  if (drops)
    view.dims.erase(view.dims.begin() + dim);
  Shape shape = from.shape;
  std::vector<std::string> chain = from.chain;
  if (begin != 0 || end != shape[*place])
    chain.push_back(fmt::format("slice({}, {}, {})", *place, begin, end));
  shape[*place] = end - begin;
  defineResult(node, output, std::move(chain), std::move(shape), std::move(view));
}

/// A run of indices of one axis.
void Converter::gather(const Node &node) {
  const Tensor *indices = constant(node, 1);
  if (!viewed(node))
    return;
  View view = viewOf(values[node.inputs[0]]);
  int64_t dim = number(node, "axis", 0), rank = int64_t(view.dims.size());
  dim += dim < 0 ? rank : 0;
  bool isSound = indices && !indices->isFloat && indices->dims.size() <= 1 &&
                 !indices->ints.empty() && dim >= 0 && dim < rank;
  if (!isSound)
    return fail(node, "expected constant indices of one axis");
  int64_t size = sizeOf(view, size_t(dim));
  std::vector<int64_t> list = indices->ints;
  for (size_t i = 0; i < list.size(); ++i) {
    list[i] += list[i] < 0 ? size : 0;
    isSound &= list[i] == list[0] + int64_t(i) && list[i] >= 0 && list[i] < size;
  }
  if (!isSound)
    return fail(node, "its indices are no run within its input");
  sliceAxis(node, node.outputs[0], node.inputs[0], dim, list.front(), list.back() + 1,
            indices->dims.empty());
}

void Converter::split(const Node &node) {
  if (!viewed(node))
    return;
  const std::string &name = node.inputs[0];
  View view = viewOf(values[name]);
  int64_t dim = number(node, "axis", 0), rank = int64_t(view.dims.size());
  dim += dim < 0 ? rank : 0;
  if (dim < 0 || dim >= rank)
    return fail(node, "an axis that its input does not have");
  std::vector<int64_t> parts = numbers(node, "split");
  if (const Tensor *given = constant(node, 1); given && !given->isFloat)
    parts = given->ints;
  int64_t size = sizeOf(view, size_t(dim)), count = int64_t(node.outputs.size());
  for (int64_t left = size, part = (size + count - 1) / count; parts.empty() && left > 0;
       left -= part)
    parts.resize(size_t(count), std::min(part, left));
  if (numbers(node, "split").empty() && !constant(node, 1)) { // the last part is what is left
    int64_t part = (size + count - 1) / count;
    for (int64_t i = 0; i < count; ++i)
      parts[size_t(i)] = std::min(part, size - i * part);
  }
  int64_t sum = 0;
  bool isSound = int64_t(parts.size()) == count;
  for (int64_t part : parts) {
    isSound &= part > 0 && part <= size;
    sum += isSound ? part : 0;
  }
  if (!isSound || sum != size)
    return fail(node, fmt::format("parts that do not make {}", size));
  if (!axisFor(node, name, dim))
    return;
  variable(name);
  int64_t begin = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (readers.count(node.outputs[i]) || outputNames.count(node.outputs[i]))
      sliceAxis(node, node.outputs[i], name, dim, begin, begin + parts[i], false);
    begin += parts[i];
  }
}

void Converter::concat(const Node &node) {
  Shape shape;
  std::optional<View> view;
  std::string list;
  bool anyTensor = false;
  for (const std::string &name : node.inputs)
    anyTensor |= values.count(name) > 0;
  std::optional<size_t> place;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if ((anyTensor && !promote(node, i)) || !viewed(node, i) ||
        !arrangeInOrder(node, node.inputs[i]))
      return;
    const Value &value = values[node.inputs[i]];
    View own = viewOf(value);
    auto rank = int64_t(own.dims.size());
    int64_t axis = number(node, "axis", 1);
    axis += axis < 0 ? rank : 0;
    if (i == 0) {
      place = axisFor(node, node.inputs[0], axis);
      if (!place)
        return;
      shape = value.shape;
      view = own;
    } else {
      Shape other = value.shape;
      bool fits = other.size() == shape.size() && own.dims == view->dims;
      if (fits) {
        other[*place] = shape[*place];
        fits = other == shape;
      }
      if (!fits)
        return fail(node, "its inputs differ in more than the size that is joined");
      shape[*place] += value.shape[*place];
    }
    list += (list.empty() ? "" : ", ") + variable(node.inputs[i]);
  }
  view->axes = shape;
  size_t usual = shape.size() == 3 || shape.size() <= 2 ? 0 : size_t(-1);
  define(node, {"concat(" + list + (*place == usual ? ")" : fmt::format(", axis={})", *place))},
         shape, view);
}

/// A run of an axis, or every n-th row and column of an image.
void Converter::slice(const Node &node) {
  if (!viewed(node))
    return;
  std::optional<SliceRanges> ranges = sliceRanges(node);
  if (!ranges)
    return;
  const auto &[begin, end, axes, steps] = *ranges;
  const std::string &name = node.inputs[0];
  View view = viewOf(values[name]);
  std::vector<int64_t> stride{1, 1};
  std::string from = name;
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t dim = axes[i] < 0 ? axes[i] + int64_t(view.dims.size()) : axes[i];
    if (dim < 0 || dim >= int64_t(view.dims.size()))
      return fail(node, "an axis that its input does not have");
    int64_t size = sizeOf(view, size_t(dim));
    auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
    int64_t low = place(begin[i]), high = place(end[i]);
    bool isAll = low == 0 && (high == size || end[i] > size);
    if (hasBatch(view, size_t(dim))) {
      if (steps[i] == 1 && begin[i] == 0 && end[i] > (int64_t(1) << 30))
        continue;
      return fail(node, "it takes a part of the batch");
    }
    if (steps[i] == 1 && low < high) {
      if (isAll)
        continue;
      sliceAxis(node, node.outputs[0], from, dim, low, high, false);
      if (values[node.outputs[0]].failed)
        return;
      from = node.outputs[0];
    } else if (steps[i] > 1 && steps[i] < (1 << 24) && isAll && (dim == 2 || dim == 3)) {
      stride[size_t(dim) - 2] = steps[i];
    } else {
      return fail(node, "expected a run of an axis, or every n-th row and column of an image, from "
                        "the first on");
    }
  }
  if (stride == std::vector<int64_t>{1, 1})
    return from == name ? define(node, values[name].chain, values[name].shape, values[name].view)
                        : void();
  if (from != name || !tensor(node) || values[name].shape.size() != 3)
    return fail(node, "expected every n-th row and column of an image alone");
  const Value &input = values[name];
  append(
      node, input, "subsample(" + pairText(stride) + ")",
      {input.shape[0], (input.shape[1] - 1) / stride[0] + 1, (input.shape[2] - 1) / stride[1] + 1});
}

void Converter::identity(const Node &node) {
  if (const Value *input = viewed(node))
    define(node, input->chain, input->shape, input->view);
}

/// A list of sizes, with the batch among them.
void Converter::shapeOf(const Node &node) {
  const Value *input = viewed(node);
  if (!input)
    return;
  View view = viewOf(*input);
  Tensor sizes;
  sizes.isFloat = false;
  for (size_t dim = 0; dim < view.dims.size(); ++dim)
    sizes.ints.push_back(hasBatch(view, dim) ? batchTimes(sizeOf(view, dim)) : sizeOf(view, dim));
  if (node.op == "Size") {
    int64_t count = elementsOf(view.axes);
    sizes.ints = {whole ? count : batchTimes(count)};
    folded[node.outputs.front()] = std::move(sizes);
    return;
  }
  int64_t rank = sizes.elements(), begin = number(node, "start", 0),
          end = number(node, "end", rank);
  begin = std::clamp<int64_t>(begin < 0 ? begin + rank : begin, 0, rank);
  end = std::clamp<int64_t>(end < 0 ? end + rank : end, begin, rank);
  sizes.ints = {sizes.ints.begin() + begin, sizes.ints.begin() + end};
  sizes.dims = {sizes.elements()};
  folded[node.outputs.front()] = std::move(sizes);
}

void Converter::pad(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  auto mode = node.attributes.find("mode");
  bool isConstant = mode == node.attributes.end() || mode->second.s == "constant";
  std::vector<int64_t> pads = numbers(node, "pads");
  if (const Tensor *given = constant(node, 1); given && !given->isFloat)
    pads = given->ints;
  const Tensor *value = constant(node, 2);
  double fill = value && value->elements() == 1 ? value->at(0) : real(node, "value", 0);
  bool isSound = isConstant && fill == 0 && input->shape.size() == 3 && pads.size() == 8;
  for (int64_t pad : pads)
    isSound &= pad >= 0 && pad < (1 << 24);
  if (!isSound || pads[0] || pads[1] || pads[4])
    return fail(node, "expected zeros around an image, or channels of zeros behind its own");
  Shape out = input->shape;
  std::vector<std::string> chain = input->chain;
  if (pads[2] || pads[3] || pads[6] || pads[7]) {
    bool isEven = pads[2] == pads[6] && pads[3] == pads[7];
    chain.push_back(isEven
                        ? "pad(" + pairText({pads[2], pads[3]}) + ")"
                        : fmt::format("pad([{}, {}, {}, {}])", pads[2], pads[3], pads[6], pads[7]));
    out[1] += pads[2] + pads[6];
    out[2] += pads[3] + pads[7];
  }
  if (pads[5]) {
    out[0] += pads[5];
    chain.push_back(fmt::format("pad_channels({})", out[0]));
  }
  define(node, chain, out);
}

} // namespace netc::frontend::onnx
