// Ranges of quantised values: the largest magnitude, percentiles, the least squared error; one
// pass, whatever the batches.
#include "runtime/quantize/Histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace netc::runtime;

static std::vector<float> normal(size_t count, float scale) {
  std::mt19937 engine(1);
  std::normal_distribution<float> draw(0, scale);
  std::vector<float> values(count);
  for (float &value : values)
    value = draw(engine);
  return values;
}

static void add(Histogram &histogram, const std::vector<float> &values) {
  histogram.add(values.data(), std::ssize(values));
}

TEST(Histogram, MinMaxIsTheLargestMagnitude) {
  Histogram histogram;
  add(histogram, {0.5F, -3, 2});
  EXPECT_EQ(histogram.range(RangeMethod::MinMax, 127), 3);
  add(histogram, {0.125F});
  EXPECT_EQ(histogram.range(RangeMethod::MinMax, 127), 3);
  EXPECT_EQ(histogram.count(), 4);
}

TEST(Histogram, ZerosAloneHaveNoRange) {
  Histogram histogram;
  add(histogram, {0, 0});
  for (RangeMethod method : {RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Mse})
    EXPECT_EQ(histogram.range(method, 255), 0);
}

TEST(Histogram, PercentileLeavesOutOutliers) {
  Histogram histogram;
  std::vector<float> values(100000, 1);
  values[7] = 1000;
  add(histogram, values);
  EXPECT_NEAR(histogram.range(RangeMethod::Percentile, 127), 1, 0.6); // a bin is 0.5 wide
}

/// The squared error of integers of a range.
static double squaredError(const std::vector<float> &values, double range, int levels) {
  double step = range / levels, sum = 0;
  for (float value : values) {
    double magnitude = std::fabs(value);
    double integer = std::min(std::nearbyint(magnitude / step), double(levels));
    sum += (magnitude - integer * step) * (magnitude - integer * step);
  }
  return sum;
}

TEST(Histogram, LeastSquaresIsCloseToTheBestOfAllRanges) {
  std::vector<float> values = normal(20000, 1);
  values.push_back(30);
  Histogram histogram;
  add(histogram, values);
  for (int levels : {127, 255}) {
    double best = INFINITY;
    for (double range = 1; range <= 30; range += 0.05)
      best = std::min(best, squaredError(values, range, levels));
    double found = squaredError(values, histogram.range(RangeMethod::Mse, levels), levels);
    EXPECT_LT(found, 1.1 * best);
  }
}

TEST(Histogram, BatchesOfGrowingMagnitudesMakeTheSameAsOne) {
  std::vector<float> small = normal(1000, 0.01F), large = normal(1000, 100), all = large;
  all.insert(all.end(), small.begin(), small.end());
  Histogram parts, whole;
  add(parts, small);
  add(parts, large);
  add(whole, all);
  for (RangeMethod method : {RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Mse})
    EXPECT_EQ(parts.range(method, 127), whole.range(method, 127));
}
