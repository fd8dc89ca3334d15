//===- ObjectFile.h - LLVM IR to text or object -----------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_OBJECTFILE_H
#define NETC_CODEGEN_PACKAGE_OBJECTFILE_H

#include "codegen/package/Compile.h"

#include <memory>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace netc {
class ScalarPipeline;

/// Processor time of the calling thread.
double threadSeconds();

/// LLVM for one target, made once for many modules. Each thread has its own.
class CodeWriter {
public:
  explicit CodeWriter(const CpuTarget &target);
  ~CodeWriter();

  /// Optimises `code` and writes it as `kind`. Returns why it cannot, empty: it did. `watch` is
  /// given the optimised code under `name`.
  std::string write(llvm::Module &code, CodeKind kind, llvm::raw_pwrite_stream &out,
                    const WatchCode &watch = {}, llvm::StringRef name = {});

  /// Seconds of this thread's processor time so far: LLVM's passes; its code generator.
  double optimising = 0, generating = 0;

private:
  CpuTarget target;
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<ScalarPipeline> pipeline; ///< uses the machine
};

/// Optimises `code` for `target` and writes it as `kind`.
mlir::LogicalResult writeCode(mlir::ModuleOp source, llvm::Module &code, const CpuTarget &target,
                              CodeKind kind, llvm::raw_pwrite_stream &out,
                              const WatchCode &watch = {});

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_OBJECTFILE_H
