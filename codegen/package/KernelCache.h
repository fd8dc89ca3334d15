//===- KernelCache.h - machine code of kernels, kept in a folder -*- C++ -*-===//
//
// One file per kernel and per function that kernels share, named by a hash of everything that its
// code depends on: its source, the target, the compiler. A file contains the source and a checksum;
// a damaged file is treated as absent. Files are created by renaming, so several netc processes may
// share the folder. Above a limit on their total size, the least recently used files are removed.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_PACKAGE_KERNELCACHE_H
#define NETC_CODEGEN_PACKAGE_KERNELCACHE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace netc {

/// A kernel's machine code, and the sizes that the runtime needs to call it.
struct KernelCode {
  uint64_t scratchBytes = 0;
  std::vector<std::string> parts; ///< symbols of the shared functions that it calls
  std::string object;             ///< an object file
};

class KernelCache {
public:
  /// `folder` empty: nothing is found and nothing is kept.
  explicit KernelCache(std::string folder, uint64_t mostBytes = kMostBytes);

  /// What was kept under `key` (letters and digits), if `isRight` for its source. Several threads
  /// may call it.
  std::optional<KernelCode> find(llvm::StringRef key,
                                 llvm::function_ref<bool(llvm::StringRef source)> isRight) const;
  /// Keeps `code`. The first failure is noted in `problem()`, and the last attempt.
  void keep(llvm::StringRef key, llvm::StringRef source, const KernelCode &code);
  /// Removes what exceeds the size, where something was kept.
  void trim();

  /// Why nothing can be kept; empty: it can.
  const std::string &problem() const { return failure; }

  static constexpr uint64_t kMostBytes = 256 << 20;

private:
  std::string pathOf(llvm::StringRef key) const;

  std::string folder, failure;
  uint64_t mostBytes;
  bool hasGrown = false;
};

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_KERNELCACHE_H
