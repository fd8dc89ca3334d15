//===- SoundWeights.h - weights that give no numbers ------------*- C++ -*-===//
#ifndef NETC_RUNTIME_WEIGHTS_SOUNDWEIGHTS_H
#define NETC_RUNTIME_WEIGHTS_SOUNDWEIGHTS_H

#include "runtime/exec/Executor.h"

#include <string>

namespace netc::runtime {

/// Fails where a parameter is NaN or infinite, or a running variance is negative: what is computed
/// from them is no result. `file`: where the parameters are from, for the message.
void requireSoundWeights(const Executor &executor, const std::string &file);

/// Fails where one of `count` logits is not finite, though the weights of `file` are sound: values
/// overflow on their way. `what`: the image they are of.
void requireFiniteLogits(const float *logits, int64_t count, const std::string &file,
                         const std::string &what);

} // namespace netc::runtime

#endif // NETC_RUNTIME_WEIGHTS_SOUNDWEIGHTS_H
