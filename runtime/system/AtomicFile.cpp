//===- AtomicFile.cpp - files that are whole or not there -----------------===//
#include "runtime/system/AtomicFile.h"

#include "runtime/base/Error.h"
#include "runtime/system/FileLock.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <zlib.h>

namespace netc::runtime {

/// A device or a pipe (/dev/stdout) is written to, never replaced.
static bool isSpecial(const std::string &path) {
  std::error_code ignored;
  auto status = std::filesystem::status(path, ignored);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

AtomicFile::AtomicFile(std::string target) : path(std::move(target)) {
  bool special = isSpecial(path), held = false;
  beside = special ? path : path + ".tmp";
  // What a process that died left there is written over, what another one is writing is not.
  descriptor = special ? open(beside.c_str(), O_WRONLY | O_CLOEXEC) : openLocked(beside, held);
  if (held)
    fail("cannot write {}: another process is writing it", path);
  if (descriptor < 0 || (!special && ftruncate(descriptor, 0) != 0))
    failSystem("cannot write", path, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor < 0)
    return;
  close(descriptor);
  if (beside != path)
    unlink(beside.c_str());
}

void AtomicFile::write(const void *data, uint64_t bytes) {
  const char *next = static_cast<const char *>(data);
  checksum = uint32_t(crc32_z(checksum, reinterpret_cast<const Bytef *>(next), bytes));
  written += bytes;
  while (bytes) {
    ssize_t done = ::write(descriptor, next, bytes);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      failSystem("cannot write", path, errno);
    next += done;
    bytes -= uint64_t(done);
  }
}

/// Flushes the folder, so that a rename in it survives a power cut.
static void syncFolder(const std::string &path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return;
  fsync(descriptor);
  close(descriptor);
}

void AtomicFile::commit() {
  // Pipes and terminals have nothing to flush to.
  if (fsync(descriptor) != 0 && beside != path)
    failSystem("cannot write", path, errno);
  if (beside != path && rename(beside.c_str(), path.c_str()) != 0)
    failSystem("cannot write", path, errno);
  close(descriptor);
  descriptor = -1;
  if (beside != path)
    syncFolder(path);
}

void writeFileAtomically(const std::string &path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string readFile(const std::string &path, uint64_t most) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    failSystem("cannot read", path, errno);
  std::string bytes;
  char chunk[1 << 16];
  ssize_t count;
  while ((count = read(descriptor, chunk, sizeof chunk)) > 0 && bytes.size() <= most)
    bytes.append(chunk, size_t(count));
  int reason = errno;
  close(descriptor);
  if (count < 0)
    failSystem("cannot read", path, reason);
  if (bytes.size() > most)
    fail("{}: more than {} bytes", path, most);
  return bytes;
}

void makeFolder(const std::string &path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path))
    fail("cannot make the folder {}: {}", path,
         error ? error.message() : std::string("a file of that name exists"));
}

} // namespace netc::runtime
