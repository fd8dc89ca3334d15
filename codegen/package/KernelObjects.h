//===- KernelObjects.h - kernels to object files, on all cores --*- C++ -*-===//
//
// Each kernel is compiled independently, from its source alone: every thread has its own MLIR
// context, every kernel its own LLVM context. The functions that it shares with other kernels are
// its parts; each is compiled once, from its text alone. Bytes therefore do not depend on which
// other kernels are compiled, on which thread, or on whether something came from the cache.
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
#include <mutex>
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

  KernelObjects(KernelCache &cache, unsigned threads);
  ~KernelObjects();

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

  /// How many kernels and parts there are and how many of the kernels the cache had.
  size_t size() const { return kernels.size(); }
  size_t partCount() const { return parts.size(); }
  size_t found() const { return hits; }
  const KernelTimes &times() const { return spent; }

private:
  using CodeBySymbol = llvm::MapVector<std::string, KernelCode, std::map<std::string, unsigned>>;
  struct Job;
  struct Part;
  class Compiler;

  bool findParts(const KernelCode &kernel, const CpuTarget &target);
  void keepAll(llvm::ArrayRef<Job> jobs);
  KernelTimes compileAll(std::vector<Job> &jobs, const CpuTarget &target);

  KernelCache &cache;
  unsigned threads;
  size_t hits = 0;
  KernelTimes spent;
  WatchCode watcher;
  CodeBySymbol kernels;
  std::map<std::string, Part> parts; ///< by symbol
  std::mutex mutex;                  ///< guards `parts` while threads compile
};

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_KERNELOBJECTS_H
