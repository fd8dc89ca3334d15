//===- EventFile.h - curves for TensorBoard ---------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_EVENTFILE_H
#define NETC_RUNTIME_TRAIN_EVENTFILE_H

#include <cstdint>
#include <string>
#include <string_view>

namespace netc::runtime {

/// CRC-32C, Castagnoli's polynomial.
uint32_t crc32c(std::string_view bytes);

/// A file of events as TensorBoard reads it: records of length, checksum, an encoded
/// tensorflow.Event, checksum.
class EventFile {
public:
  explicit EventFile(double wallTime) : wallTime(wallTime) { addVersion(); }

  /// A value of the curve `tag` at a step. Values that are not finite are left out.
  void addScalar(const std::string &tag, int64_t step, double value);
  const std::string &bytes() const { return records; }

private:
  void addVersion();
  void addRecord(const std::string &event);

  double wallTime;
  std::string records;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_EVENTFILE_H
