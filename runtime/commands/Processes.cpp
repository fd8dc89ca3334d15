//===- Processes.cpp - the processes of a launcher ------------------------===//
#include "runtime/commands/Processes.h"

#include "runtime/base/Error.h"
#include "runtime/comm/TransportCommunicator.h"
#include "runtime/system/ControlGroup.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <thread>

// Only executables that were linked with `--comm` define it.
extern "C" __attribute__((weak)) const NetcTransport *netc_open_transport(int *, char ***);

namespace netc::runtime {

bool hasTransport() { return netc_open_transport != nullptr; }

/// The value of the first of these variables that is set; -1: none is.
static int64_t readVariable(std::initializer_list<const char *> names) {
  for (const char *name : names)
    if (const char *text = std::getenv(name))
      return std::atoll(text);
  return -1;
}

/// What launchers tell a process: Open MPI, MPICH and Slurm by PMI, Slurm by PMIx.
static int64_t launchedSize() { return readVariable({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}); }
static bool isLaunched() {
  return readVariable({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) >= 0;
}

Processes::Processes(int &argc, char **&argv) : together(std::make_unique<SingleProcess>()) {
  if (!hasTransport() || !isLaunched())
    return;
  transport = netc_open_transport(&argc, &argv);
  if (int64_t size = launchedSize(); transport->size == 1 && size > 1)
    fail("started as one of {} processes, but {}, which this executable is linked with, sees one: "
         "the launcher is of another MPI",
         size, transport->library);
  together = std::make_unique<TransportCommunicator>(*transport);
  std::string cores = together->host() + " " + coreSet();
  std::vector<std::string> all = together->gather(cores);
  shareCores(unsigned(std::count(all.begin(), all.end(), cores)));
}

void Processes::requireTransport() {
  if (int64_t size = launchedSize(); size > 1 && !hasTransport())
    fail("started as one of {} processes, but the executable was compiled without --comm mpi: each "
         "would train by itself",
         size);
}

std::string Processes::name() const {
  return areSeveral() ? fmt::format("rank {} on {}: ", together->rank(), together->host()) : "";
}

void Processes::waitForLower() const {
  if (together->isRoot())
    return;
  // A launcher takes a second or two to end the others on a busy machine.
  std::chrono::milliseconds wait(3000 + 50 * std::min(together->rank(), 40u));
  std::this_thread::sleep_for(wait);
}

void Processes::endAll(int code) const {
  if (areSeveral())
    transport->abort(code);
}

void Processes::finish() const {
  if (transport)
    transport->finish();
}

} // namespace netc::runtime
