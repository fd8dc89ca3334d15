//===- ControlGroup.cpp - limits that a container sets --------------------===//
#include "runtime/system/ControlGroup.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

namespace netc::runtime {

static bool lists(const std::string &controllers, const std::string &wanted) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');)
    if (name == wanted)
      return true;
  return false;
}

std::vector<ControlGroup> controlGroups(const std::string &controller, const std::string &root,
                                        const std::string &self) {
  std::vector<ControlGroup> groups;
  std::ifstream in(self);
  for (std::string line; std::getline(in, line);) {
    // hierarchy:controllers:path; no controllers: version 2
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (!controllers.empty() && !lists(controllers, controller))
      continue;
    std::string mount = controllers.empty() ? root : root + "/" + controller;
    while (true) {
      groups.push_back({mount + (path == "/" ? "" : path) + "/", controllers.empty()});
      if (path.empty() || path == "/")
        break;
      path.resize(path.rfind('/'));
    }
  }
  return groups;
}

/// Quota and period in microseconds as a number of cores.
static std::optional<double> quotaOf(const ControlGroup &group) {
  double quota = -1, period = 0;
  if (group.unified) {
    std::ifstream in(group.folder + "cpu.max"); // "max 100000" is unlimited
    if (!(in >> quota >> period))
      return std::nullopt;
  } else {
    std::ifstream quotaFile(group.folder + "cpu.cfs_quota_us"),
        periodFile(group.folder + "cpu.cfs_period_us");
    if (!(quotaFile >> quota) || !(periodFile >> period))
      return std::nullopt;
  }
  if (quota <= 0 || period <= 0)
    return std::nullopt;
  return quota / period;
}

std::optional<unsigned> quotaCores(const std::string &root, const std::string &self) {
  std::optional<unsigned> least;
  for (const ControlGroup &group : controlGroups("cpu", root, self))
    if (auto cores = quotaOf(group)) {
      unsigned whole = unsigned(std::clamp(std::ceil(*cores), 1.0, 1e6));
      least = std::min(least.value_or(whole), whole);
    }
  return least;
}

static unsigned coreSharers = 1;

void shareCores(unsigned processes) { coreSharers = std::max(1u, processes); }

std::string coreSet() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return "all";
  std::string text;
  for (unsigned core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set))
      text += std::to_string(core) + ",";
  return text;
}

unsigned availableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cores = sched_getaffinity(0, sizeof set, &set) == 0
                       ? unsigned(std::max(1, CPU_COUNT(&set)))
                       : std::max(1u, std::thread::hardware_concurrency());
  // More threads than the quota pays for would be stopped in the middle of their work.
  return std::max(1u, std::min(cores, quotaCores().value_or(cores)) / coreSharers);
}

} // namespace netc::runtime
