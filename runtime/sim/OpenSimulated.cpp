//===- OpenSimulated.cpp - the device of --target sim ---------------------===//
#include "runtime/Error.h"
#include "runtime/cuda/GpuDevice.h"
#include "runtime/sim/Simulator.h"

#include <cstdlib>
#include <cstring>

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

/// NETC_SIM_SEED orders warps and blocks, NETC_SIM_CHECKS=0 is the fast mode, NETC_SIM_CHIP (80) the
/// chip, NETC_SIM_THREADS the cores.
extern "C" void *netc_open_sim(void) {
  sim::SimulatorOptions options;
  options.seed = number("NETC_SIM_SEED", options.seed);
  options.checks = number("NETC_SIM_CHECKS", 1) != 0;
  options.chip = unsigned(number("NETC_SIM_CHIP", options.chip));
  options.threads = unsigned(number("NETC_SIM_THREADS", 0));
  return static_cast<Device *>(new cuda::GpuDevice(sim::simulatedDriver(options)));
}
