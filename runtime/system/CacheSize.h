//===- CacheSize.h - how much of a batch stays near -------------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_CACHESIZE_H
#define NETC_RUNTIME_SYSTEM_CACHESIZE_H

#include <cstdint>
#include <string>

namespace netc::runtime {

/// The first CPU that this process may use: in containers not always 0.
int firstCpu();

/// Bytes of the largest cache that `cpu` reaches, alone or with others; 0 where the system does not
/// tell. Not sysconf: that adds up the caches of all sockets. `root`: where sysfs tells of CPUs.
uint64_t lastCacheBytes(const std::string &root = "/sys/devices/system/cpu", int cpu = firstCpu());

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_CACHESIZE_H
