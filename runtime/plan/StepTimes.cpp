//===- StepTimes.cpp - how long the commands of a step take ---------------===//
#include "runtime/plan/StepTimes.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <numeric>

namespace netc::runtime {

// Peaks of the vendor's data sheets, without sparsity; of NVLink and PCIe one direction.
static constexpr StatedDevice devices[] = {
    {"p100", "NVIDIA P100 (SXM2)", 10.6e12, 10.6e12, 10.6e12, 732e9, 4, 12e9},
    {"v100", "NVIDIA V100 (SXM2)", 15.7e12, 15.7e12, 125e12, 900e9, 8, 130e9},
    {"a100", "NVIDIA A100 (SXM4, 80 GB)", 19.5e12, 156e12, 312e12, 2039e9, 8, 240e9},
    {"h100", "NVIDIA H100 (SXM5)", 67e12, 494e12, 989e12, 3350e9, 8, 360e9},
};

// Shares of the peaks that large kernels reach, and the time between two launches.
static constexpr double contractionShare = 0.6, memoryShare = 0.75;
static constexpr double launchSeconds = 3e-6;

double StepTimes::computing() const { return std::accumulate(step.begin(), step.end(), 0.0); }

void StepTimes::scaleTo(double seconds) {
  double scale = seconds / (computing() + update);
  for (double &command : step)
    command *= scale;
  update *= scale;
}

const StatedDevice *findDevice(std::string_view name) {
  auto found = std::find_if(std::begin(devices), std::end(devices),
                            [&](const StatedDevice &device) { return device.name == name; });
  return found == std::end(devices) ? nullptr : found;
}

std::string deviceNames() {
  std::vector<std::string> names;
  for (const StatedDevice &device : devices)
    names.push_back(device.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

static double estimate(const NetcModel &model, const NetcCommand &command, double flopRate,
                       double memoryRate, int64_t batch) {
  double bytes = 0, images = double(batch);
  for (uint32_t i = 0; i < command.buffer_count; ++i) {
    const NetcBuffer &buffer = model.buffers[command.first_buffer + i];
    bytes += double(buffer.bytes_fixed) + images * double(buffer.bytes_per_image);
  }
  double flops = images * double(command.flops_per_image);
  return launchSeconds + std::max(flops / flopRate, bytes / memoryRate);
}

StepTimes estimateStep(const NetcModel &model, const StatedDevice &device,
                       const std::string &precision, int64_t batch) {
  double peak = precision == "bf16" ? device.bf16 : precision == "tf32" ? device.tf32 : device.f32;
  double flopRate = peak * contractionShare, memoryRate = device.memory * memoryShare;
  auto secondsOf = [&](const NetcCommand &command) {
    return estimate(model, command, flopRate, memoryRate, batch);
  };
  StepTimes times;
  for (uint64_t i = 0; i < model.step.command_count; ++i)
    times.step.push_back(secondsOf(model.step.commands[i]));
  for (uint64_t i = 0; i < model.update.command_count; ++i)
    times.update += secondsOf(model.update.commands[i]);
  return times;
}

} // namespace netc::runtime
