//===- Layers.cpp - layers in double precision, as they are defined -------===//
//
// One plain loop a layer, from its definition and not from the kernels: what both
// get wrong in the same way would stay unseen.
//
//===----------------------------------------------------------------------===//
#include "runtime/reference/Layers.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime::reference {

namespace {
struct Size {
  int64_t c, h, w;
  int64_t plane() const { return h * w; }
  int64_t image() const { return c * h * w; }
};
} // namespace

static Size sizeOf(const std::vector<int64_t> &shape) {
  auto dim = [&](size_t i) { return i < shape.size() ? shape[i] : 1; };
  return {dim(0), dim(1), dim(2)};
}

namespace {
/// A value by its channels, which come first in images [C, H, W] and last in everything else:
/// vectors, [tokens, features], … All other axes are its pixels.
struct Channels {
  explicit Channels(const std::vector<int64_t> &shape)
      : isImage(shape.size() == 3), count(isImage ? shape.front() : shape.back()) {
    for (int64_t size : shape)
      pixels *= size;
    pixels /= count;
  }
  int64_t at(int64_t image, int64_t pixel, int64_t channel) const {
    int64_t within = isImage ? channel * pixels + pixel : pixel * count + channel;
    return image * count * pixels + within;
  }

  bool isImage;
  int64_t count, pixels = 1;
};
} // namespace

/// y[n, o, i, j] = bias[o] + sum filter[o, c, u, v] x[n, g(o) + c, i s + u d - p, j s + v d - p].
static void convolve(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  Size x = sizeOf(*in[0].shape), y = sizeOf(node.shape);
  const std::vector<int64_t> &filter = *in[1].shape; // [O, C / groups, KH, KW]
  int64_t perGroup = filter[1], kh = filter[2], kw = filter[3], outPerGroup = y.c / node.groups;
  int64_t sh = node.strides[0], sw = node.strides[1], top = node.pads[0], left = node.pads[1];
  int64_t dh = node.dilations[0], dw = node.dilations[1];
  for (int64_t image = 0; image < n; ++image)
    for (int64_t o = 0; o < y.c; ++o) {
      double *plane = out + (image * y.c + o) * y.plane();
      std::fill(plane, plane + y.plane(), in.size() > 2 ? in[2].data[o] : 0.0);
      for (int64_t c = 0; c < perGroup; ++c) {
        const double *from =
            in[0].data + (image * x.c + o / outPerGroup * perGroup + c) * x.plane();
        for (int64_t u = 0; u < kh; ++u)
          for (int64_t v = 0; v < kw; ++v) {
            double weight = in[1].data[((o * perGroup + c) * kh + u) * kw + v];
            // The columns j with 0 <= j sw + shift < x.w.
            int64_t shift = v * dw - left;
            int64_t first = shift >= 0 ? 0 : (-shift + sw - 1) / sw;
            int64_t last = shift >= x.w ? 0 : std::min(y.w, (x.w - 1 - shift) / sw + 1);
            for (int64_t i = 0; i < y.h; ++i) {
              int64_t row = i * sh + u * dh - top;
              if (row < 0 || row >= x.h)
                continue;
              double *to = plane + i * y.w;
              const double *source = from + row * x.w + shift;
              for (int64_t j = first; j < last; ++j)
                to[j] += weight * source[j * sw];
            }
          }
      }
    }
}

/// Of each row of features: of a vector its only one, of a sequence a token's.
static void multiply(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  int64_t outputs = node.shape.back(), inputs = (*in[1].shape)[1];
  for (int64_t row = 0; row < n * node.elements() / outputs; ++row)
    for (int64_t o = 0; o < outputs; ++o) {
      double sum = in.size() > 2 ? in[2].data[o] : 0;
      for (int64_t i = 0; i < inputs; ++i)
        sum += in[1].data[o * inputs + i] * in[0].data[row * inputs + i];
      out[row * outputs + o] = sum;
    }
}

/// Normalises with the batch's mean and biased variance (Ioffe and Szegedy 2015); frozen: with the
/// running ones, in[3] and in[4].
static void normalize(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  Channels channels(node.shape);
  double count = double(n * channels.pixels);
  for (int64_t c = 0; c < channels.count; ++c) {
    auto each = [&](auto body) {
      for (int64_t image = 0; image < n; ++image)
        for (int64_t i = 0; i < channels.pixels; ++i)
          body(channels.at(image, i, c));
    };
    double mean = 0, variance = 0;
    each([&](int64_t at) { mean += in[0].data[at] / count; });
    each(
        [&](int64_t at) { variance += (in[0].data[at] - mean) * (in[0].data[at] - mean) / count; });
    if (node.frozen) {
      mean = in[3].data[c];
      variance = in[4].data[c];
    }
    double scale = in[1].data[c] / std::sqrt(variance + node.eps);
    each([&](int64_t at) { out[at] = (in[0].data[at] - mean) * scale + in[2].data[c]; });
  }
}

