//===- Measures.h - how good predictions are, by class or value -*- C++ -*-===//
#ifndef NETC_RUNTIME_EVALUATE_MEASURES_H
#define NETC_RUNTIME_EVALUATE_MEASURES_H

#include "runtime/exec/Model.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace netc::runtime {

/// A figure of a whole evaluation, and what it is the mean of.
struct Figure {
  std::string name;            ///< "mean_iou", as metrics.jsonl has it behind val_; empty: none
  std::string text;            ///< "mean IoU"; empty where there is no name
  double value = 0;            ///< NaN where nothing gives it a value
  std::string each;            ///< "iou", of a class or a target; empty: `byClass` is too
  std::vector<double> byClass; ///< NaN where there is nothing to judge
  bool isShare = true;         ///< of 1, shown in percent
};

/// Pixels of maps by the class that they have and the one that the model gives them.
class MapMeasures {
public:
  bool empty() const { return confusion.empty(); }
  void begin(int64_t classCount);
  void add(int64_t label, int64_t guess) { ++confusion[size_t(label * classes + guess)]; }
  /// Intersection over union, and Dice's coefficient, of each class. Classes that neither labels
  /// nor predictions have are NaN, and are left out of the means.
  std::vector<Figure> figures() const;
  /// Pixels of a class.
  int64_t pixelsOf(int64_t label) const;

  int64_t classes = 0;
  std::vector<int64_t> confusion; ///< [classes, classes], one row per label
};

/// Scores of classes that are each judged by themselves.
class LabelMeasures {
public:
  bool empty() const { return scored.empty(); }
  /// One image's logits and targets.
  void add(const float *logits, const float *targets, int64_t classes);
  /// Average precision and F1 (at a probability of one half) of each class. Average precision is
  /// the sum of precision times the step of recall, scikit-learn's; NaN where no image is positive.
  std::vector<Figure> figures() const;

  std::vector<std::vector<std::pair<float, bool>>> scored; ///< by class: score, whether it is there
};

/// Values beside their targets.
class ValueMeasures {
public:
  bool empty() const { return sums.empty(); }
  /// One image's values; each of a vector is judged by itself, those of maps all together.
  void add(const float *values, const float *targets, int64_t count, bool isVector);
  /// R squared: 1 - sum (t - x)^2 / sum (t - mean t)^2, the mean over a vector's values; and of a
  /// vector the mean absolute error of each.
  std::vector<Figure> figures() const;

  /// Of one image's values, or of one of a vector's.
  struct Sums {
    double count = 0, mean = 0, spread = 0; ///< of targets (Welford 1962)
    double squared = 0, absolute = 0;       ///< of differences
  };
  size_t places = 0;      ///< a vector's values; 1 of maps
  std::vector<Sums> sums; ///< [images, places]
};

/// All that a model which does not classify images is judged by, beside its loss.
struct Measures {
  MapMeasures maps;
  LabelMeasures labels;
  ValueMeasures values;

  std::vector<Figure> figures() const;
};

/// "mean IoU 71.20%, mean Dice 80.03%"
std::string describeFigures(const std::vector<Figure> &figures);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EVALUATE_MEASURES_H
