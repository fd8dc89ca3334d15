//===- ConvertIndices.cpp - values chosen, repeated, joined, filled in ----===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <numeric>

namespace netc::frontend::onnx {

/// A constant list of whole numbers, an attribute in old opsets; nothing: there is none.
static std::optional<std::vector<int64_t>> listOf(const Tensor *given) {
  return given && !given->isFloat ? std::optional(given->ints) : std::nullopt;
}

std::optional<Converter::SliceRanges> Converter::sliceRanges(const Node &node) {
  auto list = [&](const char *name, size_t index) {
    return listOf(constant(node, index)).value_or(numbers(node, name));
  };
  SliceRanges ranges{list("starts", 1), list("ends", 2), list("axes", 3), list("steps", 4)};
  auto &[begin, end, axes, steps] = ranges;
  for (size_t i = axes.size(); i < begin.size(); ++i)
    axes.push_back(int64_t(i));
  steps.resize(axes.size(), 1);
  if (begin.empty() || begin.size() != axes.size() || end.size() != axes.size())
    return fail(node, "its bounds are computed, expected constants"), std::nullopt;
  return ranges;
}

void Converter::generalSlice(const Node &node) {
  std::optional<Term> x = term(node);
  if (!x)
    return;
  std::optional<SliceRanges> ranges = sliceRanges(node);
  if (!ranges)
    return;
  const auto &[begin, end, axes, steps] = *ranges;
  for (size_t i = 0; i < axes.size(); ++i) {
    std::optional<size_t> axis = termAxis(node, *x, axes[i]);
    if (!axis)
      return;
    int64_t size = x->sizes[*axis], step = steps[i];
    bool isBack = step < 0;
    auto place = [&](int64_t at) {
      at += at < 0 ? size : 0;
      return std::clamp<int64_t>(at, isBack ? -1 : 0, isBack ? size - 1 : size);
    };
    // From the end of all numbers on means "down to the first".
    int64_t low = place(begin[i]), high = isBack && end[i] < -size ? -1 : place(end[i]);
    std::vector<int64_t> indices;
    for (int64_t at = low; step != 0 && (isBack ? at > high : at < high); at += step)
      indices.push_back(at);
    if (indices.empty())
      return fail(node, "nothing is left of an axis, expected at least one value");
    x = picked(node, *x, *axis, indices);
    if (!x)
      return;
  }
  defineTerm(node, *x);
}

void Converter::generalGather(const Node &node) {
  const Tensor *given = constant(node, 1);
  std::optional<Term> x = term(node);
  std::optional<size_t> axis = x ? termAxis(node, *x, number(node, "axis", 0)) : std::nullopt;
  if (!axis)
    return;
  int64_t size = x->sizes[*axis];
  Shape sizes = x->sizes;
  sizes.erase(sizes.begin() + ptrdiff_t(*axis));
  if (given && !given->isFloat) {
    std::vector<int64_t> indices = given->ints;
    for (int64_t &index : indices) {
      index += index < 0 ? size : 0;
      if (index < 0 || index >= size)
        return fail(node, fmt::format("index {} of {} values", index, size));
    }
    std::optional<Term> result = indices.empty() ? std::nullopt : picked(node, *x, *axis, indices);
    if (!result)
      return indices.empty() ? fail(node, "no indices, expected some") : void();
    sizes.insert(sizes.begin() + ptrdiff_t(*axis), given->dims.begin(), given->dims.end());
    if (sizes.size() > 4)
      return fail(node, "a result of more than four sizes");
    return defineTerm(node, reshaped(*result, sizes));
  }
  // Indices of the input: a row of ones and zeros each, times the values.
  std::optional<Term> indices = x->batched ? std::nullopt : term(node, 1);
  if (!indices)
    return x->batched ? fail(node, "its indices are computed, expected constants") : void();
  sizes.insert(sizes.begin() + ptrdiff_t(*axis), indices->sizes.begin(), indices->sizes.end());
  if (sizes.size() > 4)
    return fail(node, "a result of more than four sizes");
  Term flat = reshaped(*indices, {elementsOf(indices->sizes)});
  Term zero = filled(node, flat, 0);
  flat = add(flat, affine(binary("less", flat, zero), double(size), 0));
  Term rows = rowsOf(*x, *axis); // [rest, size]
  Term result = product(rows, oneHotOf(node, flat, size), /*transposes=*/true);
  Shape between = x->sizes;
  between[*axis] = flat.sizes[0];
  defineTerm(node, reshaped(fromRows(result, between, *axis), sizes));
}

/// Each value's index along an axis.
void Converter::gatherElements(const Node &node) {
  std::optional<Term> x = term(node), indices = x ? term(node, 1) : std::nullopt;
  std::optional<size_t> axis = indices ? termAxis(node, *x, number(node, "axis", 0)) : std::nullopt;
  if (!axis)
    return;
  Shape wanted = x->sizes;
  wanted[*axis] = indices->sizes.size() == wanted.size() ? indices->sizes[*axis] : 0;
  if (wanted != indices->sizes)
    return fail(node, "expected indices of the input's sizes, but along its axis");
  int64_t size = x->sizes[*axis], count = indices->sizes[*axis];
  Term rows = rowsOf(*x, *axis), places = rowsOf(*indices, *axis);
  places = add(places, affine(binary("less", places, affine(places, 0, 0)), double(size), 0));
  Term chosen = oneHotOf(node, places, size); // [rows, count, size]
  int64_t outer = rows.sizes[0];
  Term values = expanded(reshaped(rows, {outer, 1, size}), {outer, count, size});
  Term result = *reduced(node, binary("mask", values, chosen), {2}, "ReduceSum");
  defineTerm(node, fromRows(result, indices->sizes, *axis));
}

/// Constant tuples of indices into the first sizes.
void Converter::gatherNd(const Node &node) {
  const Tensor *given = constant(node, 1);
  std::optional<Term> x = term(node);
  if (!x)
    return;
  size_t depth = given && !given->dims.empty() ? size_t(given->dims.back()) : 0;
  if (!given || given->isFloat || x->batched || number(node, "batch_dims", 0) || depth < 1 ||
      depth > x->sizes.size())
    return fail(node, "expected constant indices, no batch_dims, and an import with --no-batch");
  int64_t size = 1;
  for (size_t axis = 0; axis < depth; ++axis)
    size *= x->sizes[axis];
  std::vector<int64_t> places;
  for (size_t i = 0; i < given->ints.size(); i += depth) {
    int64_t place = 0;
    for (size_t axis = 0; axis < depth; ++axis) {
      int64_t index = given->ints[i + axis];
      index += index < 0 ? x->sizes[axis] : 0;
      if (index < 0 || index >= x->sizes[axis])
        return fail(node, "an index beyond its input");
      place = place * x->sizes[axis] + index;
    }
    places.push_back(place);
  }
  Shape rest(x->sizes.begin() + ptrdiff_t(depth), x->sizes.end()), sizes = given -> dims;
  sizes.pop_back();
  sizes.insert(sizes.end(), rest.begin(), rest.end());
  if (sizes.size() > 4)
    return fail(node, "a result of more than four sizes");
  std::optional<Term> result = picked(node, reshaped(*x, {size, elementsOf(rest)}), 0, places);
  if (result)
    defineTerm(node, reshaped(*result, sizes));
}

void Converter::generalExpand(const Node &node) {
  std::optional<std::vector<int64_t>> sizes = listOf(constant(node, 1));
  std::optional<Term> x = term(node);
  if (!x)
    return;
  if (sizes && x->batched && sizes->size() == x->rank() &&
      (sizes->front() == 1 || sizes->front() == kBatch))
    sizes->erase(sizes->begin()); // the batch stays
  else if (x->batched)
    sizes.reset();
  bool isSound = sizes && sizes->size() <= 4;
  for (int64_t size : sizes.value_or(Shape()))
    isSound &= size >= 1 && size < (int64_t(1) << 32);
  if (!isSound)
    return fail(node, "it repeats a computed tensor; expected constant sizes, and an import with "
                      "--no-batch");
  Shape own = x->sizes;
  size_t rank = std::max(own.size(), sizes->size());
  own.insert(own.begin(), rank - own.size(), 1);
  sizes->insert(sizes->begin(), rank - sizes->size(), 1);
  for (size_t i = 0; i < rank; ++i) {
    if (own[i] != 1 && (*sizes)[i] != 1 && own[i] != (*sizes)[i])
      return fail(node, "sizes that do not fit its input");
    (*sizes)[i] = std::max(own[i], (*sizes)[i]);
  }
  Term result = expanded(reshaped(*x, own), *sizes);
  defineTerm(node, result);
}

/// Sizes that cut across those of the input; Flatten too.
void Converter::generalReshape(const Node &node) {
  std::optional<std::vector<int64_t>> given = listOf(constant(node, 1));
  std::optional<Term> x = term(node);
  if (!x)
    return;
  if (x->batched)
    return fail(node, "sizes that cut across the batch, or are computed");
  Shape sizes;
  int64_t rank = int64_t(x->sizes.size()), all = elementsOf(x->sizes);
  if (node.op == "Flatten") {
    int64_t axis = number(node, "axis", 1);
    axis += axis < 0 ? rank : 0;
    if (axis < 0 || axis > rank)
      return fail(node, "an axis that its input does not have");
    int64_t rows = elementsOf({x->sizes.begin(), x->sizes.begin() + axis});
    sizes = {rows, all / rows};
  } else {
    sizes = given.value_or(numbers(node, "shape"));
    int64_t known = 1;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0 && int64_t(i) < rank && !number(node, "allowzero", 0))
        sizes[i] = x->sizes[i];
      bool isSound = sizes[i] == -1 || (sizes[i] >= 1 && sizes[i] <= all);
      if (!isSound)
        return fail(node, fmt::format("to [{}]; expected constant sizes that its values fill",
                                      fmt::join(sizes, ", ")));
      known *= sizes[i] == -1 ? 1 : sizes[i];
      known = std::min(known, all + 1);
    }
    for (int64_t &size : sizes)
      size = size == -1 ? all / known : size;
    bool isGiven = given || node.attributes.count("shape");
    if (!isGiven || sizes.size() > 4 || elementsOf(sizes) != all)
      return fail(node, "its sizes are computed, more than four, or do not fit its values");
  }
  defineTerm(node, reshaped(*x, sizes));
}

