//===- Scaling.h - which normalisation a run uses ---------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_SCALING_H
#define NETC_RUNTIME_DATA_SCALING_H

#include "runtime/augment/Augment.h"
#include "runtime/data/Dataset.h"
#include "runtime/weights/Weights.h"

namespace netc::runtime {

/// For training: as the recipe writes it, or computed from `samples` of the
/// training set (normalize(auto), subtract_mean, pca_jitter). What is computed is taken from
/// `stored` where that has it: a run that goes on doesn't read its images once more.
PixelScaling scalingForTraining(const Recipe &recipe, const ModelInfo &info, const Dataset &data,
                                const std::vector<int64_t> &samples, unsigned workers,
                                const WeightsMetadata *stored = nullptr);

/// For evaluation: what the command line sets, what lies with the weights, else what the recipe
/// writes. Warns where the recipe computes it and the weights have none.
PixelScaling scalingForEvaluation(const Recipe &recipe, const ModelInfo &info,
                                  const WeightsMetadata &metadata, const std::string &weights);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_SCALING_H
