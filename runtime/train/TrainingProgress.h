//===- TrainingProgress.h - the bar of an epoch -----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_TRAININGPROGRESS_H
#define NETC_RUNTIME_TRAIN_TRAININGPROGRESS_H

#include "runtime/train/Checkpoint.h"
#include "runtime/train/EpochPlan.h"
#include "runtime/train/RunOutput.h"

#include <string>

namespace netc::runtime {

/// Shows how far an epoch is and how fast, and says once how long the run takes.
class TrainingProgress {
public:
  TrainingProgress(RunOutput &output, const EpochPlan &plan, int64_t epochs)
      : output(output), plan(plan), epochs(epochs) {}

  /// After `steps` steps of this process in this epoch, which took `seconds`. `quality`: of the
  /// epoch so far.
  void show(const TrainingPosition &position, const std::string &quality, int64_t steps,
            double seconds);

  double validationSeconds = 0; ///< of the last validation

private:
  void sayHowLong(int64_t left, double perStep);

  RunOutput &output;
  const EpochPlan &plan;
  const int64_t epochs;
  bool estimated = false;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_TRAININGPROGRESS_H
