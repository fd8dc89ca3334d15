//===- ConvertResize.cpp - images in other sizes by a matrix per axis -----===//
//
// Every mode of Resize is linear along each axis. What `upsample` does not say becomes a product
// with a constant matrix [out, in] for each axis that changes.
//
//===----------------------------------------------------------------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <cmath>

namespace netc::frontend::onnx {

namespace {
/// How an axis is resized.
struct Resizing {
  std::string mode, places, rounding;
  double cubic = -0.75;
  bool excludesOutside = false, isSmoothed = false;
  int64_t in = 1, out = 1;
  double scale = 1, begin = 0, end = 1; ///< begin, end: of tf_crop_and_resize
};
} // namespace

/// Where output position `o` lies in the input.
static double placeOf(const Resizing &r, int64_t o) {
  double out = r.scale * double(r.in), x = double(o), last = double(r.in) - 1;
  double half = (x + 0.5) / r.scale - 0.5;
  if (r.places == "align_corners")
    return out == 1 ? 0 : x * last / (out - 1);
  if (r.places == "asymmetric")
    return x / r.scale;
  if (r.places == "tf_crop_and_resize") {
    double size = (r.end - r.begin) * last;
    return r.begin * last + (out == 1 ? size / 2 : x * size / (out - 1));
  }
  if (r.places == "pytorch_half_pixel")
    return out == 1 ? -0.5 : half;
  if (r.places == "half_pixel_symmetric")
    return double(r.in) / 2 * (1 - double(r.out) / out) + half;
  return half;
}

static double cubicWeight(double x, double a) {
  x = std::fabs(x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// Weights of the input positions around one, the first of which is `first` from its floor;
/// `ratio` is in (0, 1].
static std::vector<double> weightsAt(const Resizing &r, double ratio, int64_t &first) {
  double scale = r.isSmoothed ? std::min(r.scale, 1.0) : 1;
  std::vector<double> weights;
  if (r.mode == "nearest") {
    bool isUp = ratio == 1 || r.rounding == "ceil" ||
                (r.rounding == "round_prefer_ceil" ? ratio >= 0.5
                 : r.rounding == "floor"           ? false
                                                   : ratio > 0.5);
    first = 0;
    return {isUp ? 0.0 : 1.0, isUp ? 1.0 : 0.0};
  }
  bool isCubic = r.mode == "cubic";
  int64_t begin = int64_t(std::floor((isCubic ? -2 : -1) / scale)) + 1;
  int64_t end = isCubic ? 2 - begin : 2 - begin; // as many on both sides
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    double at = scale * (double(i) - ratio);
    weights.push_back(isCubic ? cubicWeight(at, r.cubic) : std::clamp(1 - std::fabs(at), 0.0, 1.0));
    sum += weights.back();
  }
  if (r.isSmoothed)
    for (double &weight : weights)
      weight /= sum;
  first = begin;
  return weights;
}

/// The row of output position `o`; false: it lies outside, where a number of its own stands.
static bool addRow(const Resizing &r, int64_t o, std::vector<float> &matrix) {
  double place = placeOf(r, o);
  if (r.places == "tf_crop_and_resize" && (place < 0 || place > double(r.in - 1)))
    return false;
  // The pixel to the left of the place, the ratio in (0, 1].
  double floor = std::floor(place);
  bool isWhole = floor == place;
  double ratio = isWhole ? 1 : place - floor;
  int64_t left = int64_t(floor) - (isWhole ? 1 : 0), first = 0;
  std::vector<double> weights = weightsAt(r, ratio, first);
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    int64_t at = left + first + int64_t(i);
    if (r.excludesOutside && (at < 0 || at >= r.in))
      weights[i] = 0;
    sum += weights[i];
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    int64_t at = std::clamp<int64_t>(left + first + int64_t(i), 0, r.in - 1);
    matrix[size_t(o * r.in + at)] += float(r.excludesOutside ? weights[i] / sum : weights[i]);
  }
  return true;
}

void Converter::generalResize(const Node &node) {
  bool isOld = node.op == "Upsample" || graph.opset < 11;
  const Tensor *roi = isOld ? nullptr : constant(node, 1);
  const Tensor *scales = constant(node, isOld ? 1 : 2),
               *sizes = isOld ? nullptr : constant(node, 3);
  std::optional<Term> x = term(node);
  if (!x)
    return;
  auto word = [&](const char *name, const char *otherwise) {
    auto found = node.attributes.find(name);
    return found == node.attributes.end() || found->second.s.empty() ? std::string(otherwise)
                                                                     : found->second.s;
  };
  Resizing r{word("mode", "nearest"),
             word("coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel"),
             word("nearest_mode", isOld ? "floor" : "round_prefer_floor"),
             real(node, "cubic_coeff_a", -0.75),
             number(node, "exclude_outside", 0) != 0,
             number(node, "antialias", 0) != 0};
  if (r.mode == "bilinear")
    r.mode = "linear";
  std::vector<int64_t> axes = numbers(node, "axes");
  for (size_t i = 0; axes.empty() && i < x->rank(); ++i)
    axes = i == 0 ? std::vector<int64_t>() : axes;
  if (axes.empty())
    for (size_t i = 0; i < x->rank(); ++i)
      axes.push_back(int64_t(i));
  bool hasScales = scales && scales->elements() > 0, hasSizes = sizes && sizes->elements() > 0;
  const Tensor *given = hasSizes ? sizes : hasScales ? scales : nullptr;
  if (!given || given->elements() != int64_t(axes.size()))
    return fail(node, "its sizes are computed, expected constants, one for each axis");
  std::vector<Resizing> all;
  std::vector<std::optional<size_t>> places;
  double least = 1e9, most = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t axis = axes[i] + (axes[i] < 0 ? int64_t(x->rank()) : 0);
    bool isBatch = x->batched && axis == 0;
    double value = given->at(int64_t(i));
    if (isBatch && (hasSizes || value == 1)) {
      places.emplace_back();
      all.push_back(r);
      continue;
    }
    std::optional<size_t> place = termAxis(node, *x, axis);
    if (!place)
      return;
    Resizing own = r;
    own.in = x->sizes[*place];
    own.scale = hasSizes ? value / double(own.in) : value;
    own.out = hasSizes ? int64_t(value) : int64_t(std::floor(value * double(own.in)));
    if (roi && roi->elements() == 2 * int64_t(axes.size())) {
      own.begin = roi->at(int64_t(i));
      own.end = roi->at(int64_t(i + axes.size()));
    }
    constexpr int64_t mostSize = 1 << 20;
    if (!(own.scale > 0) || own.out < 1 || own.out > mostSize)
      return fail(node, fmt::format("a scale of {}", own.scale));
    least = std::min(least, own.scale);
    most = std::max(most, own.scale);
    all.push_back(own);
    places.push_back(place);
  }
  std::string policy = word("keep_aspect_ratio_policy", "stretch");
  double extra = real(node, "extrapolation_value", 0);
  for (size_t i = all.size(); i-- > 0;) {
    Resizing &own = all[i];
    if (!places[i])
      continue;
    if (hasSizes && policy != "stretch") {
      own.scale = policy == "not_larger" ? least : most;
      own.out = int64_t(own.scale * double(own.in) + 0.5);
    }
    bool isSame = own.out == own.in && own.scale == 1 && own.places != "tf_crop_and_resize";
    if (isSame)
      continue;
    if (own.out > (int64_t(1) << 24) / own.in)
      return fail(node,
                  fmt::format("from {} to {}, a matrix of too many weights", own.in, own.out));
    std::vector<float> matrix(size_t(own.out * own.in)), others(size_t(own.out));
    for (int64_t o = 0; o < own.out; ++o)
      others[size_t(o)] = addRow(own, o, matrix) ? 0 : float(extra);
    Term result = transformed(node, *x, *places[i], own.out, std::move(matrix));
    if (std::any_of(others.begin(), others.end(), [](float value) { return value != 0; })) {
      Shape one(result.sizes.size(), 1);
      one[*places[i]] = own.out;
      result = add(result, expanded(constantTerm(node, one, std::move(others)), result.sizes));
    }
    x = result;
  }
  defineTerm(node, *x);
}

} // namespace netc::frontend::onnx
