//===- Tune.h - schedules timed on this machine -----------------*- C++ -*-===//
//
// For each distinct contraction the candidates of dialect/schedule/cpu/Schedule.h are compiled in
// process and timed in turns. Results are kept in a file, so that a machine times each
// shape once. All candidates compute the same up to rounding.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_TUNE_TUNE_H
#define NETC_CODEGEN_TUNE_TUNE_H

#include "codegen/common/Target.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <string>

namespace netc {

struct TuneOptions {
  std::string cacheFile; ///< what was found before, and where to keep what is found; empty: neither
  /// Called with the number of contractions done and in total.
  std::function<void(size_t done, size_t all)> progress = [](size_t, size_t) {};
};

/// Times the contractions of `planned` (a module after the kern stage; it stays as it is) and
/// returns the best as `kern.choices` for the passes. `target` must be a level that this machine
/// runs. A cache file that cannot be read or written is a warning.
mlir::FailureOr<mlir::ArrayAttr> tuneSchedules(mlir::ModuleOp planned, const CpuTarget &target,
                                               const TuneOptions &options);

} // namespace netc

#endif // NETC_CODEGEN_TUNE_TUNE_H
