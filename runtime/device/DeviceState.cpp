//===- DeviceState.cpp - who updates what ---------------------------------===//
#include "runtime/device/DeviceState.h"

#include <algorithm>
#include <utility>

namespace netc::runtime {

int64_t sizeOf(const std::vector<ValueRange> &ranges) {
  int64_t size = 0;
  for (const ValueRange &range : ranges)
    size += range.size();
  return size;
}

void joinRanges(std::vector<ValueRange> &ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](ValueRange a, ValueRange b) { return a.begin < b.begin; });
  std::vector<ValueRange> joined;
  for (ValueRange range : ranges)
    if (!joined.empty() && range.begin <= joined.back().end)
      joined.back().end = std::max(joined.back().end, range.end);
    else
      joined.push_back(range);
  ranges = std::move(joined);
}

int64_t StateLayout::most() const {
  int64_t result = 0;
  for (const std::vector<ValueRange> &ranges : owned)
    result = std::max(result, sizeOf(ranges));
  return result;
}

} // namespace netc::runtime
