//===- Measures.cpp - how good predictions are, by class or value ---------===//
#include "runtime/evaluate/Measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace netc::runtime {

/// Of those that are numbers; NaN where none is.
static double meanOf(const std::vector<double> &values) {
  double sum = 0, count = 0;
  for (double value : values)
    if (!std::isnan(value))
      sum += value, ++count;
  return count > 0 ? sum / count : NAN;
}

static Figure meanFigure(std::string name, std::string text, std::string each,
                         std::vector<double> byClass, bool isShare = true) {
  double mean = meanOf(byClass);
  return {std::move(name), std::move(text), mean, std::move(each), std::move(byClass), isShare};
}

void MapMeasures::begin(int64_t classCount) {
  classes = classCount;
  confusion.assign(size_t(classes * classes), 0);
}

int64_t MapMeasures::pixelsOf(int64_t label) const {
  int64_t sum = 0;
  for (int64_t guess = 0; guess < classes; ++guess)
    sum += confusion[size_t(label * classes + guess)];
  return sum;
}

std::vector<Figure> MapMeasures::figures() const {
  std::vector<double> iou, dice;
  for (int64_t c = 0; c < classes; ++c) {
    int64_t guessed = 0, labelled = pixelsOf(c), hit = confusion[size_t(c * classes + c)];
    for (int64_t label = 0; label < classes; ++label)
      guessed += confusion[size_t(label * classes + c)];
    double both = double(guessed + labelled);
    iou.push_back(both > 0 ? double(hit) / (both - double(hit)) : NAN);
    dice.push_back(both > 0 ? 2 * double(hit) / both : NAN);
  }
  return {meanFigure("mean_iou", "mean IoU", "iou", std::move(iou)),
          meanFigure("mean_dice", "mean Dice", "dice", std::move(dice))};
}

void LabelMeasures::add(const float *logits, const float *targets, int64_t classes) {
  scored.resize(size_t(classes));
  for (int64_t c = 0; c < classes; ++c)
    scored[size_t(c)].emplace_back(logits[c], targets[c] > 0.5f);
}

/// Sum over falling thresholds of (recall - recall before) * precision.
static double averagePrecision(std::vector<std::pair<float, bool>> scored) {
  std::sort(scored.begin(), scored.end(), [](auto &a, auto &b) { return a.first > b.first; });
  double hits = 0, sum = 0, hitsBefore = 0;
  for (size_t i = 0; i < scored.size(); ++i) {
    hits += scored[i].second;
    if (i + 1 < scored.size() && scored[i + 1].first == scored[i].first)
      continue; // equal scores share a threshold
    sum += (hits - hitsBefore) * hits / double(i + 1);
    hitsBefore = hits;
  }
  return hits > 0 ? sum / hits : NAN;
}

/// 2 tp / (2 tp + fp + fn) at a logit of 0.
static double f1Of(const std::vector<std::pair<float, bool>> &scored) {
  double hits = 0, both = 0;
  for (const auto &[score, is] : scored) {
    hits += is && score > 0;
    both += double(is) + double(score > 0);
  }
  return both > 0 ? 2 * hits / both : NAN;
}

std::vector<Figure> LabelMeasures::figures() const {
  std::vector<double> precision, f1;
  for (const auto &list : scored) {
    precision.push_back(averagePrecision(list));
    f1.push_back(f1Of(list));
  }
  return {meanFigure("mean_average_precision", "mean average precision", "average_precision",
                     std::move(precision)),
          meanFigure("mean_f1", "mean F1", "f1", std::move(f1))};
}

void ValueMeasures::add(const float *values, const float *targets, int64_t count, bool isVector) {
  places = isVector ? size_t(count) : 1;
  size_t first = sums.size();
  sums.resize(first + places);
  for (int64_t i = 0; i < count; ++i) {
    Sums &own = sums[first + (isVector ? size_t(i) : 0)];
    double target = double(targets[i]), difference = double(values[i]) - target;
    double before = target - own.mean;
    own.count += 1;
    own.mean += before / own.count;
    own.spread += before * (target - own.mean);
    own.squared += difference * difference;
    own.absolute += std::abs(difference);
  }
}

/// Chan, Golub and LeVeque 1979.
static void addSums(ValueMeasures::Sums &into, const ValueMeasures::Sums &more) {
  double count = into.count + more.count, apart = more.mean - into.mean;
  into.spread += more.spread + apart * apart * into.count * more.count / count;
  into.mean += apart * more.count / count;
  into.count = count;
  into.squared += more.squared;
  into.absolute += more.absolute;
}

std::vector<Figure> ValueMeasures::figures() const {
  std::vector<double> r2, absolute;
  std::vector<Sums> all(places);
  for (size_t i = 0; i < sums.size(); ++i)
    addSums(all[i % places], sums[i]);
  for (const Sums &own : all) {
    r2.push_back(own.spread > 0 ? 1 - own.squared / own.spread : NAN);
    absolute.push_back(own.absolute / own.count);
  }
  if (places == 1)
    return {{"r2", "R²", r2[0], "", {}, false}};
  return {meanFigure("r2", "R²", "r2_by_target", std::move(r2), false),
          meanFigure("", "", "mean_absolute_error_by_target", std::move(absolute), false)};
}

std::vector<Figure> Measures::figures() const {
  std::vector<Figure> result;
  auto add = [&](const auto &of) {
    if (of.empty())
      return;
    std::vector<Figure> figures = of.figures();
    result.insert(result.end(), figures.begin(), figures.end());
  };
  add(maps);
  add(labels);
  add(values);
  return result;
}

std::string describeFigures(const std::vector<Figure> &figures) {
  std::string text;
  for (const Figure &figure : figures) {
    if (figure.text.empty() || std::isnan(figure.value))
      continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", figure.text,
                        figure.isShare ? fmt::format("{:.2f}%", figure.value * 100)
                                       : fmt::format("{:.4f}", figure.value));
  }
  return text;
}

} // namespace netc::runtime
