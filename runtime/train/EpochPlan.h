//===- EpochPlan.h - batches and updates of an epoch ------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_EPOCHPLAN_H
#define NETC_RUNTIME_TRAIN_EPOCHPLAN_H

#include "runtime/recipe/Recipe.h"

#include <algorithm>
#include <cstdint>

namespace netc::runtime {

/// How an epoch's images are cut into batches, and its batches into updates of `accumulate` batches
/// each. The last batch and the last update of an epoch may be short.
struct EpochPlan {
  int64_t images, batch, accumulate;
  int64_t stepsPerEpoch; ///< batches

  EpochPlan(int64_t images, const Recipe &recipe)
      : images(images), batch(recipe.batch), accumulate(recipe.accumulate),
        stepsPerEpoch((images + batch - 1) / batch) {}

  /// The update that the batch after `batches` belongs to, both counted over all epochs.
  int64_t updateOf(int64_t batches) const {
    int64_t each = (stepsPerEpoch + accumulate - 1) / accumulate;
    return batches / stepsPerEpoch * each + batches % stepsPerEpoch / accumulate;
  }
  int64_t updatesPerEpoch() const { return updateOf(stepsPerEpoch); }

  /// Whether gradients wait for an update after `batches` batches of an epoch.
  bool isAccumulating(int64_t batches) const {
    return batches % accumulate != 0 && batches != stepsPerEpoch;
  }
  /// The first batch of an epoch in the update of batch `index`, and the one after its last.
  int64_t firstOfUpdate(int64_t index) const { return index / accumulate * accumulate; }
  int64_t endOfUpdate(int64_t index) const {
    return std::min(firstOfUpdate(index) + accumulate, stepsPerEpoch);
  }
  /// Images in that update.
  int64_t imagesOfUpdate(int64_t index) const {
    return imagesBefore(endOfUpdate(index)) - firstOfUpdate(index) * batch;
  }
  /// Images in the first `batches` batches of an epoch.
  int64_t imagesBefore(int64_t batches) const { return std::min(batches * batch, images); }
  /// Images in batch `index` of an epoch.
  int64_t imagesOf(int64_t index) const { return imagesBefore(index + 1) - index * batch; }
  /// Images in the last batch of an epoch.
  int64_t lastBatch() const { return images - (stepsPerEpoch - 1) * batch; }
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_EPOCHPLAN_H