void Converter::generalSplit(const Node &node) {
  std::optional<Term> x = term(node);
  std::optional<size_t> axis = x ? termAxis(node, *x, number(node, "axis", 0)) : std::nullopt;
  if (!axis)
    return;
  std::vector<int64_t> parts = listOf(constant(node, 1)).value_or(numbers(node, "split"));
  int64_t size = x->sizes[*axis], count = int64_t(node.outputs.size()), begin = 0;
  for (int64_t i = 0, part = (size + count - 1) / count; parts.size() < size_t(count); ++i)
    parts.push_back(std::min(part, size - i * part));
  for (size_t i = 0; i < parts.size() && i < node.outputs.size(); ++i) {
    if (parts[i] < 1 || parts[i] > size - begin)
      return fail(node, "parts that do not make its size, or are empty");
    defineTerm(node, sliced(*x, *axis, begin, begin + parts[i]), i);
    begin += parts[i];
  }
}

void Converter::tile(const Node &node) {
  std::optional<std::vector<int64_t>> counts = listOf(constant(node, 1));
  std::optional<Term> x = term(node);
  if (!x)
    return;
  size_t first = x->batched ? 1 : 0;
  bool isSound = counts && counts->size() == x->rank() && (!first || counts->front() == 1);
  int64_t elements = elementsOf(x->sizes);
  for (size_t i = first; isSound && i < counts->size(); ++i) {
    isSound = (*counts)[i] >= 1 && (*counts)[i] < (1 << 20);
    elements *= isSound && elements < (int64_t(1) << 40) ? (*counts)[i] : 1;
  }
  if (!isSound || elements > (int64_t(1) << 32))
    return fail(node, "expected a constant number from 1 on for each size behind the batch");
  for (size_t axis = 0; axis < x->sizes.size(); ++axis) {
    int64_t count = (*counts)[axis + first];
    if (count == 1)
      continue;
    // [outer, 1, size inner] repeated, then [outer, count size, inner]
    Shape sizes = x->sizes;
    int64_t outer = elementsOf({sizes.begin(), sizes.begin() + ptrdiff_t(axis)});
    int64_t inner = elementsOf({sizes.begin() + ptrdiff_t(axis), sizes.end()});
    sizes[axis] *= count;
    x = reshaped(expanded(reshaped(*x, {outer, 1, inner}), {outer, count, inner}), sizes);
  }
  defineTerm(node, *x);
}

