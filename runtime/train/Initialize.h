//===- Initialize.h - how parameters start ----------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_INITIALIZE_H
#define NETC_RUNTIME_TRAIN_INITIALIZE_H

#include "runtime/exec/Executor.h"

namespace netc::runtime {

/// Fills one parameter from its initializer. The numbers depend on the seed and
/// the parameter's name alone.
void initializeParameter(const ParameterInfo &parameter, uint64_t seed, float *values);

enum class Initialized {
  All,       ///< parameters and running statistics
  Auxiliary, ///< those of auxiliary heads, which files for inference may lack
};
/// Fills parameters by all threads; the values are those of initializeParameter.
void initializeParameters(const Executor &executor, uint64_t seed,
                          Initialized which = Initialized::All);

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_INITIALIZE_H
