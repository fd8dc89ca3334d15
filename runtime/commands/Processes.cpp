//===- Processes.cpp - the processes of a launcher ------------------------===//
#include "runtime/commands/Processes.h"

#include "runtime/base/Error.h"
#include "runtime/comm/Launch.h"
#include "runtime/comm/TcpTransport.h"
#include "runtime/comm/TransportCommunicator.h"
#include "runtime/system/ControlGroup.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

// Of executables that were linked with `--comm`: a transport over MPI, and `--comm nccl` itself.
extern "C" __attribute__((weak)) const NetcTransport *netc_open_transport(int *, char ***);
extern "C" __attribute__((weak)) const char netc_links_nccl;

namespace netc::runtime {

static bool linksNccl() { return &netc_links_nccl != nullptr; }

bool hasTransport() { return netc_open_transport || linksNccl(); }

const NetcTransport *Processes::open(int &argc, char **&argv) {
  if (linksNccl())
    if (std::optional<MeetingPoint> point = meetingPoint())
      return openTcpTransport(*point);
  if (!isLaunchedByMpi() || !hasTransport())
    return nullptr;
  if (!netc_open_transport)
    fail("started by a launcher of MPI, but netc found no MPI when it linked this executable: "
         "install one and compile again, or start it with torchrun's variables (RANK, WORLD_SIZE, "
         "LOCAL_RANK, MASTER_ADDR, MASTER_PORT)");
  const NetcTransport *opened = netc_open_transport(&argc, &argv);
  if (int64_t size = launchedByMpi(); opened->size == 1 && size > 1)
    fail("started as one of {} processes, but {}, which this executable is linked with, sees one: "
         "the launcher is of another MPI",
         size, opened->library);
  return opened;
}

Processes::Processes(int &argc, char **&argv) : together(std::make_unique<SingleProcess>()) {
  transport = open(argc, argv);
  if (!transport)
    return;
  together = std::make_unique<TransportCommunicator>(*transport);
  std::string cores = together->host() + " " + coreSet();
  std::vector<std::string> all = together->gather(cores);
  shareCores(unsigned(std::count(all.begin(), all.end(), cores)));
}

void Processes::requireTransport() {
  if (int64_t size = launchedByMpi(); size > 1 && !hasTransport())
    fail("started as one of {} processes, but the executable was compiled without --comm mpi: each "
         "would train by itself",
         size);
  if (linksNccl() || isLaunchedByMpi() || !std::getenv("MASTER_ADDR"))
    return;
  if (std::optional<MeetingPoint> point = meetingPoint(); point && point->size > 1)
    fail("started as one of {} processes by torchrun's variables, but the executable was compiled "
         "without --comm nccl: each would train by itself",
         point->size);
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