/// Constants among the inputs, or along the first size.
void Converter::generalConcat(const Node &node) {
  std::vector<Term> parts;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    std::optional<Term> part = term(node, i);
    if (!part)
      return;
    if (!parts.empty() && part->sizes.size() != parts.front().sizes.size())
      return fail(node, "its inputs have different numbers of sizes");
    parts.push_back(*part);
  }
  std::optional<size_t> axis =
      parts.empty() ? std::nullopt : termAxis(node, parts.front(), number(node, "axis", 1));
  if (!axis)
    return parts.empty() ? fail(node, "it has no inputs") : void();
  for (const Term &part : parts) {
    Shape sizes = part.sizes;
    sizes[*axis] = parts.front().sizes[*axis];
    if (sizes != parts.front().sizes || part.batched != parts.front().batched)
      return fail(node, "its inputs differ in more than the size that is joined");
  }
  defineTerm(node, joined(parts, *axis));
}

/// Zeros or another number around, or values of the input again.
void Converter::generalPad(const Node &node) {
  std::vector<int64_t> pads = listOf(constant(node, 1)).value_or(numbers(node, "pads"));
  std::optional<std::vector<int64_t>> named = listOf(constant(node, 3));
  std::optional<Term> x = term(node);
  if (!x)
    return;
  auto mode = node.attributes.find("mode");
  std::string word = mode == node.attributes.end() ? "constant" : mode->second.s;
  bool isGiven = node.inputs.size() > 2 && !node.inputs[2].empty();
  const Tensor *value = constant(node, 2);
  if (isGiven && (!value || value->elements() != 1))
    return fail(node, "its value is computed, expected a constant");
  double fill = isGiven ? value->at(0) : real(node, "value", 0);
  std::vector<int64_t> axes = named.value_or(std::vector<int64_t>());
  for (size_t i = 0; !named && i < x->rank(); ++i)
    axes.push_back(int64_t(i));
  if (pads.size() != 2 * axes.size())
    return fail(node, "expected two constant paddings for each size");
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t low = pads[i], high = pads[i + axes.size()];
    if (low == 0 && high == 0)
      continue;
    std::optional<size_t> axis = termAxis(node, *x, axes[i]);
    if (!axis)
      return;
    int64_t size = x->sizes[*axis];
    bool isSound = std::abs(low) < (1 << 20) && std::abs(high) < (1 << 20) && low > -size &&
                   high > -size && low + high > -size;
    if (!isSound)
      return fail(node, "paddings that leave nothing of an axis");
    std::vector<int64_t> indices;
    for (int64_t at = -low; at < size + high; ++at) {
      int64_t period = 2 * std::max<int64_t>(1, size - 1), from = at;
      if (word == "reflect") {
        from = ((at % period) + period) % period;
        from = size == 1 ? 0 : from >= size ? period - from : from;
      } else if (word == "edge") {
        from = std::clamp<int64_t>(at, 0, size - 1);
      } else if (word == "wrap") {
        from = ((at % size) + size) % size;
      }
      indices.push_back(from);
    }
    if (word != "constant") {
      x = picked(node, *x, *axis, indices);
      if (!x)
        return;
      continue;
    }
    Term inner = sliced(*x, *axis, std::max<int64_t>(0, -low), std::min(size, size + high));
    std::vector<Term> parts{inner};
    auto border = [&](int64_t count) {
      Term like = inner;
      like.sizes[*axis] = count;
      return filled(node, like, fill);
    };
    if (low > 0)
      parts.insert(parts.begin(), border(low));
    if (high > 0)
      parts.push_back(border(high));
    x = joined(parts, *axis);
  }
  defineTerm(node, *x);
}

