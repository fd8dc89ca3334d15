//===- Losses.h - what outputs cost, in double ------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_EVALUATE_LOSSES_H
#define NETC_RUNTIME_EVALUATE_LOSSES_H

#include "runtime/evaluate/Measures.h"
#include "runtime/exec/Model.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// How good predictions are beside their loss, summed over images: how many class scores have the
/// right class on top (of vectors, or of the pixels of maps), and how far values are from their
/// targets.
struct Quality {
  int64_t correct = 0, scored = 0;
  double absolute = 0;
  int64_t values = 0;

  double accuracy() const { return scored ? double(correct) / double(scored) : 0; }
  double meanAbsolute() const { return values ? absolute / double(values) : 0; }
  void add(const Quality &other);
  /// "accuracy 93.10%", "mean absolute error 0.0312", or both.
  std::string text() const;
};

/// A batch of the executor's output beside what its losses compare it with.
struct Compared {
  const char *outputs;   ///< NETC_SPACE_OUTPUT
  const int64_t *labels; ///< NETC_SPACE_LABELS
  const float *targets;  ///< NETC_SPACE_TARGETS
  int64_t n;
  /// By image, below 0: it could not be read and does not count; null: all count.
  const int64_t *marks = nullptr;
  std::vector<double> *absolutes = nullptr; ///< also takes each term of Quality::absolute
};

/// What each term of the loss comes to, over a whole evaluation, without label smoothing and
/// auxiliary heads.
class LossSums {
public:
  void add(size_t term, double sum, int64_t count);
  /// The sum over terms of weight times mean.
  double loss(const ModelInfo &info) const;

  /// Of each term of the loss: kept apart, so that a sum of several processes' has the same bits.
  struct Term {
    std::vector<double> sums; ///< of images
    int64_t count = 0;        ///< of labels that count, else of images
  };
  std::vector<Term> terms;
};

/// Adds a batch of any model but one that classifies. `losses`, `measures`: null where nobody asks.
void measure(const ModelInfo &info, const Compared &batch, Quality &quality, LossSums *losses,
             Measures *measures);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EVALUATE_LOSSES_H