static double activate(const Node &node, double x) {
  const std::string &kind = node.kind;
  if (kind == "relu")
    return x > 0 ? x : 0;
  if (kind == "relu6")
    return std::clamp(x, 0.0, 6.0);
  if (kind == "leaky_relu")
    return x > 0 ? x : node.slope * x;
  if (kind == "tanh")
    return std::tanh(x);
  if (kind == "sigmoid")
    return 1 / (1 + std::exp(-x));
  if (kind == "silu")
    return x / (1 + std::exp(-x));
  if (kind == "hardswish")
    return x * std::clamp(x + 3, 0.0, 6.0) / 6;
  if (kind == "hardsigmoid")
    return std::clamp(x + 3, 0.0, 6.0) / 6;
  if (kind == "gelu")
    return x * std::erfc(-x * M_SQRT1_2) / 2;
  if (kind == "gelu_tanh")
    return x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
  if (kind == "elu")
    return x > 0 ? x : node.slope * std::expm1(x);
  if (kind == "mish")
    return x * std::tanh(std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0));
  if (kind == "negative_part")
    return std::min(x, 0.0);
  if (kind == "rsqrt")
    return 1 / std::sqrt(x + node.slope);
  fail("gradcheck: no reference for the activation {}", kind);
}

/// Windows as PyTorch's: the mean counts the zeros of the padding that was written.
static void pool(const Node &node, const Operand &in, int64_t n, double *out, bool mean) {
  Size x = sizeOf(*in.shape), y = sizeOf(node.shape);
  int64_t top = node.pads[0], left = node.pads[1], bottom = node.pads[2], right = node.pads[3];
  for (int64_t plane = 0; plane < n * x.c; ++plane)
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t j = 0; j < y.w; ++j) {
        int64_t h0 = i * node.strides[0] - top, w0 = j * node.strides[1] - left;
        int64_t h1 = std::min(h0 + node.kernel[0], x.h + bottom);
        int64_t w1 = std::min(w0 + node.kernel[1], x.w + right);
        double count = double((h1 - h0) * (w1 - w0)), sum = 0, high = -INFINITY;
        for (int64_t h = std::max<int64_t>(0, h0); h < std::min(h1, x.h); ++h)
          for (int64_t w = std::max<int64_t>(0, w0); w < std::min(w1, x.w); ++w) {
            double value = in.data[plane * x.plane() + h * x.w + w];
            sum += value;
            high = std::max(high, value);
          }
        out[plane * y.plane() + i * y.w + j] = mean ? sum / count : high;
      }
}

/// Window i covers [floor(i H / out), ceil((i + 1) H / out)).
static void adaptivePool(const Node &node, const Operand &in, int64_t n, double *out) {
  Size x = sizeOf(*in.shape), y = sizeOf(node.shape);
  for (int64_t plane = 0; plane < n * x.c; ++plane)
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t j = 0; j < y.w; ++j) {
        int64_t h0 = i * x.h / y.h, h1 = ((i + 1) * x.h + y.h - 1) / y.h;
        int64_t w0 = j * x.w / y.w, w1 = ((j + 1) * x.w + y.w - 1) / y.w;
        double sum = 0;
        for (int64_t h = h0; h < h1; ++h)
          for (int64_t w = w0; w < w1; ++w)
            sum += in.data[plane * x.plane() + h * x.w + w];
        out[plane * y.plane() + i * y.w + j] = sum / double((h1 - h0) * (w1 - w0));
      }
}

/// x / (k + alpha sum of squares over `size` channels)^beta (Krizhevsky et al. 2012).
static void respond(const Node &node, const Operand &in, int64_t n, double *out) {
  Size size = sizeOf(node.shape);
  for (int64_t image = 0; image < n; ++image)
    for (int64_t c = 0; c < size.c; ++c)
      for (int64_t i = 0; i < size.plane(); ++i) {
        const double *pixel = in.data + image * size.image() + i;
        double sum = 0;
        for (int64_t other = std::max<int64_t>(0, c - node.size / 2);
             other < std::min(size.c, c - node.size / 2 + node.size); ++other)
          sum += pixel[other * size.plane()] * pixel[other * size.plane()];
        out[image * size.image() + c * size.plane() + i] =
            pixel[c * size.plane()] / std::pow(node.k + node.alpha * sum, node.beta);
      }
}

/// result[c, h, w] = input[c + channel_offset, (h stride + offset) / spread, …], elsewhere 0.
static void move(const Node &node, const Operand &in, int64_t n, double *out) {
  Size x = sizeOf(*in.shape), y = sizeOf(node.shape);
  auto place = [&](int64_t i, size_t axis, int64_t bound) {
    int64_t at = i * node.strides[axis] + node.offsets[axis], spread = node.spreads[axis];
    return at >= 0 && at % spread == 0 && at / spread < bound ? at / spread : -1;
  };
  for (int64_t image = 0; image < n; ++image)
    for (int64_t c = 0; c < y.c; ++c)
      for (int64_t i = 0; i < y.h; ++i)
        for (int64_t j = 0; j < y.w; ++j) {
          int64_t from = c + node.channelOffset, h = place(i, 0, x.h), w = place(j, 1, x.w);
          bool inside = from >= 0 && from < x.c && h >= 0 && w >= 0;
          out[((image * y.c + c) * y.h + i) * y.w + j] =
              inside ? in.data[((image * x.c + from) * x.h + h) * x.w + w] : 0;
        }
}

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

