//===- Evaluate.h - accuracy on a set of images -----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_EVALUATE_EVALUATE_H
#define NETC_RUNTIME_EVALUATE_EVALUATE_H

#include "runtime/augment/Augment.h"
#include "runtime/comm/Communicator.h"
#include "runtime/data/CorruptImages.h"
#include "runtime/data/Dataset.h"
#include "runtime/evaluate/Losses.h"
#include "runtime/exec/Executor.h"

#include <functional>
#include <vector>

namespace netc::runtime {

/// An image that the model takes for something else.
struct Mistake {
  int64_t sample = 0; ///< index in the data set
  int64_t label = 0, guess = 0;
  double labelProbability = 0, guessProbability = 0;
};

/// An image whose pixels' classes are largely wrong.
struct WorstMap {
  int64_t sample = 0;
  double correct = 0;           ///< share of its labels that count
  std::vector<uint8_t> guessed; ///< [height, width] classes
  std::vector<int64_t> labels;  ///< the same
};

struct Accuracy {
  int64_t images = 0; ///< those that decoded
  int64_t corrupt = 0;
  int64_t notFinite = 0; ///< views with a score that is no number
  int64_t correct = 0, correctOfFive = 0;
  double lossSum = 0; ///< cross-entropy, or the model's own losses
  /// Of a model that does not classify, in place of all that counts classes.
  Quality quality;
  Measures measures;
  /// Images whose maps are worst, worst first; at most `worstMapsKept`.
  std::vector<WorstMap> worstMaps;
  std::vector<int64_t> classImages, classCorrect;
  /// [classes, classes], one row per label, one column per prediction; empty beyond
  /// `mostConfusionClasses`.
  std::vector<int64_t> confusion;
  /// Those where the right class was given the least probability, worst first; at most `worstKept`.
  std::vector<Mistake> worst;

  static constexpr int64_t mostConfusionClasses = 2048;
  static constexpr size_t worstKept = 24, worstMapsKept = 12;

  double top1() const { return images ? double(correct) / double(images) : 0; }
  double top5() const { return images ? double(correctOfFive) / double(images) : 0; }
  /// Of a model that does not classify: "accuracy 93.10%, mean IoU 71.20%".
  std::string text() const;
  double loss() const { return images ? lossSum / double(images) : 0; }
};

/// Softmax of one image's logits, in double.
void softmax(const float *logits, int64_t classes, double *probabilities);

/// What one image's logits say of each class: softmax, or each by itself where the loss is bce.
void classProbabilities(const ModelInfo &info, const float *logits, int64_t classes,
                        double *probabilities);

/// Fails where the model has one class only, and its loss is cross-entropy: softmax is then
/// always 1. `what`: what cannot be done with it.
void requireSeveralClasses(const ModelInfo &info, const char *what);

/// `count` samples evenly spaced over `all`, or all of them where `count` is 0: sorted data keeps
/// all its classes.
std::vector<int64_t> spreadSamples(int64_t all, int64_t count);

/// Runs `prepare` and then `infer` over `data` in batches of up to `batch` (reserved
/// by the caller, with Loader::copies of input). Several views of an image: their
/// probabilities are averaged. `progress` is called with the number of images done; if it
/// returns false, evaluation stops with an incomplete result. `corrupt`: as LoaderOptions::corrupt.
/// `others`: the same model with other weights, whose probabilities are averaged with the first's
/// (of values: their predictions).
/// Each process of `communicator` takes a part of the samples; the result is of all, and does not
/// depend on the number of processes. `progress` counts as if all were as far as this one.
Accuracy evaluate(Executor &executor, Communicator &communicator, const Dataset &data,
                  const std::vector<int64_t> &samples, const Pipeline &pipeline, int64_t batch,
                  unsigned workers, const std::function<bool(int64_t)> &progress,
                  CorruptImages *corrupt = nullptr, const std::vector<Executor *> &others = {});

} // namespace netc::runtime

#endif // NETC_RUNTIME_EVALUATE_EVALUATE_H
