//===- Losses.cpp - what outputs cost, in double --------------------------===//
#include "runtime/evaluate/Losses.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace netc::runtime {

void Quality::add(const Quality &other) {
  correct += other.correct;
  scored += other.scored;
  absolute += other.absolute;
  values += other.values;
}

std::string Quality::text() const {
  std::string result;
  if (scored)
    result = fmt::format("accuracy {:.2f}%", accuracy() * 100);
  if (values)
    result +=
        fmt::format("{}mean absolute error {:.4g}", result.empty() ? "" : ", ", meanAbsolute());
  return result;
}

void LossSums::add(size_t term, double sum, int64_t count) {
  if (terms.size() <= term)
    terms.resize(term + 1);
  terms[term].sums.push_back(sum);
  terms[term].count += count;
}

double LossSums::loss(const ModelInfo &info) const {
  double loss = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    double sum = 0;
    for (double own : terms[i].sums)
      sum += own;
    if (terms[i].count)
      loss += info.losses[i].weight * sum / double(terms[i].count);
  }
  return loss;
}

namespace {
/// One image's class scores: a vector, or those of the pixels of a map or of the tokens of a
/// sequence.
class Scores {
public:
  Scores(const TensorInfo &output, const float *values)
      : isImage(output.shape.size() == 3), // channels first in files, else last
        classes(isImage ? output.shape.front() : output.shape.back()),
        pixels(output.elements() / classes), values(values) {}

  double at(int64_t pixel, int64_t c) const {
    return double(values[isImage ? c * pixels + pixel : pixel * classes + c]);
  }
  int64_t best(int64_t pixel) const {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c)
      if (at(pixel, c) > at(pixel, best))
        best = c;
    return best;
  }
  /// log of the sum of exp.
  double logSum(int64_t pixel) const {
    double high = at(pixel, best(pixel)), sum = 0;
    for (int64_t c = 0; c < classes; ++c)
      sum += std::exp(at(pixel, c) - high);
    return std::log(sum) + high;
  }

  const bool isImage;
  const int64_t classes, pixels;

private:
  const float *values;
};

/// One loss term's view of a batch.
class TermMeasurer {
public:
  TermMeasurer(const ModelInfo &info, size_t index, const Compared &batch)
      : info(info), term(info.losses[index]), batch(batch), output(info.outputs[term.output]),
        target(info.targets[term.target]),
        values(reinterpret_cast<const float *>(batch.outputs + uint64_t(batch.n) * output.offset)),
        at(uint64_t(batch.n) * target.offset) {}

  const float *valuesOf(int64_t image) const { return values + image * output.elements(); }
  const float *targetsOf(int64_t image) const {
    return batch.targets + at / sizeof(float) + uint64_t(image * output.elements());
  }
  const int64_t *labelsOf(int64_t image) const {
    return batch.labels + at / sizeof(int64_t) + uint64_t(image * target.elements());
  }
  bool counts(int64_t label) const { return label >= 0 && (!term.ignore || label != *term.ignore); }

  double crossEntropy(int64_t image, int64_t &counted) const;
  double dice(int64_t image) const;
  double ofValues(int64_t image, LossKind kind) const;
  void judgeScores(int64_t image, Quality &quality, Measures *measures) const;
  void judgeValues(int64_t image, Quality &quality, Measures *measures) const;

private:
  const ModelInfo &info;
  const LossInfo &term;
  const Compared &batch;
  const TensorInfo &output, &target;
  const float *values;
  uint64_t at;
};
} // namespace

/// The sum over labels that count.
double TermMeasurer::crossEntropy(int64_t image, int64_t &counted) const {
  Scores scores(output, valuesOf(image));
  const int64_t *labels = labelsOf(image);
  double sum = 0;
  for (int64_t p = 0; p < scores.pixels; ++p)
    if (counts(labels[p])) {
      ++counted;
      sum += scores.logSum(p) - scores.at(p, labels[p]);
    }
  return sum;
}

