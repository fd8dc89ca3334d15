//===- CacheFolder.cpp - where netc keeps what it found -------------------===//
#include "tools/netc/CacheFolder.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

std::string netc::cacheFolder() {
  if (auto named = llvm::sys::Process::GetEnv("NETC_CACHE"))
    return *named;
  llvm::SmallString<256> path;
  if (!llvm::sys::path::cache_directory(path))
    return {};
  llvm::sys::path::append(path, "netc");
  return std::string(path);
}

std::string netc::kernelFolder() {
  std::string folder = cacheFolder();
  return folder.empty() ? folder : folder + "/kernels";
}
