//===- Launch.cpp - what a launcher tells its processes -------------------===//
#include "runtime/comm/Launch.h"

#include "runtime/base/Error.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace netc::runtime {

/// The value of the first of these variables that is set; -1: none is.
static int64_t readVariable(std::initializer_list<const char *> names) {
  for (const char *name : names)
    if (const char *text = std::getenv(name))
      return std::atoll(text);
  return -1;
}

/// Of one of torchrun's variables.
static unsigned numberOf(const char *name, unsigned least, unsigned most) {
  const char *text = std::getenv(name);
  if (!text)
    fail("RANK and WORLD_SIZE are set, as torchrun sets them, but {} is not", name);
  unsigned value = 0;
  const char *end = text + std::strlen(text);
  auto [after, error] = std::from_chars(text, end, value);
  if (error != std::errc() || after != end || value < least || value > most)
    fail("{}={}: expected a whole number from {} to {}", name, text, least, most);
  return value;
}

std::optional<MeetingPoint> meetingPoint() {
  if (!std::getenv("RANK") || !std::getenv("WORLD_SIZE"))
    return std::nullopt;
  MeetingPoint point;
  point.size = numberOf("WORLD_SIZE", 1, 1 << 20);
  point.rank = numberOf("RANK", 0, point.size - 1);
  if (point.size == 1)
    return point;
  const char *address = std::getenv("MASTER_ADDR");
  if (!address || !*address)
    fail("RANK and WORLD_SIZE are set, as torchrun sets them, but MASTER_ADDR is not");
  point.address = address;
  point.port = numberOf("MASTER_PORT", 1, 65535);
  const char *taken = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
  if (taken && std::strcmp(taken, "True") == 0)
    point.port = point.port < 65535 ? point.port + 1 : point.port - 1;
  if (std::getenv("NETC_PORT"))
    point.port = numberOf("NETC_PORT", 1, 65535);
  return point;
}

int64_t launchedByMpi() { return readVariable({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}); }

bool isLaunchedByMpi() {
  return readVariable({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) >= 0;
}

int64_t localRank() {
  int64_t rank = readVariable(
      {"LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"});
  return rank < 0 ? 0 : rank;
}

} // namespace netc::runtime
