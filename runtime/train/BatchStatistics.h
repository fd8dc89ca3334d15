//===- BatchStatistics.h - what batch norm takes of a batch -----*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_BATCHSTATISTICS_H
#define NETC_RUNTIME_TRAIN_BATCHSTATISTICS_H

#include "runtime/exec/Executor.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// Fails where a training step of `n` images gives a batch norm one value per channel: it has no
/// variance, and what is normalised by it is the shift alone. `what` says which batch has n images,
/// and what to do: "--batch 1", …
/// Of a batch norm that is frozen, by the model file or by a pattern of its name, nothing is taken.
void requireBatchStatistics(const ModelInfo &info, int64_t n, const std::string &what,
                            const std::vector<std::string> &frozen = {});

/// Has the training step normalise with the running statistics, and leave them, in the batch norms
/// whose names match. Fails where a pattern matches none.
void freezeStatistics(const std::vector<std::string> &patterns, const Executor &executor);

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_BATCHSTATISTICS_H
