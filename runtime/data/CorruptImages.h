//===- CorruptImages.h - which files did not decode -------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_CORRUPTIMAGES_H
#define NETC_RUNTIME_DATA_CORRUPTIMAGES_H

#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace netc::runtime {

/// Names each image of a data set that does not decode once, on stderr, however
/// often it is met; counts them. Thread-safe.
class CorruptImages {
public:
  /// `names`: whether it prints; a rank that does not still counts.
  explicit CorruptImages(bool names = true) : names(names) {}

  /// `message` names the file and what is wrong with it.
  void add(int64_t sample, const std::string &message);
  int64_t count() const;
  bool contains(int64_t sample) const;
  /// In rising order; and those that an earlier process met, which are not named again.
  std::vector<int64_t> list() const;
  void restore(const std::vector<int64_t> &met);

private:
  const bool names;
  mutable std::mutex mutex;
  std::set<int64_t> samples;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_CORRUPTIMAGES_H