void Converter::centerCropPad(const Node &node) {
  std::optional<std::vector<int64_t>> sizes = listOf(constant(node, 1));
  std::optional<Term> x = term(node);
  if (!x)
    return;
  std::vector<int64_t> axes = numbers(node, "axes");
  for (size_t i = 0; axes.empty() && sizes && i < sizes->size(); ++i)
    axes.push_back(int64_t(i));
  if (axes.empty() && x->rank())
    for (size_t i = 0; i < x->rank(); ++i)
      axes.push_back(int64_t(i));
  if (!sizes || sizes->size() != axes.size())
    return fail(node, "its sizes are computed, expected constants");
  for (size_t i = 0; i < axes.size(); ++i) {
    std::optional<size_t> axis = termAxis(node, *x, axes[i]);
    if (!axis)
      return;
    int64_t have = x->sizes[*axis], want = (*sizes)[i];
    if (want < 1 || want > (1 << 20))
      return fail(node, "sizes below 1");
    if (want < have)
      x = sliced(*x, *axis, (have - want) / 2, (have - want) / 2 + want);
    if (want <= have)
      continue;
    std::vector<Term> parts{*x};
    Term like = *x;
    int64_t low = (want - have) / 2;
    like.sizes[*axis] = want - have - low;
    parts.push_back(filled(node, like, 0));
    like.sizes[*axis] = low;
    if (low > 0)
      parts.insert(parts.begin(), filled(node, like, 0));
    x = joined(parts, *axis);
  }
  defineTerm(node, *x);
}

