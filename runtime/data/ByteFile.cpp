//===- ByteFile.cpp - data files, compressed or not -----------------------===//
#include "runtime/data/ByteFile.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <zlib.h>

namespace netc::runtime {

/// What the file can hold at most: deflate makes 1032 bytes out of one (zlib's technical notes).
static uint64_t mostContents(const std::string &path, bool compressed) {
  std::error_code error;
  uint64_t stored = std::filesystem::file_size(path, error);
  return error ? 0 : stored * (compressed ? 1032 : 1);
}

namespace {
class DataFile {
public:
  explicit DataFile(const std::string &path) : path(path) {
    errno = 0;
    // gzread passes files without the gzip magic through as they are.
    file.reset(gzopen(path.c_str(), "rb"));
    if (!file)
      fail("cannot read {}: {}", path, std::strerror(errno ? errno : ENOMEM));
    gzbuffer(file.get(), 1 << 17);
  }

  /// Until there are `size` bytes, or the file ends.
  void readUpTo(uint64_t size) {
    while (bytes.size() < size) {
      uint64_t used = bytes.size(), wanted = std::min<uint64_t>(size - used, 1 << 20);
      bytes.resize(used + wanted);
      int count = gzread(file.get(), bytes.data() + used, unsigned(wanted));
      bytes.resize(used + uint64_t(std::max(0, count)));
      if (count <= 0)
        break;
    }
    checkStream();
  }
  /// Memory for `size` bytes, unless the file cannot hold so many.
  void reserve(uint64_t size) {
    bytes.reserve(std::min(size, mostContents(path, !gzdirect(file.get()))));
  }

  std::vector<uint8_t> bytes;

private:
  void checkStream() const {
    int status = Z_OK;
    const char *reason = gzerror(file.get(), &status);
    if (status != Z_OK && status != Z_STREAM_END)
      fail("{}: truncated or damaged after {} bytes: {}", path, bytes.size(),
           status == Z_BUF_ERROR ? "the compressed data ends early" : reason);
  }

  const std::string &path;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file{nullptr, gzclose};
};
} // namespace

std::vector<uint8_t> readDataFile(const std::string &path, uint64_t limit,
                                  const SizeInHeader &header) {
  if (std::filesystem::is_directory(path))
    fail("{} is a folder, expected a file", path);
  DataFile file(path);
  file.readUpTo(header.headerBytes);
  uint64_t most = limit;
  if (header.headerBytes && file.bytes.size() == header.headerBytes) {
    most = header.size(file.bytes);
    if (most > limit)
      fail("{}: {} bytes by its header, more than the {} that this program reads", path, most,
           limit);
    file.reserve(most + 1);
  }
  file.readUpTo(most + 1);
  if (file.bytes.size() > most && header.headerBytes)
    fail("{}: the file is too long: its header says {} bytes", path, most);
  if (file.bytes.size() > most)
    fail("{}: more than the {} bytes that such a file has", path, limit);
  return std::move(file.bytes);
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
