//===- AtomicFile.h - files that are whole or not there ---------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_ATOMICFILE_H
#define NETC_RUNTIME_SYSTEM_ATOMICFILE_H

#include <cstdint>
#include <string>
#include <string_view>

namespace netc::runtime {

/// Writes `path` beside its place and renames it there on commit, both flushed
/// to disk: readers of `path` see the old bytes or the new ones, whenever
/// the process is killed. Errors name the file and the system's reason.
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  ~AtomicFile(); ///< without commit: the file beside is removed
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  void write(const void *data, uint64_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

  uint64_t size() const { return written; }
  uint32_t crc() const { return checksum; } ///< CRC-32 of what was written so far

private:
  std::string path, beside;
  int descriptor = -1;
  uint64_t written = 0;
  uint32_t checksum = 0;
};

/// Replaces `path` atomically by `text`.
void writeFileAtomically(const std::string &path, std::string_view text);

/// The bytes of `path`. Fails with an Error that names it, also where there are more than `most`.
std::string readFile(const std::string &path, uint64_t most = UINT64_MAX);

/// Makes `path` and its parents. Fails with an Error that names it.
void makeFolder(const std::string &path);

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_ATOMICFILE_H
