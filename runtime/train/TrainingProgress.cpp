//===- TrainingProgress.cpp - the bar of an epoch -------------------------===//
#include "runtime/train/TrainingProgress.h"

#include <cmath>

namespace netc::runtime {

// Steps and seconds after which the speed is known well enough to say how long it takes.
static constexpr int64_t estimateSteps = 5;
static constexpr double estimateSeconds = 2;

void TrainingProgress::sayHowLong(int64_t left, double perStep) {
  double minutes = perStep * double(left) / 60;
  output.clearBar();
  output.print("about {} for the {} steps left ({:.0f} images/s)\n",
               minutes < 1.5 ? fmt::format("{:.0f} s", std::ceil(minutes * 60))
                             : fmt::format("{:.0f} min", std::ceil(minutes)),
               left, double(plan.batch) / perStep);
  output.flush();
}

void TrainingProgress::show(const TrainingPosition &position, const std::string &quality,
                            int64_t steps, double seconds) {
  double perStep = seconds / double(steps);
  int64_t left = plan.stepsPerEpoch * epochs - position.step;
  bool measured = steps >= estimateSteps && seconds >= estimateSeconds;
  if (!estimated && (measured || seconds >= 5 * estimateSeconds)) {
    estimated = true;
    sayHowLong(left, perStep);
  }
  output.showBar(fmt::format("epoch {}/{}", position.epoch + 1, epochs), position.batch,
                 plan.stepsPerEpoch,
                 fmt::format("{}  {:.0f} images/s  ETA {}", quality, double(plan.batch) / perStep,
                             clockTime(perStep * double(left) +
                                       validationSeconds * double(epochs - position.epoch))));
}

} // namespace netc::runtime
