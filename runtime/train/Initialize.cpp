//===- Initialize.cpp - how parameters start ------------------------------===//
#include "runtime/train/Initialize.h"

#include "runtime/base/Philox.h"

namespace netc::runtime {

void initializeParameter(const ParameterInfo &parameter, uint64_t seed, float *values) {
  Philox draw(seed, Stream::Initialize, hashBytes(parameter.name));
  int64_t count = parameter.elements();
  for (int64_t i = 0; i < count; ++i) {
    switch (parameter.init) {
    case InitializerKind::Constant:
      values[i] = float(parameter.initA);
      break;
    case InitializerKind::Uniform:
      values[i] = float(draw.uniform(parameter.initA, parameter.initB));
      break;
    case InitializerKind::Normal:
      values[i] = float(parameter.initA + parameter.initB * draw.normal());
      break;
    }
  }
}

void initializeParameters(const Executor &executor, uint64_t seed) {
  for (const ParameterInfo &parameter : executor.info().parameters)
    initializeParameter(parameter, seed, executor.parameter(parameter));
}

} // namespace netc::runtime
