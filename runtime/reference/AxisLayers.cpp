//===- AxisLayers.cpp - layers on tensors of any rank ---------------------===//
//
// As Layers.cpp: one plain loop a layer, from its definition and not from the kernels.
//
//===----------------------------------------------------------------------===//
#include "runtime/reference/AxisLayers.h"

#include "runtime/reference/Sizes.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime::reference {

namespace {
/// A tensor as [outer, size, inner] about one of its axes, which counts from the batch.
struct Around {
  Around(const std::vector<int64_t> &shape, int64_t axis, int64_t n) : outer(n) {
    for (size_t i = 0; i < shape.size(); ++i)
      (int64_t(i) + 1 < axis ? outer : int64_t(i) + 1 == axis ? size : inner) *= shape[i];
  }
  int64_t outer, size = 1, inner = 1;
};
} // namespace

static void joinAxis(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  Around whole(node.shape, node.axis, n);
  int64_t first = 0;
  for (const Operand &operand : in) {
    Around own(*operand.shape, node.axis, n);
    for (int64_t o = 0; o < own.outer; ++o)
      std::copy_n(operand.data + o * own.size * own.inner, own.size * own.inner,
                  out + (o * whole.size + first) * whole.inner);
    first += own.size;
  }
}

/// Index i of the axis is index i + begin of the input, zero outside.
static void slice(const Node &node, const Operand &in, int64_t n, double *out) {
  Around from(*in.shape, node.axis, n), to(node.shape, node.axis, n);
  for (int64_t o = 0; o < to.outer; ++o)
    for (int64_t i = 0; i < to.size; ++i)
      for (int64_t j = 0; j < to.inner; ++j) {
        int64_t at = i + node.begin;
        out[(o * to.size + i) * to.inner + j] =
            at >= 0 && at < from.size ? in.data[(o * from.size + at) * from.inner + j] : 0;
      }
}

/// Axis i of the result is axis order[i] of the input.
static void permute(const Node &node, const Operand &in, int64_t n, double *out) {
  size_t rank = node.shape.size();
  std::vector<int64_t> pitch(rank, 1);
  for (size_t axis = rank - 1; axis > 0; --axis)
    pitch[axis - 1] = pitch[axis] * (*in.shape)[axis];
  int64_t count = node.elements();
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i, from = 0;
      for (size_t axis = rank; axis-- > 0;) {
        from += rest % node.shape[axis] * pitch[size_t(node.order[axis + 1] - 1)];
        rest /= node.shape[axis];
      }
      out[image * count + i] = in.data[image * count + from];
    }
}

/// An image's pixels as tokens, or back.
static void turnPixels(const Node &node, const Operand &in, int64_t n, double *out) {
  Channels to(node.shape), from(*in.shape);
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < to.pixels; ++i)
      for (int64_t c = 0; c < to.count; ++c)
        out[to.at(image, i, c)] = in.data[from.at(image, i, c)];
}

/// Channel i groups + g is channel g (C / groups) + i of the input.
static void shuffle(const Node &node, const Operand &in, int64_t n, double *out) {
  Size size = sizeOf(node.shape);
  int64_t width = size.c / node.groups;
  for (int64_t image = 0; image < n; ++image)
    for (int64_t c = 0; c < size.c; ++c)
      std::copy_n(in.data +
                      (image * size.c + c % node.groups * width + c / node.groups) * size.plane(),
                  size.plane(), out + (image * size.c + c) * size.plane());
}

/// result[i, j] = sum over k of lhs[i, k] rhs[k, j], either transposed.
static void multiplyMatrices(const Node &node, const std::vector<Operand> &in, int64_t n,
                             double *out) {
  size_t rank = node.shape.size();
  int64_t rows = node.shape[rank - 2], columns = node.shape[rank - 1];
  int64_t depth = (*in[0].shape)[node.transposeLhs ? rank - 2 : rank - 1];
  for (int64_t m = 0; m < n * node.elements() / (rows * columns); ++m)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        const double *x = in[0].data + m * rows * depth, *y = in[1].data + m * columns * depth;
        double sum = 0;
        for (int64_t k = 0; k < depth; ++k)
          sum += x[node.transposeLhs ? k * rows + i : i * depth + k] *
                 y[node.transposeRhs ? j * depth + k : k * columns + j];
        out[(m * rows + i) * columns + j] = sum;
      }
}

