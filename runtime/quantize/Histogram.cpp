//===- Histogram.cpp - the range that a quantised value should have -------===//
#include "runtime/quantize/Histogram.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

/// Two bins become one.
void Histogram::widen() {
  for (int64_t i = 0; i < bins / 2; ++i)
    counts[size_t(i)] = counts[size_t(2 * i)] + counts[size_t(2 * i + 1)];
  std::fill(counts.begin() + bins / 2, counts.end(), 0);
  width *= 2;
}

void Histogram::add(const float *values, int64_t count) {
  float largestNow = 0;
  for (int64_t i = 0; i < count; ++i)
    largestNow = std::max(largestNow, std::fabs(values[i]));
  total += count;
  most = std::max(most, double(largestNow));
  if (largestNow == 0) {
    zeros += count;
    return;
  }
  if (counts.empty())
    counts.resize(size_t(bins));
  if (width == 0) // a power of two, so that it does not depend on the first batch but for its scale
    width = std::ldexp(1.0, std::ilogb(largestNow) + 1) / double(bins);
  while (double(largestNow) >= width * double(bins))
    widen();
  auto perUnit = float(1 / width);
  for (int64_t i = 0; i < count; ++i) {
    float magnitude = std::fabs(values[i]);
    if (magnitude == 0)
      ++zeros;
    else
      ++counts[size_t(std::min(int64_t(magnitude * perUnit), bins - 1))];
  }
}

double Histogram::percentile(double share) const {
  auto wanted = int64_t(std::ceil(share * double(total))), seen = zeros;
  for (int64_t i = 0; i < bins; ++i)
    if ((seen += counts[size_t(i)]) >= wanted)
      return std::min(double(i + 1) * width, most);
  return most;
}

/// Sum over the magnitudes above 0, each taken for the middle of its bin.
double Histogram::squaredError(double range, int levels) const {
  double step = range / levels, sum = 0;
  for (int64_t i = 0; i < bins; ++i) {
    if (!counts[size_t(i)])
      continue;
    double value = (double(i) + 0.5) * width;
    double error = value - std::min(std::nearbyint(value / step), double(levels)) * step;
    // Within a bin values differ by more than steps where those are narrow.
    error =
        value < range ? std::max(error * error, std::min(step, width) * step / 12) : error * error;
    sum += error * double(counts[size_t(i)]);
  }
  return sum;
}

double Histogram::leastSquares(int levels) const {
  double best = most, least = squaredError(most, levels);
  for (int percent = 99; percent >= 20; --percent) {
    double range = most * percent / 100, error = squaredError(range, levels);
    if (error < least)
      least = error, best = range;
  }
  return best;
}

double Histogram::range(RangeMethod method, int levels) const {
  if (most == 0)
    return 0;
  switch (method) {
  case RangeMethod::MinMax:
    return most;
  case RangeMethod::Percentile:
    return percentile(0.9999);
  case RangeMethod::Mse:
    return leastSquares(levels);
  }
  __builtin_unreachable();
}

} // namespace netc::runtime
