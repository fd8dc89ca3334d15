//===- OpenSimulated.cpp - the device of --target sim ---------------------===//
#include "runtime/base/Error.h"
#include "runtime/device/MirroredDevice.h"
#include "runtime/device/cuda/GpuDevice.h"
#include "runtime/device/sim/Simulator.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

using namespace netc::runtime;

/// The whole number from 0 to `most` that the environment gives for `name`.
static uint64_t number(const char *name, uint64_t otherwise, uint64_t most) {
  const char *text = std::getenv(name);
  if (!text)
    return otherwise;
  uint64_t value = 0;
  const char *end = text + std::strlen(text);
  auto [after, error] = std::from_chars(text, end, value);
  if (error != std::errc() || after != end || value > most)
    fail("{}={}: expected a whole number from 0 to {}", name, text, most);
  return value;
}

// As many as `--threads` takes.
static constexpr uint64_t mostThreads = 1024;

/// One line of JSON a kernel: where a file was named, when the process ends.
static void writeProfile() {
  std::FILE *file = std::fopen(std::getenv("NETC_SIM_PROFILE"), "w");
  if (!file) {
    warn(fmt::format("cannot write {}", std::getenv("NETC_SIM_PROFILE")));
    return;
  }
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
    std::fputs((line.dump() + "\n").c_str(), file);
  }
  bool written = !std::ferror(file);
  if ((std::fclose(file) != 0) | !written)
    warn(fmt::format("cannot write {}", std::getenv("NETC_SIM_PROFILE")));
}

/// NETC_SIM_SEED orders warps and blocks, NETC_SIM_CHECKS=0 is the fast mode, NETC_SIM_CHIP (80)
/// the chip, NETC_SIM_THREADS the cores, NETC_SIM_PROFILE a file for what each kernel did.
extern "C" void *netc_open_sim(void) {
  sim::SimulatorOptions options;
  options.seed = number("NETC_SIM_SEED", options.seed, UINT64_MAX);
  options.checks = number("NETC_SIM_CHECKS", 1, UINT64_MAX) != 0;
  options.chip = unsigned(number("NETC_SIM_CHIP", options.chip, UINT32_MAX));
  options.threads = unsigned(number("NETC_SIM_THREADS", 0, mostThreads));
  options.profile = std::getenv("NETC_SIM_PROFILE") != nullptr;
  const cuda::CudaDriver &driver = sim::simulatedDriver(options);
  if (static bool registered = false; options.profile && !std::exchange(registered, true))
    std::atexit(writeProfile);
  return static_cast<Device *>(new MirroredDevice(std::make_unique<cuda::GpuDevice>(driver)));
}
