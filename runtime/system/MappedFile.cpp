//===- MappedFile.cpp - a file's bytes without a copy ---------------------===//
#include "runtime/system/MappedFile.h"

#include "runtime/system/AtomicFile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace netc::runtime {

MappedFile::MappedFile(const std::string &path) {
  struct stat status;
  // A pipe is opened only once, by readFile: closing it here would end its writer.
  bool isFile = stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  if (int descriptor = isFile ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1; descriptor >= 0) {
    if (fstat(descriptor, &status) == 0 && status.st_size > 0) {
      void *pages = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_PRIVATE | MAP_POPULATE,
                         descriptor, 0);
      if (pages != MAP_FAILED) {
        base = static_cast<const char *>(pages);
        bytes = uint64_t(status.st_size);
        mapped = true;
      }
    }
    close(descriptor);
  }
  if (mapped)
    return;
  std::string text = readFile(path); // says what is wrong where something is
  char *copy = new char[text.size() + 1];
  std::memcpy(copy, text.data(), text.size());
  base = copy;
  bytes = text.size();
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : base(std::exchange(other.base, nullptr)), bytes(std::exchange(other.bytes, 0)),
      mapped(std::exchange(other.mapped, false)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(base, other.base);
  std::swap(bytes, other.bytes);
  std::swap(mapped, other.mapped);
  return *this;
}

MappedFile::~MappedFile() {
  if (mapped)
    munmap(const_cast<char *>(base), bytes);
  else
    delete[] base;
}

} // namespace netc::runtime
