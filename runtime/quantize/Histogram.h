//===- Histogram.h - the range that a quantised value should have -*- C++ -*-===//
#ifndef NETC_RUNTIME_QUANTIZE_HISTOGRAM_H
#define NETC_RUNTIME_QUANTIZE_HISTOGRAM_H

#include <cstdint>
#include <vector>

namespace netc::runtime {

/// How a value's range is chosen from those observed.
enum class RangeMethod {
  MinMax,     ///< the largest magnitude
  Percentile, ///< what 99.99% of all magnitudes stay below
  Mse         ///< the one whose integers have the least mean squared error
};

/// Magnitudes of a value's elements, counted in bins of equal width from 0 on. A magnitude beyond
/// the last bin doubles the width, so one pass over the data suffices.
class Histogram {
public:
  void add(const float *values, int64_t count);

  /// The magnitude that the integer `levels` (127 or 255) should stand for; 0: all were zero.
  double range(RangeMethod method, int levels) const;
  double largest() const { return most; }
  int64_t count() const { return total; }

private:
  static constexpr int64_t bins = 2048;

  void widen();
  double percentile(double share) const;
  double leastSquares(int levels) const;
  double squaredError(double range, int levels) const;

  double width = 0; ///< of a bin; 0: nothing but zeros yet
  double most = 0;
  int64_t total = 0, zeros = 0;
  std::vector<int64_t> counts; ///< `bins` of magnitudes above 0
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_QUANTIZE_HISTOGRAM_H
