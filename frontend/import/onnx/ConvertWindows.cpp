//===- ConvertWindows.cpp - pools and convolutions of other kinds ---------===//
//
// What one layer of the language does not say: averages that leave padding out, windows along one
// or three axes, norms of windows, transposed convolutions with uneven padding or a dilation.
//
//===----------------------------------------------------------------------===//
#include "dialect/interfaces/WindowShape.h"
#include "frontend/import/onnx/Converter.h"

#include <algorithm>

namespace netc::frontend::onnx {

std::optional<std::vector<WindowAxis>> Converter::windows(const Node &node, const Shape &spatial,
                                                          std::vector<int64_t> kernel) {
  size_t count = spatial.size();
  auto orOnes = [&](const char *name) {
    std::vector<int64_t> list = numbers(node, name);
    return list.empty() ? std::vector<int64_t>(count, 1) : list;
  };
  std::vector<int64_t> stride = orOnes("strides"), dilation = orOnes("dilations"),
                       pads = numbers(node, "pads");
  auto mode = node.attributes.find("auto_pad");
  std::string word = mode == node.attributes.end() ? "NOTSET" : mode->second.s;
  if (pads.empty() || word != "NOTSET")
    pads.assign(2 * count, 0);
  bool isSound = kernel.size() == count && stride.size() == count && dilation.size() == count &&
                 pads.size() == 2 * count;
  constexpr int64_t most = int64_t(1) << 20;
  for (const auto *list : {&kernel, &stride, &dilation})
    for (int64_t value : *list)
      isSound &= value >= 1 && value < most;
  for (int64_t pad : pads)
    isSound &= pad >= 0 && pad < most;
  std::vector<WindowAxis> axes;
  for (size_t d = 0; isSound && d < count; ++d) {
    WindowAxis axis{spatial[d], kernel[d], stride[d], dilation[d], pads[d], pads[count + d]};
    int64_t span = axis.span();
    if (word.starts_with("SAME")) {
      axis.out = (axis.in + axis.stride - 1) / axis.stride;
      int64_t all = std::max<int64_t>(0, (axis.out - 1) * axis.stride + span - axis.in);
      axis.low = word == "SAME_UPPER" ? all / 2 : all - all / 2;
      axis.high = all - axis.low;
    } else {
      axis.out = windowOutputSize(axis.in, axis.kernel, axis.stride, axis.low, axis.high,
                                  axis.dilation, number(node, "ceil_mode", 0) != 0);
    }
    isSound = axis.out >= 1;
    axes.push_back(axis);
  }
  if (isSound)
    return axes;
  fail(node, "windows that do not fit its input");
  return std::nullopt;
}

/// One pool along one or two axes of [lead, …]: its padding is what makes all windows whole.
Term Converter::pooled(const Term &x, const char *layer, const std::vector<WindowAxis> &axes) {
  std::vector<int64_t> kernel, stride, dilation, low, high;
  Shape sizes{x.sizes[0]};
  for (const WindowAxis &axis : axes) {
    kernel.push_back(axis.kernel);
    stride.push_back(axis.stride);
    dilation.push_back(axis.dilation);
    low.push_back(axis.low);
    high.push_back(std::max<int64_t>(0, axis.reach() - axis.in - axis.low));
    sizes.push_back(axis.out);
  }
  std::string text = fmt::format("{}(k=[{}], stride=[{}]", layer, fmt::join(kernel, ", "),
                                 fmt::join(stride, ", "));
  bool isPadded = low[0] || low[1] || high[0] || high[1];
  if (isPadded)
    text += fmt::format(", pad=[{}, {}, {}, {}]", low[0], low[1], high[0], high[1]);
  if (dilation[0] != 1 || dilation[1] != 1)
    text += fmt::format(", dilation=[{}, {}]", dilation[0], dilation[1]);
  // Rows and columns behind the last window.
  Term result{bind({x.text, text + ")"}, sizes), sizes, x.batched};
  return result;
}

/// Taps of each window that an average counts.
static std::vector<int64_t> tapsOf(const WindowAxis &axis, bool countsPadding) {
  std::vector<int64_t> taps;
  int64_t from = countsPadding ? -axis.low : 0, to = axis.in + (countsPadding ? axis.high : 0);
  for (int64_t o = 0; o < axis.out; ++o) {
    int64_t count = 0;
    for (int64_t t = 0; t < axis.kernel; ++t) {
      int64_t at = o * axis.stride - axis.low + t * axis.dilation;
      count += at >= from && at < to;
    }
    taps.push_back(count);
  }
  return taps;
}

void Converter::generalPool(const Node &node) {
  if (node.outputs.size() > 1 && readers.count(node.outputs[1]))
    return fail(node, "the indices of the maxima are not available");
  std::optional<Term> x = term(node);
  if (!x)
    return;
  size_t first = x->batched ? 1 : 2; // channels, or images and channels
  if (x->sizes.size() <= first || x->sizes.size() > first + 3)
    return fail(node, "expected [batch, channels, …] with one to three sizes behind");
  Shape spatial(x->sizes.begin() + ptrdiff_t(first), x->sizes.end());
  bool isGlobal = node.op.starts_with("Global");
  auto found = windows(node, spatial, isGlobal ? spatial : numbers(node, "kernel_shape"));
  if (!found)
    return;
  std::vector<WindowAxis> axes = *found;
  int64_t lead = elementsOf({x->sizes.begin(), x->sizes.begin() + ptrdiff_t(first)});
  bool isMax = node.op.ends_with("MaxPool"), isNorm = node.op.ends_with("LpPool");
  int64_t p = number(node, "p", 2);
  if (isNorm && (p < 1 || p > 8))
    return fail(node, fmt::format("norm {}, expected 1 to 8", p));
  Term value = *x;
  if (isNorm) {
    Term size = p % 2 ? call(value, "abs") : value;
    value = size;
    for (int64_t i = 1; i < p; ++i)
      value = multiply(value, size);
  }
  WindowAxis single{1, 1, 1, 1, 0, 0, 1};
  const char *layer = isMax ? "maxpool" : "avgpool";
  if (axes.size() == 3) { // planes, then along the first axis
    Term planes = reshaped(value, {lead * spatial[0], spatial[1], spatial[2]});
    planes = pooled(planes, layer, {axes[1], axes[2]});
    int64_t plane = axes[1].out * axes[2].out;
    WindowAxis rest{plane, 1, 1, 1, 0, 0, plane};
    value = pooled(reshaped(planes, {lead, spatial[0], plane}), layer, {axes[0], rest});
  } else {
    WindowAxis second = axes.size() == 2 ? axes[1] : single;
    value = pooled(reshaped(value, {lead, spatial[0], axes.size() == 2 ? spatial[1] : 1}), layer,
                   {axes[0], second});
  }
  // Averages over whole windows become those over the taps that count.
  std::vector<float> factors{1};
  bool counts = number(node, "count_include_pad", 0) != 0, isEven = true;
  Shape out;
  for (const WindowAxis &axis : axes) {
    std::vector<float> next;
    for (float factor : factors)
      for (int64_t taps : tapsOf(axis, counts)) {
        if (taps == 0)
          return fail(node, "a window that covers nothing but padding");
        next.push_back(factor * float(axis.kernel) / float(isNorm ? 1 : taps));
        isEven &= isNorm || taps == axis.kernel;
      }
    factors = std::move(next);
    out.push_back(axis.out);
  }
  Shape sizes(x->sizes.begin(), x->sizes.begin() + ptrdiff_t(first));
  sizes.insert(sizes.end(), out.begin(), out.end());
  if (isNorm) {
    value = affine(value, factors[0], 0);
    value = p == 1   ? value
            : p == 2 ? call(value, "sqrt")
                     : binary("power", value, filled(node, value, 1 / double(p)));
  } else if (!isMax && !isEven) {
    Term flat = reshaped(value, {lead, elementsOf(out)});
    Term factor = expanded(constantTerm(node, {1, elementsOf(out)}, factors), flat.sizes);
    value = multiply(flat, factor);
  }
  defineTerm(node, reshaped(value, sizes));
}

/// Of one axis: as an image of one column.
void Converter::generalConvolution(const Node &node) {
  const Tensor *weight = constant(node, 1), *bias = constant(node, 2);
  bool hasBias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (!weight || !weight->isFloat || weight->dims.size() != 3 || (hasBias && !bias))
    return fail(node, "expected weights that the file holds, of three or four sizes: only images "
                      "and sequences are convolved");
  std::optional<Term> x = term(node);
  if (!x)
    return;
  bool isOne = !x->batched && x->sizes.size() == 3 && x->sizes[0] == 1;
  if (isOne)
    x = reshaped(*x, {x->sizes[1], x->sizes[2]});
  auto axes = x->sizes.size() == 2
                  ? windows(node, {x->sizes[1]}, {weight->dims[2]})
                  : (fail(node, "expected [batch, channels, length]"), std::nullopt);
  if (!axes)
    return;
  const WindowAxis &axis = axes->front();
  int64_t groups = number(node, "group", 1), channels = weight->dims[0], in = x->sizes[0];
  if (groups < 1 || weight->dims[1] != in / groups || in % groups ||
      (bias && bias->elements() != channels))
    return fail(node, "weights that do not fit its channels");
  std::string name = label(node, "conv");
  addTensor(name + ".weight", {channels, weight->dims[1], axis.kernel, 1}, weight->floats);
  if (bias)
    addTensor(name + ".bias", {channels}, bias->floats);
  Term image = reshaped(*x, {in, axis.in, 1});
  Shape shape{channels, axis.out, 1};
  image.text = bind({image.text, fmt::format("{}: conv({}, k=[{}, 1], stride=[{}, 1], pad=[{}, 0, "
                                             "{}, 0], dilation=[{}, 1], groups={}, bias={})",
                                             name, channels, axis.kernel, axis.stride, axis.low,
                                             axis.high, axis.dilation, groups, bias != nullptr)},
                    shape);
  image.sizes = shape;
  defineTerm(node,
             reshaped(image, isOne ? Shape{1, channels, axis.out} : Shape{channels, axis.out}));
}

/// Along one or two axes: without padding, then cut; a dilation is zeros between the weights.
void Converter::generalTransposedConvolution(const Node &node) {
  const Tensor *weight = constant(node, 1), *bias = constant(node, 2);
  bool hasBias = node.inputs.size() > 2 && !node.inputs[2].empty();
  size_t count = weight ? weight->dims.size() - std::min<size_t>(2, weight->dims.size()) : 0;
  if (!weight || !weight->isFloat || count < 1 || count > 2 || (hasBias && !bias))
    return fail(node, "expected weights that the file holds, of three or four sizes");
  std::optional<Term> x = term(node);
  if (!x)
    return;
  bool isOne = !x->batched && x->sizes.size() == count + 2 && x->sizes[0] == 1;
  if (isOne)
    x = reshaped(*x, {x->sizes.begin() + 1, x->sizes.end()});
  int64_t groups = number(node, "group", 1);
  auto listOr = [&](const char *name, int64_t otherwise) {
    std::vector<int64_t> list = numbers(node, name);
    list.resize(list.empty() ? count : list.size(), otherwise);
    return list;
  };
  std::vector<int64_t> stride = listOr("strides", 1), dilation = listOr("dilations", 1),
                       more = listOr("output_padding", 0), pads = numbers(node, "pads"),
                       wanted = numbers(node, "output_shape");
  pads.resize(pads.empty() ? 2 * count : pads.size(), 0);
  bool isSound = x->sizes.size() == count + 1 && stride.size() == count &&
                 dilation.size() == count && more.size() == count && pads.size() == 2 * count &&
                 (wanted.empty() || wanted.size() == count) && groups >= 1 &&
                 weight->dims[0] == x->sizes[0] && weight->dims[1] < (1 << 20) &&
                 groups < (1 << 20);
  for (const auto *list : {&stride, &dilation})
    for (int64_t value : *list)
      isSound &= value >= 1 && value < (1 << 16);
  for (const auto *list : {&more, &pads})
    for (int64_t value : *list)
      isSound &= value >= 0 && value < (1 << 16);
  if (!isSound)
    return fail(node, "expected an image or a sequence, and attributes that fit it");
  auto mode = node.attributes.find("auto_pad");
  std::string word = mode == node.attributes.end() ? "NOTSET" : mode->second.s;
  Shape kernel{1, 1}, in{1, 1}, full{1, 1}, out{1, 1}, low{0, 0}, step{1, 1}, extra{0, 0};
  for (size_t d = 0; d < count; ++d) {
    in[d] = x->sizes[1 + d];
    step[d] = stride[d];
    kernel[d] = (weight->dims[2 + d] - 1) * dilation[d] + 1;
    int64_t own = (in[d] - 1) * stride[d] + kernel[d] + more[d], all = pads[d] + pads[count + d];
    low[d] = pads[d];
    bool isSame = word.starts_with("SAME");
    if (!wanted.empty() || isSame) {
      int64_t size = wanted.empty() ? in[d] * stride[d] : wanted[d];
      all = std::max<int64_t>(0, own - size);
      low[d] = word == "SAME_UPPER" ? all / 2 : all - all / 2;
      more[d] += std::max<int64_t>(0, size - own);
      own = std::max(own, size);
    }
    out[d] = own - all;
    extra[d] = std::max(more[d], int64_t(0));
    full[d] = own;
    if (out[d] < 1 || extra[d] >= std::max<int64_t>(step[d], 1) + kernel[d])
      return fail(node, "a padding that leaves nothing, or goes beyond its windows");
  }
  std::vector<float> weights(size_t(weight->dims[0] * weight->dims[1] * kernel[0] * kernel[1]));
  int64_t rows = weight->dims[2], columns = count == 2 ? weight->dims[3] : 1;
  int64_t across = count == 2 ? dilation[1] : 1;
  for (int64_t o = 0; o < weight->dims[0] * weight->dims[1]; ++o)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        weights[size_t((o * kernel[0] + i * dilation[0]) * kernel[1] + j * across)] =
            weight->floats[size_t((o * rows + i) * columns + j)];
  int64_t channels = weight->dims[1] * groups;
  std::string name = label(node, "conv_transpose");
  addTensor(name + ".weight", {weight->dims[0], weight->dims[1], kernel[0], kernel[1]},
            std::move(weights));
  if (bias)
    addTensor(name + ".bias", {channels}, bias->floats);
  Term image = reshaped(*x, {x->sizes[0], in[0], in[1]});
  Shape shape{channels, full[0], full[1]};
  std::string text = fmt::format("{}: conv_transpose({}, k=[{}, {}], stride=[{}, {}]", name,
                                 channels, kernel[0], kernel[1], step[0], step[1]);
  if (extra[0] || extra[1])
    text += fmt::format(", out_pad=[{}, {}]", extra[0], extra[1]);
  if (groups != 1)
    text += fmt::format(", groups={}", groups);
  image.text = bind({image.text, text + (bias ? ", bias=true)" : ", bias=false)")}, shape);
  image.sizes = shape;
  for (size_t d = 0; d < count; ++d)
    image = sliced(image, 1 + d, low[d], low[d] + out[d]);
  Shape sizes = isOne ? Shape{1, channels} : Shape{channels};
  sizes.insert(sizes.end(), out.begin(), out.begin() + ptrdiff_t(count));
  defineTerm(node, reshaped(image, sizes));
}

} // namespace netc::frontend::onnx
