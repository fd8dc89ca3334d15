//===- ControlGroup.h - limits that a container sets ------------*- C++ -*-===//
//
// netc asks it too, for the threads that compile: these files include nothing of the runtime.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_SYSTEM_CONTROLGROUP_H
#define NETC_RUNTIME_SYSTEM_CONTROLGROUP_H

#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

struct ControlGroup {
  std::string folder; ///< with a slash at its end
  bool unified;       ///< version 2
};

/// The groups of this process that may limit `controller` ("memory", "cpu"), each
/// before its parent. `self` has the format of /proc/self/cgroup.
std::vector<ControlGroup> controlGroups(const std::string &controller,
                                        const std::string &root = "/sys/fs/cgroup",
                                        const std::string &self = "/proc/self/cgroup");

/// Cores that this process may run on, by affinity and by the quota of its control groups.
unsigned availableCores();

/// From here on availableCores() counts this process's part of them: `processes` share them.
void shareCores(unsigned processes);

/// "0,1,": cores that this process may run on by affinity.
std::string coreSet();

/// Cores' worth of time that CPU quotas leave, rounded up; nothing where none is set.
std::optional<unsigned> quotaCores(const std::string &root = "/sys/fs/cgroup",
                                   const std::string &self = "/proc/self/cgroup");

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_CONTROLGROUP_H
