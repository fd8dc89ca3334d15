//===- Mix.h - mixup and cutmix of a batch ----------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_AUGMENT_MIX_H
#define NETC_RUNTIME_AUGMENT_MIX_H

#include "runtime/base/Philox.h"
#include "runtime/recipe/Recipe.h"

namespace netc::runtime {

/// A prepared batch: `input` [n, C, H, W], `labels` [n], `targets` [n, classes].
struct MixBatch {
  float *input;
  const int64_t *labels;
  float *targets;
  int64_t n, classes;
  int channels, height, width;
  /// The image behind the last one and its label, where the batch is a run of a larger one; null:
  /// the first.
  const float *after = nullptr;
  int64_t labelAfter = 0;
};

/// Fills `targets` with the labels' one-hot rows.
void fillTargets(const MixBatch &batch);

/// Mixes each image with its successor (the last with `after`) by one of
/// `transforms` (Mixup, Cutmix), drawn per batch, and their targets likewise
/// (Zhang et al. 2018; Yun et al. 2019).
void mix(const std::vector<Transform> &transforms, Philox &draw, const MixBatch &batch);

} // namespace netc::runtime

#endif // NETC_RUNTIME_AUGMENT_MIX_H
