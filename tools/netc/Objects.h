//===- Objects.h - the object files of an executable or library -*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_OBJECTS_H
#define NETC_TOOLS_NETC_OBJECTS_H

#include "codegen/package/Compile.h"
#include "tools/netc/Options.h"
#include "tools/netc/StageDump.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <memory>
#include <optional>

namespace netc {

/// What code is generated for: the CPU alone, or a GPU and the CPU beside it.
struct Targets {
  CpuTarget cpu;
  std::optional<cuda::GpuTarget> gpu;
  std::vector<CpuTarget> levels; ///< of an executable, best first; `cpu` is one of them
};

/// An archive of the runtime, or the header's template; they lie beside netc in a build and in an
/// installation.
std::string archivePath(llvm::StringRef name);

/// The archives that a model for `target` is linked with.
std::vector<std::string> runtimeArchives(const std::string &target);

/// Code of one level, for a CPU or a GPU.
mlir::LogicalResult compileCode(mlir::ModuleOp module, const Targets &target, CodeKind kind,
                                StageDump &dump, llvm::raw_pwrite_stream &out);

/// As many as `-j` says, else as many as the cores that this process may use.
unsigned compilerThreads(const Options &options);

/// Temporary object files, gone with it.
class Objects {
public:
  Objects(const Options &options, StageDump &dump);
  ~Objects();
  Objects(const Objects &) = delete;
  /// One more file, with what `write` writes.
  int add(llvm::function_ref<mlir::LogicalResult(llvm::raw_pwrite_stream &)> write);
  /// Compiles `module` to one more file, its kernels to those that `addKernels` writes. `level`:
  /// see ModelSymbols.
  int addModel(mlir::ModuleOp module, const Targets &target, unsigned level);
  /// Writes the kernels of all modules to a last file.
  int addKernels();
  /// Where the time of addModel went.
  void printTimes() const;
  const std::vector<std::string> &files() const { return paths; }

private:
  /// A new file; null: none could be made, which was said.
  std::unique_ptr<llvm::raw_fd_ostream> create(llvm::StringRef suffix);

  StageDump &dump;
  std::vector<std::string> paths;
  KernelCache cache;
  KernelObjects kernels;
  double seconds = 0; ///< in addModel
};

} // namespace netc

#endif // NETC_TOOLS_NETC_OBJECTS_H
