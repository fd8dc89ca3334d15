//===- CorruptImages.cpp - which files did not decode ---------------------===//
#include "runtime/data/CorruptImages.h"

#include "runtime/base/Error.h"

namespace netc::runtime {

static constexpr size_t mostNamed = 20; // the rest are only counted

void CorruptImages::add(int64_t sample, const std::string &message) {
  std::lock_guard lock(mutex);
  if (!samples.insert(sample).second || !names)
    return;
  if (samples.size() <= mostNamed)
    warn(message);
  else if (samples.size() == mostNamed + 1)
    warn("further unreadable images are only counted");
}

int64_t CorruptImages::count() const {
  std::lock_guard lock(mutex);
  return int64_t(samples.size());
}

std::vector<int64_t> CorruptImages::list() const {
  std::lock_guard lock(mutex);
  return {samples.begin(), samples.end()};
}

void CorruptImages::restore(const std::vector<int64_t> &met) {
  std::lock_guard lock(mutex);
  samples.insert(met.begin(), met.end());
}

bool CorruptImages::contains(int64_t sample) const {
  std::lock_guard lock(mutex);
  return samples.count(sample) > 0;
}

} // namespace netc::runtime
