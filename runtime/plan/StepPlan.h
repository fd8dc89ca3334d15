//===- StepPlan.h - a step of many processes --------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_PLAN_STEPPLAN_H
#define NETC_RUNTIME_PLAN_STEPPLAN_H

#include "runtime/exec/GradientBuckets.h"
#include "runtime/plan/Network.h"
#include "runtime/plan/StepTimes.h"

namespace netc::runtime {

/// What a step of `processes` is computed from.
struct PlannedRun {
  uint32_t processes = 1;
  Topology topology = Topology::Exchange;
  Wires wires;
  double bytesPerGradient = 4;
  bool overlaps = true; ///< buckets travel while the backward pass goes on
  double jitter = 0;    ///< standard deviation of a process's time, as a share of it
};

/// Seconds and bytes of one step.
struct PlannedStep {
  double computing = 0;     ///< of the slowest process, without communication
  double communicating = 0; ///< during which some reduction is under way
  double exposed = 0;       ///< the part of it after the computing
  double step = 0;          ///< until all have updated
  double bytesSent = 0;     ///< by each process, the mean

  /// The share of communication during which the backward pass goes on.
  double overlap() const { return communicating > 0 ? 1 - exposed / communicating : 1; }
};

/// Simulates the reduction of `buckets`, in their order, one after the other.
PlannedStep planStep(const StepTimes &times, const std::vector<GradientBucket> &buckets,
                     const PlannedRun &run);

} // namespace netc::runtime

#endif // NETC_RUNTIME_PLAN_STEPPLAN_H
