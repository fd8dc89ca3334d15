//===- Target.h - what code is generated for --------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_TARGET_H
#define NETC_CODEGEN_COMMON_TARGET_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace netc {

/// A level of x86-64, maybe with extensions, and what kernels use of it (dialect/target/Target.h
/// has both).
struct CpuTarget {
  std::string name;                  ///< "x86-64-v3", "x86-64-v4+bf16"
  std::vector<std::string> features; ///< LLVM names; the executable checks them at start
  int64_t lanes = 0;                 ///< f32 lanes of a vector register
  int64_t registers = 0;             ///< vector registers

  /// "+avx2,+fma,…"
  std::string featureString() const;
  bool has(llvm::StringRef feature) const;
  /// Whether it multiplies bytes, in vectors.
  bool hasVnni() const { return has("avx512vnni") || has("avxvnni"); }
  /// Whether it multiplies bf16, in vectors.
  bool hasBf16() const { return has("avx512bf16"); }
  /// Whether it multiplies tiles of both.
  bool hasAmx() const { return has("amx-tile"); }
};

/// The level named by `--cpu`: x86-64-v2, -v3, -v4, the last two maybe with extensions
/// (x86-64-v4+bf16), or native: the best that this machine supports, with those extensions that
/// kernels of `precision` use. LLVM gets the features, not the name of the CPU, which may imply
/// fewer.
std::optional<CpuTarget> lookupCpuTarget(llvm::StringRef name, llvm::StringRef precision = "f32");

/// Whether this machine has all that `target` uses.
bool hostRuns(const CpuTarget &target);

/// Levels separated by commas, best first, each once. False: `error` names the one that is unknown.
/// `precision`: as in lookupCpuTarget.
bool parseCpuTargets(llvm::StringRef names, llvm::StringRef precision,
                     std::vector<CpuTarget> &targets, std::string &error);

/// The names that lookupCpuTarget accepts, for messages.
std::string cpuTargetNames();

} // namespace netc

#endif // NETC_CODEGEN_COMMON_TARGET_H
