//===- StageDump.h - netc --dump-stages -------------------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_STAGEDUMP_H
#define NETC_TOOLS_NETC_STAGEDUMP_H

#include "codegen/common/WatchCode.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <mutex>
#include <string>

namespace netc {

/// Writes what each stage of a compilation made to a folder, in files numbered in the order of the
/// stages: 00-parsed.mlir, 01-net-verify-graph.mlir, …, and last the kernels. Each file appears as
/// a whole or not at all.
class StageDump {
public:
  /// `folder` empty: nothing is written.
  explicit StageDump(std::string folder) : folder(std::move(folder)) {}

  /// Creates the folder where it is missing. Returns an exit code, as do all.
  int open();
  /// What follows is made for `level` of the CPU, one of several.
  void setLevel(llvm::StringRef level) { suffix = "." + level.str(); }
  int addModule(llvm::StringRef stage, mlir::ModuleOp module);
  /// Writes the module after each pass of `pm`, whose run must end before this does.
  void watch(mlir::PassManager &pm);
  /// For the code generator: its results become files of a stage "kernels", in a folder if they are
  /// several. Empty if nothing is written. Several threads may call it.
  WatchCode watchCode(bool several);
  /// Whether something could not be written, which was said.
  int status() const { return failed; }

private:
  std::string nextPath(llvm::StringRef stage);
  int add(const std::string &path, llvm::StringRef text);

  std::string folder, suffix;
  unsigned count = 0;
  std::mutex mutex;
  int failed = 0; ///< an exit code
};

} // namespace netc

#endif // NETC_TOOLS_NETC_STAGEDUMP_H
