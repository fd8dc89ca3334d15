//===- ByteFile.h - data files, compressed or not ---------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_BYTEFILE_H
#define NETC_RUNTIME_DATA_BYTEFILE_H

#include <cstdint>
#include <string>
#include <vector>

namespace netc::runtime {

/// The bytes of `path`, gunzipped where it is a gzip file. Fails with an Error
/// that names it: missing, or cut off inside the compressed stream. Reads at most
/// `limit` bytes more than nothing: a file longer than `limit` is an error too.
std::vector<uint8_t> readDataFile(const std::string &path, uint64_t limit);

/// The first of `names` that exists in `folder`, or an Error that lists them all.
std::string findDataFile(const std::string &folder, const std::vector<std::string> &names);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_BYTEFILE_H
