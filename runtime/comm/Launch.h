//===- Launch.h - what a launcher tells its processes -----------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMM_LAUNCH_H
#define NETC_RUNTIME_COMM_LAUNCH_H

#include <cstdint>
#include <optional>
#include <string>

namespace netc::runtime {

/// What torchrun's variables say: where rank 0 is met.
struct MeetingPoint {
  unsigned rank = 0, size = 1;
  std::string address; ///< a name or a number
  unsigned port = 0;
};

/// RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; nothing where none of the first two is set. Fails
/// where one is missing, or is no number in its range. Where torchrun itself listens at the port,
/// the next one; NETC_PORT names another.
std::optional<MeetingPoint> meetingPoint();

/// Processes that MPI's launcher started, by Open MPI's variables or PMI's (MPICH, Slurm); -1:
/// unknown.
int64_t launchedByMpi();
/// Whether such a launcher started this process.
bool isLaunchedByMpi();

/// Which of its machine's processes this one is, from 0 on, as any launcher has it; 0 without.
int64_t localRank();

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_LAUNCH_H