/// Mean 0 and variance 1 of each row: the channels of a pixel, or what follows a filter's first
/// axis.
static void normalizeRows(const Node &node, const Operand &in, int64_t n, double *out) {
  Channels channels(node.fixed
                        ? std::vector<int64_t>{node.shape[0], node.elements() / node.shape[0]}
                        : node.shape);
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < channels.pixels; ++i) {
      auto at = [&](int64_t c) { return channels.at(image, i, c); };
      double mean = 0, variance = 0, count = double(channels.count);
      for (int64_t c = 0; c < channels.count; ++c)
        mean += in.data[at(c)] / count;
      for (int64_t c = 0; c < channels.count; ++c)
        variance += (in.data[at(c)] - mean) * (in.data[at(c)] - mean) / count;
      for (int64_t c = 0; c < channels.count; ++c)
        out[at(c)] = (in.data[at(c)] - mean) / std::sqrt(variance + node.eps);
    }
}

static void averageGroups(const Node &node, const Operand &in, int64_t n, double *out) {
  Channels channels(node.shape);
  int64_t width = channels.count / node.groups;
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < channels.pixels; ++i)
      for (int64_t c = 0; c < channels.count; ++c) {
        double sum = 0;
        for (int64_t other = c / width * width; other < (c / width + 1) * width; ++other)
          sum += in.data[channels.at(image, i, other)];
        out[channels.at(image, i, c)] = sum / double(width);
      }
}

/// Each cotangent times the filter, added where the convolution read (PyTorch's ConvTranspose2d).
static void transposedConvolve(const Node &node, const std::vector<Operand> &in, int64_t n,
                               double *out) {
  Size x = sizeOf(node.shape), y = sizeOf(*in[0].shape);
  const std::vector<int64_t> &filter = *in[1].shape; // [O, C / groups, KH, KW]
  int64_t perGroup = filter[1], outPerGroup = y.c / node.groups;
  std::fill_n(out, n * x.image(), 0.0);
  for (int64_t image = 0; image < n; ++image)
    for (int64_t o = 0; o < y.c; ++o)
      for (int64_t c = 0; c < perGroup; ++c)
        for (int64_t u = 0; u < filter[2]; ++u)
          for (int64_t v = 0; v < filter[3]; ++v)
            for (int64_t i = 0; i < y.h; ++i)
              for (int64_t j = 0; j < y.w; ++j) {
                int64_t h = i * node.strides[0] + u * node.dilations[0] - node.pads[0],
                        w = j * node.strides[1] + v * node.dilations[1] - node.pads[1];
                if (h < 0 || h >= x.h || w < 0 || w >= x.w)
                  continue;
                int64_t channel = o / outPerGroup * perGroup + c;
                out[(image * x.c + channel) * x.plane() + h * x.w + w] +=
                    in[1].data[((o * perGroup + c) * filter[2] + u) * filter[3] + v] *
                    in[0].data[(image * y.c + o) * y.plane() + i * y.w + j];
              }
}

/// The nearest pixel, or bilinear between pixel centres at half-integers.
static void resample(const Node &node, const Operand &in, int64_t n, double *out) {
  Size x = sizeOf(*in.shape), y = sizeOf(node.shape);
  auto place = [&](int64_t o, int64_t from, int64_t to) {
    double exact = double(o) * double(from) / double(to);
    double centre = (double(o) + 0.5) * double(from) / double(to) - 0.5;
    return node.bilinear ? std::max(centre, 0.0) : std::floor(exact + 1e-9);
  };
  for (int64_t plane = 0; plane < n * x.c; ++plane)
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t j = 0; j < y.w; ++j) {
        double h = place(i, x.h, y.h), w = place(j, x.w, y.w);
        int64_t h0 = int64_t(h), w0 = int64_t(w), h1 = std::min(h0 + 1, x.h - 1),
                w1 = std::min(w0 + 1, x.w - 1);
        auto at = [&](int64_t r, int64_t c) { return in.data[plane * x.plane() + r * x.w + c]; };
        double below = h - double(h0), right = w - double(w0);
        double top = at(h0, w0) * (1 - right) + at(h0, w1) * right,
               bottom = at(h1, w0) * (1 - right) + at(h1, w1) * right;
        out[plane * y.plane() + i * y.w + j] = top * (1 - below) + bottom * below;
      }
}

bool computeOnAxes(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  const std::string &op = node.op;
  if (op == "concat" && node.axis > 0)
    return joinAxis(node, in, n, out), true;
  if (op == "slice")
    return slice(node, in[0], n, out), true;
  if (op == "permute")
    return permute(node, in[0], n, out), true;
  if (op == "to_tokens" || op == "from_tokens")
    return turnPixels(node, in[0], n, out), true;
  if (op == "shuffle_channels")
    return shuffle(node, in[0], n, out), true;
  if (op == "matmul")
    return multiplyMatrices(node, in, n, out), true;
  if (op == "row_norm")
    return normalizeRows(node, in[0], n, out), true;
  if (op == "group_mean")
    return averageGroups(node, in[0], n, out), true;
  if (op == "conv2d_input_grad")
    return transposedConvolve(node, in, n, out), true;
  if (op == "resample")
    return resample(node, in[0], n, out), true;
  return false;
}

} // namespace netc::runtime::reference
