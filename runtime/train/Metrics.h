//===- Metrics.h - metrics.jsonl --------------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_METRICS_H
#define NETC_RUNTIME_TRAIN_METRICS_H

#include "runtime/evaluate/Evaluate.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

/// Means over some consecutive steps of an epoch.
struct CurvePoint {
  int64_t step = 0;              ///< done
  double loss = 0, accuracy = 0; ///< accuracy, or the mean absolute error of values
  double learningRate = 0;       ///< of the last step
};

/// What an epoch gathers for its record, also across a stop in its middle.
struct EpochCurve {
  std::vector<CurvePoint> points;
  double lossSum = 0;              ///< since the last point, over images
  int64_t correct = 0, images = 0; ///< since the last point
  Quality quality;                 ///< since the last point, of a model that does not classify
  int64_t epochImages = 0;         ///< trained on in this epoch
  double seconds = 0;              ///< spent on them
  std::vector<int64_t> corrupt;    ///< samples that did not decode so far, in this epoch or before

  /// Adds a step: its loss summed over `images`, what it got right.
  void add(double loss, int64_t correct, const Quality &quality, int64_t images);
  /// Makes a point of what was added since the last one.
  void endPoint(int64_t step, double learningRate);
};

struct EpochRecord {
  int64_t epoch = 0, step = 0; ///< done
  double learningRate = 0;     ///< of the last step
  double trainLoss = 0, trainAccuracy = 0;
  Quality quality; ///< of training, of a model that does not classify
  const Accuracy *validation = nullptr;
  double imagesPerSecond = 0, seconds = 0, validationSeconds = 0;
  /// Of several processes: what rank 0 spent of `seconds` on communication and waiting, instead of
  /// computing.
  std::optional<double> communicationSeconds = {};
  int64_t corrupt = 0;           ///< training images that did not decode so far
  std::vector<CurvePoint> curve; ///< of the epoch's steps
};

/// [[step, loss, accuracy, learning rate], …]
nlohmann::ordered_json pointsJson(const std::vector<CurvePoint> &points);

/// One JSON object per line, one line per epoch.
class Metrics {
public:
  explicit Metrics(std::string path) : path(std::move(path)) {}

  /// Keeps the lines of a run up to `step` (0: none), drops later ones.
  void begin(int64_t step) const;
  void append(const EpochRecord &record) const;

private:
  std::string path;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_METRICS_H
