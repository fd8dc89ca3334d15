//===- ScalarPipeline.h - LLVM's passes over kernels ------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_SCALARPIPELINE_H
#define NETC_CODEGEN_COMMON_SCALARPIPELINE_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace netc {

/// LLVM's -O2 without its vectorizers and its unroller: kernels, for a CPU or a GPU, are vectorised
/// and unrolled by netc, so only the scalar clean-up is wanted.
void optimise(llvm::Module &code, llvm::TargetMachine &machine);

} // namespace netc

#endif // NETC_CODEGEN_COMMON_SCALARPIPELINE_H
