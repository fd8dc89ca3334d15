//===- GpuTarget.h - the chips that CUDA code is generated for --*- C++ -*-===//
#ifndef NETC_CODEGEN_CUDA_GPUTARGET_H
#define NETC_CODEGEN_CUDA_GPUTARGET_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace netc::cuda {

struct GpuTarget {
  std::vector<unsigned> chips;   ///< 10 * major + minor of the compute capability, ascending
  bool hopper = false;           ///< sm_90a was named: its own instructions, beside code for others
  bool assembled = false;        ///< chips were named: machine code for each where ptxas is found
  std::string precision = "f32"; ///< f32, or what tensor cores multiply: tf32 or bf16
  bool simulated = false;        ///< --target sim
};

/// Reads `--chip` ("sm_80,sm_90a"; empty: PTX for sm_75 and sm_80, which newer chips load too).
/// False: `error` says what was expected, or which chip lacks what `precision` needs.
bool parseChips(llvm::StringRef list, llvm::StringRef precision, bool simulated, GpuTarget &target,
                std::string &error);

/// How code for sm_90a computes a launch otherwise than `--explain` says of the other chips, or "".
std::string explainHopper(const GpuTarget &target, mlir::Operation *launch);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUTARGET_H
