//===- CacheFolder.h - where netc keeps what it found -----------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_CACHEFOLDER_H
#define NETC_TOOLS_NETC_CACHEFOLDER_H

#include <string>

namespace netc {

/// NETC_CACHE, or else netc/ in the user's cache folder; empty where there is no such folder.
std::string cacheFolder();

/// Where compiled kernels lie; empty: nowhere.
std::string kernelFolder();

} // namespace netc

#endif // NETC_TOOLS_NETC_CACHEFOLDER_H
