//===- Diagnosis.h - where a step went wrong --------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_DIAGNOSIS_H
#define NETC_RUNTIME_EXEC_DIAGNOSIS_H

#include "runtime/exec/Executor.h"

#include <string>

namespace netc::runtime {

/// Whether `count` floats hold neither NaN nor infinity.
bool allFinite(const float *values, int64_t count);

/// Whether every gradient of the last step is finite.
bool gradientsFinite(Executor &executor);

/// Loss above which a run counts as exploded: a thousand times what guessing costs,
/// ln(classes), at least 1000.
double explodedLoss(int64_t classes);

/// Runs the step of the bound batch again, command by command, and says where the
/// first value appeared that is not finite or, where all are, the first beyond 1e6, or
/// the largest: "first in layer conv2 (conv), forward: nan". Looks at input and parameters before.
/// Leaves running statistics as a second step would; call it only to stop.
std::string locateFault(Executor &executor, int64_t n);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_DIAGNOSIS_H
