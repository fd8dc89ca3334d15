//===- Initialize.cpp - how parameters start ------------------------------===//
#include "runtime/train/Initialize.h"

#include "runtime/base/Philox.h"

#include <algorithm>
#include <vector>

namespace netc::runtime {

/// Values [begin, end), where `begin` is a multiple of 4: each takes one draw, normal ones in
/// pairs.
static void initialize(const ParameterInfo &parameter, uint64_t seed, float *values, int64_t begin,
                       int64_t end) {
  Philox draw(seed, Stream::Initialize, hashBytes(parameter.name));
  draw.seek(uint64_t(begin));
  for (int64_t i = begin; i < end; ++i) {
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

void initializeParameter(const ParameterInfo &parameter, uint64_t seed, float *values) {
  initialize(parameter, seed, values, 0, parameter.elements());
}

namespace {
/// A run of one parameter's values.
struct Part {
  const ParameterInfo *parameter;
  float *values;
  int64_t begin, end;
};
struct Parts {
  std::vector<Part> parts;
  uint64_t seed;
};
} // namespace

void initializeParameters(const Executor &executor, uint64_t seed, Initialized which) {
  static constexpr int64_t size = 1 << 16; // of a part
  Parts all{{}, seed};
  for (const ParameterInfo &parameter : executor.info().parameters) {
    if (which == Initialized::Auxiliary && !parameter.aux)
      continue;
    float *values = executor.parameter(parameter);
    for (int64_t begin = 0; begin < parameter.elements(); begin += size)
      all.parts.push_back(
          {&parameter, values, begin, std::min(begin + size, parameter.elements())});
  }
  auto run = [](void *context, unsigned, int64_t begin, int64_t end) {
    const Parts &given = *static_cast<const Parts *>(context);
    for (int64_t i = begin; i < end; ++i) {
      const Part &part = given.parts[size_t(i)];
      initialize(*part.parameter, given.seed, part.values, part.begin, part.end);
    }
  };
  executor.threads().run(int64_t(all.parts.size()), run, &all);
}

} // namespace netc::runtime
