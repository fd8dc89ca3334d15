//===- Chart.cpp - line charts as SVG -------------------------------------===//
#include "runtime/report/Chart.h"

#include "runtime/report/Html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace netc::runtime {

// Sizes in units of the SVG's view box.
static constexpr double width = 560, height = 300;
static constexpr double left = 64, right = 16, top = 14, bottom = 46;
static constexpr size_t mostPoints = 500; // of a line

std::vector<double> chartTicks(double low, double high, int count) {
  double span = high - low;
  if (!(span > 0) || !std::isfinite(span))
    return {low};
  double raw = span / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = power * 10;
  for (double multiple : {1.0, 2.0, 2.5, 5.0})
    if (power * multiple >= raw * 0.999) {
      step = power * multiple;
      break;
    }
  std::vector<double> ticks;
  for (double i = std::floor(low / step + 1e-9); i * step < high + step * 0.999; ++i)
    ticks.push_back(i * step);
  return ticks;
}

namespace {
struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    if (std::isfinite(value))
      low = std::min(low, value), high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

struct Axis {
  double low, high, begin, end;
  bool logarithmic = false;
  double operator()(double value) const {
    double a = low, b = high;
    if (logarithmic)
      value = std::log10(value), a = std::log10(a), b = std::log10(b);
    return begin + (value - a) / (b - a) * (end - begin);
  }
};
} // namespace

/// "0.001", "12.5", "1200", "250k"
static std::string number(double value) {
  if (std::abs(value) < 1e-12)
    return "0";
  if (std::abs(value) >= 1e4 && std::abs(value) < 1e6)
    return fmt::format("{:.6g}k", value / 1e3);
  return std::abs(value) >= 1e6 || std::abs(value) < 1e-4 ? fmt::format("{:.2g}", value)
                                                          : fmt::format("{:.6g}", value);
}

/// Means of runs of neighbours, so that a line has at most `mostPoints`.
static std::vector<std::pair<double, double>>
thin(const std::vector<std::pair<double, double>> &points) {
  size_t group = (points.size() + mostPoints - 1) / mostPoints;
  if (group <= 1)
    return points;
  std::vector<std::pair<double, double>> result;
  for (size_t i = 0; i < points.size(); i += group) {
    double x = 0, y = 0;
    size_t end = std::min(points.size(), i + group);
    for (size_t j = i; j < end; ++j)
      x += points[j].first, y += points[j].second;
    result.emplace_back(x / double(end - i), y / double(end - i));
  }
  return result;
}

static std::vector<double> logTicks(const Range &y) {
  std::vector<double> ticks;
  for (double power = std::floor(std::log10(y.low) + 1e-9);
       ticks.empty() || ticks.back() < y.high * 0.999; ++power)
    ticks.push_back(std::pow(10.0, power));
  return ticks;
}

static std::string drawSeries(const Series &series, const Axis &x, const Axis &y,
                              const Chart &chart) {
  std::string text, line;
  int inLine = 0;
  auto flush = [&] {
    if (inLine > 1)
      text += fmt::format("<polyline class=\"line c{}{}\" points=\"{}\"/>", series.color,
                          series.faint ? " faint" : "", line);
    line.clear();
    inLine = 0;
  };
  for (auto [at, value] : thin(series.points)) {
    if (!std::isfinite(value) || (chart.logarithmic && value <= 0)) {
      flush();
      continue;
    }
    line += fmt::format("{}{:.1f},{:.1f}", inLine++ ? " " : "", x(at), y(value));
  }
  flush();
  if (!series.marked)
    return text;
  for (auto [at, value] : series.points)
    if (std::isfinite(value) && (!chart.logarithmic || value > 0))
      text += fmt::format("<g class=\"point c{}\"><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>"
                          "<circle class=\"touch\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"9\"><title>{}, "
                          "{} {}: {}{}</title></circle></g>",
                          series.color, x(at), y(value), series.points.size() > 60 ? 1.5 : 3.0,
                          x(at), y(value), escapeHtml(series.name), escapeHtml(chart.xLabel),
                          number(at), fmt::format("{:.4g}", value), chart.percent ? "%" : "");
  return text;
}

static std::string drawLegend(const Chart &chart) {
  std::string text = "<div class=\"legend\">";
  for (const Series &series : chart.series)
    if (!series.points.empty())
      text += fmt::format("<span class=\"c{}{}\"><i></i>{}</span>", series.color,
                          series.faint ? " faint" : "", escapeHtml(series.name));
  return text + "</div>";
}

std::string drawChart(const Chart &chart) {
  Range xs, ys;
  for (const Series &series : chart.series)
    for (auto [at, value] : series.points) {
      xs.add(at);
      if (!chart.logarithmic || value > 0)
        ys.add(value);
    }
  std::string text = fmt::format("<figure class=\"card\"><figcaption>{}</figcaption>{}",
                                 escapeHtml(chart.title), drawLegend(chart));
  if (xs.empty() || ys.empty())
    return text + "<p class=\"quiet\">nothing to show yet</p></figure>";
  xs.add(0);
  if (xs.high <= xs.low)
    xs.high = xs.low + 1;
  if (chart.fromZero && !chart.logarithmic)
    ys.add(0);
  if (ys.high <= ys.low)
    ys.high = ys.low + (ys.low == 0 ? 1 : std::abs(ys.low) * 0.1);
  std::vector<double> marks = chart.logarithmic ? logTicks(ys) : chartTicks(ys.low, ys.high, 5);
  if (chart.percent)
    while (marks.size() > 2 && marks.back() > 100.001)
      marks.pop_back();
  if (marks.size() < 2)
    marks.push_back(chart.logarithmic ? marks.back() * 10 : marks.back() + 1);
  Axis x{xs.low, xs.high, left, width - right};
  Axis y{marks.front(), marks.back(), height - bottom, top, chart.logarithmic};

  text += fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} against {}\">",
                      width, height, escapeHtml(chart.title), escapeHtml(chart.xLabel));
  for (double mark : marks)
    text +=
        fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
                    "<text class=\"tick\" x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
                    left, width - right, y(mark), left - 8, y(mark) + 4, number(mark));
  for (double mark : chartTicks(xs.low, xs.high, 8))
    if (mark >= xs.low && mark <= xs.high * 1.0001)
      text += fmt::format(
          "<line class=\"axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
          "<text class=\"tick\" x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>",
          x(mark), height - bottom, height - bottom + 5, height - bottom + 19, number(mark));
  text += fmt::format("<line class=\"axis\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", left,
                      width - right, height - bottom, height - bottom);
  text +=
      fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                  (left + width - right) / 2, height - 8, escapeHtml(chart.xLabel));
  double middle = (top + height - bottom) / 2;
  text += fmt::format("<text class=\"label\" x=\"14\" y=\"{0:.1f}\" text-anchor=\"middle\" "
                      "transform=\"rotate(-90 14 {0:.1f})\">{1}</text>",
                      middle, escapeHtml(chart.yLabel));
  for (const Series &series : chart.series)
    text += drawSeries(series, x, y, chart);
  return text + "</svg></figure>";
}

} // namespace netc::runtime
