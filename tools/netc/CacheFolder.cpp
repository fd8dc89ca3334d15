//===- CacheFolder.cpp - where netc keeps what it found -------------------===//
#include "tools/netc/CacheFolder.h"
#include "codegen/package/KernelCache.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
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

uint64_t netc::kernelFolderBytes() {
  uint64_t kib;
  auto named = llvm::sys::Process::GetEnv("NETC_KERNEL_CACHE_KIB");
  if (!named || !llvm::to_integer(*named, kib) || kib > (uint64_t(1) << 40))
    return KernelCache::kMostBytes;
  return kib << 10;
}

std::string netc::kernelFolder() {
  std::string folder = cacheFolder();
  return folder.empty() ? folder : folder + "/kernels";
}
