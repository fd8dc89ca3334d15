//===- StepTimes.h - how long the commands of a step take -------*- C++ -*-===//
#ifndef NETC_RUNTIME_PLAN_STEPTIMES_H
#define NETC_RUNTIME_PLAN_STEPTIMES_H

#include "runtime/abi/Abi.h"

#include <string>
#include <string_view>
#include <vector>

namespace netc::runtime {

/// Seconds of one process's commands for its batch.
struct StepTimes {
  std::vector<double> step;
  double update = 0;

  /// Of all commands of the step.
  double computing() const;
  /// Makes the step and the update together take `seconds`.
  void scaleTo(double seconds);
};

/// What is stated of a device that is not at hand.
struct StatedDevice {
  const char *name, *words;
  double f32, tf32, bf16; ///< multiply-adds times 2 per second
  double memory;          ///< bytes per second
  uint32_t perNode;       ///< in a usual machine
  double inside;          ///< bytes per second from one to others in that machine, one direction
};

/// Null: there is none of this name.
const StatedDevice *findDevice(std::string_view name);
/// "p100, v100, a100, h100"
std::string deviceNames();

/// An estimate from the command table: each command takes as long as its multiply-adds or its
/// operands, whichever is longer, at a share of the device's stated rates, and the launch.
StepTimes estimateStep(const NetcModel &model, const StatedDevice &device,
                       const std::string &precision, int64_t batch);

} // namespace netc::runtime

#endif // NETC_RUNTIME_PLAN_STEPTIMES_H
