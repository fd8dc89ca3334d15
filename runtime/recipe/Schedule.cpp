//===- Schedule.cpp - the learning rate of each step ----------------------===//
#include "runtime/recipe/Schedule.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

Schedule::Schedule(const Recipe &recipe, int64_t stepsPerEpoch)
    : stages(recipe.schedule), base(recipe.lr), stepsPerEpoch(stepsPerEpoch),
      totalSteps(stepsPerEpoch * recipe.epochs) {
  for (const ScheduleStage &stage : stages)
    if (stage.kind == ScheduleKind::Warmup)
      warmupSteps = std::max(warmupSteps, stage.length.toStep(stepsPerEpoch, totalSteps));
}

double Schedule::stageFactor(const ScheduleStage &stage, int64_t step) const {
  // Fraction of the run behind us, the warm-up not counted.
  double progress = std::clamp(double(step - warmupSteps) /
                                   double(std::max<int64_t>(1, totalSteps - warmupSteps)),
                               0.0, 1.0);
  double floor = base > 0 ? stage.floor / base : 0;
  switch (stage.kind) {
  case ScheduleKind::Constant:
    return 1;
  case ScheduleKind::Step: {
    int passed = 0;
    for (const SchedulePoint &point : stage.at)
      passed += step >= point.toStep(stepsPerEpoch, totalSteps);
    if (stage.every)
      passed += int(step / std::max<int64_t>(1, stage.every->toStep(stepsPerEpoch, totalSteps)));
    return std::pow(stage.factor, passed);
  }
  case ScheduleKind::Cosine: {
    double within = progress;
    if (stage.every) { // warm restarts (Loshchilov and Hutter 2017)
      int64_t cycle = std::max<int64_t>(1, stage.every->toStep(stepsPerEpoch, totalSteps));
      within = double(std::max<int64_t>(0, step - warmupSteps) % cycle) / double(cycle);
    }
    return floor + (1 - floor) * 0.5 * (1 + std::cos(within * M_PI));
  }
  case ScheduleKind::Polynomial:
    return floor + (1 - floor) * std::pow(1 - progress, stage.power);
  case ScheduleKind::Exponential:
    return std::pow(stage.factor, double(step / std::max<int64_t>(1, stepsPerEpoch)));
  case ScheduleKind::Plateau:
    return std::max(plateau.scale, floor);
  case ScheduleKind::Warmup: {
    int64_t length = stage.length.toStep(stepsPerEpoch, totalSteps);
    if (step >= length)
      return 1;
    // The first step already moves: Goyal et al. 2017, section 2.2.
    return stage.flat ? stage.from
                      : stage.from + (1 - stage.from) * double(step + 1) / double(length);
  }
  }
  __builtin_unreachable();
}

double Schedule::learningRate(int64_t step) const {
  double rate = base;
  for (const ScheduleStage &stage : stages)
    rate *= stageFactor(stage, step);
  return rate;
}

void Schedule::endEpoch(double validationError) {
  for (const ScheduleStage &stage : stages) {
    if (stage.kind != ScheduleKind::Plateau)
      continue;
    if (validationError < plateau.best) {
      plateau.best = validationError;
      plateau.epochsSinceBest = 0;
    } else if (++plateau.epochsSinceBest >= stage.patience) {
      plateau.scale *= stage.factor;
      plateau.epochsSinceBest = 0;
    }
  }
}

} // namespace netc::runtime
