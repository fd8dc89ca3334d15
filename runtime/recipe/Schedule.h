//===- Schedule.h - the learning rate of each step --------------*- C++ -*-===//
#ifndef NETC_RUNTIME_RECIPE_SCHEDULE_H
#define NETC_RUNTIME_RECIPE_SCHEDULE_H

#include "runtime/recipe/Recipe.h"

namespace netc::runtime {

/// What a plateau schedule remembers; lies in the checkpoint.
struct PlateauState {
  double best = 1e300; ///< lowest validation error so far
  int epochsSinceBest = 0;
  double scale = 1; ///< of the learning rate
};

/// The learning rate by step. Stages multiply, so that warm-up composes with
/// any other; cosine and polynomial run over what follows the warm-up.
class Schedule {
public:
  /// `stepsPerEpoch` counts the ragged last batch.
  Schedule(const Recipe &recipe, int64_t stepsPerEpoch);

  /// Of step 0, 1, …
  double learningRate(int64_t step) const;

  /// Gives a plateau schedule the validation error of an epoch. The epoch that is the `patience`-th
  /// in a row without a lower error lowers the rate, as Keras's ReduceLROnPlateau; PyTorch's waits
  /// one epoch more.
  void endEpoch(double validationError);

  PlateauState plateau;

private:
  double stageFactor(const ScheduleStage &stage, int64_t step) const;

  const std::vector<ScheduleStage> stages;
  double base;
  int64_t stepsPerEpoch, totalSteps, warmupSteps = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_RECIPE_SCHEDULE_H
