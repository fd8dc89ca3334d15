//===- KernelCache.h - machine code of kernels, kept in a folder -*- C++ -*-===//
//
// A file a kernel, named by a hash of all that its code depends on: its source, the target, the
// compiler. Each holds its source and a checksum; what is damaged counts as absent. Files appear
// whole, by renaming, so several netc may share the folder. Beyond a size the files that have gone
// longest without use are removed.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_PACKAGE_KERNELCACHE_H
#define NETC_CODEGEN_PACKAGE_KERNELCACHE_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace netc {

/// A kernel's machine code and what the runtime is told about it.
struct KernelCode {
  uint64_t scratchBytes = 0;
  std::string object; ///< an object file
};

class KernelCache {
public:
  /// `folder` empty: nothing is found and nothing is kept.
  explicit KernelCache(std::string folder, uint64_t mostBytes = kMostBytes);

  /// What was kept under `key` (letters and digits) for `source`.
  std::optional<KernelCode> find(llvm::StringRef key, llvm::StringRef source) const;
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
