//===- Evaluate.cpp - accuracy on a set of images -------------------------===//
#include "runtime/evaluate/Evaluate.h"

#include "runtime/base/Error.h"
#include "runtime/data/Loader.h"
#include "runtime/exec/Diagnosis.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

void softmax(const float *logits, int64_t classes, double *probabilities) {
  double high = -INFINITY, sum = 0;
  for (int64_t c = 0; c < classes; ++c)
    high = std::max(high, double(logits[c]));
  for (int64_t c = 0; c < classes; ++c)
    sum += probabilities[c] = std::exp(double(logits[c]) - high);
  for (int64_t c = 0; c < classes; ++c)
    probabilities[c] /= sum;
}

static bool isWorse(const Mistake &a, const Mistake &b) {
  return a.labelProbability != b.labelProbability ? a.labelProbability < b.labelProbability
                                                  : a.sample < b.sample;
}

/// Keeps the worst mistakes in order.
static void remember(const Mistake &mistake, std::vector<Mistake> &worst) {
  if (worst.size() == Accuracy::worstKept && !isWorse(mistake, worst.back()))
    return;
  worst.insert(std::upper_bound(worst.begin(), worst.end(), mistake, isWorse), mistake);
  if (worst.size() > Accuracy::worstKept)
    worst.pop_back();
}

/// Adds one image's averaged probabilities to the result.
static void count(const std::vector<double> &probabilities, int64_t sample, int64_t label,
                  Accuracy &result) {
  double own = probabilities[size_t(label)];
  // Ties and NaN count against the model.
  int64_t above = 0, guess = label;
  for (size_t c = 0; c < probabilities.size(); ++c) {
    if (int64_t(c) == label || probabilities[c] < own)
      continue;
    if (above++ == 0 || probabilities[c] > probabilities[size_t(guess)])
      guess = int64_t(c);
  }
  if (!result.confusion.empty())
    ++result.confusion[size_t(label) * probabilities.size() + size_t(guess)];
  if (guess != label)
    remember({sample, label, guess, own, probabilities[size_t(guess)]}, result.worst);
  ++result.images;
  ++result.classImages[size_t(label)];
  result.correct += above == 0;
  result.classCorrect[size_t(label)] += above == 0;
  result.correctOfFive += above < 5;
  result.lossSum -= std::log(std::max(own, 1e-300));
}

void requireSeveralClasses(const ModelInfo &info, const char *what) {
  if (info.classes == 1 && info.classifies())
    fail("{} has one class, whose probability is always 100%: there is nothing to {}; two classes "
         "make a yes and a no",
         info.name, what);
}

std::vector<int64_t> spreadSamples(int64_t all, int64_t count) {
  int64_t kept = count > 0 ? std::min(count, all) : all;
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < kept; ++i)
    samples.push_back(int64_t(__int128(i) * all / kept));
  return samples;
}

Accuracy evaluate(Executor &executor, const Dataset &data, const std::vector<int64_t> &samples,
                  const Pipeline &pipeline, int64_t batch, unsigned workers,
                  const std::function<bool(int64_t)> &progress, CorruptImages *corrupt) {
  const ModelInfo &info = executor.info();
  bool classifies = info.classifies();
  int64_t classes = classifies ? info.classes : 0;
  int views = pipeline.views();
  Accuracy result;
  result.classImages.resize(size_t(classes));
  result.classCorrect.resize(size_t(classes));
  if (classifies && classes <= Accuracy::mostConfusionClasses)
    result.confusion.resize(size_t(classes * classes));
  executor.run(Program::Prepare, 1);

  std::vector<Visit> order;
  for (int64_t sample : samples)
    for (int view = 0; view < views; ++view)
      order.push_back({sample, view});
  LoaderOptions options;
  options.batch = batch;
  options.workers = workers;
  options.corrupt = corrupt;
  Loader loader(data, pipeline, executor.info(), options);
  loader.begin(std::move(order), 0);

  char *input = executor.at<char>(NETC_SPACE_INPUT);
  std::vector<double> one(static_cast<size_t>(classes)), sum(static_cast<size_t>(classes), 0);
  int64_t visit = 0;
  while (const Batch *ready = loader.next()) {
    executor.bind(NETC_SPACE_INPUT, ready->input);
    executor.run(Program::Infer, ready->n);
    if (!classifies) {
      const Compared compared{executor.at<char>(NETC_SPACE_OUTPUT), ready->labels, ready->targets,
                              ready->n};
      result.lossSum += measure(info, compared, result.quality);
      result.images += ready->n;
      visit += ready->n;
    }
    const float *logits = classifies ? executor.at<float>(info.scores(), ready->n) : nullptr;
    for (int64_t i = 0; i < ready->n && classifies; ++i, ++visit) {
      result.notFinite += ready->labels[i] >= 0 && !allFinite(logits + i * classes, classes);
      softmax(logits + i * classes, classes, one.data());
      for (size_t c = 0; c < one.size(); ++c)
        sum[c] += one[c] / views;
      if ((visit + 1) % views)
        continue;
      if (ready->labels[i] < 0)
        ++result.corrupt;
      else
        count(sum, samples[size_t(visit / views)], ready->labels[i], result);
      std::fill(sum.begin(), sum.end(), 0.0);
    }
    if (progress && !progress(visit / views))
      break;
  }
  executor.bind(NETC_SPACE_INPUT, input);
  return result;
}

} // namespace netc::runtime