static void concatenate(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  if (node.axis > 0)
    return joinAxis(node, in, n, out);
  Channels channels(node.shape);
  int64_t first = 0;
  for (const Operand &operand : in) {
    Channels own(*operand.shape);
    for (int64_t image = 0; image < n; ++image)
      for (int64_t i = 0; i < own.pixels; ++i)
        for (int64_t c = 0; c < own.count; ++c)
          out[channels.at(image, i, first + c)] = operand.data[own.at(image, i, c)];
    first += own.count;
  }
}

static void softmaxChannels(const Node &node, const Operand &in, int64_t n, double *out) {
  Channels channels(node.shape);
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < channels.pixels; ++i) {
      auto at = [&](int64_t c) { return channels.at(image, i, c); };
      double high = -INFINITY, sum = 0;
      for (int64_t c = 0; c < channels.count; ++c)
        high = std::max(high, in.data[at(c)]);
      for (int64_t c = 0; c < channels.count; ++c)
        sum += out[at(c)] = std::exp(in.data[at(c)] - high);
      for (int64_t c = 0; c < channels.count; ++c)
        out[at(c)] /= sum;
    }
}

/// A sum or product: equal shapes, or one value per channel (of a sequence: feature) on the right.
static void combine(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  Channels channels(node.shape);
  bool broadcast = Channels(*in[1].shape).pixels != channels.pixels;
  bool isAdd = node.op == "add";
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < channels.pixels; ++i)
      for (int64_t c = 0; c < channels.count; ++c) {
        int64_t at = channels.at(image, i, c);
        int64_t other = in[1].fixed ? c : broadcast ? image * channels.count + c : at;
        double x = in[0].data[at], y = in[1].data[other];
        out[at] = isAdd ? x + y : x * y;
      }
}

void computeNode(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
  int64_t count = n * node.elements();
  const std::string &op = node.op;
  if (op == "conv2d")
    return convolve(node, in, n, out);
  if (op == "linear")
    return multiply(node, in, n, out);
  if (op == "batch_norm")
    return normalize(node, in, n, out);
  if (op == "max_pool" || op == "avg_pool")
    return pool(node, in[0], n, out, op == "avg_pool");
  if (op == "adaptive_avg_pool")
    return adaptivePool(node, in[0], n, out);
  if (op == "lrn")
    return respond(node, in[0], n, out);
  if (op == "move")
    return move(node, in[0], n, out);
  if (op == "concat")
    return concatenate(node, in, n, out);
  if (op == "softmax")
    return softmaxChannels(node, in[0], n, out);
  if (op == "mul" || op == "add")
    return combine(node, in, n, out);
  if (op == "activation") {
    for (int64_t i = 0; i < count; ++i)
      out[i] = activate(node, in[0].data[i]);
    return;
  }
  if (op == "affine") {
    for (int64_t i = 0; i < count; ++i)
      out[i] = node.scale * in[0].data[i] + node.shift;
    return;
  }
  if (op == "slice")
    return slice(node, in[0], n, out);
  if (op == "permute")
    return permute(node, in[0], n, out);
  if (op == "to_tokens" || op == "from_tokens")
    return turnPixels(node, in[0], n, out);
  if (op == "shuffle_channels")
    return shuffle(node, in[0], n, out);
  if (op == "matmul")
    return multiplyMatrices(node, in, n, out);
  if (op == "row_norm")
    return normalizeRows(node, in[0], n, out);
  if (op == "group_mean")
    return averageGroups(node, in[0], n, out);
  if (op == "conv2d_input_grad")
    return transposedConvolve(node, in, n, out);
  if (op == "resample")
    return resample(node, in[0], n, out);
  if (op == "repeat") {
    for (int64_t i = 0; i < count; ++i)
      out[i] = in[0].data[i % node.elements()];
    return;
  }
  if (op == "flatten" || op == "unflatten" || op == "reshape_parameter" || op == "dropout" ||
      op == "identity") {
    std::copy_n(in[0].data, count, out);
    return;
  }
  fail("gradcheck: no reference for the operation {}", op);
}

double crossEntropy(const double *scores, const std::vector<int64_t> &shape, const int64_t *labels,
                    int64_t n, double smoothing) {
  Channels classes(shape);
  double loss = 0;
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < classes.pixels; ++i) {
      auto score = [&](int64_t c) { return scores[classes.at(image, i, c)]; };
      double high = -INFINITY, sum = 0, mean = 0;
      for (int64_t c = 0; c < classes.count; ++c)
        high = std::max(high, score(c));
      for (int64_t c = 0; c < classes.count; ++c) {
        sum += std::exp(score(c) - high);
        mean += score(c) / double(classes.count);
      }
      double logSum = std::log(sum) + high;
      double wanted = score(labels[image * classes.pixels + i]);
      loss += (1 - smoothing) * (logSum - wanted) + smoothing * (logSum - mean);
    }
  return loss / double(n * classes.pixels);
}

} // namespace netc::runtime::reference
