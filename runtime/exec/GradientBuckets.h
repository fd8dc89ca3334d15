//===- GradientBuckets.h - gradients in the order they are finished -*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_GRADIENTBUCKETS_H
#define NETC_RUNTIME_EXEC_GRADIENTBUCKETS_H

#include "runtime/exec/Model.h"

#include <cstdint>
#include <vector>

namespace netc::runtime {

/// Gradients that are added over processes together.
struct GradientBucket {
  /// Floats [begin, end) of GRADIENTS.
  struct Range {
    int64_t begin = 0, end = 0;
    int64_t size() const { return end - begin; }
  };
  std::vector<Range> ranges;
  int64_t count = 0;    ///< floats of all ranges
  uint64_t command = 0; ///< of the step; after it all of these gradients are final
};

/// Which commands of a step write which gradients.
class GradientWrites {
public:
  GradientWrites(const NetcModel &model, const NetcProgram &step);
  /// The last command that writes within `range`.
  uint64_t last(GradientBucket::Range range) const;

private:
  struct Write {
    int64_t begin, end; ///< floats
    uint64_t command;
  };
  std::vector<Write> writes; ///< by `begin`
  int64_t longest = 0;
};

/// The gradients of all trainable parameters in the order in which `step` finishes them, in buckets
/// of at least `leastBytes`; the last may have fewer. A parameter is not divided.
std::vector<GradientBucket> gradientBuckets(const NetcModel &model, const NetcProgram &step,
                                            const ModelInfo &info, uint64_t leastBytes);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_GRADIENTBUCKETS_H
