//===- OpenSimulated.cpp - the device of --target sim ---------------------===//
#include "runtime/base/Error.h"
#include "runtime/device/MirroredDevice.h"
#include "runtime/device/cuda/GpuDevice.h"
#include "runtime/device/sim/Simulator.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

using namespace netc::runtime;

static uint64_t number(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  if (!text)
    return otherwise;
  char *end = nullptr;
  uint64_t value = std::strtoull(text, &end, 10);
  if (!*text || *end)
    fail("{}={}: expected a number", name, text);
  return value;
}

/// One line of JSON a kernel: where a file was named, when the process ends.
static void writeProfile() {
  std::FILE *file = std::fopen(std::getenv("NETC_SIM_PROFILE"), "w");
  if (!file)
    return;
  for (const sim::KernelProfile &kernel : sim::takeProfile()) {
    nlohmann::ordered_json line = {{"kernel", kernel.kernel},
                                   {"launches", kernel.launches},
                                   {"instructions", kernel.instructions},
                                   {"shared", nlohmann::ordered_json::array()}};
    for (const auto &[number, access] : kernel.shared)
      line["shared"].push_back({{"line", number},
                                {"instruction", access.instruction},
                                {"passes", access.passes},
                                {"conflicts", access.conflicts}});
    fmt::print(file, "{}\n", line.dump());
  }
  std::fclose(file);
}

/// NETC_SIM_SEED orders warps and blocks, NETC_SIM_CHECKS=0 is the fast mode, NETC_SIM_CHIP (80)
/// the chip, NETC_SIM_THREADS the cores, NETC_SIM_PROFILE a file for what each kernel did.
extern "C" void *netc_open_sim(void) {
  sim::SimulatorOptions options;
  options.seed = number("NETC_SIM_SEED", options.seed);
  options.checks = number("NETC_SIM_CHECKS", 1) != 0;
  options.chip = unsigned(number("NETC_SIM_CHIP", options.chip));
  options.threads = unsigned(number("NETC_SIM_THREADS", 0));
  options.profile = std::getenv("NETC_SIM_PROFILE") != nullptr;
  const cuda::CudaDriver &driver = sim::simulatedDriver(options);
  if (static bool registered = false; options.profile && !std::exchange(registered, true))
    std::atexit(writeProfile);
  return static_cast<Device *>(new MirroredDevice(std::make_unique<cuda::GpuDevice>(driver)));
}
