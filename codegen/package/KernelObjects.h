//===- KernelObjects.h - kernels to object files, on all cores --*- C++ -*-===//
//
// Each kernel is compiled independently, from its source alone: every thread has its own MLIR
// context, every kernel its own LLVM context. Its bytes therefore do not depend on which other
// kernels are compiled, on which thread, or on whether it came from the cache.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_PACKAGE_KERNELOBJECTS_H
#define NETC_CODEGEN_PACKAGE_KERNELOBJECTS_H

#include "codegen/common/Target.h"
#include "codegen/common/WatchCode.h"
#include "codegen/package/KernelCache.h"

#include "mlir/Support/LogicalResult.h"
#include "llvm/ADT/MapVector.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace netc {

/// Seconds of processor time of all threads together.
struct KernelTimes {
  double emitting = 0, optimising = 0,
         generating = 0; ///< netc's emitters; LLVM's passes; LLVM's code generator
};

/// The kernels of an executable: of several targets, if it has kernels for several.
class KernelObjects {
public:
  /// Threads that are worth their memory: each takes some ten MiB, and a network has a few hundred
  /// kernels.
  static constexpr unsigned kMostThreads = 16;

  KernelObjects(KernelCache &cache, unsigned threads) : cache(cache), threads(threads) {}

  /// From now on `view` is given the LLVM IR of what is added, under its symbol. For that, all of
  /// it is compiled: the cache has no LLVM IR.
  void watch(WatchCode view) { watcher = std::move(view); }

  /// Compiles what is new among `sources` (of cpu::kernelSource) or takes it from the cache.
  /// Returns the symbol of each; nothing: `error` says what went wrong.
  std::optional<std::vector<std::string>> add(llvm::ArrayRef<std::string> sources,
                                              const CpuTarget &target, std::string &error);

  const KernelCode &codeOf(llvm::StringRef symbol) const {
    return kernels.find(symbol.str())->second;
  }
  /// Writes all of them as a static library.
  std::string writeArchive(llvm::StringRef path) const;

  /// How many kernels there are and how many of them the cache had.
  size_t size() const { return kernels.size(); }
  size_t found() const { return hits; }
  const KernelTimes &times() const { return spent; }

private:
  KernelCache &cache;
  unsigned threads;
  size_t hits = 0;
  KernelTimes spent;
  WatchCode watcher;
  llvm::MapVector<std::string, KernelCode, std::map<std::string, unsigned>> kernels; ///< by symbol
};

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_KERNELOBJECTS_H
