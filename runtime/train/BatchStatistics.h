//===- BatchStatistics.h - what batch norm needs of a batch -----*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_BATCHSTATISTICS_H
#define NETC_RUNTIME_TRAIN_BATCHSTATISTICS_H

#include "runtime/exec/Model.h"

#include <string>

namespace netc::runtime {

/// Fails where a training step of `n` images gives a batch norm one value per channel: it has no
/// variance, and what is normalised by it is the shift alone. `what` says which batch has n images,
/// and what to do: "--batch 1", …
void requireBatchStatistics(const ModelInfo &info, int64_t n, const std::string &what);

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_BATCHSTATISTICS_H
