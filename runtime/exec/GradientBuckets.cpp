//===- GradientBuckets.cpp - gradients in the order they are finished -----===//
#include "runtime/exec/GradientBuckets.h"

#include <algorithm>
#include <map>

namespace netc::runtime {

GradientWrites::GradientWrites(const NetcModel &model, const NetcProgram &step) {
  for (uint64_t i = 0; i < step.command_count; ++i) {
    const NetcCommand &command = step.commands[i];
    for (uint32_t b = 0; b < command.buffer_count; ++b) {
      const NetcBuffer &buffer = model.buffers[command.first_buffer + b];
      if (buffer.space != NETC_SPACE_GRADIENTS || !(buffer.flags & NETC_BUFFER_WRITTEN))
        continue;
      auto begin = int64_t(buffer.offset / sizeof(float));
      auto size = int64_t(buffer.bytes_fixed / sizeof(float));
      writes.push_back({begin, begin + size, i});
      longest = std::max(longest, size);
    }
  }
  std::sort(writes.begin(), writes.end(),
            [](const Write &a, const Write &b) { return a.begin < b.begin; });
}

uint64_t GradientWrites::last(GradientBucket::Range range) const {
  uint64_t last = 0;
  auto next = std::lower_bound(writes.begin(), writes.end(), range.begin - longest,
                               [](const Write &write, int64_t at) { return write.begin < at; });
  for (; next != writes.end() && next->begin < range.end; ++next)
    if (next->end > range.begin)
      last = std::max(last, next->command);
  return last;
}

std::vector<GradientBucket> gradientBuckets(const NetcModel &model, const NetcProgram &step,
                                            const ModelInfo &info, uint64_t leastBytes) {
  std::vector<GradientBucket> buckets;
  GradientWrites writes(model, step);
  std::multimap<uint64_t, GradientBucket::Range> byCommand;
  for (const ParameterInfo &parameter : info.parameters) {
    auto begin = int64_t(parameter.offset / sizeof(float));
    GradientBucket::Range range{begin, begin + parameter.elements()};
    if (parameter.trainable)
      byCommand.emplace(writes.last(range), range);
  }
  bool isFull = true;
  for (const auto &[command, range] : byCommand) {
    if (isFull)
      buckets.emplace_back();
    GradientBucket &bucket = buckets.back();
    bucket.ranges.push_back(range);
    bucket.count += range.size();
    bucket.command = command;
    isFull = uint64_t(bucket.count) * sizeof(float) >= leastBytes;
  }
  return buckets;
}

} // namespace netc::runtime
