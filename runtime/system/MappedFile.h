//===- MappedFile.h - a file's bytes without a copy -------------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_MAPPEDFILE_H
#define NETC_RUNTIME_SYSTEM_MAPPEDFILE_H

#include <cstdint>
#include <string>

namespace netc::runtime {

/// The bytes of a file, read-only: pages of the system's cache where the file can be mapped, else
/// (a pipe) a copy. A file that is replaced by renaming stays as it was.
class MappedFile {
public:
  MappedFile() = default;
  /// Fails with an Error that names `path`.
  explicit MappedFile(const std::string &path);
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  const char *data() const { return base; }
  uint64_t size() const { return bytes; }

private:
  const char *base = nullptr;
  uint64_t bytes = 0;
  bool mapped = false; ///< else `base` is this object's own memory
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_MAPPEDFILE_H
