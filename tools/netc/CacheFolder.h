//===- CacheFolder.h - where netc keeps what it found -----------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_CACHEFOLDER_H
#define NETC_TOOLS_NETC_CACHEFOLDER_H

#include <cstdint>
#include <string>

namespace netc {

/// NETC_CACHE, or else netc/ in the user's cache folder; empty where there is no such folder.
std::string cacheFolder();

/// Where compiled kernels lie; empty: nowhere.
std::string kernelFolder();

/// How much of them is kept: NETC_KERNEL_CACHE_KIB, or else 256 MiB.
uint64_t kernelFolderBytes();

} // namespace netc

#endif // NETC_TOOLS_NETC_CACHEFOLDER_H
