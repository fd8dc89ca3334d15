//===- Observe.h - values inside a quantised model --------------*- C++ -*-===//
#ifndef NETC_RUNTIME_QUANTIZE_OBSERVE_H
#define NETC_RUNTIME_QUANTIZE_OBSERVE_H

#include "runtime/exec/Executor.h"

#include <functional>
#include <string>
#include <vector>

namespace netc::runtime {

/// A value at the end of the command that stores it.
struct StoredValue {
  const void *memory;
  NetcType type;
  int64_t count; ///< elements
};

/// Runs `program`, Infer or Observe, on a batch of n and shows each of its values that has a name,
/// by its index in ModelInfo::observed or ModelInfo::stored. Infer must run whole batches
/// (Device::fillCache).
void runObserved(Executor &executor, Program program, int64_t n,
                 const std::function<void(size_t index, const StoredValue &value)> &show);

/// The parameter that holds the scale of the value `name`; null: it has none of its own.
const ParameterInfo *scaleOf(const ModelInfo &info, const std::string &name);

} // namespace netc::runtime

#endif // NETC_RUNTIME_QUANTIZE_OBSERVE_H
