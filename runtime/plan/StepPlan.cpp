//===- StepPlan.cpp - a step of many processes ----------------------------===//
#include "runtime/plan/StepPlan.h"

#include "runtime/base/Philox.h"

#include <algorithm>

namespace netc::runtime {

/// How much longer than usual each process computes; the mean is 1.
static std::vector<double> drawPaces(const PlannedRun &run) {
  std::vector<double> paces(run.processes, 1);
  for (uint32_t p = 0; p < run.processes && run.jitter > 0; ++p)
    paces[p] = std::max(0.1, 1 + run.jitter * Philox(0, Stream::Bench, p).normal());
  return paces;
}

/// When the gradients of each bucket are final, from the begin of a step.
static std::vector<double> readyTimes(const StepTimes &times,
                                      const std::vector<GradientBucket> &buckets) {
  std::vector<double> ready;
  double time = 0;
  uint64_t next = 0;
  for (const GradientBucket &bucket : buckets) { // ascending by command
    for (; next <= bucket.command && next < times.step.size(); ++next)
      time += times.step[next];
    ready.push_back(time);
  }
  return ready;
}

PlannedStep planStep(const StepTimes &times, const std::vector<GradientBucket> &buckets,
                     const PlannedRun &run) {
  std::vector<double> paces = drawPaces(run), ready = readyTimes(times, buckets);
  double computing = times.computing();
  Network network(run.wires, run.processes);
  std::vector<double> done(run.processes, 0), starts(run.processes);
  PlannedStep plan;
  plan.computing = computing * *std::max_element(paces.begin(), paces.end());
  double bytes = 0;
  for (size_t i = 0; i < buckets.size() && run.processes > 1; ++i) {
    MessageGraph graph = reductionGraph(run.topology, run.processes, run.wires.perNode,
                                        double(buckets[i].count) * run.bytesPerGradient);
    bytes += graph.bytes();
    for (uint32_t p = 0; p < run.processes; ++p)
      starts[p] = std::max(done[p], paces[p] * (run.overlaps ? ready[i] : computing));
    done = network.run(graph, starts);
    plan.communicating += *std::max_element(done.begin(), done.end()) -
                          *std::max_element(starts.begin(), starts.end());
  }
  double last = plan.computing;
  for (double time : done)
    last = std::max(last, time);
  plan.exposed = last - plan.computing;
  plan.step = last + times.update;
  plan.bytesSent = bytes / run.processes;
  return plan;
}

} // namespace netc::runtime
