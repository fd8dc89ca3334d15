//===- ByteFile.h - data files, compressed or not ---------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_BYTEFILE_H
#define NETC_RUNTIME_DATA_BYTEFILE_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace netc::runtime {

/// A file that begins with its own size.
struct SizeInHeader {
  size_t headerBytes = 0;
  /// The size of the whole file by its first `headerBytes`; fails where they are no such header.
  std::function<uint64_t(const std::vector<uint8_t> &)> size;
};

/// The bytes of `path`, gunzipped where it is a gzip file. Fails with an Error
/// that names it: missing, or cut off inside the compressed stream. A file longer than `limit`, or
/// than its header says where it has one, is an error too: what is beyond is not read. A file that
/// is shorter is returned as it is.
std::vector<uint8_t> readDataFile(const std::string &path, uint64_t limit,
                                  const SizeInHeader &header = {});

/// The first of `names` that exists in `folder`, or an Error that lists them all.
std::string findDataFile(const std::string &folder, const std::vector<std::string> &names);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_BYTEFILE_H
