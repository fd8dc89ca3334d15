//===- SoundWeights.cpp - weights that give no numbers --------------------===//
#include "runtime/weights/SoundWeights.h"

#include "runtime/base/Error.h"
#include "runtime/exec/Diagnosis.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

void requireSoundWeights(const Executor &executor, const std::string &file) {
  for (const ParameterInfo &parameter : executor.info().parameters) {
    const float *values = executor.parameter(parameter), *end = values + parameter.elements();
    if (!allFinite(values, parameter.elements())) {
      float bad = *std::find_if(values, end, [](float value) { return !std::isfinite(value); });
      fail("{}: {} holds {}: weights that are not finite give no result", file, parameter.name,
           bad);
    }
    if (!parameter.trainable && parameter.name.ends_with("running_var"))
      if (float least = *std::min_element(values, end); least < 0)
        fail("{}: {} holds {}: a variance is not negative", file, parameter.name, least);
  }
}

void requireFiniteLogits(const float *logits, int64_t count, const std::string &file,
                         const std::string &what) {
  if (!allFinite(logits, count))
    fail("{}: the scores of {} are not finite: values overflow in the network with these weights",
         file, what);
}

} // namespace netc::runtime
