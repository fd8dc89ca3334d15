//===- Losses.h - what outputs cost, in double ------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_EVALUATE_LOSSES_H
#define NETC_RUNTIME_EVALUATE_LOSSES_H

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
  std::vector<double> *absolutes = nullptr; ///< also takes each term of Quality::absolute
};

/// Adds to `quality`; returns the sum over images of the losses, weights included, without label
/// smoothing and auxiliary heads. Of any model but one that classifies.
double measure(const ModelInfo &info, const Compared &batch, Quality &quality);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EVALUATE_LOSSES_H
