//===- GradientBuckets.cpp - gradients in the order they are finished -----===//
#include "runtime/exec/GradientBuckets.h"

#include <algorithm>
#include <map>

namespace netc::runtime {

namespace {
/// Bytes [begin, end) of GRADIENTS that a command writes.
struct Write {
  uint64_t begin, end, command;
};
} // namespace

static std::vector<Write> gradientWrites(const NetcModel &model, const NetcProgram &step) {
  std::vector<Write> writes;
  for (uint64_t i = 0; i < step.command_count; ++i) {
    const NetcCommand &command = step.commands[i];
    for (uint32_t b = 0; b < command.buffer_count; ++b) {
      const NetcBuffer &buffer = model.buffers[command.first_buffer + b];
      if (buffer.space == NETC_SPACE_GRADIENTS && buffer.flags & NETC_BUFFER_WRITTEN)
        writes.push_back({buffer.offset, buffer.offset + buffer.bytes_fixed, i});
    }
  }
  std::sort(writes.begin(), writes.end(),
            [](const Write &a, const Write &b) { return a.begin < b.begin; });
  return writes;
}

/// The trainable parameters by the last command that writes their gradients.
static std::multimap<uint64_t, const ParameterInfo *>
byLastCommand(const NetcModel &model, const NetcProgram &step, const ModelInfo &info) {
  std::vector<Write> writes = gradientWrites(model, step);
  uint64_t longest = 0;
  for (const Write &write : writes)
    longest = std::max(longest, write.end - write.begin);
  std::multimap<uint64_t, const ParameterInfo *> result;
  for (const ParameterInfo &parameter : info.parameters) {
    if (!parameter.trainable)
      continue;
    uint64_t begin = parameter.offset, end = begin + parameter.bytes(), last = 0;
    uint64_t from = begin > longest ? begin - longest : 0;
    auto next = std::lower_bound(writes.begin(), writes.end(), from,
                                 [](const Write &write, uint64_t at) { return write.begin < at; });
    for (; next != writes.end() && next->begin < end; ++next)
      if (next->end > begin)
        last = std::max(last, next->command);
    result.emplace(last, &parameter);
  }
  return result;
}

std::vector<GradientBucket> gradientBuckets(const NetcModel &model, const NetcProgram &step,
                                            const ModelInfo &info, uint64_t leastBytes) {
  std::vector<GradientBucket> buckets;
  bool isFull = true;
  for (const auto &[command, parameter] : byLastCommand(model, step, info)) {
    if (isFull)
      buckets.emplace_back();
    GradientBucket &bucket = buckets.back();
    int64_t begin = int64_t(parameter->offset / sizeof(float));
    bucket.ranges.push_back({begin, begin + parameter->elements()});
    bucket.count += parameter->elements();
    bucket.command = command;
    isFull = uint64_t(bucket.count) * sizeof(float) >= leastBytes;
  }
  return buckets;
}

} // namespace netc::runtime
