//===- ByteFile.cpp - data files, compressed or not -----------------------===//
#include "runtime/data/ByteFile.h"

#include "runtime/base/Error.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <zlib.h>

namespace netc::runtime {

std::vector<uint8_t> readDataFile(const std::string &path, uint64_t limit) {
  if (std::filesystem::is_directory(path))
    fail("{} is a folder, expected a file", path);
  errno = 0;
  // gzread passes files without the gzip magic through as they are.
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file)
    fail("cannot read {}: {}", path, std::strerror(errno ? errno : ENOMEM));
  gzbuffer(file.get(), 1 << 17);
  std::vector<uint8_t> bytes;
  uint64_t used = 0;
  while (true) {
    bytes.resize(used + (1 << 20));
    int count = gzread(file.get(), bytes.data() + used, 1 << 20);
    if (count < 0)
      break;
    used += uint64_t(count);
    if (count == 0)
      break;
    if (used > limit)
      fail("{}: more than the {} bytes that such a file has", path, limit);
  }
  int status = Z_OK;
  const char *reason = gzerror(file.get(), &status);
  if (status != Z_OK && status != Z_STREAM_END)
    fail("{}: truncated or damaged after {} bytes: {}", path, used,
         status == Z_BUF_ERROR ? "the compressed data ends early" : reason);
  bytes.resize(used);
  return bytes;
}

std::string findDataFile(const std::string &folder, const std::vector<std::string> &names) {
  if (!std::filesystem::is_directory(folder))
    fail("data folder {} does not exist", folder);
  for (const std::string &name : names)
    if (std::string path = folder + "/" + name; std::filesystem::exists(path))
      return path;
  fail("data folder {} has no {}", folder, fmt::join(names, " or "));
}

} // namespace netc::runtime
