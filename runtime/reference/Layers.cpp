//===- Layers.cpp - layers in double precision, as they are defined -------===//
//
// One plain loop a layer, from its definition and not from the kernels: what both
// get wrong in the same way would stay unseen.
//
//===----------------------------------------------------------------------===//
#include "runtime/reference/Layers.h"

#include "runtime/base/Error.h"
#include "runtime/reference/AxisLayers.h"
#include "runtime/reference/Sizes.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime::reference {

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

/// Functions of the math library under their names.
static double applyFunction(const std::string &kind, double x) {
  if (kind == "sin")
    return std::sin(x);
  if (kind == "cos")
    return std::cos(x);
  if (kind == "atan")
    return std::atan(x);
  if (kind == "erf")
    return std::erf(x);
  if (kind == "floor")
    return std::floor(x);
  if (kind == "ceil")
    return std::ceil(x);
  if (kind == "round")
    return std::nearbyint(x);
  if (kind == "sign")
    return double(x > 0) - double(x < 0);
  if (kind == "softplus")
    return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0);
  fail("gradcheck: no reference for the activation {}", kind);
}

/// What net.binary computes.
static double combineNumbers(const std::string &kind, double x, double y) {
  if (kind == "divide")
    return x / y;
  if (kind == "power")
    return std::pow(x, y);
  if (kind == "maximum")
    return std::max(x, y);
  if (kind == "minimum")
    return std::min(x, y);
  if (kind == "less")
    return double(x < y);
  if (kind == "equal")
    return double(x == y);
  if (kind == "mask")
    return y != 0 ? x : 0;
  fail("gradcheck: no reference for the operation {}", kind);
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
  if (kind == "abs")
    return std::abs(x);
  if (kind == "exp")
    return std::exp(x);
  if (kind == "log")
    return std::log(x);
  if (kind == "sqrt")
    return std::sqrt(x);
  if (kind == "reciprocal")
    return 1 / x;
  return applyFunction(kind, x);
}

/// Windows as PyTorch's: the mean counts the zeros of the padding that was written.
static void pool(const Node &node, const Operand &in, int64_t n, double *out, bool mean) {
  Size x = sizeOf(*in.shape), y = sizeOf(node.shape);
  int64_t top = node.pads[0], left = node.pads[1], bottom = node.pads[2], right = node.pads[3];
  int64_t dh = node.dilations.empty() ? 1 : node.dilations[0],
          dw = node.dilations.empty() ? 1 : node.dilations[1];
  for (int64_t plane = 0; plane < n * x.c; ++plane)
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t j = 0; j < y.w; ++j) {
        int64_t h0 = i * node.strides[0] - top, w0 = j * node.strides[1] - left;
        double count = 0, sum = 0, high = -INFINITY;
        for (int64_t u = 0; u < node.kernel[0]; ++u)
          for (int64_t v = 0; v < node.kernel[1]; ++v) {
            int64_t h = h0 + u * dh, w = w0 + v * dw;
            if (h >= x.h + bottom || w >= x.w + right) // beyond the padding: round=up
              continue;
            ++count;
            if (h < 0 || w < 0 || h >= x.h || w >= x.w)
              continue;
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

static void concatenate(const Node &node, const std::vector<Operand> &in, int64_t n, double *out) {
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
  if (op == "concat" && node.axis == 0)
    return concatenate(node, in, n, out);
  if (op == "softmax")
    return softmaxChannels(node, in[0], n, out);
  if (op == "mul" || op == "add")
    return combine(node, in, n, out);
  if (op == "binary") {
    for (int64_t i = 0; i < count; ++i)
      out[i] = combineNumbers(node.kind, in[0].data[i], in[1].data[i]);
    return;
  }
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
  if (computeOnAxes(node, in, n, out))
    return;
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
                    int64_t n, double smoothing, std::optional<int64_t> ignore) {
  Channels classes(shape);
  double loss = 0;
  int64_t counted = 0;
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < classes.pixels; ++i) {
      int64_t label = labels[image * classes.pixels + i];
      if (ignore && label == *ignore)
        continue;
      ++counted;
      auto score = [&](int64_t c) { return scores[classes.at(image, i, c)]; };
      double high = -INFINITY, sum = 0, mean = 0;
      for (int64_t c = 0; c < classes.count; ++c)
        high = std::max(high, score(c));
      for (int64_t c = 0; c < classes.count; ++c) {
        sum += std::exp(score(c) - high);
        mean += score(c) / double(classes.count);
      }
      double logSum = std::log(sum) + high;
      double wanted = score(label);
      loss += (1 - smoothing) * (logSum - wanted) + smoothing * (logSum - mean);
    }
  return loss / double(std::max<int64_t>(1, counted));
}

double diceLoss(const double *scores, const std::vector<int64_t> &shape, const int64_t *labels,
                int64_t n, double smooth, std::optional<int64_t> ignore) {
  Channels classes(shape);
  double loss = 0;
  for (int64_t image = 0; image < n; ++image) {
    std::vector<double> hits(size_t(classes.count)), both(size_t(classes.count));
    for (int64_t i = 0; i < classes.pixels; ++i) {
      int64_t label = labels[image * classes.pixels + i];
      if (ignore && label == *ignore)
        continue;
      auto score = [&](int64_t c) { return scores[classes.at(image, i, c)]; };
      double high = -INFINITY, sum = 0;
      for (int64_t c = 0; c < classes.count; ++c)
        high = std::max(high, score(c));
      for (int64_t c = 0; c < classes.count; ++c)
        sum += std::exp(score(c) - high);
      for (int64_t c = 0; c < classes.count; ++c) {
        double p = std::exp(score(c) - high) / sum, t = c == label ? 1 : 0;
        hits[size_t(c)] += p * t;
        both[size_t(c)] += p + t;
      }
    }
    for (size_t c = 0; c < hits.size(); ++c)
      loss += 1 - (2 * hits[c] + smooth) / (both[c] + smooth);
  }
  return loss / double(n * classes.count);
}

} // namespace netc::runtime::reference
