//===- ScalarPipeline.h - LLVM's passes over kernels ------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_SCALARPIPELINE_H
#define NETC_CODEGEN_COMMON_SCALARPIPELINE_H

#include <memory>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace netc {

/// LLVM's passes over kernels, for one module after the other. Kernels are vectorised and unrolled
/// by netc, so only scalar passes run.
class ScalarPipeline {
public:
  enum class Kind {
    Cpu, ///< the passes that micro-kernels need, in less than half of -O2's time
    Gpu, ///< -O2, with what the NVPTX target adds to it, without vectorizers and unroller
  };

  ScalarPipeline(llvm::TargetMachine &machine, Kind kind);
  ~ScalarPipeline();
  void run(llvm::Module &code);

private:
  struct Passes;
  std::unique_ptr<Passes> passes;
};

} // namespace netc

#endif // NETC_CODEGEN_COMMON_SCALARPIPELINE_H
