//===- Totals.h - an evaluation from its processes' parts -------*- C++ -*-===//
#ifndef NETC_RUNTIME_EVALUATE_TOTALS_H
#define NETC_RUNTIME_EVALUATE_TOTALS_H

#include "runtime/comm/Communicator.h"
#include "runtime/evaluate/Evaluate.h"

#include <vector>

namespace netc::runtime {

/// What a process found for its run of images. Sums of floating point are left as their terms, in
/// the order of images: added all together, they have the same bits for any number of processes.
struct Tally {
  Accuracy accuracy;             ///< but for its lossSum and quality.absolute
  std::vector<double> losses;    ///< terms of lossSum, of a model that classifies
  LossSums terms;                ///< of one that does not
  std::vector<double> absolutes; ///< terms of quality.absolute

  /// An image that the model takes for something else: keeps the worst, in order.
  void remember(const Mistake &mistake);
  void remember(WorstMap map);
};

/// Of the images of all processes; the same for each.
Accuracy totalOf(const ModelInfo &info, const Tally &own, Communicator &communicator);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EVALUATE_TOTALS_H
