//===- Bench.h - how long a step takes here ---------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_BENCH_H
#define NETC_RUNTIME_COMMANDS_BENCH_H

#include "runtime/exec/Model.h"
#include "runtime/recipe/Recipe.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// Seconds of a training step on noise.
struct MeasuredStep {
  std::string device;
  std::vector<double> step; ///< a command each
  double update = 0;
};

/// Runs steps of `batch` images on this machine for about two seconds.
MeasuredStep measureStep(const NetcModel &model, const ModelInfo &info, const Recipe &recipe,
                         int64_t batch, unsigned threads);

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_BENCH_H