double TermMeasurer::dice(int64_t image) const {
  Scores scores(output, valuesOf(image));
  const int64_t *labels = labelsOf(image);
  std::vector<double> hits(size_t(scores.classes)), both(size_t(scores.classes));
  for (int64_t p = 0; p < scores.pixels; ++p) {
    if (!counts(labels[p]))
      continue;
    double logSum = scores.logSum(p);
    for (int64_t c = 0; c < scores.classes; ++c) {
      double probability = std::exp(scores.at(p, c) - logSum), is = c == labels[p] ? 1 : 0;
      hits[size_t(c)] += probability * is;
      both[size_t(c)] += probability + is;
    }
  }
  double sum = 0;
  for (size_t c = 0; c < hits.size(); ++c)
    sum += (2 * hits[c] + term.smooth) / (both[c] + term.smooth);
  return 1 - sum / double(scores.classes);
}

/// The mean over an image's values.
double TermMeasurer::ofValues(int64_t image, LossKind kind) const {
  const float *own = valuesOf(image), *wanted = targetsOf(image);
  double sum = 0;
  for (int64_t i = 0; i < output.elements(); ++i) {
    double x = double(own[i]), t = double(wanted[i]);
    if (kind == LossKind::Bce) {
      t = term.threshold ? double(t > *term.threshold) : t;
      sum += std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)));
    } else {
      sum += kind == LossKind::Mse ? (x - t) * (x - t) : std::abs(x - t);
    }
  }
  return sum / double(output.elements());
}

void TermMeasurer::judgeScores(int64_t image, Quality &quality, Measures *measures) const {
  Scores scores(output, valuesOf(image));
  const int64_t *labels = labelsOf(image);
  bool counted = measures && &term == info.mapLoss();
  if (counted && measures->maps.empty())
    measures->maps.begin(scores.classes);
  for (int64_t p = 0; p < scores.pixels; ++p) {
    if (!counts(labels[p]))
      continue;
    int64_t guess = scores.best(p);
    ++quality.scored;
    quality.correct += guess == labels[p];
    if (counted)
      measures->maps.add(labels[p], guess);
  }
}

void TermMeasurer::judgeValues(int64_t image, Quality &quality, Measures *measures) const {
  const float *own = valuesOf(image), *wanted = targetsOf(image);
  int64_t count = output.elements();
  if (term.kind == LossKind::Bce) {
    quality.scored += count;
    for (int64_t i = 0; i < count; ++i)
      quality.correct += (own[i] > 0) == (wanted[i] > 0.5f);
    if (measures && info.scoresEachClass())
      measures->labels.add(own, wanted, count);
    return;
  }
  double absolute = ofValues(image, LossKind::L1) * double(count);
  quality.absolute += absolute;
  if (batch.absolutes)
    batch.absolutes->push_back(absolute);
  quality.values += count;
  if (measures && term.output == info.losses[0].output)
    measures->values.add(own, wanted, count, output.shape.size() == 1);
}

/// Adds one image's share of a term.
static void addLoss(const TermMeasurer &measurer, LossKind kind, int64_t image, size_t index,
                    LossSums &losses) {
  int64_t counted = 0;
  if (kind == LossKind::CrossEntropy) {
    double sum = measurer.crossEntropy(image, counted);
    losses.add(index, sum, counted);
  } else {
    losses.add(index,
               kind == LossKind::Dice ? measurer.dice(image) : measurer.ofValues(image, kind), 1);
  }
}

void measure(const ModelInfo &info, const Compared &batch, Quality &quality, LossSums *losses,
             Measures *measures) {
  std::set<size_t> judged; // terms of one output share its figures
  for (size_t index = 0; index < info.losses.size(); ++index) {
    const LossInfo &term = info.losses[index];
    TermMeasurer measurer(info, index, batch);
    bool isFirst = judged.insert(term.target).second;
    for (int64_t i = 0; i < batch.n; ++i) {
      if (batch.marks && batch.marks[i] < 0)
        continue;
      if (losses)
        addLoss(measurer, term.kind, i, index, *losses);
      if (isFirst)
        term.comparesClasses() ? measurer.judgeScores(i, quality, measures)
                               : measurer.judgeValues(i, quality, measures);
    }
  }
}

} // namespace netc::runtime