void Converter::oneHot(const Node &node) {
  const Tensor *depth = constant(node, 1);
  std::optional<Term> indices = term(node), values = indices ? term(node, 2) : std::nullopt;
  if (!values)
    return;
  if (!depth || depth->elements() != 1 || depth->at(0) < 1 || depth->at(0) > (1 << 20) ||
      indices->sizes.size() > 3 || values->sizes != Shape{2})
    return fail(node, "expected a constant depth, two values, and at most three sizes");
  auto count = int64_t(depth->at(0));
  Term flat = reshaped(*indices, {elementsOf(indices->sizes)});
  flat = add(flat, affine(binary("less", flat, affine(flat, 0, 0)), double(count), 0));
  Term hot = oneHotOf(node, flat, count); // [n, depth]
  Term off = expanded(reshaped(sliced(*values, 0, 0, 1), {1, 1}), hot.sizes),
       on = expanded(reshaped(sliced(*values, 0, 1, 2), {1, 1}), hot.sizes);
  Term result = add(multiply(hot, on), multiply(affine(hot, -1, 1), off));
  Shape sizes = indices->sizes;
  int64_t axis = number(node, "axis", -1);
  axis += axis < 0 ? int64_t(sizes.size()) + 1 : 0;
  if (axis < 0 || axis > int64_t(sizes.size()))
    return fail(node, "an axis that its result does not have");
  sizes.push_back(count);
  std::vector<int64_t> order;
  for (size_t i = 0; i + 1 < sizes.size(); ++i)
    order.push_back(int64_t(i));
  order.insert(order.begin() + axis, int64_t(sizes.size()) - 1);
  defineTerm(node, permuted(reshaped(result, sizes), order));
}

/// Blocks of pixels to channels, and back.
void Converter::depthToSpace(const Node &node) {
  const Value *input = tensor(node);
  if (!input)
    return;
  int64_t block = number(node, "blocksize", 0);
  if (input->shape.size() != 3 || block < 1 || block > (1 << 12))
    return fail(node, "expected an image and a block size");
  int64_t c = input->shape[0], h = input->shape[1], w = input->shape[2];
  Term x{variable(node.inputs[0]), {c, h, w}};
  bool toSpace = node.op == "DepthToSpace";
  auto mode = node.attributes.find("mode");
  bool isLast = mode != node.attributes.end() && mode->second.s == "CRD";
  if (toSpace ? c % (block * block) : h % block || w % block)
    return fail(node, "blocks that do not divide its sizes");
  // Two permutes of four axes each in place of one of six.
  Term result = x;
  if (toSpace) {
    int64_t out = c / (block * block);
    if (!isLast) { // [by bx c] to [c by bx]
      result = permuted(reshaped(result, {block * block, out, h * w}), {1, 0, 2});
    }
    // [c by, bx, h, w] to [c by, h, w, bx], then [c, by, h, w bx] to [c, h, by, w bx]
    result = permuted(reshaped(result, {out * block, block, h, w}), {0, 2, 3, 1});
    result = permuted(reshaped(result, {out, block, h, w * block}), {0, 2, 1, 3});
    result = reshaped(result, {out, h * block, w * block});
  } else {
    int64_t rows = h / block, columns = w / block;
    result = permuted(reshaped(result, {c, rows, block, w}), {0, 2, 1, 3}); // [c, by, h, w bx]
    result = permuted(reshaped(result, {c * block, rows, columns, block}), {0, 3, 1, 2});
    result = permuted(reshaped(result, {c, block * block, rows * columns}), {1, 0, 2});
    result = reshaped(result, {c * block * block, rows, columns});
  }
  define(node, {result.text}, result.sizes);
}

} // namespace netc::frontend::onnx
