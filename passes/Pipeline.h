//===- Pipeline.h - the order of the passes ---------------------*- C++ -*-===//
#ifndef NETC_PASSES_PIPELINE_H
#define NETC_PASSES_PIPELINE_H

#include "mlir/Pass/PassManager.h"

#include <string>
#include <vector>

namespace netc {

/// The stages of `--emit`, in order. Each pipeline runs all stages up to its own.
enum class Stage { Net, Train, Fused, Kern };

struct PipelineOptions {
  bool training = true; ///< build @step and @update
  std::string optimizer = "sgd";
  bool nesterov = false;
  bool average = false;             ///< keep a moving average of the weights
  int64_t lanes = 8;                ///< f32 lanes of a vector register
  int64_t registers = 16;           ///< vector registers
  bool gpu = false;                 ///< schedules for CUDA kernels instead
  std::string precision = "f32";    ///< see net-assign-precision
  bool bf16Products = false;        ///< the target multiplies bf16
  bool int8Products = false;        ///< the target multiplies i8 by u8
  bool matrixTiles = false;         ///< the target multiplies tiles of either (AMX)
  std::vector<std::string> keepF32; ///< of int8: patterns of layers that stay f32
};

/// Adds the passes that lead from the front end's module to `stage`.
void buildPipeline(mlir::OpPassManager &pm, Stage stage, const PipelineOptions &options);

} // namespace netc

#endif // NETC_PASSES_PIPELINE_H
