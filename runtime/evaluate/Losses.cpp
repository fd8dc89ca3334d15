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

/// One pixel's class scores, `stride` floats apart: its cross entropy.
static double crossEntropy(const float *scores, int64_t classes, int64_t stride, int64_t label,
                           bool &correct) {
  double high = -INFINITY, sum = 0;
  int64_t best = 0;
  for (int64_t c = 0; c < classes; ++c)
    if (scores[c * stride] > high)
      high = scores[c * stride], best = c;
  for (int64_t c = 0; c < classes; ++c)
    sum += std::exp(double(scores[c * stride]) - high);
  correct = best == label;
  return std::log(sum) + high - double(scores[label * stride]);
}

/// Of one image: the mean over its pixels.
static double scoresLoss(const TensorInfo &output, const float *scores, const int64_t *labels,
                         Quality &quality) {
  bool isImage = output.shape.size() == 3; // channels first in files, else last
  int64_t classes = isImage ? output.shape.front() : output.shape.back();
  int64_t pixels = output.elements() / classes;
  double sum = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    bool correct = false;
    sum += crossEntropy(scores + (isImage ? p : p * classes), classes, isImage ? pixels : 1,
                        labels[p], correct);
    quality.correct += correct;
  }
  quality.scored += pixels;
  return sum / double(pixels);
}

/// Of one image: the mean over its values.
static double valuesLoss(LossKind kind, const float *values, const float *targets, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    double d = double(values[i]) - double(targets[i]);
    sum += kind == LossKind::Mse ? d * d : std::abs(d);
  }
  return sum / double(count);
}

double measure(const ModelInfo &info, const Compared &batch, Quality &quality) {
  double loss = 0;
  std::set<size_t> counted; // terms of one output share its absolute error
  for (const LossInfo &term : info.losses) {
    const TensorInfo &output = info.outputs[term.output], &target = info.targets[term.target];
    int64_t each = output.elements();
    const auto *values =
        reinterpret_cast<const float *>(batch.outputs + uint64_t(batch.n) * output.offset);
    uint64_t at = uint64_t(batch.n) * target.offset;
    for (int64_t i = 0; i < batch.n; ++i) {
      if (term.kind == LossKind::CrossEntropy) {
        const auto *labels = batch.labels + at / sizeof(int64_t) + i * target.elements();
        loss += term.weight * scoresLoss(output, values + i * each, labels, quality);
        continue;
      }
      const float *targets = batch.targets + at / sizeof(float) + i * each;
      loss += term.weight * valuesLoss(term.kind, values + i * each, targets, each);
      if (counted.count(term.target))
        continue;
      double absolute = valuesLoss(LossKind::L1, values + i * each, targets, each) * double(each);
      quality.absolute += absolute;
      if (batch.absolutes)
        batch.absolutes->push_back(absolute);
      quality.values += each;
    }
    counted.insert(term.target);
  }
  return loss;
}

} // namespace netc::runtime
