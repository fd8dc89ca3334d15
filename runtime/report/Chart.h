//===- Chart.h - line charts as SVG -----------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REPORT_CHART_H
#define NETC_RUNTIME_REPORT_CHART_H

#include <string>
#include <utility>
#include <vector>

namespace netc::runtime {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>>
      points;          ///< x ascending; values that are not finite leave a gap
  int color = 1;       ///< 1 to 4: a colour of the page's palette
  bool marked = false; ///< one dot per point, which shows its value when pointed at
  bool faint = false;
};

struct Chart {
  std::string title, xLabel, yLabel; ///< labels with units
  std::vector<Series> series;
  bool percent = false;     ///< y in percent, at most 100
  bool logarithmic = false; ///< powers of ten; where every value is positive
  bool fromZero = false;
};

/// Round numbers about `count` of which cover [low, high].
std::vector<double> chartTicks(double low, double high, int count);

/// A <figure> with title, legend and an SVG that takes its colours from the page.
/// Lines of many points are thinned to what can be seen.
std::string drawChart(const Chart &chart);

} // namespace netc::runtime

#endif // NETC_RUNTIME_REPORT_CHART_H
